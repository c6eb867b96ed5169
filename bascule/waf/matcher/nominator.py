"""Per request: look at every value once and return the gates it opens, as a bit mask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from bascule.waf.matcher.memo import MAX_KEY, Memo
from bascule.waf.matcher.plan import ExactGate, Plan
from bascule.waf.seclang.evaluate import evaluate, matches, matches_any

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

VOLATILE = frozenset({b"cookie", b"referer", b"authorization", b"if-none-match", b"if-modified-since"})
"""Headers whose values seldom come again: scanned with the rest of the request instead of remembered."""

Header = tuple[bytes, bytes]


class Looking(NamedTuple):
    """The gates that look at headers of one name.

    `bits` scanning may open; `gates` is all of them, `unscanned` those neither scanned nor judged by the
    name alone; `opened` are those the name alone opens.
    """

    bits: int
    gates: list[ExactGate]
    unscanned: list[ExactGate]
    opened: int


class Nominator(Protocol):
    """Opens gates at three points of a transaction."""

    def head(self, t: Transaction) -> int: ...
    def body(self, t: Transaction) -> int: ...
    def response_head(self, t: Transaction) -> int: ...
    def response_body(self, t: Transaction) -> int: ...


class EveryRule:
    """Opens every gate: the plain engine, for comparison."""

    def head(self, t: Transaction) -> int:
        t.pristine = False
        return -1

    def body(self, t: Transaction) -> int:
        return -1

    def response_head(self, t: Transaction) -> int:
        return -1

    def response_body(self, t: Transaction) -> int:
        return -1


class GateKeeper:
    """The prefilter."""

    def __init__(self, plan: Plan, scratch: Callable[[], Transaction], cache_dir: Path | None) -> None:
        self._plan = plan
        self._scratch = scratch
        self._values = plan.values.build(cache_dir)
        self._raw = plan.raw.build(cache_dir)
        self._response = plan.response.build(cache_dir)
        self._headers: Memo[Header, int] = Memo()
        self._names: Memo[tuple[bytes, ...], int] = Memo()
        self._facts: Memo[tuple[bytes | None, ...], int] = Memo()
        self._response_headers: Memo[Header, int] = Memo()
        self._paths: Memo[bytes, int] = Memo()
        self._looking: Memo[bytes, Looking] = Memo()
        self._path_bits = 0
        for gate in plan.paths:
            self._path_bits |= gate.bit
        self._always_paths = any(not gate.scanned for gate in plan.paths)
        self._uri_bits = 0
        for bits in plan.uri_bits.values():
            self._uri_bits |= bits
        self._exact_uri = [(_URI[name], gate.link, gate.bit) for name, gate in plan.uri if gate.link is not None]
        self._wants_line = "REQUEST_LINE" in plan.uri_bits
        self.scanners = {"values": self._values, "raw": self._raw, "response": self._response}

    # -- the request's head ----------------------------------------------------------------------

    def head(self, t: Transaction) -> int:
        headers = t.headers
        mask = self._facts_of(t)
        get = self._headers.get
        raw: list[bytes] = [t.target]
        wanted = self._uri_bits
        for header in headers:
            found = get(header)
            if found is None:
                if header[0] in VOLATILE:
                    looking = self._looking.get(header[0]) or self._looking_at(header[0])
                    raw.append(header[1])
                    wanted |= looking.bits
                    mask |= looking.opened
                    if looking.unscanned:
                        mask |= self._evaluate(header, looking.unscanned)
                else:
                    mask |= self._header(header)
            elif found:
                mask |= found
        names = tuple([header[0] for header in headers])
        found = self._names.get(names)
        mask |= found if found is not None else self._name_gates(names)
        uri = t.request_uri
        if uri != t.target:
            raw.append(uri)
        if self._wants_line:
            raw.append(t.request_line)
        mask |= self._raw.scan(raw) & wanted
        for read, link, bit in self._exact_uri:
            if matches(link, read(t)):
                mask |= bit
        found = self._values.scan(self._head_values(t))
        if found & self._path_bits or self._always_paths:
            found = found & ~self._path_bits | self._path_gates(t, found)
        return mask | found

    @staticmethod
    def _head_values(t: Transaction) -> list[bytes]:
        """The parsed values of the head: file name, query, arguments and cookies."""
        texts = [t.filename, t.basename]
        if t.query:
            for name, value in t.args_get:
                texts.append(name)
                if value:
                    texts.append(value)
        for name, value in t.cookies:
            texts.append(name)
            if value:
                texts.append(value)
        return texts

    def _facts_of(self, t: Transaction) -> int:
        key = (t.method, t.version, t.body_processor, t.connection.client_address)
        found = self._facts.get(key)
        if found is None:
            found = self._facts.recall(key)
        if found is None:
            found = 0
            for gate in self._plan.facts:
                if gate.link is not None and matches_any(t, gate.link):
                    found |= gate.bit
            self._facts.put(key, found)
        return found

    def _header(self, header: Header) -> int:
        """The gates a header opens, by evaluating what looks at it; remembered."""
        found = self._headers.recall(header)
        if found is not None:
            return found
        name, value = header
        scanned = self._raw.scan([name, value])
        gates = [gate for gate in self._looking_at(name).gates if not gate.scanned or scanned & gate.bit]
        found = self._evaluate(header, gates)
        if len(name) + len(value) <= MAX_KEY:
            self._headers.put(header, found)
        return found

    def _evaluate(self, header: Header, gates: list[ExactGate]) -> int:
        """The gates among `gates` that a header opens by itself."""
        if not gates:
            return 0
        t = self._scratch()
        t.set_head(b"GET", b"/", b"1.1", [header])
        found = 0
        for gate in gates:
            if self._opens(gate, t):
                found |= gate.bit
        return found

    def _opens(self, gate: ExactGate, t: Transaction) -> bool:
        if gate.link is not None:
            return matches_any(t, gate.link)
        assert gate.whole is not None
        t.enter(self._plan.states[id(gate.rule)])
        return evaluate(t, gate.whole)

    def _looking_at(self, name: bytes) -> Looking:
        """Which gates look at the headers called `name`."""
        found = self._looking.recall(name)
        if found is None:
            gates = [gate for gate in self._plan.headers if gate.covers(name)]
            bits = 0
            for gate in gates:
                bits |= gate.bit if gate.scanned else 0
            named = [gate for gate in gates if gate.by_name and not gate.scanned]
            others = [gate for gate in gates if not gate.by_name and not gate.scanned]
            found = Looking(bits, gates, others, self._evaluate((name, b""), named))
            if len(name) <= MAX_KEY:
                self._looking.put(name, found)
        return found

    def _path_gates(self, t: Transaction, scanned: int) -> int:
        """Evaluate the rules that look at nothing but the file name; remembered by target."""
        key = t.filename
        found = self._paths.recall(key)
        if found is None:
            found = 0
            for gate in self._plan.paths:
                if not gate.scanned or scanned & gate.bit:
                    if gate.link is not None:
                        opened = matches_any(t, gate.link)
                    else:
                        scratch = self._scratch()
                        scratch.set_head(b"GET", t.target.partition(b"?")[0], b"1.1", [])
                        opened = self._opens(gate, scratch)
                    found |= gate.bit if opened else 0
            if len(key) <= MAX_KEY:
                self._paths.put(key, found)
        return found

    def _name_gates(self, names: tuple[bytes, ...]) -> int:
        found = self._names.recall(names)
        if found is not None:
            return found
        found = 0
        t = self._scratch()
        t.set_head(b"GET", b"/", b"1.1", [(name, b"") for name in names])
        for gate in self._plan.header_names:
            if gate.link is not None and matches_any(t, gate.link):
                found |= gate.bit
        if sum(map(len, names)) <= MAX_KEY:
            self._names.put(names, found)
        return found

    # -- the request's body ----------------------------------------------------------------------

    def body(self, t: Transaction) -> int:
        plan = self._plan
        mask = plan.body | self._facts_of(t)
        texts: list[bytes] = []
        for name, value in t.args_post:
            texts.append(name)
            if value:
                texts.append(value)
        if t.xml_seen:
            mask |= plan.xml
            texts.extend(t.xml_values("/*"))
            texts.extend(t.xml_values("//@*"))
        if t.multipart_seen:
            mask |= plan.part
        mask |= self._values.scan(texts)
        raw = t.request_body_variable
        if raw and plan.body_bits:
            mask |= self._raw.scan([raw]) & plan.body_bits
        return mask

    # -- the response ----------------------------------------------------------------------------

    def response_head(self, t: Transaction) -> int:
        mask = 0
        gates = self._plan.response_headers
        if not gates:
            return 0
        for header in t.response_headers:
            found = self._response_headers.get(header)
            if found is None:
                found = self._response_header(header, gates)
            mask |= found
        return mask

    def _response_header(self, header: Header, gates: Iterable[ExactGate]) -> int:
        found = self._response_headers.recall(header)
        if found is None:
            t = self._scratch()
            t.response_headers = [header]
            found = 0
            for gate in gates:
                if gate.link is not None and matches_any(t, gate.link):
                    found |= gate.bit
            if len(header[0]) + len(header[1]) <= MAX_KEY:
                self._response_headers.put(header, found)
        return found

    def response_body(self, t: Transaction) -> int:
        body = t.response_body_variable
        return self._response.scan([body]) if body else 0


_URI: dict[str, Callable[[Transaction], bytes]] = {
    "REQUEST_LINE": lambda t: t.request_line,
    "REQUEST_URI": lambda t: t.request_uri,
    "REQUEST_URI_RAW": lambda t: t.target,
    "REQUEST_FILENAME": lambda t: t.filename,
    "REQUEST_BASENAME": lambda t: t.basename,
    "QUERY_STRING": lambda t: t.query,
    "PATH_INFO": lambda t: t.filename,
}
