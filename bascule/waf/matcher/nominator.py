"""Per request: look at every value once and return the gates it opens, as a bit mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from bascule.waf.matcher.automaton import Automaton
from bascule.waf.matcher.fields import Header, Headers, Looking, RequestFields, ResponseFields, opens
from bascule.waf.matcher.linear import linear_set
from bascule.waf.matcher.marks import before, decoded_by, marks_of
from bascule.waf.matcher.memo import MAX_KEY, Memo
from bascule.waf.matcher.plan import VOLATILE, ExactGate, Plan
from bascule.waf.matcher.scanner import gather
from bascule.waf.matcher.triggers import ACTIVE, ALWAYS
from bascule.waf.seclang.evaluate import BoundLink, matches, matches_any
from bascule.waf.seclang.operators.linear import translate
from bascule.waf.seclang.operators.pcre import parse
from bascule.waf.steady import Steady

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

Key = TypeVar("Key")


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
        self._ordinary_values = plan.ordinary_values.build(cache_dir, self._values)
        self._ordinary_raw = plan.ordinary_raw.build(cache_dir, self._raw)
        self._ordinary_line = plan.ordinary_line.build(cache_dir, self._raw)
        self._line_signs = plan.ordinary_line.signs()
        self._fields = RequestFields(plan, self._raw, scratch)
        self._response_fields = ResponseFields(plan, scratch)
        self.steady = self._fields.steady
        self.steady_response = self._response_fields.steady
        self._facts: Memo[tuple[bytes | None, ...], int] = Memo()
        self._peers: Memo[tuple[bytes, bytes, int], int] = Memo()
        self._paths: Memo[bytes, int] = Memo()
        self._bodies: Memo[tuple[object, ...], int] = Memo()
        sized = ("REQUEST_BODY_LENGTH", "FILES_COMBINED_SIZE")
        self._by_length = any(t.variable.name in sized for gate in plan.body for t in gate.link.link.targets)
        self._path_bits = 0
        for gate in plan.paths:
            self._path_bits |= gate.bit
        self._always_paths = any(not gate.scanned for gate in plan.paths)
        self._weak_paths = sum(gate.bit for gate in plan.paths if gate.weak)
        self._no_path_marks = bytes(set(range(256)).difference(*map(_marks_of_weak, plan.paths)))
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

    def head(self, t: Transaction) -> int:
        steady, varying = t.steady, t.varying
        if steady is None:
            steady, varying = self.steady(varying), []
        mask = self._facts_of(t) | steady.mask
        volatile: list[tuple[Header, Looking]] = []
        names: list[bytes] = []
        for field in varying:
            names.append(field[0])
            if field[0] in VOLATILE:
                looking = self._fields.looking_at(field[0])
                mask |= self._fields.opened(field, looking)
                volatile.append((field, looking))
            else:  # such as Content-Length: its values come again
                mask |= self._fields.judge(field)
        mask |= self._fields.named(steady, tuple(names))
        for read, link, bit in self._exact_uri:
            if link(read(t)):
                mask |= bit
        found = self._scan_ordinary(t, volatile)
        if found is None:
            found = self._scan_head(t, volatile)
        if found & self._path_bits or self._always_paths:
            found = found & ~self._path_bits | self._path_gates(t, found)
        return mask | found

    def _scan_ordinary(self, t: Transaction, volatile: list[tuple[Header, Looking]]) -> int | None:
        """Scan a head; None if some text of it is not ordinary."""
        target, uri = t.target, t.request_uri
        raw = [target] if uri == target else [target, uri]
        if self._wants_query:
            raw.append(t.query)
        for field, _ in volatile:
            raw.append(field[1])
        mask = self._ordinary_raw.scan(raw)
        line: int | None = 0
        if self._line_signs:
            text = t.request_line
            lower = text.lower()
            for sign in self._line_signs:
                if sign in lower:
                    line = self._ordinary_line.scan([text])
                    break
        if mask is None or line is None:
            return None
        filename = t.filename
        texts = [filename, t.basename]
        for pair in t.args_get:
            texts += pair
        for pair in t.cookies:
            texts += pair
        found = self._ordinary_values.scan(texts)
        if found is None:
            return None
        if filename.translate(None, self._no_path_marks):
            found |= self._weak_paths
        return mask | line | found

    def _scan_head(self, t: Transaction, volatile: list[tuple[Header, Looking]]) -> int:
        """Scan a head some text of which is not ordinary."""
        raw: list[tuple[Automaton, list[bytes]]] = []
        wanted = self._uri_bits
        for (_, value), looking in volatile:
            raw.append((looking.automaton, [value]))
            wanted |= looking.bits
        self._add_uri(t, raw)
        mask = self._raw.scan_parts(raw) & wanted
        keys, values = self._head_values(t)
        mask |= self._values.scan(values, [t.filename, t.basename], self._path_bits)
        return mask | self._values.scan_names(keys, self._path_bits)

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
                        found |= gate.bit if opens(gate, scratch, self._plan.states) else 0
                    else:
                        found |= gate.bit
            if len(key) <= MAX_KEY:
                self._paths.put(key, found)
        return found

    # -- the request's body ----------------------------------------------------------------------

    def body(self, t: Transaction) -> int:
        plan = self._plan
        mask = self._body_facts(t) | self._facts_of(t)
        names = [name for name, _ in t.args_post]
        texts = [value for _, value in t.args_post if value]
        if t.xml_seen:
            mask |= plan.xml
            texts.extend(t.xml_values("/*"))
            texts.extend(t.xml_values("//@*"))
        if t.multipart_seen:
            mask |= plan.part
        found = self._ordinary_values.scan([*names, *texts])
        if found is None:
            mask |= self._values.scan_names(names, self._path_bits)
            mask |= self._values.scan(texts, None, self._path_bits) & ~self._path_bits
        else:
            mask |= found & ~self._path_bits
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

    def response_head(self, t: Transaction) -> int:
        if not self._plan.response_headers:
            return 0
        mask = t.response_steady.mask if t.response_steady is not None else 0
        return mask | self._response_fields.judge(t.response_varying) if t.response_varying else mask

    def response_body(self, t: Transaction) -> int:
        body = t.response_body_variable
        return self._response.scan([body]) if body else 0


def _marks_of_weak(gate: ExactGate) -> set[int]:
    """Bytes of which a file name has one if its rule's weak expressions match it, or has something to decode."""
    steps = gate.link.actions.transformations
    decoded = decoded_by(ACTIVE.get(name, ALWAYS) for name in steps) if gate.weak else 0
    asked = [before(expression.clauses, steps, gate.link.actions.multi_match) for expression in gate.weak]
    return marks_of([*asked, (decoded,)] if decoded else asked)


def _tester(link: BoundLink) -> Callable[[bytes], bool]:
    """Return a function that tells whether a link matches a value.

    For a negated @rx that is one pass of RE2 without captures; its `^` differs from PCRE's after a line feed
    that ends the value, so values with line feeds go to the operator.
    """
    pattern = link.argument.literal
    plain = link.link.operator_name == "rx" and not link.functions and not link.actions.multi_match
    if not plain or not link.negated or not pattern or link.link.operator.backtracks:
        return lambda value: matches(link, value)
    search = linear_set([translate(parse(pattern)).text])
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
