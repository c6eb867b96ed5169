"""Checks of logins: that what they ask for can be asked, and that files can be read."""

from __future__ import annotations

from collections.abc import Iterable

from bascule.config.errors import KeyPath
from bascule.config.findings import Findings
from bascule.config.logins import Logins
from bascule.config.plan import RoutePlan

_ALLOWANCES = ("pair", "accounts", "client", "account", "spraying")


def check_logins(findings: Findings, path: KeyPath, logins: Logins, routes: Iterable[RoutePlan]) -> None:
    """Check the logins of a site with all they inherit; `path` is where they are stated."""
    stated = logins.model_fields_set - {"mode"}
    if logins.mode == "off":
        for key in sorted(stated)[:1]:
            findings.error((*path, key), f"`{key}` has no effect while the mode is off", "logins: {mode: block}")
        return
    if not (logins.endpoints or logins.learn):
        findings.error((*path, "learn"), "no login is known", "endpoints: [/login]")
    asks = any(route.challenge.asks for route in routes)
    for key in _ALLOWANCES:
        if getattr(logins, key).answer == "challenge" and not asks:
            findings.error((*path, key), "no route of the site has a challenge that could be asked", "challenge: auto")
    for key in ("failed", "succeeded"):
        signs = getattr(logins, key)
        if signs is not None and not any(signs.model_dump().values()):
            findings.error((*path, key), "nothing is said by which it is told", f"{key}: {{status: [401]}}")
    passwords = logins.passwords
    if passwords is None:
        return
    if passwords.breached:
        findings.needs_file((*path, "passwords", "breached"), passwords.breached)
    if "least" in passwords.model_fields_set and not passwords.breached:
        findings.error((*path, "passwords", "least"), "`least` has no effect without `breached`")
