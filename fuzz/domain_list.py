"""Lists of domains: any bytes are read, every name found is one, and the table finds it."""

from __future__ import annotations

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.forward.domains import DomainTable
    from bascule.forward.lists import parse_list


def one_input(data: bytes) -> None:
    """A whole list."""
    found = parse_list(data)
    table = DomainTable({"list": [found]})
    for name in (*found.domains, *found.names, *found.exceptions):
        assert name == name.lower()
        assert name
        assert not name.startswith(b".")
        assert not any(byte <= 0x20 or byte in b"/:|^$#@*" for byte in name)
    exceptions = set(found.exceptions)
    for name in found.domains:
        above = {name[at:] for at in range(len(name)) if at == 0 or name[at - 1 : at] == b"."}
        if not above & exceptions:
            assert table.categories(name) == ("list",)
            assert table.categories(b"www." + name) == ("list",)
    for name in found.names:
        assert table.categories(name) == ("list",) or name in exceptions


def seeds() -> list[bytes]:
    """Every style."""
    return [
        b"# x\nexample.com\n*.wild.example\n.dot.example.\n",
        b"0.0.0.0 ads.example tracker.example # both\r\n127.0.0.1 localhost\n::1 ip6-localhost\n",
        b"! x\n||blocked.example^\n@@||good.blocked.example^\n||third.example^$third-party\n||a.example/x\n",
        b"\xef\xbb\xbfa.example\n\x00\xff\nb..example\n",
    ]


if __name__ == "__main__":
    run("domain_list", one_input, seeds())
