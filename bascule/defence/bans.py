"""Bans: who is kept out, since when, until when, why, by whom. The list is the keeper's; this is its arithmetic.

A ban of a client that was banned before lasts longer each time. Times are seconds of the epoch, so that a list outlives
a restart. The list is bounded: when it is full, the ban that would end first makes room.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TextIO

import msgspec

from bascule.config.defence import Bans

MAX_BANS = 50_000
MAX_LISTED = 1 << 20
"""Entries of a list: about 200 bytes of memory each."""
FOR_EVER = 0.0
_LAST = 1e10
"""Seconds of the epoch after which there is no time: in the year 2286."""
STEP = 0.001
"""Seconds by which a word about a network is later than the one before it, if clocks say otherwise."""
_LONGEST_LINE = 1 << 16
"""Characters of a line of a list: a longer one is none."""
_MAPPED = 96
"""Bits of ::ffff:0:0/96, which IPv4 is mapped to (RFC 4291 2.5.5.2)."""
_SHOWN = 256
"""Characters kept of a reason or of evidence."""
Network = IPv4Network | IPv6Network


class Ban(msgspec.Struct):
    """One ban."""

    network: str
    """An address, or a network such as ``192.0.2.0/24``."""
    until: float
    """When it ends, in seconds of the epoch; 0 means never."""
    since: float
    reason: str = ""
    evidence: str = ""
    source: str = ""
    """``operator``, ``auto`` or the name of an imported file."""
    times: int = 1
    """How often it was banned, this one included."""

    def __post_init__(self) -> None:
        """Raises BanError, as decoding raises a ValidationError, for what no ban can say whoever wrote it down."""
        self.network = name_of(parse(self.network))
        if not (0 <= self.until <= _LAST and 0 <= self.since <= _LAST):
            raise BanError(f"the ban of {self.network} is of no time")


class BanError(ValueError):
    """What was asked cannot be done; the text says why."""


def parse(text: str) -> Network:
    """Return the network of an address or CIDR block; of one that is mapped into IPv6 the IPv4 one, as that its clients
    are known. Raises BanError, also for a zone: `ip_network` takes anything for its name, and nft would read it."""
    try:
        if "%" in text:
            raise ValueError
        network = ip_network(text.strip(), strict=False)
    except ValueError:
        raise BanError(f"{text[:64]!r} is not an address or network such as 192.0.2.7 or 2001:db8::/32") from None
    if network.version == 6 and network.prefixlen >= _MAPPED and (ipv4 := network.network_address.ipv4_mapped):
        network = ip_network((ipv4, network.prefixlen - _MAPPED))
    if not network.prefixlen:
        raise BanError(f"{text!r} would ban everybody")
    return network


def name_of(network: Network) -> str:
    """Return how a network is written: an address without its prefix length."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


