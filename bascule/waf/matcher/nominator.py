"""Per request: look at every value once and return the gates it opens, as a bit mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from bascule.waf.bodies import JsonBody, Unread
from bascule.waf.bodies.percent import url_decode
from bascule.waf.matcher.automaton import OTHER_SEAM, Automaton
from bascule.waf.matcher.fields import Header, Headers, Looking, RequestFields, ResponseFields, opens
from bascule.waf.matcher.glance import fields_joined, form_joined, texts_of
from bascule.waf.matcher.memo import MAX_KEY, Memo
from bascule.waf.matcher.names import LeafNames
from bascule.waf.matcher.ordinary import Database, Screen
from bascule.waf.matcher.plan import ExactGate, Plan
from bascule.waf.matcher.scanner import gather
from bascule.waf.matcher.triggers import ALPHABET, PERCENT_CODE, has_entity
from bascule.waf.matcher.uri import ExactUri, marks_of_weak
from bascule.waf.seclang.evaluate import matches_any
from bascule.waf.steady import MAX_SHAPES, Shape, Steady

if TYPE_CHECKING:
    from bascule.waf.transaction import Transaction

SHORT_PAGE: Final = 256
"""Bytes of a response that may well come again: a short answer of an interface, a redirect, an error."""

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

    def steady_response(self, pairs: Headers) -> Steady:
        return Steady(pairs, -1)

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
        self._leaf_names = LeafNames(self._scan_texts, plan.links)
        self._response = plan.response.build(cache_dir)
        database = Database([*plan.ordinary_values.sought(), *plan.ordinary_raw.sought()], cache_dir)
        self._ordinary_values = plan.ordinary_values.build(cache_dir, self._values, database)
        self._ordinary_raw = plan.ordinary_raw.build(cache_dir, self._raw, database)
        self._screen = Screen(self._ordinary_values, self._ordinary_raw, database)
        self._ordinary_line = plan.ordinary_line.build(cache_dir, self._raw)
        self._line_signs = plan.ordinary_line.signs()
        self._body_needles = tuple(plan.ordinary_body.needles()) if self._body.only_decodes else (b"",)
        self._fields = RequestFields(plan, self._raw, scratch)
        self._response_fields = ResponseFields(plan, scratch)
        self.steady = self._fields.steady
        self.steady_response = self._response_fields.steady
        self._facts: Memo[tuple[bytes | None, ...], int] = Memo()
        self._peers: Memo[tuple[bytes, bytes, int], int] = Memo()
        self._paths: Memo[bytes, int] = Memo()
        self._bodies: Memo[tuple[object, ...], int] = Memo()
        self._pages: Memo[bytes, int] = Memo()
        sized = ("REQUEST_BODY_LENGTH", "FILES_COMBINED_SIZE")
        self._by_length = any(t.variable.name in sized for gate in plan.body for t in gate.link.link.targets)
        self._path_bits = 0
        for gate in plan.paths:
            self._path_bits |= gate.bit
        self._always_paths = any(not gate.scanned for gate in plan.paths)
        self._weak_paths = sum(gate.bit for gate in plan.paths if gate.weak)
        self._no_path_marks = bytes(set(range(256)).difference(*map(marks_of_weak, plan.paths)))
        self._uri_bits = 0
        for bits in plan.uri_bits.values():
            self._uri_bits |= bits
        self._exact_uri = ExactUri(plan.uri) if plan.uri else None
        self._ampersand = scratch().config.argument_separator == b"&"
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
        key: tuple[bytes | None, ...] = (t.method, t.version, t.body_processor)
        for field in varying:
            key += (field[0],)
        shape = steady.shapes.get(key)
        if shape is None:
            shape = self._fields.shape(steady, varying, self._facts_of(t))
            if len(steady.shapes) >= MAX_SHAPES:
                steady.shapes.clear()
            steady.shapes[key] = shape
        mask = shape.mask
        for place in shape.repeated:  # such as Content-Length: its values come again
            mask |= self._fields.judge(varying[place])
        for place in shape.unscanned:
            mask |= self._fields.opened(varying[place])
        if self._plan.peers:
            mask |= self._peers_of(t)
        line = t.request_line
        if self._exact_uri is not None:
            mask |= self._exact_uri.opened(t, line)
        found = self._glance(t, line, varying, shape)
        if found is None:
            volatile = [(varying[place], self._fields.looking_at(varying[place][0])) for place in shape.volatile]
            found = self._scan_ordinary(t, line, volatile)
            if found is None:
                found = self._scan_head(t, volatile)
        if found & self._path_bits or self._always_paths:
            found = found & ~self._path_bits | self._path_gates(t, found)
        return mask | found

    def _glance(self, t: Transaction, line: bytes, varying: Headers, shape: Shape) -> int | None:
        """Scan a head with nothing to decode, without taking it apart; None if it is not of ordinary bytes alone."""
        target = t.target
        joined, cookies = target, b""
        for place in shape.volatile:
            name, value = varying[place]
            joined += OTHER_SEAM + value
            if name == b"cookie":
                cookies = cookies + b"; " + value if cookies else value
        if (
            PERCENT_CODE in joined
            or target[:1] != b"/"
            or joined.translate(None, ALPHABET) != OTHER_SEAM * len(shape.volatile)
        ):
            return None
        path, _, query = target.partition(b"?")
        basename = path[path.rfind(b"/") + 1 :]
        pairs = None
        if self._ampersand and t.steady is not None and not t.steady.cookies:
            pairs = fields_joined(query, cookies)
        if pairs is None:
            texts = [*texts_of(t.args_get), *texts_of(t.cookies)]  # cookies may be steady fields: not in `joined`
            pairs = OTHER_SEAM.join(texts)
            if PERCENT_CODE in pairs or pairs.translate(None, ALPHABET) != OTHER_SEAM * (len(texts) - 1):
                return None
        values, raw = OTHER_SEAM.join((path, basename, pairs)), joined
        if self._wants_query:
            raw += OTHER_SEAM + query
        more: int | None = 0
        found = self._screen.scan(values, raw)
        if found is None:
            found, more = self._ordinary_values.scan_joined(values), self._ordinary_raw.scan_joined(raw)
        of_line = self._scan_line(line)
        if found is None or more is None or of_line is None:
            return None
        if path.translate(None, self._no_path_marks):
            found |= self._weak_paths
        return found | more | of_line

    def _scan_line(self, line: bytes) -> int | None:
        """Scan the request line, if there is a sign that it may be worth it; None if it is not ordinary."""
        lower = line.lower()
        for sign in self._line_signs:
            if lower.find(sign) >= 0:
                return self._ordinary_line.scan([line])
        return 0

    def _scan_ordinary(self, t: Transaction, line: bytes, volatile: list[tuple[Header, Looking]]) -> int | None:
        """Scan a head; None if some text of it is not ordinary."""
        target, uri = t.target, t.request_uri
        raw = [target] if uri == target else [target, uri]
        if self._wants_query:
            raw.append(t.query)
        for field, _ in volatile:
            raw.append(field[1])
        mask = self._ordinary_raw.scan(raw)
        of_line = self._scan_line(line)
        if mask is None or of_line is None:
            return None
        filename = t.filename
        found = self._ordinary_values.scan([filename, t.basename, *texts_of(t.args_get), *texts_of(t.cookies)])
        if found is None:
            return None
        if filename.translate(None, self._no_path_marks):
            found |= self._weak_paths
        return mask | of_line | found

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
        """The gates on method, protocol and body processor."""
        key = (t.method, t.version, t.body_processor)
        found = self._facts.get(key)
        return found if found is not None else self._recall(self._facts, key, self._plan.facts, t)

    def _peers_of(self, t: Transaction) -> int:
        """The gates on who talks to whom."""
        connection = t.connection
        key = (connection.client_address, connection.server_address, connection.server_port)
        found = self._peers.get(key)
        return found if found is not None else self._recall(self._peers, key, self._plan.peers, t)

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
        found = None if t.unread is None else self._glance_at_body(t.unread, t.request_body_variable)
        if found is not None:
            return mask | found & ~self._path_bits
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
            mask |= self._body.scan_text(raw)
        return mask

    def _glance_at_body(self, unread: Unread, raw: bytes) -> int | None:
        """Scan a body by what it says, without making arguments of it; None if that is not of ordinary bytes alone."""
        if isinstance(unread, JsonBody):
            found = self._scan_leaves(unread)
            return None if found is None else found | (self._body.scan_text(raw) if raw else 0)
        plain = url_decode(raw)
        if plain.translate(None, ALPHABET):
            return None
        pairs = form_joined(raw, plain) if unread.separator == b"&" else None
        values = self._ordinary_values
        found = values.scan(texts_of(unread.pairs)) if pairs is None else values.scan_joined(pairs)
        if found is None or not self._may_match_form(raw, plain):
            return found
        return found | self._body.scan_form(raw, plain)

    def _may_match_form(self, raw: bytes, plain: bytes) -> bool:
        """Whether a form may match what its names and values do not; `plain` is what URL-decoding makes of it."""
        both = (raw + OTHER_SEAM + plain).lower()
        return any(both.find(needle) >= 0 for needle in self._body_needles) or has_entity(raw)

    def _scan_leaves(self, leaves: JsonBody) -> int | None:
        """Scan the leaves of a document, and their names if these are new; None if they are not ordinary."""
        mask = self._leaf_names.gates(leaves.names)
        found = self._scan_texts(leaves.values)
        return None if mask is None or found is None else mask | found

    def _scan_texts(self, texts: list[str]) -> int | None:
        """Scan what a document says; None if it is not of ordinary bytes alone."""
        try:
            joined = "\x01".join(texts).encode()
        except UnicodeEncodeError:  # a lone surrogate
            return None
        if joined.translate(None, ALPHABET) != OTHER_SEAM * (len(texts) - 1):
            return None
        return self._ordinary_values.scan_joined(joined)

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
        if not body:
            return 0
        found = self._pages.get(body)
        if found is None:
            found = self._response.scan([body])
            if len(body) <= SHORT_PAGE:
                self._pages.put(body, found)
        return found
