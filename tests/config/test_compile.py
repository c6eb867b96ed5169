"""What belongs together is checked, and a plan comes out."""

from __future__ import annotations

import pytest

from .conftest import Fail, Load

TOP = "listen: 80\npools: {app: {servers: ['10.0.0.9:80']}}\n"


def route(text: str) -> str:
    """A configuration whose only route stands in line 5."""
    return f"{TOP}sites:\n  a.example:\n    routes: {{/: {{{text}}}}}\n"


# (configuration, line, key below the route or in full, message, part of the hint)
ROUTES = [
    ("balance: hash", "", "a route has exactly one of servers, discover, pool, redirect, respond: this one has none", ""),
    ("pool: app, redirect: /x", "", "a route has exactly one of servers, discover, pool, redirect, respond: this one has pool and redirect", ""),
    ("pool: apq", ".pool", "there is no pool 'apq': the pools are app", "did you mean app?"),
    ("pool: app, balance: hash", ".balance", "`balance` belongs to the pool: state it in pools.app", ""),
    ("redirect: /x, keep_alive: 3", ".keep_alive", "`keep_alive` has no effect on a route that does not go to servers", ""),
    ("servers: [{address: 'a:1', weight: 0}]", ".servers", "every server has weight 0, so none would get a request", ""),
    ("servers: [{address: 'a:1', backup: true}]", ".servers", "every server is a backup; at least one is a primary server", ""),
    ("servers: ['a:1', 'http://a:1']", ".servers[1]", "http://a:1 stands twice in this pool; give it a higher weight instead", ""),
    ("servers: ['a:0']", ".servers[0]", "http://a:0: the port of a server cannot be 0", ""),
    ("servers: ['a:1'], locality: x", ".locality", "no server is in 'x': no server has a `locality`", ""),
    ("servers: [{address: 'a:1', locality: zone-a}], locality: zone-b", ".locality", "no server is in 'zone-b': the servers are in zone-a", "did you mean zone-a?"),
    ("servers: ['a:1'], balance: hash, hash: {key: cookie}", ".hash", "key: cookie needs the name of the cookie as `name`", ""),
    ("servers: ['a:1'], balance: hash, hash: {key: header, name: 'a b'}", ".hash.name", "'a b' is not a name of a header", ""),
    ("servers: ['a:1'], sticky: {secret: short}", ".sticky.secret", "the secret is shorter than 16 characters", "openssl rand"),
    ("servers: ['a:1'], sticky: {cookie: 'a;b'}", ".sticky.cookie", "'a;b' is not a cookie name", ""),
    ("servers: ['a:1'], health: {status: [200, 300-200]}", ".health.status[1]", "'300-200' is not a status (204) or a range (200-399)", ""),
    ("servers: ['a:1'], health: {body: '('}", ".health.body", "'(' is not an RE2 pattern: missing ): (", ""),
    ("servers: ['a:1'], health: healthz", ".health", "the path 'healthz' does not begin with a slash; write /healthz", ""),
    ("servers: ['a:1'], health: {headers: {'a b': x}}", '.health.headers."a b"', "'a b' is not a field name: letters, digits and - only, without a colon", ""),
    ("servers: ['a:1'], health: {host: \"a\\nb\"}", ".health.host", "a field value holds no line break and no NUL", ""),
    ("servers: ['a:1'], retries: {methods: ['GET ']}", ".retries.methods[0]", "'GET ' is not a method", ""),
    ("servers: ['a:1'], tls: {cert: x.pem}", ".tls", "`cert` and `key` belong together", ""),
    ("discover: {}", ".discover", "members are discovered by exactly one of `dns` and `file`", ""),
    ("discover: {dns: app}", ".discover.dns", "'app' is not a name and a port such as app.internal:8000 or _http._tcp.app.internal", ""),
    ("discover: {dns: _http.app}", ".discover.dns", "'_http.app' is not an SRV name such as _http._tcp.app.internal", ""),
    ("discover: {dns: 'a:1', resolver: x}", ".discover.resolver", "'x' is not the IP address and port of a DNS server: write 10.0.0.2:53", ""),
    ("discover: {dns: 'a:1', min_ttl: 9m}", ".discover.min_ttl", "`min_ttl` is longer than `max_ttl`", ""),
    ("pool: app, match: {methods: ['GE T']}", ".match.methods[0]", "'GE T' is not a method", ""),
    ("pool: app, match: {headers: {X: '~('}}", ".match.headers.X", "'(' is not an RE2 pattern: missing ): (", ""),
    ("pool: app, match: {query: {q: '~(?=x)'}}", ".match.query.q", "'(?=x)' is not an RE2 pattern: invalid perl operator: (?=; RE2 has no look-around and no back-references", ""),
    ("pool: app, rewrite: {strip_prefix: api}", ".rewrite.strip_prefix", "the path 'api' does not begin with a slash; write /api", ""),
    ("pool: app, rewrite: {replacement: /x}", ".rewrite.replacement", "a replacement needs the `pattern` it replaces", ""),
    ("pool: app, rewrite: {pattern: '(a)', replacement: '\\2'}", ".rewrite.replacement", "the replacement names group 2, and the pattern has 1", ""),
    ("pool: app, rewrite: {pattern: a, replacement: '\\q'}", ".rewrite.replacement", "'\\\\q' is not a replacement: a backslash stands before a digit from 1 to 9, or doubled", ""),
    ("redirect: x.example", ".redirect", "'x.example' is neither a URL nor a path; write https://... or /...", ""),
    ("redirect: '/{pth}'", ".redirect", "{pth} is not known here; did you mean path? (known are {host}, {path}, {query}, {uri})", ""),
    ("redirect: {to: \"/x\\r\\nSet-Cookie: a=b\"}", ".redirect.to", "a field value holds no line break and no NUL", ""),
    ("respond: {status: 204, body: x}", ".respond.body", "an answer of status 204 has no body", ""),
    ("respond: {content_type: \"a\\0b\"}", ".respond.content_type", "a field value holds no line break and no NUL", ""),
    ("pool: app, upgrades: [web socket]", ".upgrades[0]", "'web socket' is not a protocol such as websocket", ""),
    ("pool: app, headers: {request: {set: {'X:': a}}}", '.headers.request.set."X:"', "'X:' is not a field name: letters, digits and - only, without a colon", ""),
    ("pool: app, headers: {response: {add: {X: \"a\\nb\"}}}", ".headers.response.add.X", "a field value holds no line break and no NUL", ""),
    ("pool: app, headers: {response: {add: {X: ' a'}}}", ".headers.response.add.X", "a field value does not begin or end with a blank", ""),
    ("pool: app, headers: {response: {set: {Content-Length: '1'}}}", ".headers.response.set.Content-Length", "Content-Length belongs to the framing of a message, which Bascule writes itself", ""),
    ("pool: app, headers: {request: {remove: [Transfer-Encoding]}}", ".headers.request.remove[0]", "Transfer-Encoding belongs to the framing of a message, which Bascule writes itself", ""),
    ("pool: app, headers: {request: {set: {Host: x}}}", ".headers.request.set.Host", "Host is chosen by `headers.host`: preserve, origin or a name", ""),
    ("pool: app, headers: {host: 'a b'}", ".headers.host", "'a b' is neither `preserve` nor `origin` nor a host such as app.example", ""),
    ("pool: app, cookies: {path: {/a: b}}", ".cookies.path./a", "a cookie path begins with a slash", ""),
    ("pool: app, cookies: {domain: {a: b;c}}", ".cookies.domain.a", "a cookie domain holds no blank, comma, semicolon or line break", ""),
    ("pool: app, errors: {pages: {600: x}}", ".errors.pages.600", "'600' is not an error status such as 503, or a class of them: 4xx, 5xx", ""),
    ("pool: app, errors: {intercept: [200]}", ".errors.intercept[0]", "200 is not an error status (400 to 599)", ""),
    ("pool: app, limits: {header_bytes: 2KiB}", ".limits.header_bytes", "`header_bytes` applies before the site of a request is known; state it at the top level", ""),
    ("pool: app, timeouts: {tls_handshake: 1s}", ".timeouts.tls_handshake", "`tls_handshake` applies before the site of a request is known; state it at the top level", ""),
    ("pool: app, waf: {mode: detect, rules: both}", ".waf.rules", "rules: both needs the OWASP Core Rule Set: give its folder as crs: DIR", "write rules: logic to do without it"),
    ("pool: app, waf: {mode: block, rules: crs}", ".waf", "rules: crs needs rules: give the folder of the OWASP Core Rule Set as crs: DIR, or files of your own as directives: [FILE]", "https://github.com/coreruleset/coreruleset/releases"),
    ("pool: app, waf: {exclusions: [{rules: [x y]}]}", ".waf.exclusions[0].rules[0]", "'x y' is not a rule: 942100, 942100-942199 or tag:NAME", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "message", "hint"), ROUTES)
