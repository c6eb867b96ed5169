"""`bascule reverse` as a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.config.compile import compile_config
from bascule.config.errors import ConfigError
from bascule.config.quick import forward_config, reverse_config

from .certs import make_pair


def test_defaults() -> None:
    plan = compile_config(reverse_config(listen="127.0.0.1:8080", to=["http://127.0.0.1:9001", "https://b.example"]))
    (site,) = plan.sites
    (route,) = site.routes
    assert site.hosts == ("*",)
    pool = plan.pools[route.pool or 0].config
    assert [str(server.address) for server in pool.servers] == ["http://127.0.0.1:9001", "https://b.example:443"]
    assert pool.tls.verify
    assert route.waf.mode == "off"
    assert (route.limits.connections_per_address, route.limits.body_bytes) == (0, 0)
    assert plan.listeners[0].tls is None
    assert plan.config.access_log.path == "off"
    assert plan.warnings == ()


def test_tls_and_workers(tmp_path: Path) -> None:
    make_pair(tmp_path, "a", ("a.example",))
    config = reverse_config(
        listen=":8443", to=["127.0.0.1:1"], workers=3, tls_cert=str(tmp_path / "a.pem"), tls_key=str(tmp_path / "a.key")
    )
    plan = compile_config(config)
    assert plan.config.workers == 3
    assert plan.listeners[0].tls is not None
    assert plan.listeners[0].tls.certificates[0].cert == str(tmp_path / "a.pem")


def test_the_way_out() -> None:
    config = forward_config(
        listen="127.0.0.1:0", through="socks5://127.0.0.1:9050", dns="tls://192.0.2.1", privacy="off"
    )
    forward = compile_config(config).forward
    assert forward is not None
    assert (forward.config.parents["parent"].protocol, forward.config.privacy.level) == ("socks5", "off")
    assert forward.config.dns is not None
    for option, value in (("through", "ftp://a:1"), ("dns", "udp://a"), ("privacy", "more")):
        with pytest.raises(ConfigError, match=f"--{option}"):
            forward_config(listen="127.0.0.1:0", **{option: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"listen": "8080x"}, "--listen: '8080x' is not an address"),
        ({"to": []}, "--to: at least one server is needed"),
        ({"to": ["ftp://a"]}, "--to: 'ftp://a': an origin is http:// or https://, not ftp://"),
        ({"workers": -1}, "--workers: -1 is out of range: it is at least 0"),
        ({"waf": "on"}, "--waf: 'on' is not one of: off, detect, block"),
        ({"rules": "own"}, "--rules: 'own' is not one of: logic, crs, both"),
        ({"paranoia": 5}, "--paranoia: 5 is out of range: it is at most 4"),
        ({"tls_cert": "a.pem"}, "--tls-key: --tls-cert and --tls-key belong together"),
        (
            {"waf": "block", "rules": "crs"},
            "waf: rules: crs needs rules: give the folder of the OWASP Core Rule Set as crs: DIR, or files of your own as directives: [FILE]",
        ),
        ({"waf": "block", "rules": "both"}, "waf.rules: rules: both needs the OWASP Core Rule Set"),
        ({"waf": "block", "crs": "/nowhere"}, "waf.crs: there is no folder /nowhere"),
        ({"to": ["a:1", "a:1"]}, "http://a:1 stands twice in this pool"),
    ],
)
def test_mistakes_name_the_option(options: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"listen": "127.0.0.1:0", "to": ["127.0.0.1:1"], **options}
    with pytest.raises(ConfigError) as caught:
        compile_config(reverse_config(**given))  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1
