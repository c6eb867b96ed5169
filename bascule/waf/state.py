"""What rules read and write in one transaction besides the request: TX, MATCHED_*, collections, removals."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bascule.waf.seclang.collections import CollectionStore, to_int
from bascule.waf.seclang.removals import Removals

if TYPE_CHECKING:
    from bascule.waf.seclang.model import Config, Rule

MAX_TX = 4_096
"""Most TX variables of one transaction: rules build names from client data (920450), so they need a bound."""

MAX_MATCHED = 1_024
"""Most values MATCHED_VARS keeps for one chain."""

NOTHING: list[tuple[bytes, bytes]] = []
"""Stands in where there are no pairs yet; never appended to."""

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
    removals: Removals | None = None
    current_rule: Rule | None = None
    matched_var: bytes = b""
    matched_var_name: bytes = b""
    highest_severity: int = 255
    geo: list[tuple[bytes, bytes]] = NOTHING
    _collections: dict[str, bytes] | None = None
    _environment: dict[bytes, bytes] | None = None

    def reset_state(self, store: CollectionStore, now: float, tx: dict[bytes, bytes]) -> None:
        self.store, self.time = store, now
        self.tx, self.tx_shared = tx, True
        self.matched_vars = []
        self.sanitised = set()

    # -- MATCHED_* and captures ------------------------------------------------------------------

    def clear_matched(self) -> None:
        self.matched_vars.clear()
        self.matched_var = self.matched_var_name = b""

    def set_matched(self, name: bytes, value: bytes) -> None:
        self.matched_var, self.matched_var_name = value, name
        if len(self.matched_vars) < MAX_MATCHED:
            self.matched_vars.append((name, value))

    def capture(self, match: Any) -> None:
        """Store TX.0 (the match) to TX.9 (its groups); numbers it does not fill are unset."""
        tx = self.own_tx()
        values = match.groups[:10]
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
        record = self.collection_key(collection)
        if record is not None:
            self.store.set(collection, record, key, value, self.time + self.config.collection_timeout)

    def add_member(self, collection: str, key: bytes, delta: int) -> bytes:
        if collection == "TX":
            value = b"%d" % (to_int(self.tx.get(key, b"0")) + delta)
            self.set_member("TX", key, value)
            return value
        record = self.collection_key(collection)
        if record is None:
            return b""
        return self.store.add(collection, record, key, delta, self.time, self.time + self.config.collection_timeout)

    def remove_member(self, collection: str, key: bytes) -> None:
        if collection == "TX":
            if key in self.tx:
                del self.own_tx()[key]
            return
        record = self.collection_key(collection)
        if record is not None:
            self.store.remove(collection, record, key)

    def expire_member(self, collection: str, key: bytes, seconds: int) -> None:
        record = self.collection_key(collection)
        if record is not None:
            self.store.expire(collection, record, key, self.time + seconds)

    def deprecate_member(self, collection: str, key: bytes, rate: bytes) -> None:
        """`deprecatevar`: lower a counter by `amount` for every `seconds` since it was last lowered."""
        record = self.collection_key(collection)
        amount, _, seconds = rate.partition(b"/")
        period = to_int(seconds)
        if record is None or period <= 0:
            return
        values = self.store.load(collection, record, self.time)
        stamp = b"__deprecated_" + key
        last = to_int(values.get(stamp, b"0")) or int(self.time)
        steps = int(self.time - last) // period
        end = self.time + self.config.collection_timeout
        if stamp not in values or steps > 0:
            self.store.set(collection, record, stamp, b"%d" % (last + steps * period), end)
        if steps > 0 and key in values:
            left = max(0, to_int(values[key]) - steps * to_int(amount))
            self.store.set(collection, record, key, b"%d" % left, end)

    def open_collection(self, collection: str, key: bytes) -> None:
        """`initcol`, `setsid`, `setuid`, `setrsc`: choose the record the collection's name stands for."""
        if self._collections is None:
            self._collections = {}
        self._collections[collection] = key

    def collection_key(self, collection: str) -> bytes | None:
        found = None if self._collections is None else self._collections.get(collection)
        return b"" if found is None and collection == "GLOBAL" else found

    def collection_pairs(self, collection: str) -> list[tuple[bytes, bytes]]:
        record = self.collection_key(collection)
        if record is None:
            return []
        return [(k, v) for k, v in self.store.load(collection, record, self.time).items() if k[:2] != b"__"]

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
                self.sanitised.update(n.decode("latin-1").lower() for n, _ in self.matched_vars)
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