def test_routes(fail_text: Fail, text: str, key: str, message: str, hint: str) -> None:
    problem = fail_text(route(text)).problems[0]
    key = key.replace("./a", '."/a"')
    assert (problem.line, problem.key, problem.message) == (5, f'sites."a.example".routes."/"{key}', message)
    assert hint in problem.hint


PATHS = [
    ("api", "the path 'api' does not begin with a slash; write /api"),
    ("/api/*", "the path '/api/*': a path is a prefix as it is, so write /api/"),
    ("/a?b=c", "the path '/a?b=c' holds a query or fragment; use match: {query: ...}"),
    ("/a/../b", "the path '/a/../b' is not in normal form (it holds //, . or ..), so no request would ever match it"),
    ("=/a//b", "the path '/a//b' is not in normal form (it holds //, . or ..), so no request would ever match it"),
    ("~(", "'(' is not an RE2 pattern: missing ): ("),
    ("~\\\\xff\u0100", "'\\\\xff\u0100': a pattern matches bytes; write others than Latin-1 as \\x.."),
]


@pytest.mark.parametrize(("path", "message"), PATHS)
def test_paths(fail_text: Fail, path: str, message: str) -> None:
    problem = fail_text(f'{TOP}sites: {{a.example: {{routes: {{"{path}": {{pool: app}}}}}}}}').problems[0]
    assert (problem.line, problem.column, problem.message) == (3, 30, message)


