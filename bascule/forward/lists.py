"""Lists of domains as people publish them, read into one form: plain domains, hosts files, AdBlock rules, UT1 folders.

A list may mix the styles; each line is understood by itself:

=======================================  =====================================================================
``example.com``, ``*.example.com``       the domain and everything below it
``.example.com``                         the same
``0.0.0.0 ads.example.com``              hosts file: this very name only (several names may stand on a line)
``||example.com^``                       AdBlock: the domain and everything below it
``@@||good.example.com^``                AdBlock: an exception, stronger than a shorter rule of the same list
``# ...``, ``! ...``, ``[Adblock Plus]``  comments
=======================================  =====================================================================

AdBlock rules about anything but whole domains (paths, elements, options other than ``important``, ``all``,
``document``, ``third-party``) say nothing about a domain and are counted as skipped, as is what is no domain at all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bascule.config.schema import Forward
from bascule.config.types import is_url
from bascule.lists.remote import RemoteList

MAX_LIST_BYTES = 256 << 20
"""Bytes of one list file: ten million domains."""
DOMAINS_FILE = "domains"
"""UT1 and SquidGuard folders keep their domains in ``domains`` (or, in some copies, ``domains.txt``)."""
_LONGEST_LINE = 65_536
_PIECE = 1 << 20
"""Bytes that are taken apart into lines at a time."""
MAX_DOMAINS = 16_000_000
"""Domains of one list; each takes some 90 bytes while they are read."""

_PLAIN = re.compile(rb"(?:\*?\.)?((?:[a-z0-9_-]{1,63}\.)+(?:[a-z][a-z0-9-]*[a-z0-9]))\.?")
_NAME = re.compile(rb"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}")
_HOSTS = re.compile(rb"(?:0\.0\.0\.0|127\.\d+\.\d+\.\d+|::1?|fe80::1%lo0|255\.255\.255\.255)[ \t]+(.*)")
_ADBLOCK = re.compile(rb"(@@)?\|\|((?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{2,63})\^?(?:\$([a-z0-9,_-]+))?")
_OPTIONS = frozenset((b"important", b"all", b"document", b"third-party", b"doc", b"popup"))
"""AdBlock options that leave a rule one about the whole domain."""
_LOCAL = frozenset((b"localhost", b"localhost.localdomain", b"local", b"broadcasthost", b"ip6-localhost",
                    b"ip6-loopback", b"0.0.0.0"))  # fmt: skip
"""Names that hosts files define and that block nothing."""


@dataclass
class DomainList:
    """What a list says. Names are lower-case bytes without a leading or trailing dot."""

    domains: list[bytes] = field(default_factory=list)
    """Domains with everything below them."""
    names: list[bytes] = field(default_factory=list)
    """Names that stand for themselves alone."""
    exceptions: list[bytes] = field(default_factory=list)
    """Domains, with everything below them, that are taken out."""
    skipped: int = 0
    """Lines that say nothing about a domain."""

    def __len__(self) -> int:
        return len(self.domains) + len(self.names) + len(self.exceptions)


def parse_list(data: bytes) -> DomainList:
    """Return what the bytes of a list say: what is not understood is counted as skipped.

    Raises ValueError for more than `MAX_DOMAINS`.
    """
    found = DomainList()
    match, add = _PLAIN.fullmatch, found.domains.append
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while start < len(data):
        end = data.find(b"\n", start + _PIECE) + 1 or len(data)
        for line in data[start:end].lower().replace(b"\r\n", b"\n").split(b"\n"):
            if len(line) > _LONGEST_LINE:  # it would take the pattern a hundred times its length
                found.skipped += 1
            elif (plain := match(line)) is not None:
                add(plain[1])
            else:
                _other_line(line, found)
        if len(found) > MAX_DOMAINS:
            raise ValueError(f"a list of more than {MAX_DOMAINS:,} domains")
        start = end
    return found


def _other_line(line: bytes, found: DomainList) -> None:
    line = line.strip(b" \t")
    if not line or line[:1] in b"#![":
        return
    rule = _ADBLOCK.fullmatch(line)
    if rule is not None:
        options = frozenset(rule[3].split(b",")) if rule[3] else frozenset()
        if options <= _OPTIONS:
            (found.exceptions if rule[1] else found.domains).append(rule[2])
            return
    text = line.partition(b"#")[0].strip(b" \t")
    hosts = _HOSTS.fullmatch(text)
    if hosts is not None:
        _hosts_line(hosts[1], found)
        return
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        found.domains.append(plain[1])
    else:
        found.skipped += 1


def _hosts_line(names: bytes, found: DomainList) -> None:
    for name in names.split():
        name = name.rstrip(b".")
        if name in _LOCAL:
            continue
        if _NAME.fullmatch(name):
            found.names.append(name)
        else:
            found.skipped += 1


def check_domains(file: str) -> None:
    """Raise ValueError where nothing in a file is a domain: it is no list. Reads no further than the first one."""
    with open(file, "rb") as stream:
        while line := stream.readline(_LONGEST_LINE):
            found = parse_list(line)
            if found.domains or found.names:
                return
    raise ValueError("nothing in it is a domain")


def remote_lists(forward: Forward, folder: str) -> list[RemoteList]:
    """Return the lists of a configuration that are at a URL."""
    urls = dict.fromkeys(place for places in forward.categories.values() for place in places if is_url(place))
    return [RemoteList.of(url, folder, check_domains) for url in urls]


def list_files(path: str) -> list[str]:
    """Return the files of a list: the file itself, or what a UT1 folder holds for its domains.

    Raises OSError where nothing is there, and ValueError for a folder that holds no list.
    """
    if not os.path.isdir(path):
        os.stat(path)
        return [path]
    for name in (DOMAINS_FILE, f"{DOMAINS_FILE}.txt"):
        if os.path.isfile(file := os.path.join(path, name)):
            return [file]
    raise ValueError(f"the folder {path} holds neither `domains` nor `domains.txt`")


def read_lists(paths: Iterable[str]) -> Iterator[tuple[str, DomainList]]:
    """Yield each file of some lists with what it says. Raises OSError, and ValueError for what is no list."""
    for path in paths:
        for file in list_files(path):
            if os.path.getsize(file) > MAX_LIST_BYTES:
                raise ValueError(f"{file} is larger than {MAX_LIST_BYTES >> 20} MiB")
            yield file, parse_list(Path(file).read_bytes())
