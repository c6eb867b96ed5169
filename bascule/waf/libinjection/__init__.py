"""SQL injection and XSS by tokens, compatible with libinjection (client9, BSD-3-Clause: see LICENSE).

`is_sqli` returns the fingerprint of what reads like SQL where none belongs; `is_xss` tells whether HTML can run
scripts. Pure functions over bytes, linear in time. `data.json` holds libinjection's keyword, fingerprint and
event tables. Start reading at `sqli.py` (then `tokens.py`, `folding.py`) and `xss.py` (then `html5.py`).
"""

from .sqli import is_sqli
from .xss import is_xss

__all__ = ["is_sqli", "is_xss"]
