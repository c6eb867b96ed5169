"""What the vectors leave out: captures, files, numbers, look-ups, refusals."""

from __future__ import annotations

import time
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.seclang.operators import OPERATORS, LoadContext, Match, OperatorError
from bascule.waf.seclang.operators.lookup import GeoLookup
from bascule.waf.seclang.operators.numeric import to_int, to_long
from bascule.waf.seclang.operators.pm import Phrases, parse_phrases
from tests.support.shared import shared_dir

CONTEXT = LoadContext()


def evaluate(name: str, argument: bytes, value: bytes, context: LoadContext = CONTEXT) -> Match | None:
    return OPERATORS[name](argument, context).evaluate(value)


@pytest.mark.parametrize(
    ("name", "argument", "value", "groups"),
    [
        ("pm", b"abcd bc", b"xxABCz", (b"abc",)),  # the longest beginning of any phrase that ends there
        ("pm", b"Foo bar", b"xFOObar", (b"Foo",)),
        ("pm", b"A|42 43|D", b"xabcd", (b"ABCD",)),
        ("pm", b"needle", b"x" * 5000 + b"needle", (b"needle",)),
        ("rx", b"(a)(x)?(b)", b"ab", (b"ab", b"a", b"", b"b")),
        ("contains", b"b", b"abc", ()),
        ("streq", b"a", b"a", ()),
        ("detectsqli", b"", b"1' or 1=1--", (b"s&1c",)),
        ("detectxss", b"", b"<script>", (b"<script>",)),
        ("verifycc", rb"\d{13,16}", b"cc 5484605089158216!", (b"5484605089158216",)),
        ("verifycc", rb"\d{4,}", b"95484605089158216", (b"5484605089158216",)),
        ("verifycpf", rb"\d{3}\.\d{3}\.\d{3}-\d{2}", b"x 010.817.514-60", (b"010.817.514-60",)),
    ],
)
def test_captures(name: str, argument: bytes, value: bytes, groups: tuple[bytes, ...]) -> None:
    found = evaluate(name, argument, value)
    assert found is not None
    assert found.groups == groups


@pytest.mark.parametrize(
    ("name", "argument", "context", "reason"),
    [
        ("ipmatch", b"10.0.0.0/40", CONTEXT, "no IP address"),
        ("ipmatchfromfile", b"list", CONTEXT, "cannot read"),
        ("pmfromfile", b"https://example.org/list", CONTEXT, "does not download"),
        ("validatebyterange", b"300", CONTEXT, "no range"),
        ("validatebyterange", b"9-1", CONTEXT, "no range"),
        ("geolookup", b"", CONTEXT, "SecGeoLookupDb"),
        ("geolookup", b"", LoadContext(geo_path=Path(__file__)), "cannot open"),
        ("rbl", b"", CONTEXT, "needs a zone"),
        ("rbl", b"zen.example.org/x", CONTEXT, "needs a zone"),
        ("rbl", b"dnsbl.httpbl.org", CONTEXT, "SecHttpBlKey"),
        ("inspectfile", b"x.sh", CONTEXT, "runs programs"),
        ("fuzzyhash", b"x 1", CONTEXT, "ssdeep"),
        ("gsblookup", b"x", CONTEXT, "Safe Browsing"),
        ("validatehash", b"x", CONTEXT, "SecHashEngine"),
        ("rsub", b"s/a/b/", CONTEXT, "rewrite bodies"),
        ("verifycc", b"(", CONTEXT, "unclosed"),
        ("validatenid", b"xx y", CONTEXT, "cl or us"),
    ],
)
def test_refusals_name_the_reason(name: str, argument: bytes, context: LoadContext, reason: str) -> None:
    with pytest.raises(OperatorError, match=reason):
        OPERATORS[name](argument, context)


