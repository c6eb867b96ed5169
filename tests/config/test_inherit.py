"""Global settings, site and route: the lower level wins key by key; header operations, pages and exclusions add up."""

from __future__ import annotations

from bascule.config.inherit import merge_headers
from bascule.config.policies import HeaderOps, Headers

from .conftest import Load

TEXT = """
listen: 80
timeouts: {header: 5s, response: 20s}
limits: {body_bytes: 1MiB}
headers: {server: bridge, response: {set: {X-A: "1", X-B: "1"}, remove: [X-R]}}
errors: {pages: {503: a.html, 404: a.html}, contact: help}
waf: {paranoia: 2, exclusions: [{rules: [1], owner: o, reason: r}]}
sites:
  s.example:
    timeouts: {response: 30s}
    headers: {response: {set: {x-a: "2"}}}
    errors: {pages: {404: b.html}}
    maintenance: true
    waf: {exclusions: [{rules: ["2-9"], owner: o, reason: r}]}
    routes:
      /: ["10.0.0.1:80"]
      /r/:
        servers: ["10.0.0.1:80"]
        timeouts: {connect: 1s}
        limits: {body_bytes: 0}
        headers: {via: false, response: {remove: [X-B], add: {X-R: "3"}}}
        errors: {contact: me}
        maintenance: false
        cookies: {secure: true}
        waf: {paranoia: 3}
"""


def test_levels(load_text: Load) -> None:
    plan = load_text(TEXT, files={"a.html": "a", "b.html": "b"})
    site, route = plan.sites[0].routes
    assert (site.timeouts.header, site.timeouts.response, site.timeouts.connect) == (5.0, 30.0, 3.0)
    assert (route.timeouts.header, route.timeouts.response, route.timeouts.connect) == (5.0, 30.0, 1.0)
    assert (site.limits.body_bytes, route.limits.body_bytes) == (1 << 20, 0)
    assert {key: page[-6:] for key, page in site.errors.pages.items()} == {"503": "a.html", "404": "b.html"}
    assert (site.errors.contact, route.errors.contact) == ("help", "me")
    assert route.errors.pages == site.errors.pages
    assert site.maintenance is not None
    assert site.maintenance.enabled
    assert route.maintenance is not None
    assert not route.maintenance.enabled
    assert (site.cookies.secure, route.cookies.secure) == (False, True)
    assert (site.waf.paranoia, route.waf.paranoia) == (2, 3)
    assert [item.rules for item in route.waf.exclusions] == [("1",), ("2-9",)]
    assert (site.headers.server, site.headers.via, route.headers.server, route.headers.via) == (
        "bridge",
        True,
        "bridge",
        False,
    )
    assert site.headers.response == HeaderOps(remove=("X-R",), set={"X-B": "1", "x-a": "2"})
    assert route.headers.response == HeaderOps(remove=("X-B",), set={"x-a": "2"}, add={"X-R": "3"})


def test_header_operations_of_a_name_are_the_childs_alone() -> None:
    parent = Headers(request=HeaderOps(remove=("a",), set={"B": "1"}, add={"c": "1"}))
    child = Headers(request=HeaderOps(remove=("b",), set={"C": "2"}, add={"A": "2"}))
    merged = merge_headers(parent, child).request
    assert merged == HeaderOps(remove=("b",), set={"C": "2"}, add={"A": "2"})
    assert merge_headers(parent, None) is parent


def test_an_expired_exclusion_is_left_out(load_text: Load) -> None:
    waf = "waf: {exclusions: [{rules: [1], expires: 2001-01-01}, {rules: [2], expires: 2999-01-01}]}"
    plan = load_text(f"listen: 80\n{waf}\nsites: {{a: 'b:1'}}")
    assert [item.rules for item in plan.sites[0].routes[0].waf.exclusions] == [("2",)]


def test_the_way_out_takes_no_fields_out_of_other_peoples_responses(load_text: Load) -> None:
    text = 'listen: 80\nwaf: block\nsites: {{s.example: ["10.0.0.1:80"]}}\nforward: {{listen: "127.0.0.1:3128", waf: {}}}\n'
    plan = load_text(text.format("block"))
    assert plan.forward is not None
    assert plan.forward.route.waf.response.headers == "off"
    assert plan.sites[0].routes[0].waf.response.headers == "sure"
    stated = load_text(text.format("{mode: block, response: {headers: all}}"))
    assert stated.forward is not None
    assert stated.forward.route.waf.response.headers == "all"
