"""Per request: look at every value once and return the gates it opens, as a bit mask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import re2

from bascule.waf.matcher.automaton import Automaton
from bascule.waf.matcher.linear import linear_options
from bascule.waf.matcher.memo import MAX_KEY, Memo
from bascule.waf.matcher.plan import ExactGate, Plan
from bascule.waf.matcher.scanner import gather
from bascule.waf.seclang.evaluate import BoundLink, evaluate, matches, matches_any
from bascule.waf.seclang.operators.linear import translate
from bascule.waf.seclang.operators.pcre import parse
from bascule.waf.steady import Steady

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

VOLATILE = frozenset({b"cookie", b"referer", b"authorization", b"if-none-match", b"if-modified-since"})
"""Headers whose values seldom come again: scanned with the rest of the request instead of remembered."""

Header = tuple[bytes, bytes]
Headers = list[Header]
Key = TypeVar("Key")

MAX_COMBINATIONS = 16
"""Of names of the fields that vary: a proxy cuts out three or so."""


class Looking(NamedTuple):
    """The gates that look at headers of one name.

    `bits` scanning may open; `gates` is all of them, `unscanned` those neither scanned nor judged by the
    name alone; `opened` are those the name alone opens.
    """

    bits: int
    gates: list[ExactGate]
    unscanned: list[ExactGate]
    opened: int
    automaton: Automaton


class Nominator(Protocol):
    """Opens gates at four points of a transaction; what many messages have in common it judges once."""

    def steady(self, pairs: Headers) -> Steady: ...
    def steady_response(self, pairs: Headers) -> Steady: ...

    def head(self, t: Transaction) -> int: ...
    def body(self, t: Transaction) -> int: ...
    def response_head(self, t: Transaction) -> int: ...
    def response_body(self, t: Transaction) -> int: ...


class EveryRule:
    """Opens every gate: the plain engine, for comparison."""

    def steady(self, pairs: Headers) -> Steady:
        return Steady(pairs, -1)

    steady_response = steady

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
        self._body = plan.body_text.build(cache_dir)
        self._response = plan.response.build(cache_dir)
        self._headers: Memo[Header, int] = Memo()
        self._names: Memo[tuple[bytes, ...], int] = Memo()
        self._facts: Memo[tuple[bytes | None, ...], int] = Memo()
        self._peers: Memo[tuple[bytes, bytes, int], int] = Memo()
        self._response_headers: Memo[Header, int] = Memo()
        self._paths: Memo[bytes, int] = Memo()
        self._bodies: Memo[tuple[object, ...], int] = Memo()
        sized = ("REQUEST_BODY_LENGTH", "FILES_COMBINED_SIZE")
        self._by_length = any(t.variable.name in sized for gate in plan.body for t in gate.link.link.targets)
        self._looking: Memo[bytes, Looking] = Memo()
        self._path_bits = 0
        for gate in plan.paths:
            self._path_bits |= gate.bit
        self._always_paths = any(not gate.scanned for gate in plan.paths)
        self._uri_bits = 0
        for bits in plan.uri_bits.values():
            self._uri_bits |= bits
        self._exact_uri = [(_URI[name], _tester(gate.link), gate.bit) for name, gate in plan.uri]
        chains = plan.uri_chains
        query, anchored = chains.get("QUERY_STRING", []), plan.query_anchored
        raw = chains.get("REQUEST_URI_RAW", []) + ([] if anchored else query)
        decoded = chains.get("REQUEST_URI", [])
        self._raw_uri, self._decoded_uri = gather(raw), gather(decoded)
        self._any_uri, self._query = gather(raw + decoded), gather(query)
        self._line = gather(chains.get("REQUEST_LINE", []))
        self._wants_query = anchored
        self._wants_line = "REQUEST_LINE" in plan.uri_bits
        self.scanners = {
            "values": self._values,
            "raw": self._raw,
            "request body": self._body,
            "response": self._response,
        }

    # -- the request's head ----------------------------------------------------------------------

    def steady(self, pairs: Headers) -> Steady:
        """Judge header fields that will come again."""
        mask, wanted = 0, 0
        raw: list[tuple[Automaton, list[bytes]]] = []
        get = self._headers.get
        for header in pairs:
            found = get(header)
            if found is None:
                if header[0] in VOLATILE:
                    wanted |= self._add_header(header, raw)
                    mask |= self._opened(header)
                else:
                    mask |= self._header(header)
            elif found:
                mask |= found
        if raw:
            mask |= self._raw.scan_parts(raw) & wanted
        return Steady(pairs, mask)

    def head(self, t: Transaction) -> int:
        steady, varying = t.steady, t.varying
        if steady is None:
            steady, varying = self.steady(varying), []
        mask = self._facts_of(t) | steady.mask
        names = tuple([name for name, _ in varying])
        found = steady.by_names.get(names)
        mask |= found if found is not None else self._name_gates(steady, names)
        raw: list[tuple[Automaton, list[bytes]]] = []
        wanted = self._uri_bits
        for header in varying:
            if header[0] in VOLATILE:
                wanted |= self._add_header(header, raw)
                mask |= self._opened(header)
            else:  # such as Content-Length: its values come again
                known = self._headers.get(header)
                mask |= known if known is not None else self._header(header)
        self._add_uri(t, raw)
        mask |= self._raw.scan_parts(raw) & wanted
        for read, link, bit in self._exact_uri:
            if link(read(t)):
                mask |= bit
        keys, values = self._head_values(t)
        found = self._values.scan(values, [t.filename, t.basename], self._path_bits)
        found |= self._values.scan_names(keys, self._path_bits)
        if found & self._path_bits or self._always_paths:
            found = found & ~self._path_bits | self._path_gates(t, found)
        return mask | found

    def _add_header(self, header: Header, raw: list[tuple[Automaton, list[bytes]]]) -> int:
        """Let a header be scanned with others. Returns the gates that this may open."""
        looking = self._looking.get(header[0]) or self._looking_at(header[0])
        raw.append((looking.automaton, [header[1]]))
        return looking.bits

    def _opened(self, header: Header) -> int:
        """The gates a header opens beside those it is scanned for."""
        looking = self._looking.get(header[0]) or self._looking_at(header[0])
        return looking.opened | self._evaluate(header, looking.unscanned) if looking.unscanned else looking.opened

    def _add_uri(self, t: Transaction, raw: list[tuple[Automaton, list[bytes]]]) -> None:
        """Add the forms of the target that some scanned rule looks at."""
        target, uri = t.target, t.request_uri
        if uri == target:
            raw.append((self._any_uri, [target]))
        else:
            raw.append((self._raw_uri, [target]))
            raw.append((self._decoded_uri, [uri]))
        if self._wants_query and t.query:
            raw.append((self._query, [t.query]))
        if self._wants_line:
            raw.append((self._line, [t.request_line]))

    @staticmethod
    def _head_values(t: Transaction) -> tuple[list[bytes], list[bytes]]:
        """The names and the values of arguments and cookies."""
        pairs = [*t.args_get, *t.cookies]
        return [name for name, _ in pairs], [value for _, value in pairs if value]

    def _facts_of(self, t: Transaction) -> int:
        """The gates on method, protocol and body processor, and on who talks to whom."""
        key = (t.method, t.version, t.body_processor)
        found = self._facts.get(key)
        if found is None:
            found = self._recall(self._facts, key, self._plan.facts, t)
        if not self._plan.peers:
            return found
        connection = t.connection
        peers = (connection.client_address, connection.server_address, connection.server_port)
        known = self._peers.get(peers)
        return found | (known if known is not None else self._recall(self._peers, peers, self._plan.peers, t))

    @staticmethod
    def _recall(memo: Memo[Key, int], key: Key, gates: list[ExactGate], t: Transaction) -> int:
        """What `memo` says of `key`, or else which of `gates` are open for `t`."""
        found = memo.recall(key)
        if found is None:
            found = 0
            for gate in gates:
                if matches_any(t, gate.link):
                    found |= gate.bit
            memo.put(key, found)
        return found

    def _header(self, header: Header) -> int:
        """The gates a header opens, by evaluating what looks at it; remembered."""
        found = self._headers.recall(header)
        if found is not None:
            return found
        name, value = header
        looking = self._looking_at(name)
        scanned = self._raw.scan_parts([(looking.automaton, [name, value])])
        gates = [gate for gate in looking.gates if not gate.scanned or scanned & gate.bit]
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
        if not matches_any(t, gate.link):
            return False
        if gate.whole is None:
            return True
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
            automaton = gather([gate.gathered for gate in gates if gate.gathered is not None])
            found = Looking(bits, gates, others, self._evaluate((name, b""), named), automaton)
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
                if (not gate.scanned or scanned & gate.bit) and matches_any(t, gate.link):
                    if gate.whole is not None:
                        scratch = self._scratch()
                        scratch.set_head(b"GET", t.target.partition(b"?")[0], b"1.1", [])
                        found |= gate.bit if self._opens(gate, scratch) else 0
                    else:
                        found |= gate.bit
            if len(key) <= MAX_KEY:
                self._paths.put(key, found)
        return found

    def _name_gates(self, steady: Steady, varying: tuple[bytes, ...]) -> int:
        """The gates that the names of header fields open, such as those on how often one comes."""
        names = steady.names + varying
        found = self._names.recall(names)
        if found is None:
            found = 0
            t = self._scratch()
            t.set_head(b"GET", b"/", b"1.1", [(name, b"") for name in names])
            for gate in self._plan.header_names:
                if matches_any(t, gate.link):
                    found |= gate.bit
            if sum(map(len, names)) <= MAX_KEY:
                self._names.put(names, found)
        if len(steady.by_names) < MAX_COMBINATIONS:
            steady.by_names[varying] = found
        return found

    # -- the request's body ----------------------------------------------------------------------

    def body(self, t: Transaction) -> int:
        plan = self._plan
        mask = self._body_facts(t) | self._facts_of(t)
        texts = [value for _, value in t.args_post if value]
        mask |= self._values.scan_names([name for name, _ in t.args_post], self._path_bits)
        if t.xml_seen:
            mask |= plan.xml
            texts.extend(t.xml_values("/*"))
            texts.extend(t.xml_values("//@*"))
        if t.multipart_seen:
            mask |= plan.part
        mask |= self._values.scan(texts, None, self._path_bits) & ~self._path_bits
        raw = t.request_body_variable
        if raw:
            mask |= self._body.scan([raw])
        return mask

    def _body_facts(self, t: Transaction) -> int:
        """The gates on what is said of the body as a whole: errors, lengths, flags."""
        sizes = t.body_length if self._by_length else 0
        key = (t.body_error, t.inbound_data_error, sizes, t.multipart.summary if t.multipart is not None else None)
        return self._recall(self._bodies, key, self._plan.body, t)

    # -- the response ----------------------------------------------------------------------------

    def steady_response(self, pairs: Headers) -> Steady:
        """Judge header fields of responses that will come again."""
        mask = 0
        gates = self._plan.response_headers
        for header in pairs:
            found = self._response_headers.get(header)
            mask |= found if found is not None else self._response_header(header, gates)
        return Steady(pairs, mask)

    def response_head(self, t: Transaction) -> int:
        if not self._plan.response_headers:
            return 0
        mask = t.response_steady.mask if t.response_steady is not None else 0
        for header in t.response_varying:
            found = self._response_headers.get(header)
            mask |= found if found is not None else self._response_header(header, self._plan.response_headers)
        return mask

    def _response_header(self, header: Header, gates: Iterable[ExactGate]) -> int:
        found = self._response_headers.recall(header)
        if found is None:
            t = self._scratch()
            t.set_response(0, [header])
            found = 0
            for gate in gates:
                if any(target.selects(header[0]) for target in gate.targets) and matches_any(t, gate.link):
                    found |= gate.bit
            if len(header[0]) + len(header[1]) <= MAX_KEY:
                self._response_headers.put(header, found)
        return found

    def response_body(self, t: Transaction) -> int:
        body = t.response_body_variable
        return self._response.scan([body]) if body else 0


def _tester(link: BoundLink) -> Callable[[bytes], bool]:
    """Return a function that tells whether a link matches a value.

    For a negated @rx that is one pass of RE2 without captures; its `^` differs from PCRE's after a line feed
    that ends the value, so values with line feeds go to the operator.
    """
    pattern = link.argument.literal
    plain = link.link.operator_name == "rx" and not link.functions and not link.actions.multi_match
    if not plain or not link.negated or not pattern or link.link.operator.backtracks:
        return lambda value: matches(link, value)
    found = re2.Set.SearchSet(linear_options())
    found.Add(translate(parse(pattern)).text)
    found.Compile()
    search = found.Match
    return lambda value: not search(value) if b"\n" not in value else matches(link, value)


_URI: dict[str, Callable[[Transaction], bytes]] = {
    "REQUEST_LINE": lambda t: t.request_line,
    "REQUEST_URI": lambda t: t.request_uri,
    "REQUEST_URI_RAW": lambda t: t.target,
    "REQUEST_FILENAME": lambda t: t.filename,
    "REQUEST_BASENAME": lambda t: t.basename,
    "QUERY_STRING": lambda t: t.query,
    "PATH_INFO": lambda t: t.filename,
}