def test_lists_from_files(tmp_path: Path) -> None:
    (tmp_path / "phrases").write_bytes(b"# note\n  # another\none two\n\nthree # kept\n")
    (tmp_path / "addresses").write_bytes(b"# note\n10.0.0.0/8 # ours\n\n::1\n")
    context = LoadContext(base_dir=tmp_path, read_file=lambda name: (tmp_path / name).read_bytes())
    phrases = OPERATORS["pmfromfile"](b"phrases", context)
    assert phrases.evaluate(b"x One Two x") == Match(b"one two", (b"one two",))
    assert phrases.evaluate(b"three") is None
    assert phrases.evaluate(b"note") is None
    addresses = OPERATORS["ipmatchfromfile"](b"addresses", context)
    assert addresses.evaluate(b"10.9.8.7") is not None
    assert addresses.evaluate(b"::1") is not None
    assert addresses.evaluate(b"11.0.0.1") is None
    with pytest.raises(OperatorError, match="cannot read 'absent'"):
        OPERATORS["pmf"](b"absent", context)


def test_phrases_of_the_argument() -> None:
    assert parse_phrases(b'"a b"') == [b"a", b"b"]
    assert parse_phrases(rb"a\;b |20 41|") == [b"a;b", b"A"]
    assert parse_phrases(b"a|b |c") == [b"a|b", b"|c"]


@given(
    st.lists(st.text(alphabet="abAB", min_size=1, max_size=4), min_size=1, max_size=6),
    st.text(alphabet="abABc", max_size=30),
)
def test_phrases_end_first_as_in_an_automaton(phrases: list[str], text: str) -> None:
    found = Phrases([phrase.encode() for phrase in phrases]).evaluate(text.encode())
    lowered = text.lower()
    ends = [end for end in range(len(text) + 1) if any(lowered[:end].endswith(p.lower()) for p in phrases)]
    assert (found is None) == (not ends)
    if found is not None:
        prefixes = {p[:n].lower() for p in phrases for n in range(1, len(p) + 1)}
        longest = next(lowered[at : ends[0]] for at in range(ends[0]) if lowered[at : ends[0]] in prefixes)
        assert found.text.decode().lower() == longest


@pytest.mark.parametrize(
    ("text", "as_int", "as_long"),
    [
        (b"", 0, 0),
        (b"12", 12, 12),
        (b" \t-7x", -7, -7),
        (b"+0042.9", 42, 42),
        (b"abc", 0, 0),
        (b"2147483648", 0, 2**31),
        (b"9" * 30, 0, 2**63 - 1),
        (b"-" + b"9" * 5000, 0, -(2**63)),
        (b"0" * 5000 + b"5", 5, 5),
        ("٣".encode(), 0, 0),
    ],
)
def test_numbers(text: bytes, as_int: int, as_long: int) -> None:
    assert (to_int(text), to_long(text)) == (as_int, as_long)


def _networks_of(address: IPv4Address | IPv6Address) -> st.SearchStrategy[str]:
    return st.integers(0, address.max_prefixlen).map(lambda length: f"{address}/{length}")


@given(st.ip_addresses(), st.lists(st.ip_addresses().flatmap(_networks_of), min_size=1, max_size=5))
def test_ip_match_is_membership(address: object, networks: list[str]) -> None:
    member = any(address in ip_network(network, strict=False) for network in networks)
    assert (evaluate("ipmatch", ",".join(networks).encode(), str(address).encode()) is not None) == member


def test_geo_lookup_fills_the_fields_of_geo() -> None:
    path = next(shared_dir("lists", "maxmind").rglob("GeoIP2-City-Test.mmdb"))
    geo = GeoLookup(b"", LoadContext(geo_path=path))
    fields = geo.lookup(b"81.2.69.160")
    assert fields is not None
    assert (fields["COUNTRY_CODE"], fields["CITY"]) == (b"GB", b"London")
    assert geo.evaluate(b"81.2.69.160") is not None
    assert geo.evaluate(b"127.0.0.1") is None
    assert geo.evaluate(b"no address") is None


