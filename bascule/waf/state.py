"""What rules read and write in one transaction besides the request: TX, MATCHED_*, collections, removals."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bascule.waf.seclang.collections import CollectionStore, record_key, to_int
from bascule.waf.seclang.removals import Removals

if TYPE_CHECKING:
    from bascule.waf.seclang.model import Config, Rule

MAX_TX = 4_096
"""Most TX variables of one transaction: rules build names from client data (920450), so they need a bound."""

MAX_MATCHED = 32_768
"""Most values MATCHED_VARS keeps for one chain: more than what is judged at once can have: none hides others."""

MAX_NOTES = 32
NOTHING: Final[list[tuple[bytes, bytes]]] = []
"""Stands in where there are no pairs yet; never appended to."""

T = TypeVar("T")
_DIGITS = tuple(b"%d" % n for n in range(10))


class RuleState:
    """The writable side of a transaction. `tx` may be shared with a template until it is first written.

    What most transactions never touch is a default of the class, so that it costs them nothing.
    """

    config: Config
    tx: dict[bytes, bytes]
    tx_shared: bool
    store: CollectionStore
    time: float
    matched_vars: list[tuple[bytes, bytes]]
    sanitised: set[str]
    notes: list[str]
    removals: Removals | None = None
    current_rule: Rule | None = None
    matched_var: bytes = b""
    matched_var_name: bytes = b""
    highest_severity: int = 255
    geo: list[tuple[bytes, bytes]] = NOTHING
    _collections: dict[str, bytes] | None = None
    _environment: dict[bytes, bytes] | None = None

    def reset_state(self, now: float, tx: dict[bytes, bytes]) -> None:
        self.time = now
        self.tx, self.tx_shared = tx, True
        self.matched_vars = []
        self.sanitised = set()

    def note(self, text: str) -> None:
        """Add a remark of the engine itself to the event (bounded)."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(text)

    # -- MATCHED_* and captures ------------------------------------------------------------------

    def clear_matched(self) -> None:
        self.matched_vars.clear()
        self.matched_var = self.matched_var_name = b""

    def set_matched(self, name: bytes, value: bytes) -> None:
        self.matched_var, self.matched_var_name = value, name
        if len(self.matched_vars) < MAX_MATCHED:
            self.matched_vars.append((name, value))

    def capture(self, match: Any) -> None:
        """Store TX.0 (the match) to TX.9 (its groups); numbers it does not fill are unset, as in ModSecurity 2.

        What an earlier rule captured stays where the operator captures nothing.
        """
        values = match.groups[:10]
        if not values:
            return
        tx = self.own_tx()
        for digit, value in zip(_DIGITS, values, strict=False):
            tx[digit] = value
        for digit in _DIGITS[len(values) :]:
            tx.pop(digit, None)

    # -- members of TX and of persistent collections ---------------------------------------------

    def own_tx(self) -> dict[bytes, bytes]:
        """Return TX for writing: a private copy is made on the first write."""
        if self.tx_shared:
            self.tx, self.tx_shared = dict(self.tx), False
        return self.tx

    def set_member(self, collection: str, key: bytes, value: bytes) -> None:
        if collection == "TX":
            tx = self.own_tx()
            if key in tx or len(tx) < MAX_TX:
                tx[key] = value
            return
        self._persist(collection, lambda record, ends: self.store.set(record, key, value, self.time, ends))

    def add_member(self, collection: str, key: bytes, delta: int) -> bytes:
        if collection == "TX":
            value = b"%d" % (to_int(self.tx.get(key, b"0")) + delta)
            self.set_member("TX", key, value)
            return value
        total = self._persist(collection, lambda record, ends: self.store.add(record, key, delta, self.time, ends))
        return total or b""

    def remove_member(self, collection: str, key: bytes) -> None:
        if collection == "TX":
            if key in self.tx:
                del self.own_tx()[key]
            return
        self._persist(collection, lambda record, _: self.store.remove(record, key, self.time))

    def expire_member(self, collection: str, key: bytes, seconds: int) -> None:
        self._persist(collection, lambda record, _: self.store.expire(record, key, self.time, self.time + seconds))

    def deprecate_member(self, collection: str, key: bytes, rate: bytes) -> None:
        """`deprecatevar`: lower a counter by `amount` for every `seconds` since it was last lowered."""
        amount, _, seconds = rate.partition(b"/")
        lower, period = to_int(amount), to_int(seconds)
        if period > 0:
            self._persist(
                collection, lambda record, ends: self.store.deprecate(record, key, lower, period, self.time, ends)
            )

    def _persist(self, collection: str, change: Callable[[bytes, float], T]) -> T | None:
        """Carry out a change of the open record of a collection; without one nothing is changed."""
        record = self._record(collection)
        if record is None:
            return None
        try:
            return change(record, self.time + self.config.collection_timeout)
        except ValueError as error:
            self.note(f"collection {collection}: {error}; not stored")
            return None

    def _record(self, collection: str) -> bytes | None:
        key = self.collection_key(collection)
        return None if key is None else record_key(collection, self.config.web_app_id, key)

    def open_collection(self, collection: str, key: bytes) -> None:
        """`initcol`, `setsid`, `setuid`, `setrsc`: choose the record the collection's name stands for."""
        if self._collections is None:
            self._collections = {}
        self._collections[collection] = key

    def collection_key(self, collection: str) -> bytes | None:
        found = None if self._collections is None else self._collections.get(collection)
        return b"" if found is None and collection == "GLOBAL" else found

    def collection_pairs(self, collection: str) -> list[tuple[bytes, bytes]]:
        record = self._record(collection)
        if record is None:
            return []
        return [(k, v) for k, v in self.store.load(record, self.time).items() if k[:2] != b"__"]

    # -- the rest --------------------------------------------------------------------------------

    def own_removals(self) -> Removals:
        if self.removals is None:
            self.removals = Removals()
        return self.removals

    def sanitise(self, items: tuple[tuple[str, str], ...]) -> None:
        """`sanitise*`: names whose values the event must not show."""
        prefixes = {"arg": ("args:", "args_get:", "args_post:"), "request-header": ("request_headers:",),
                    "response-header": ("response_headers:",)}  # fmt: skip
        for kind, name in items:
            if kind == "matched":
                names = {n.decode("latin-1").lower() for n, _ in self.matched_vars}
                self.sanitised |= names | {"args_get" + name[4:] for name in names if name.startswith("args:")}
            else:
                self.sanitised.update(prefix + name for prefix in prefixes[kind])

    def set_environment(self, name: bytes, value: bytes) -> None:
        """`setenv`: kept in the transaction; the process's own environment is never written."""
        if self._environment is None:
            self._environment = {}
        self._environment[name] = value

    def environment_pairs(self) -> list[tuple[bytes, bytes]]:
        own = self._environment or {}
        return [*own.items(), *((k, v) for k, v in os.environb.items() if k not in own)]

    def geo_pairs(self) -> list[tuple[bytes, bytes]]:
        return self.geo

    def rule_pairs(self) -> list[tuple[bytes, bytes]]:
        """RULE: what is known of the rule being evaluated."""
        rule = self.current_rule
        if rule is None:
            return []
        actions = rule.head.actions
        pairs = [(b"id", b"%d" % rule.rule_id), (b"rev", actions.revision.encode("latin-1"))]
        if actions.severity is not None:
            pairs.append((b"severity", b"%d" % actions.severity))
        expand: list[tuple[bytes, Any]] = [(b"logdata", actions.logdata), (b"msg", actions.message)]
        for name, text in expand:
            if text is not None:  # a message that tells of RULE itself is shown as it is written
                recursive = any(variable == "RULE" for variable, _ in text.references)
                pairs.append((name, text.source.encode("latin-1") if recursive else text.expand(self)))
        return pairs
