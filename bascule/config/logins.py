"""Logins: where they are, how their outcome is told, how many may fail, and what passwords and sessions are allowed."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from bascule.config.account import exact_path
from bascule.config.base import Model, Switched
from bascule.config.defence import Rate, RateField
from bascule.config.grammar import is_token
from bascule.config.types import FileField, PositiveDuration, Share

Answer = Literal["delay", "challenge", "refuse"]
_SHORT = re.compile(r"(?P<failures>\S+)(?:\s+(?P<answer>\S+))?")
Paths = tuple[Annotated[str, AfterValidator(exact_path)], ...]


def _cookie(text: str) -> str:
    if not is_token(text):
        raise ValueError(f"{text!r} is not the name of a cookie")
    return text


CookieName = Annotated[str, AfterValidator(_cookie)]


class Allowance(Model):
    """How many logins may fail, and what further ones get. ``10/10m refuse`` is short for both."""

    short_forms: ClassVar = ({"type": "string"},)

    failures: RateField
    """Failed logins and their period: ``10/10m``."""
    answer: Answer
    """``delay`` lets them wait for `delay`; ``challenge`` asks for the route's rung; ``refuse`` answers 429."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        found = _SHORT.fullmatch(data.strip())
        if found is None or found["answer"] is None:
            raise ValueError(f"{data!r} is not an allowance: write 10/10m refuse, with delay, challenge or refuse")
        return found.groupdict()


class Spraying(Model):
    """When logins fail all over the site: many accounts, few tries each, from many addresses."""

    share: Share = 0.8
    """Share of the logins of five minutes that fail: ``80%``."""
    least: Annotated[int, Field(ge=5, le=1_000_000)] = 50
    """Failed logins in five minutes below which a share means nothing."""
    answer: Literal["delay", "challenge"] = "delay"
    """What logins get meanwhile, but those from devices that are known."""


class Signs(Model):
    """By what an outcome is told; one of them is enough."""

    status: tuple[Annotated[int, Field(ge=200, le=599)], ...] = ()
    """Statuses of the answer."""
    location: tuple[str, ...] = ()
    """Texts that the place of a redirect holds: ``/login?error``."""
    body: tuple[Annotated[str, Field(min_length=3)], ...] = ()
    """Texts that the first 16 KiB of the answer hold: ``Wrong password``."""
    cookie: tuple[CookieName, ...] = ()
    """Cookies that the answer sets."""


class Passwords(Model):
    """Passwords at registration and change. A file alone is short for `breached`."""

    short_forms: ClassVar = ({"type": "string"},)

    endpoints: Paths = ()
    """Paths that new passwords are sent to, beside those that are recognised."""
    breached: FileField = ""
    """Passwords known from breaches, as Have I Been Pwned publishes their SHA-1: one file of sorted lines
    ``HASH:COUNT``, or a folder with a file for each of the 5-digit prefixes (``00000.txt``...)."""
    least: Annotated[int, Field(ge=1)] = 1
    """How often a password was seen in breaches, at least, to count as one."""
    length: Annotated[int, Field(ge=1, le=64)] = 8
    """Characters of the shortest password that is not weak (NIST SP 800-63B 5.1.1.2)."""
    answer: Literal["refuse", "flag"] = "flag"
    """``refuse`` answers 422 and says why; ``flag`` tells the server, in the field ``X-Bascule-Password``:
    ``breached``, ``weak`` or ``fine``."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"breached": data} if isinstance(data, str) else data


class Sessions(Model):
    """How many sessions an account may have at a time."""

    cookie: CookieName
    """The cookie that is a session."""
    most: Annotated[int, Field(ge=1, le=32)] = 5
    """Sessions of an account; with one more the oldest ends: its cookie no longer reaches the server."""
    valid: PositiveDuration = 43200.0
    """How long after its login a session counts, at most."""


class Logins(Switched):
    """The defence of logins. A bare ``block``, ``detect`` or ``off`` is short for `mode`."""

    mode: Literal["off", "detect", "block"] = "off"
    """``block`` does what stands here; ``detect`` only records it."""
    endpoints: Paths = ()
    """Paths that logins are sent to."""
    learn: bool = True
    """Recognise further logins by their form: an account and one password, sent as a form or as JSON."""
    account_fields: tuple[str, ...] = ()
    """Names of fields that hold the account, in place of the usual ones. Say it, and nobody hides an account behind
    further fields."""
    password_fields: tuple[str, ...] = ()
    """Names of fields that hold the password, in place of the usual ones."""
    failed: Signs | None = None
    """How a failed login is told; by default by what servers usually answer."""
    succeeded: Signs | None = None
    """How a successful login is told; where this is stated, all others failed."""
    pair: Allowance = Allowance(failures=Rate(10, 600.0), answer="refuse")
    """One account from one client: brute force."""
    accounts: Allowance = Allowance(failures=Rate(10, 600.0), answer="refuse")
    """Different accounts that one client fails at: credential stuffing, enumeration."""
    client: Allowance = Allowance(failures=Rate(30, 600.0), answer="refuse")
    """One client, whatever it tries."""
    account: Allowance = Allowance(failures=Rate(30, 600.0), answer="delay")
    """One account, from wherever. With ``refuse`` an attacker can keep its owner out of devices that are not known."""
    spraying: Spraying = Spraying()
    """The whole site."""
    delay: Annotated[PositiveDuration, Field(le=30.0)] = 3.0
    """How long a login waits for the answer ``delay``."""
    devices: Annotated[PositiveDuration, Field(ge=3600.0)] = 7776000.0
    """How long a device is known after a login: it has a signed cookie, and an attack on its account from elsewhere
    does not concern it."""
    passwords: Passwords | None = None
    """What new passwords are held against; nothing by default."""
    sessions: Sessions | None = None
    """How many sessions an account may have; any number by default."""


NO_LOGINS = Logins()
"""Where logins are nothing special."""