class BanList:
    """All bans, those that ended lately included: they make the next ban of the same client longer."""

    def __init__(self, config: Bans, clock: Callable[[], float]) -> None:
        self._config = config
        self._clock = clock
        self._bans: dict[str, Ban] = {}
        self.changed = False
        """Whether it differs from what was dumped last."""

    def add(
        self, text: str, seconds: float | None = None, reason: str = "", evidence: str = "", source: str = "operator"
    ) -> Ban:
        """Ban an address or network for `seconds`; `FOR_EVER`; or None: by its record. Raises BanError.

        A longer ban that is in force stays; only its reason is the new one.
        """
        name = name_of(parse(text))
        now = self._clock()
        seconds = seconds and min(seconds, _LAST - now)
        known = self._bans.get(name)
        times = known.times + 1 if known and known.until else 1
        if known and self.in_force(known):
            times = known.times  # told twice, by two workers: one offence
        if seconds is None:
            seconds = self.term(times)
        until = now + seconds if seconds else FOR_EVER
        if known and self.in_force(known) and (known.until == FOR_EVER or 0 < until < known.until):
            until = known.until
        ban = Ban(name, until, self.later(name), reason[:_SHOWN], evidence[:_SHOWN], source[:_SHOWN], times)
        self.put(ban)
        return ban

    def later(self, network: str) -> float:
        """Return the time of a word about a network that is said now: later than that of any word known here, also of
        a machine whose clock is ahead."""
        known = self._bans.get(network)
        return max(self._clock(), min(known.since + STEP, _LAST) if known is not None else 0.0)

    def get(self, network: str) -> Ban | None:
        """Return what is known of a network."""
        return self._bans.get(network)

    def put(self, ban: Ban) -> None:
        """Take in a ban as it is."""
        if ban.network not in self._bans and len(self._bans) >= MAX_BANS:
            self._make_room()
        self._bans[ban.network] = ban
        self.changed = True

    def term(self, times: int) -> float:
        """Return the seconds of the ban of a client that is banned for the `times`th time."""
        config = self._config
        return min(config.longest, config.time * config.growth ** min(times - 1, 64))

    def remove(self, text: str) -> bool:
        """Forget a ban and its record. Return whether there was one. Raises BanError."""
        found = self._bans.pop(name_of(parse(text)), None)
        self.changed = self.changed or found is not None
        return found is not None and self.in_force(found)

    def in_force(self, ban: Ban) -> bool:
        """Whether a ban holds now."""
        return ban.until == FOR_EVER or ban.until > self._clock()

    def current(self) -> Iterator[Ban]:
        """Yield the bans in force."""
        return filter(self.in_force, self._bans.values())

    def forget_old(self) -> None:
        """Forget the records of bans that ended longer ago than `forget`."""
        limit = self._clock() - self._config.forget
        old = [name for name, ban in self._bans.items() if ban.until and ban.until < limit]
        for name in old:
            del self._bans[name]
        self.changed = self.changed or bool(old)

    def dump(self) -> bytes:
        """Return the list as JSON, one ban a line."""
        self.changed = False
        return b"".join(msgspec.json.encode(ban) + b"\n" for ban in self._bans.values())

    def clear(self) -> None:
        """Forget them all."""
        self._bans.clear()

    def load(self, data: bytes) -> int:
        """Take in what `dump` returned; lines that are no ban are left out. Return how many were taken."""
        taken = 0
        for line in data.splitlines():
            try:
                ban = _decode(line)
            except (msgspec.MsgspecError, ValueError):
                continue
            if len(self._bans) < MAX_BANS:
                self._bans[ban.network] = ban
                taken += 1
        return taken

    def _make_room(self) -> None:
        """Drop a hundredth of the bans: those that end first, never one without an end unless there are only such."""
        key = lambda ban: ban.until or float("inf")  # noqa: E731
        for ban in heapq.nsmallest(max(1, MAX_BANS // 100), self._bans.values(), key=key):
            del self._bans[ban.network]


_decode = msgspec.json.Decoder(Ban).decode


def read_list(lines: Iterable[str]) -> Iterator[str]:
    """Yield the addresses and networks of a list as blocklists are published (plain text, netset).

    One a line; ``#`` and ``;`` begin a comment. Raises BanError naming the line, and for a list beyond `MAX_LISTED`.
    """
    found = 0
    for number, line in enumerate(lines, 1):
        entry = line.partition("#")[0].partition(";")[0].strip()
        if not entry:
            continue
        found += 1
        if found > MAX_LISTED:
            raise BanError(f"a list has at most {MAX_LISTED} entries")
        try:
            yield name_of(parse(entry))
        except BanError as error:
            raise BanError(f"line {number}: {error}") from None


def read_file(file: str) -> Iterator[str]:
    """Yield what `read_list` does of a file, of which no more than a line is in memory. Raises OSError and BanError."""
    with open(file, encoding="ascii", errors="replace") as stream:
        yield from read_list(_beginnings(stream))


def _beginnings(stream: TextIO) -> Iterator[str]:
    """Yield as much of each line as an entry can have: what a longer one goes on with is no line of its own."""
    begins = True
    while line := stream.readline(_LONGEST_LINE):
        if begins:
            yield line
        begins = line.endswith("\n")


def check_networks(file: str) -> None:
    """Raise ValueError where a file is no list of networks, or says nothing."""
    if not sum(1 for _ in read_file(file)):
        raise ValueError("nothing in it is an address or network")


def nftables(bans: Iterator[Ban], now: float) -> str:
    """Return an nft script that makes the kernel drop what is banned: two sets, with the time each ban has left."""
    sets: dict[int, list[str]] = {4: [], 6: []}
    for ban in bans:
        left = f" timeout {max(1, int(ban.until - now))}s" if ban.until else ""
        sets[6 if ":" in ban.network else 4].append(f"{ban.network}{left}")
    lines = ["table inet bascule", "delete table inet bascule", "table inet bascule {"]
    for version, entries in sets.items():
        lines += [f"  set banned{version} {{", f"    type ipv{version}_addr", "    flags interval, timeout"]
        lines += [f"    elements = {{ {', '.join(entries)} }}"] if entries else []
        lines.append("  }")
    lines += [
        "  chain input {",
        "    type filter hook input priority -10; policy accept;",
        "    ip saddr @banned4 drop",
        "    ip6 saddr @banned6 drop",
        "  }",
        "}",
    ]
    return "\n".join(lines) + "\n"
