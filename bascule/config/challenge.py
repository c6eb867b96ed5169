"""Challenges: what a client has to pass before it is served, and when."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from bascule.config.base import Model
from bascule.config.types import PositiveDuration

Rung = Literal["off", "cookie", "refresh", "proof", "captcha"]
RUNGS: tuple[Rung, ...] = ("off", "cookie", "refresh", "proof", "captcha")
"""The ladder, from nothing to the hardest."""
NUMBERS: dict[str, int] = {name: number for number, name in enumerate(RUNGS)}
MIN_TOKEN = 16
"""Characters of a token that lets a program past: 16 of a random text are about 96 bits."""


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or any(char in text for char in " \"'<>\r\n"):
        raise ValueError(f"{text!r} is not a URL such as https://captcha.example/verify")
    return text


def _prefix(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is not the beginning of a path: it begins with /")
    return text


def _token(text: str) -> str:
    if len(text) < MIN_TOKEN:
        raise ValueError(f"a token has at least {MIN_TOKEN} characters")
    return text


Url = Annotated[str, AfterValidator(_url)]
PathPrefix = Annotated[str, AfterValidator(_prefix)]
Token = Annotated[str, AfterValidator(_token)]


class Captcha(Model):
    """A provider of captchas: hCaptcha, reCAPTCHA, Turnstile, or whatever speaks as they do."""

    site_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,256}$")]
    """The public key of your site, from the provider."""
    secret: str
    """The secret that goes with it: ``${env:CAPTCHA_SECRET}``."""
    script: Url
    """The provider's script, such as ``https://js.hcaptcha.com/1/api.js``."""
    verify: Url
    """Where answers are checked, such as ``https://api.hcaptcha.com/siteverify``."""
    widget: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")] = "h-captcha"
    """Class of the provider's element: ``h-captcha``, ``g-recaptcha`` or ``cf-turnstile``. Its answer is the field of
    this name with ``-response``."""
    sources: tuple[Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9*.:-]+$")], ...] = ()
    """Further places its frames, styles and connections come from, such as ``https://*.hcaptcha.com``; that of the
    script is known."""
    timeout: PositiveDuration = 5.0
    """How long the provider has to answer; then the client may try again."""


class Challenge(Model):
    """What clients have to pass. A bare rung is short for `level`; ``auto`` asks nobody but under attack."""

    short_forms: ClassVar = ({"enum": [*RUNGS, "auto"]}, {"type": "boolean", "const": False})

    level: Rung = "off"
    """What every client passes first: ``cookie`` (it keeps one), ``refresh`` (it waits three seconds, without
    JavaScript), ``proof`` (its browser computes for about half a second) or ``captcha``."""
    under_attack: Rung = "proof"
    """What it passes while the site is under attack (see `defence.attack`), where that is more than `level`."""
    mode: Literal["block", "detect"] = "block"
    """``detect`` only records who would be asked."""
    others: Literal["refuse", "pass"] = "refuse"
    """What becomes of a request that can be shown no page, and has passed nothing before: a program's, a script's, a
    picture's. ``refuse`` is 403 with a reference id."""
    valid: Annotated[PositiveDuration, Field(ge=60, le=604800)] = 14400.0
    """How long what was passed counts."""
    difficulty: Literal["light", "normal", "heavy"] = "normal"
    """How much ``proof`` computes: a quarter of, about, or four times what takes Chromium half a second."""
    exempt: tuple[PathPrefix, ...] = ("/.well-known/", "/robots.txt", "/favicon.ico")
    """Beginnings of paths that nobody is asked for."""
    tokens: dict[str, tuple[Token, ...]] = Field(default_factory=dict)
    """From a header field to its values that let programs past: ``{x-api-key: ["${env:PARTNER_KEY}"]}``."""
    captcha: Captcha | None = None
    """The provider of captchas; needed for the rung ``captcha``."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if data is False:
            return {"level": "off", "under_attack": "off"}
        if data == "auto":
            return {"level": "off", "under_attack": "proof"}
        if isinstance(data, str):
            return {"level": data, **({"under_attack": "off"} if data == "off" else {})}
        return data

    @property
    def asks(self) -> bool:
        """Whether anybody may ever be asked."""
        return self.level != "off" or self.under_attack != "off"


NOBODY = Challenge(under_attack="off")
"""Where nothing is asked of anybody."""
