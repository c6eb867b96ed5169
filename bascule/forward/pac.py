"""Proxy auto-configuration: the script by which a browser finds out what goes through the proxy.

The forward proxy serves it at ``/proxy.pac`` and ``/wpad.dat`` to clients that ask it for a page of its own. The script
is that of Netscape's format, which every browser runs; it is written from lists of domains, which stand in it as JSON.
"""

from __future__ import annotations

import json

from bascule.config.forward import Pac

PATHS = frozenset((b"/proxy.pac", b"/wpad.dat"))
CONTENT_TYPE = b"application/x-ns-proxy-autoconfig"

_SCRIPT = """\
function FindProxyForURL(url, host) {{
  var direct = {direct}, only = {only}, proxy = {proxy};
  host = host.toLowerCase().replace(/[.]$/, "");
  function below(domains) {{
    for (var i = 0; i < domains.length; i++)
      if (host === domains[i] || host.slice(-domains[i].length - 1) === "." + domains[i]) return true;
    return false;
  }}
  if ((host.indexOf(".") < 0 && host.indexOf(":") < 0) || below(direct)) return "DIRECT";
  if (only.length && !below(only)) return "DIRECT";
  return proxy;
}}
"""


def script(pac: Pac, authority: str, secure: bool) -> bytes:
    """Return the script. `authority` is how the client reached the proxy, where the configuration does not say."""
    kind = "HTTPS" if secure else "PROXY"
    way = f"{kind} {pac.proxy or authority}"
    if pac.fallback_direct:
        way += "; DIRECT"
    lists = {name: json.dumps([domain.lower() for domain in getattr(pac, name)]) for name in ("direct", "only")}
    return _SCRIPT.format(proxy=json.dumps(way), **lists).encode()
