"""Names of what clients do that is no cause of an answer, but weighs."""

from __future__ import annotations

from typing import Final

FALSE_CRAWLER: Final = "false_crawler"
"""A request in the name of a crawler that it is not."""
INCONSISTENT: Final = "inconsistent"
"""A page asked for by a browser that it cannot be."""
NOT_FOUND: Final = "not_found"
"""A server's own 404."""
LOGIN_FAILED: Final = "login_failed"
"""A login that failed, or was refused."""
