"""The phases of a client's connection: what its next bytes are.

| phase    | next bytes                                  | leaves it with                                           |
|----------|---------------------------------------------|----------------------------------------------------------|
| `HEAD`   | a request's head                            | `BUSY` or, if the head announces a body, `BODY`          |
| `BODY`   | the request's body                          | `BUSY` at its end; `LINGER` if it was answered before it |
| `BUSY`   | ahead of their turn: held (pipelining)      | `HEAD` when the response is complete; `TUNNEL`           |
| `TUNNEL` | passed on as they come                      | `CLOSED`                                                 |
| `LINGER` | thrown away, so that the answer is not lost | `CLOSED`                                                 |
| `CLOSED` | none                                        |                                                          |
"""

from __future__ import annotations

from typing import Final

HEAD: Final = 0
BODY: Final = 1
BUSY: Final = 2
TUNNEL: Final = 3
LINGER: Final = 4
CLOSED: Final = 5