def test_two_spellings_of_one_prefix(fail_text: Fail) -> None:
    problem = fail_text(
        f"{TOP}sites: {{a.example: {{routes: {{/api: {{pool: app}}, /api/: {{pool: app}}}}}}}}"
    ).problems[0]
    assert problem.message == "'/api/' is the same prefix as '/api'; give their routes as one list"


def test_a_route_that_is_never_reached(fail_text: Fail) -> None:
    problem = fail_text(f"{TOP}sites: {{a: {{routes: {{/: [{{pool: app}}, {{redirect: /x}}]}}}}}}").problems[0]
    assert (problem.line, problem.column, problem.key) == (3, 39, 'sites.a.routes."/"[1]')
    assert problem.message == "this route is never reached: route 1 of the path takes all"


HOSTS = [
    ("a b", "'a b' is not a host name"),
    ("https://a.example", "'https://a.example' is not a host: write the name alone, without scheme and path"),
    ("a.example:8080", "'a.example:8080': a host stands without its port: a.example"),
    ("a.*.example", "'a.*.example': a wildcard is the whole first label, as in *.example.com"),
    ("*a.example", "'*a.example': a wildcard is the whole first label, as in *.example.com"),
    ("bücher.example", "'bücher.example': write the name in its ASCII form: xn--bcher-kva.example"),
    ("a..example", "'a..example' is not a host name"),
    ("2001:db8::1", "'2001:db8::1' is not a host name"),
    ("B.EXAMPLE", 'the host b.example is claimed twice: also by sites."b.example"'),
    ("c.example", 'the host c.example is claimed twice: also by sites."b.example".aliases[0]'),
]


@pytest.mark.parametrize(("host", "message"), HOSTS)
def test_hosts(fail_text: Fail, host: str, message: str) -> None:
    text = (
        f"{TOP}sites:\n  b.example: {{aliases: [C.example], routes: {{/: {{pool: app}}}}}}\n  '{host}': '10.0.0.1:80'\n"
    )
    problem = fail_text(text).problems[0]
    assert (problem.line, problem.message) == (5, message)


@pytest.mark.parametrize(
    "host", ["*", "*.example.com", "a_b.example", "127.0.0.1", "[::1]", "localhost", "xn--bcher-kva.example"]
)
def test_good_hosts(load_text: Load, host: str) -> None:
    assert load_text(f"listen: 80\nsites: {{'{host}': '10.0.0.1:80'}}").sites[0].hosts == (host,)


SITE = "\nsites: {a.example: '10.0.0.1:80'}"
TOPS = [
    ("listen: [80, '0.0.0.0:80']", "listen[1]", "0.0.0.0:80 is listened on twice", ""),
    ("listen: 443", "listen", "0.0.0.0:443 is a TLS listener, and there is no certificate", "http://"),
    ("listen: 80\npools: {p: {}}", "pools.p", "a pool has `servers` or `discover`", ""),
    ("listen: 80\npools: {p: {servers: ['a:1'], discover: {dns: 'a:1'}}}", "pools.p", "a pool has either `servers` or `discover`, not both", ""),
    ("listen: 80\nadmin: {listen: '0.0.0.0:9'}", "admin.listen", "0.0.0.0:9 can be reached from elsewhere, and there is no `token`", "127.0.0.1"),
    ("listen: 80\nadmin: {token: short}", "admin.token", "the token is shorter than 16 characters", ""),
    ("listen: 80\nuser: no-such-user", "user", "there is no user 'no-such-user' on this machine", ""),
    ("listen: 80\nuser: root\ngroup: no-such-group", "group", "there is no group 'no-such-group' on this machine", ""),
    ("listen: 80\ngroup: root", "group", "`group` is given without `user`", ""),
    ("listen: 80\naccess_log: {fields: [time, clint]}", "access_log.fields[1]", "there is no field 'clint'", "did you mean client?"),
    ("listen: 80\nwaf: {mode: block, crs: /nowhere}", "waf.crs", "there is no folder /nowhere", ""),
    ("listen: 80\nwaf: {mode: block, crs: /}", "waf.crs", "/ is not a folder of the Core Rule Set: it has no rules/*.conf", ""),
    ("listen: 80\nerrors: {pages: {503: /nowhere.html}}", "errors.pages.503", "the error page /nowhere.html cannot be read: No such file or directory", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "message", "hint"), TOPS)
