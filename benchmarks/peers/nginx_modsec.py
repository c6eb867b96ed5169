"""nginx with ModSecurity 3 and the OWASP CRS: what most people mean by an open-source WAF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers.base import Site
from benchmarks.peers.nginx import Nginx

_MODULE_PATHS = (
    Path("/usr/lib/nginx/modules/ngx_http_modsecurity_module.so"),
    Path("/usr/lib64/nginx/modules/ngx_http_modsecurity_module.so"),
)

# The lines of modsecurity.conf-recommended that decide what is inspected; the audit log is off, because writing it
# would be the largest cost of all, and the response body is not inspected, which favours ModSecurity.
_ENGINE = """\
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 1310720
SecRequestBodyLimitAction Reject
SecRequestBodyJsonDepthLimit 512
SecArgumentsLimit 1000
SecResponseBodyAccess Off
SecAuditEngine Off
SecPcreMatchLimit 100000
SecPcreMatchLimitRecursion 100000
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\\+|/)|text/)xml" \\
    "id:'200000',phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/json" \\
    "id:'200001',phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
"""


class NginxModSecurity(Nginx):
    """Paranoia level 1, blocking, the same rules as every other peer with a WAF."""

    name = "nginx-modsec"
    inspects = True
    install = "apt-get install nginx-light libnginx-mod-http-modsecurity"

    def program(self) -> Path | None:
        return super().program() if any(path.exists() for path in _MODULE_PATHS) else None

    def modules(self) -> str:
        return "".join(f"load_module {path};\n" for path in _MODULE_PATHS if path.exists())

    def extra(self, site: Site) -> str:
        return f"modsecurity on; modsecurity_rules_file {site.folder}/modsecurity.conf;"

    def files(self, site: Site) -> Mapping[str, str]:
        return {**super().files(site), "modsecurity.conf": _ENGINE + crs_includes(site.crs)}


def crs_includes(crs: Path | None) -> str:
    """Return the lines that load a CRS folder: its set-up, then its rules in order of their names."""
    if crs is None:
        raise ValueError("a peer with a WAF needs the CRS folder")
    setup = crs / "crs-setup.conf"
    setup = setup if setup.exists() else crs / "crs-setup.conf.example"
    return "".join(f"Include {path}\n" for path in (setup, *sorted(crs.glob("rules/*.conf"))))
