"""The one error of the codec: what was wrong with a message, and which status says so.

`cause` is a stable name for logs, metrics and events (see telemetry/causes.py); it is never sent to a client.
"""

from __future__ import annotations


class HttpError(Exception):
    """A message that cannot be accepted.

    `status` answers it when it came from a client; a server's faulty response always becomes 502.
    """

    def __init__(self, status: int, cause: str, detail: str = "") -> None:
        super().__init__(f"{status} {cause}{': ' + detail if detail else ''}")
        self.status = status
        self.cause = cause
        self.detail = detail