class Listed:
    """Lists every name that it is asked for, and remembers them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def look_up(self, name: str) -> str | None:
        self.asked.append(name)
        return "127.0.0.2"

    def knows(self, name: str) -> bool:
        return True


@pytest.mark.parametrize(
    ("zone", "value", "name"),
    [
        (b"bl.example.org", b"192.0.2.99", "99.2.0.192.bl.example.org"),
        (b"bl.example.org.", b"2001:db8::1", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.bl.example.org"),
        (b"names.example.org", b"evil.example", "evil.example.names.example.org"),
        (b"dnsbl.httpbl.org", b"127.9.1.2", "abcdefghijkl.2.1.9.127.dnsbl.httpbl.org"),
        (b"bl.example.org", b"no name!", ""),
        (b"bl.example.org", b"x" * 200, ""),
    ],
)
def test_names_that_rbl_looks_up(zone: bytes, value: bytes, name: str) -> None:
    listed = Listed()
    found = OPERATORS["rbl"](zone, LoadContext(resolver=listed, http_bl_key="abcdefghijkl")).evaluate(value)
    assert listed.asked == ([name] if name else [])
    assert found == (Match(value, (value,)) if name else None)


def test_xml_validation(tmp_path: Path) -> None:
    (tmp_path / "a.dtd").write_bytes(b"<!ELEMENT a (b)><!ELEMENT b (#PCDATA)>")
    (tmp_path / "a.xsd").write_bytes(
        b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a" type="xs:integer"/></xs:schema>'
    )
    (tmp_path / "bad").write_bytes(b"<a>")
    context = LoadContext(base_dir=tmp_path, read_file=lambda name: (tmp_path / name).read_bytes())
    assert evaluate("validatedtd", b"a.dtd", b"<a><b>x</b></a>", context) is None
    assert evaluate("validatedtd", b"a.dtd", b"<a/>", context) is not None
    assert evaluate("validateschema", b"a.xsd", b"<a>7</a>", context) is None
    assert evaluate("validateschema", b"a.xsd", b"<a>x</a>", context) is not None
    assert evaluate("validateschema", b"a.xsd", b"not XML", context) is not None
    with pytest.raises(OperatorError, match="no well-formed XML"):
        OPERATORS["validateschema"](b"bad", context)
    with pytest.raises(OperatorError, match="no DTD"):
        OPERATORS["validatedtd"](b"bad", context)


def test_crs_data_files_load_and_match() -> None:
    rules = shared_dir("crs", "rules")
    for path in sorted(rules.glob("*.data")):
        operator = OPERATORS["pmfromfile"](
            path.name.encode(), LoadContext(read_file=lambda name: (rules / name).read_bytes())
        )
        lines = [line for line in path.read_bytes().split(b"\n") if line and not line.lstrip().startswith(b"#")]
        for line in lines[:: max(len(lines) // 20, 1)]:
            assert operator.evaluate(b"~" + line.swapcase() + b"~") is not None, (path.name, line)


@pytest.mark.parametrize(
    "name", ["verifycc", "verifycpf", "verifyssn", "verifysvnr", "containsword", "pm", "validateutf8encoding"]
)
def test_linear(name: str) -> None:
    operator = OPERATORS[name](rb"\d+" if name.startswith("verify") else b"1", CONTEXT)
    start = time.process_time()
    for piece in (b"1", b"1 ", b"1a", b"\xc3\xa9", b"0"):
        operator.evaluate(piece * (131072 // len(piece)))
    assert time.process_time() - start < 20


@given(st.binary(max_size=100), st.binary(max_size=30))
def test_total(value: bytes, argument: bytes) -> None:
    for name in ("streq", "beginswith", "endswith", "contains", "containsword", "within", "eq", "ge", "lt", "pm"):
        evaluate(name, argument, value)
    for name in (
        "validateurlencoding",
        "validateutf8encoding",
        "detectsqli",
        "detectxss",
        "unconditionalmatch",
        "nomatch",
    ):
        evaluate(name, b"", value)
    evaluate("ipmatch", b"10.0.0.0/8,::/0", value)
    evaluate("validatebyterange", b"1-255", value)