def test_top_level(fail_text: Fail, text: str, key: str, message: str, hint: str) -> None:
    problem = fail_text(text + SITE).problems[0]
    assert (problem.key, problem.message) == (key, message)
    assert hint in problem.hint


WARNINGS = [
    (route("servers: ['a:1'], hash: {key: uri}"), 5, "`hash` has no effect with balance: round-robin"),
    (route("servers: ['https://a'], tls: {verify: false}"), 5, "servers are not verified: whoever is in between can read and change all"),
    (route("servers: ['a:1'], tls: {min_version: 1.3}"), 5, "`tls` has no effect: no server of the pool is https://"),
    (route("servers: ['a:1'], retries: {methods: [POST]}"), 5, "POST is not idempotent: a retry may do its work twice (RFC 9110, 9.2.2)"),
    (route("servers: ['a:1'], health: {timeout: 9s}"), 5, "the timeout (9s) is longer than the interval"),
    (route("servers: ['a:1'], health: {kind: tcp, body: x}"), 5, "`body` has no effect on a TCP check"),
    (route("servers: ['a:1'], timeouts: {total: 5s}"), 5, "`total` (5s) is shorter than `response` (60s), which it cuts short"),
    (route("servers: ['a:1'], cookies: {same_site: None}"), 5, "browsers drop SameSite=None cookies that are not Secure"),
    (route("servers: ['a:1'], headers: {request: {set: {X: '{hots}'}}}"), 5, "{hots} is not known here; did you mean host? (known are {client_address}, {host}, {scheme}, {request_id}, {path}), so it is sent as it stands"),
    (route("servers: ['a:1'], waf: {exclusions: [{rules: [1], owner: a, reason: b, expires: 2001-02-03}]}"), 5, "the exclusion expired on 2001-02-03 and is not applied"),
    (route("servers: ['a:1'], waf: {exclusions: [{rules: [1]}]}"), 5, "the exclusion does not say who answers for it and why"),
    ("listen: 80\ntrusted_proxies: [0.0.0.0/0]" + SITE, 2, "everybody is trusted, so everybody can forge a client address"),
    (TOP + SITE, 2, "no route uses the pool app"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "message"), WARNINGS)
def test_warnings(load_text: Load, text: str, line: int, message: str) -> None:
    warnings = [(w.line, w.message) for w in load_text(text).warnings if "no route uses" not in w.message or line == 2]
    assert warnings == [(line, message)]


def test_pools_are_numbered_named_and_shared(load_text: Load) -> None:
    plan = load_text(
        """
        listen: 80
        pools: {app: {servers: ['10.0.0.9:80']}}
        sites:
          a.example:
            routes:
              /: {pool: app}
              /x/: ['10.0.0.1:80']
              /y/: [{match: {methods: [GET]}, servers: ['10.0.0.2:80']}, '10.0.0.1:80']
              /z/: {respond: {status: 404}}
          b.example: {routes: {/: {pool: app}, /x/: '10.0.0.1:80'}}
        """.replace("'10.0.0.1:80']\n              /z", "{servers: ['10.0.0.1:80']}]\n              /z")
    )
    assert [(pool.index, pool.name) for pool in plan.pools] == [
        (0, "app"),
        (1, "a.example /x/"),
        (2, "a.example /y/"),
    ]
    routes = [route for site in plan.sites for route in site.routes]
    assert [route.index for route in routes] == list(range(7))
    assert [route.pool for route in routes] == [0, 1, 2, 1, None, 0, 1]
    assert routes[3].name == "a.example /y/ #2"


def test_kinds_of_paths(load_text: Load) -> None:
    plan = load_text("listen: 80\nsites: {a: {routes: {/: 'b:1', =/x: 'b:1', '~^/y[0-9]': 'b:1'}}}")
    assert [(r.kind, r.path) for r in plan.sites[0].routes] == [
        ("prefix", "/"),
        ("exact", "/x"),
        ("pattern", "^/y[0-9]"),
    ]


def test_the_digest_follows_the_content(load_text: Load) -> None:
    text = "listen: 80\nsites: {a: 'b:1'}\nerrors: {pages: {503: p.html}}\n"
    first = load_text(text, files={"p.html": "one"})
    assert load_text(text + "\n# a comment\n").digest != ""
    assert load_text(text, files={"p.html": "two"}).digest != first.digest
    assert load_text(text, files={"p.html": "one"}).digest == first.digest
    assert first.files[1].endswith("p.html")
