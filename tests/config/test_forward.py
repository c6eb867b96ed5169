"""The `forward` part of a configuration: what is meant by short forms, and what is wrong with what."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest
from pydantic import TypeAdapter, ValidationError

from bascule.config.errors import ConfigError, suggest
from bascule.config.loader import load
from bascule.config.plan import Plan
from bascule.config.view import view
from bascule.config.when import WhenField, parse_when
from bascule.tls.authority import create
from tests.config.certs import make_pair

WHEN = [
    ("Mon-Fri 08:00-16:00", [(0, 480), (4, 959)], [(0, 479), (0, 960), (5, 600)]),
    ("Sat,Sun", [(5, 0), (6, 1439)], [(0, 0), (4, 1439)]),
    ("fri-mon", [(4, 0), (5, 0), (6, 0), (0, 0)], [(1, 0), (3, 0)]),
    ("22:00-06:00", [(0, 1320), (1, 0), (0, 359)], [(0, 360), (0, 1319)]),
    ("Sunday 22:00-02:00", [(6, 1320), (0, 119)], [(0, 120), (6, 119)]),
    ("Mon 08:00-09:00,10:00-11:00; Tue", [(0, 480), (0, 600), (1, 0)], [(0, 540), (2, 480)]),
    ("00:00-24:00", [(0, 0), (6, 1439)], []),
]


@pytest.mark.parametrize(("text", "inside", "outside"), WHEN)
def test_when(text: str, inside: list[tuple[int, int]], outside: list[tuple[int, int]]) -> None:
    when = parse_when(text)
    assert all(when.holds(*moment) for moment in inside)
    assert not any(when.holds(*moment) for moment in outside)
    assert str(when) == text


@pytest.mark.parametrize(
    "text", ["", "weekdays", "Mon-Xxx", "25:00-26:00", "08:00", "8-16", "08:60-09:00", "08:00-08:00", 5]
)
def test_no_time_of_the_week(text: object) -> None:
    with pytest.raises(ValidationError, match="is not a time of the week"):
        TypeAdapter(WhenField).validate_python(text)


AUTHORITY = create("Test", 30)


def load_text(folder: Path, text: str) -> Plan:
    (folder / "users").write_text("anna:$2y$05$abcdefghijklmnopqrstuu\n")
    (folder / "plain").write_text("anna:secret\n")
    (folder / "digests").write_text(f"anna:Other:{'0' * 64}\nben:Other:{'0' * 32}\n")
    (folder / "games").write_text("play.example\n")
    (folder / "empty").mkdir(exist_ok=True)
    certificate, key = AUTHORITY
    for name, content in {"ca.pem": certificate, "ca.key": key, "open.key": key}.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o644 if name == "open.key" else 0o600)
    make_pair(folder, "leaf", ("leaf.example",))
    (folder / "leaf.key").chmod(0o600)
    file = folder / "bascule.yaml"
    file.write_text(dedent(text))
    return load(file)


def test_the_sketch(tmp_path: Path) -> None:
    plan = load_text(
        tmp_path,
        """
        forward:
          listen: "0.0.0.0:3128"
          auth: {users: users, groups: {students: anna}}
          categories: {gambling: games, social: [games]}
          ports: {connect: 443, http: [80, 1025-65535]}
          rules:
            - deny: {category: [gambling, social], for: students, when: "Mon-Fri 08:00-16:00"}
            - allow: {}
        """,
    )
    assert plan.forward is not None
    forward = plan.forward.config
    assert plan.sites == ()
    assert plan.listeners == forward.listen
    assert (forward.ports.connect, forward.ports.http) == (((443, 443),), ((80, 80), (1025, 65535)))
    assert [rule.action for rule in forward.rules] == ["deny", "allow"]
    assert forward.rules[0].condition.for_ == ("students",)
    assert forward.categories["gambling"] == (str(tmp_path / "games"),)
    assert str(tmp_path / "games") in plan.files  # watched: a new list is a reload
    assert str(tmp_path / "users") in plan.files
    assert plan.config.access_log.fields[-2:] == ("user", "rule")
    assert [route.name for route in plan.routes] == ["forward"]


def test_nothing_of_the_sites_leaks_in(tmp_path: Path) -> None:
    plan = load_text(
        tmp_path,
        """
        headers: {request: {set: {X-Secret: s}}}
        timeouts: {connect: 7s}
        forward: {listen: 3128, headers: {response: {remove: [X-Gone]}}}
        """,
    )
    assert plan.forward is not None
    route = plan.forward.route
    assert route.headers.request.set == {}
    assert route.headers.response.remove == ("X-Gone",)
    assert (route.headers.hide, route.headers.forwarded, route.headers.via) == ((), "off", False)
    assert route.timeouts.connect == 7.0
    assert route.waf.mode == "off"


BAD = [
    ("{listen: 1, rules: [{limit: {}}]}", "forward.rules[0]", "`limit` goes with", ""),
    ("{listen: 1, rules: [{deny: {}, requests: 1/s}]}", "forward.rules[0]", "`limit` goes with", ""),
    ("{listen: 1, rules: [{limit: {mime: a/b}, requests: 1/s}]}", "forward.rules[0].limit.mime", "before there is a response", ""),
    ("{listen: 1, rules: [{deny: {ip: 192.0.2.1}}, {limit: {}, requests: 1/s}]}", "forward.rules[1].limit", "before the name is resolved", "behind"),
    ("{listen: 1, protocols: [http], udp: {}}", "forward.udp", "SOCKS 5 only", "socks5"),
    ("{listen: 1, rules: [{deny: {content: virus}}]}", "forward.rules[0].deny.content", "is not one of", ""),
    ("{listen: 1, quotas: {a: {bytes: 1, content: program}}}", "forward.quotas.a.content", "before there is a response", ""),
    ("{listen: {address: ':1', transparent: redirect, proxy_protocol: [10.0.0.1]}}", "forward.listen", "neither TLS nor PROXY", ""),
    ("{listen: 1, intercept: {certificate: ca.pem, key: ca.key}}", "forward.intercept.rules", "nothing is ever opened", "- bump"),
    ("{listen: 1, intercept: {certificate: ca.pem, key: open.key, default: bump}}", "forward.intercept.key", "others may read", "chmod 600"),
    ("{listen: 1, intercept: {certificate: ca.pem, key: none.key, default: bump}}", "forward.intercept.key", "cannot be read", ""),
    ("{listen: 1, intercept: {certificate: leaf.pem, key: leaf.key, default: bump}}", "forward.intercept.certificate", "is no authority", "ca init"),
    ("{listen: 1, intercept: {certificate: ca.pem, key: ca.key, rules: [{bump: {path: /}}]}}", "forward.intercept.rules[0].bump.path", "not known before", ""),
    ("{listen: 1, intercept: {certificate: ca.pem, key: ca.key, rules: [{bump: {}}, {splice: {}}]}}", "forward.intercept.rules[1]", "never reached", ""),
    ("{listen: 1, intercept: {certificate: ca.pem, key: ca.key, rules: [{bump: {}, splice: {}}]}}", "forward.intercept.rules[0]", "one of `bump`", ""),
    ("{listen: 1, intercept: {certificate: ca.pem, key: ca.key, rules: [{bump: {for: anna}}]}}", "forward.intercept.rules[0].bump.for", "only with `auth`", ""),
    ("{listen: 1, authorities: users}", "forward.authorities", "is not a PEM certificate", ""),
    ("{}", "forward.listen", "the key `listen` is missing", ""),
    ("{listen: 1, rules: [{deny: {}, allow: {}}]}", "forward.rules[0]", "a rule has one of", "- deny"),
    ("{listen: 1, rules: [{name: x}]}", "forward.rules[0]", "a rule has one of", ""),
    ("{listen: 1, rules: [{redirect: {domain: a.example}}]}", "forward.rules[0]", "belong together", ""),
    ("{listen: 1, rules: [{redirect: {}, to: /x}]}", "forward.rules[0].to", "begins with http", ""),
    ("{listen: 1, rules: [{redirect: {}, to: 'http://{hots}/'}]}", "forward.rules[0].to", "did you mean host", ""),
    ("{listen: 1, rules: [{allow: {}}, {deny: {domain: a}}]}", "forward.rules[1]", "never reached", ""),
    ("{listen: 1, rules: [{deny: {category: gmes}}], categories: {games: games}}", "forward.rules[0].deny.category", "there is no category 'gmes'", "did you mean games"),
    ("{listen: 1, rules: [{deny: {for: anna}}]}", "forward.rules[0].deny.for", "only with `auth`", ""),
    ("{listen: 1, auth: {addresses: {10.0.0.1: lab}}, rules: [{deny: {for: lap}}]}", "forward.rules[0].deny.for", "no user or group 'lap'", "lab"),
    ("{listen: 1, rules: [{deny: {country: DE}}]}", "forward.rules[0].deny.country", "country_database", ""),
    ("{listen: 1, rules: [{deny: {country: Germany}}]}", "forward.rules[0].deny.country", "two letters", ""),
    ("{listen: 1, rules: [{deny: {domain: 'http://a.example'}}]}", "forward.rules[0].deny.domain", "is not a host", ""),
    ("{listen: 1, rules: [{deny: {domain: '*.a.example'}}]}", "forward.rules[0].deny.domain", "write a.example", ""),
    ("{listen: 1, rules: [{deny: {domain: '~('}}]}", "forward.rules[0].deny.domain", "RE2", ""),
    ("{listen: 1, rules: [{deny: {mime: video}}]}", "forward.rules[0].deny.mime", "is not a MIME type", ""),
    ("{listen: 1, rules: [{deny: {port: 0}}]}", "forward.rules[0].deny.port", "between 1 and 65535", ""),
    ("{listen: 1, rules: [{deny: {port: http}}]}", "forward.rules[0].deny.port", "is not a port", ""),
    ("{listen: 1, rules: [{deny: {when: noon}}]}", "forward.rules[0].deny.when", "is not a time of the week", ""),
    ("{listen: 1, rules: [{deny: {ip: a.example}}]}", "forward.rules[0].deny.ip", "is not an address or CIDR", ""),
    ("{listen: 1, rules: [{deny: {domian: a.example}}]}", "forward.rules[0].deny.domian", "unknown key", "did you mean domain"),
    ("{listen: 1, categories: {games: nowhere}}", "forward.categories.games", "there is no list", ""),
    ("{listen: 1, categories: {games: 'https:///x'}}", "forward.categories.games", "is not a URL such as", ""),
    ("{listen: 1, categories: {games: 'https://[x/y'}}", "forward.categories.games", "is not a URL such as", ""),
    ("{listen: 1, auth: {ldap: {servers: 'ldap://[a', base: a=b}}}", "forward.auth.ldap.servers", "is not a server", "ldaps"),
    ("{listen: 1, auth: {ldap: {servers: 'ldaps://a:b', base: a=b}}}", "forward.auth.ldap.servers", "is not a server", "ldaps"),
    ("{listen: 1, refresh: 1s}", "forward.refresh", "60", ""),
    ("{listen: 1, categories: {games: empty}}", "forward.categories.games", "holds neither", ""),
    ("{listen: 1, country_database: games}", "forward.country_database", "is not a MaxMind database", ""),
    ("{listen: 1, timezone: Mars/Olympus}", "forward.timezone", "is not a time zone", ""),
    ("{listen: 1, auth: {}}", "forward.auth", "nothing says who anybody is", ""),
    ("{listen: 1, auth: {users: nowhere}}", "forward.auth.users", "cannot be read", "htpasswd -cB"),
    ("{listen: 1, auth: {users: plain}}", "forward.auth.users", "plain:1: this is not a name", "bcrypt"),
    ("{listen: 1, auth: {addresses: {here: anna}}}", "forward.auth", "is not an address or CIDR", ""),
    ("{listen: 1, auth: {users: users, realm: 'a\"b'}}", "forward.auth.realm", "no quotes", ""),
    ("{listen: 1, auth: {digest: plain}}", "forward.auth.digest", "plain:1: this is not name:realm", ""),
    ("{listen: 1, auth: {digest: digests}}", "forward.auth.digest", "is of the realm 'Bascule'", "realm: Other"),
    ("{listen: 1, auth: {digest: digests, realm: Other}}", "forward.auth.digest", "have SHA-256 digests only", "one kind"),
    ("{listen: 1, auth: {certificates: true}}", "forward.auth.certificates", "no listener asks", "client_auth"),
    ("{listen: 1, auth: {ldap: {base: a=b}}}", "forward.auth.ldap.servers", "is missing", ""),
    ("{listen: 1, auth: {ldap: {servers: 'ldap://a'}}}", "forward.auth.ldap", "below `base`", ""),
    ("{listen: 1, auth: {ldap: {servers: 'http://a', base: a=b}}}", "forward.auth.ldap.servers", "is not a server", "ldaps"),
    ("{listen: 1, auth: {ldap: {servers: 'ldaps://a', base: a=b, start_tls: true}}}", "forward.auth.ldap.servers", "from the start", ""),
    ("{listen: 1, auth: {ldap: {servers: 'ldaps://a', base: a=b, filter: 'uid={user}'}}}", "forward.auth.ldap.filter", "not an LDAP filter", ""),
    ("{listen: 1, auth: {ldap: {servers: 'ldaps://a', base: a=b, filter: '(uid=a)'}}}", "forward.auth.ldap.filter", "the same one", ""),
    ("{listen: 1, auth: {ldap: {servers: 'ldaps://a', base: people}}}", "forward.auth.ldap.base", "not a distinguished name", ""),
    ("{listen: 1, auth: {portal: {issuer: 'https://a', url: 'https://b'}}}", "forward.auth.portal.client_id", "is missing", ""),
    ("{listen: 1, auth: {portal: {issuer: a.example, client_id: b, url: 'https://b'}}}", "forward.auth.portal.issuer", "is not a URL such as", "https://login"),
    ("{listen: 1, auth: {portal: {issuer: 'http://a.example', client_id: b, url: 'https://b'}}}", "forward.auth.portal.issuer", "could be forged", "https://a.example"),
    ("{listen: 1, auth: {portal: {issuer: 'https://a', client_id: '', url: 'https://b'}}}", "forward.auth.portal.client_id", "without a name", ""),
    ("{listen: 1, auth: {portal: {issuer: 'https://a', client_id: b, url: 'https://b/portal'}}}", "forward.auth.portal.url", "paths of its own", "https://b"),
    ("{listen: 1, auth: {portal: {issuer: 'https://a', client_id: b, url: 'https://b', scopes: email}}}", "forward.auth.portal.scopes", "without `openid`", ""),
    ("{listen: 1, auth: {portal: {issuer: 'https://a', client_id: b, url: 'https://b', user: ''}}}", "forward.auth.portal.user", "has a name", ""),
    ("{listen: [{address: ':1', transparent: redirect}], auth: {portal: {issuer: 'https://a', client_id: b, url: 'https://b'}}}", "forward.auth.portal.url", "all are transparent", "listen"),
    ("{listen: 1, dns: 'udp://9.9.9.9'}", "forward.dns", "is not a resolver such as", ""),
    ("{listen: 1, dns: 'https://dns.example/dns-query'}", "forward.dns", "is not an IP address", "address"),
    ("{listen: 1, dns: 'tls://9.9.9.9/x'}", "forward.dns", "has no path", ""),
    ("{listen: 1, outgoing: 192.0.2.77}", "forward.outgoing", "is not an address of this machine", ""),
    ("{listen: 1, privacy: most}", "forward.privacy", "is not one of: off, standard, strict", ""),
    ("{listen: 1, privacy: {no_log: anna}}", "forward.privacy.no_log", "only with `auth`", ""),
    ("{listen: 1, outgoing: eth0}", "forward.outgoing", "is not an IP address", ""),
    ("{listen: 1, headers: {host: origin}}", "forward.headers.host", "that of the URL", ""),
    ("{listen: {address: ':1', tls: {public_port: 2}}}", "forward.listen.tls.public_port", "nobody is sent", ""),
    ("{listen: 'https://127.0.0.1:1'}", "forward.listen", "there is no certificate", "certificates"),
    ("{listen: 1, pac: {only: '*.a.example'}}", "forward.pac.only", "write the domain alone", ""),
    ("{listen: 1, pac: {proxy: a.example}}", "forward.pac.proxy", "is not a host and a port", ""),
    ("{listen: 1, parents: {a: 'http://b:1'}}", "forward.parents.a", "nothing goes through a", "ways"),
    ("{listen: 1, parents: {a: ['http://b:1', 'socks5://b:2']}, ways: [{through: a}]}", "forward.parents.a", "speak one protocol", ""),
    ("{listen: 1, parents: {a: {user: u}}, ways: [{through: a}]}", "forward.parents.a", "either `servers`", "http://"),
    ("{listen: 1, parents: {a: {servers: ['b:1'], password: p}}, ways: [{through: a}]}", "forward.parents.a", "without `user`", ""),
    ("{listen: 1, parents: {a: {servers: ['b:1'], user: 'a:b'}}, ways: [{through: a}]}", "forward.parents.a.user", "no colon", ""),
    ("{listen: 1, parents: {a: {servers: ['b:1'], health: /}}, ways: [{through: a}]}", "forward.parents.a.health", "by connecting", "tcp"),
    ("{listen: 1, parents: {a: {servers: ['b:1'], sticky: {}}}, ways: [{through: a}]}", "forward.parents.a.sticky", "need cookies", ""),
    ("{listen: 1, parents: {direct: 'b:1'}, ways: [{through: direct}]}", "forward.parents.direct", "without a parent", ""),
    ("{listen: '127.0.0.1:9', parents: {a: '127.0.0.1:9'}, ways: [{through: a}]}", "forward.parents.a", "this very proxy", ""),
    ("{listen: 1, parents: {tor: 'b:1'}, ways: [{through: tro}]}", "forward.ways[0].through", "there is no parent 'tro'", "tor"),
    ("{listen: 1, parents: {a: 'b:1'}, ways: [{through: [direct, a]}]}", "forward.ways[0].through[1]", "nothing comes after", ""),
    ("{listen: 1, parents: {a: 'b:1'}, ways: [{through: a, mime: a/b}]}", "forward.ways[0].mime", "before there is a response", ""),
    ("{listen: 1, quotas: {a: {}}}", "forward.quotas.a", "a quota limits", ""),
    ("{listen: 1, quotas: {a: {burst: 1, bytes: 1}}}", "forward.quotas.a", "`burst` is that of", ""),
    ("{listen: 1, quotas: {a: {bytes: 1, size: 1}}}", "forward.quotas.a.size", "before there is a response", ""),
    ("{listen: 1, quotas: {a: {bytes: 1, quota: a}}}", "forward.quotas.a.quota", "cannot depend on itself", ""),
    ("{listen: 1, quotas: {a: {bandwidth: 1, over: note}}}", "forward.quotas.a.over", "is about `bytes`", ""),
    ("{listen: 1, quotas: {day: {bytes: 1}}, rules: [{deny: {quota: dya}}]}", "forward.rules[0].deny.quota", "no quota 'dya'", "day"),
    ("{listen: 1, quotas: {a: {connections: 1}}, rules: [{deny: {quota: a}}]}", "forward.rules[0].deny.quota", "never used up", ""),
    ("{listen: 1, quotas: {a: {bytes: 1, for: anna}}}", "forward.quotas.a.for", "only with `auth`", ""),
    ("{listen: 1, limit: 5/s per user}", "forward.limit", "are known later", "quotas"),
    ("{listen: 1, limit: 5/s per path}", "forward.limit", "no paths of its own", ""),
    ("{listen: 1, parents: {a: 'b:1'}, ways: [{through: a, domain: '*.x'}]}", "forward.ways[0].domain", "write x", ""),
    ("{listen: [1, 1]}", "forward.listen[1]", "listened on twice", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "message", "hint"), BAD)
def test_what_is_wrong(tmp_path: Path, text: str, key: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, f"forward: {text}")
    found = [problem for problem in caught.value.problems if problem.key == key]
    assert found, caught.value
    assert message in found[0].message
    assert hint in found[0].hint + found[0].message
    assert found[0].line == 1


def test_ways_and_quotas_are_shown_and_no_password_is(tmp_path: Path) -> None:
    plan = load_text(
        tmp_path,
        """
        forward:
          listen: 3128
          parents: {up: {servers: ["https://a.example:3129"], user: u, password: hop secret}}
          ways: [{through: [up, direct], domain: a.example}]
          quotas: {line: {bandwidth: 1MiB, per: all}}
        """,
    )
    shown = view(plan)
    assert shown["forward"]["ways"] == [{"domain": ["a.example"], "through": ["up", "direct"]}]
    assert shown["forward"]["quotas"] == {"line": {"per": "all", "bandwidth": 1 << 20}}
    assert [pool["name"] for pool in shown["pools"]] == ["parent up"]
    assert "hop secret" not in json.dumps(shown)


def test_a_port_of_the_sites_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="listened on twice"):
        load_text(tmp_path, "listen: 80\nsites: {a.example: 'b:1'}\nforward: {listen: 80}")


def test_a_word_of_a_key_suggests_the_key() -> None:
    assert suggest("log", ["logins", "access_log", "events"]) == "did you mean access_log?"
    assert suggest("login", ["logins", "access_log"]) == "did you mean logins?"
