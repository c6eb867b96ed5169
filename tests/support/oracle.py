"""libmodsecurity itself, beside which the engine is held: rules and a request in, the messages of what fired out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

FORM = "application/x-www-form-urlencoded"


class Oracle:
    """libmodsecurity with a rule set: that of a text, then that of files. Skips the test where there is none."""

    def __init__(self, rules: str, files: Iterable[Path] = ()) -> None:
        library = pytest.importorskip("libmodsecurity")
        self._seen: list[Any] = []
        self._engine = library.ModSecurity()
        self._engine.set_log_callback(lambda message: None)
        self._engine.set_rule_message_callback(self._seen.append)
        self._rules = library.RulesSet()
        self._rules.load(rules)
        for file in files:
            self._rules.load_from_uri(str(file))

    def messages(
        self, method: Any, target: Any, fields: Iterable[tuple[Any, Any]], body: bytes = b"", version: Any = "1.1"
    ) -> list[Any]:
        """Return the messages of the rules that a request fires."""
        self._seen.clear()
        with self._engine.transaction(self._rules) as t:
            t.process_connection("203.0.113.7", 40000, "192.0.2.1", 80)
            t.process_uri(target, method, version)
            for name, value in fields:
                t.add_request_header(name, value)
            t.process_request_headers()
            if body:
                t.append_request_body(body)
            t.process_request_body()
            t.process_logging()
        return list(self._seen)

    def of_value(self, value: bytes) -> list[Any]:
        """Return the messages of a form whose field `a` has a value."""
        body = b"a=" + b"".join(b"%%%02x" % char for char in value)
        return self.messages("POST", "/", [("Content-Type", FORM)], body)
