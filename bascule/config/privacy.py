"""What requests of the forward proxy tell of the client, by level. Header policy of the configuration goes on top."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from pydantic import model_validator

from bascule.config.base import Model
from bascule.config.forward import Words
from bascule.config.policies import HeaderOps

_TELL_WHO: Final = (
    "From",
    "Client-IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Cluster-Client-IP",
    "X-Originating-IP",
    "X-Remote-IP",
    "X-ProxyUser-IP",
    "X-UIDH",  # what mobile networks add: a number of the customer, of the telephone, of the device
    "X-ACR",
    "X-MSISDN",
    "X-Up-Subno",
    "X-Wap-Profile",
    "X-Network-Info",
    "X-Device-Id",
    "X-Requested-With",  # names the app in which a page is shown
)
"""Fields by which a program or a network between tells who asks."""
_HINTS: Final = (
    *(f"Sec-CH-UA{part}" for part in ("", "-Arch", "-Bitness", "-Form-Factors", "-Full-Version",
                                     "-Full-Version-List", "-Mobile", "-Model", "-Platform", "-Platform-Version",
                                     "-WoW64")),
    "Sec-CH-Prefers-Color-Scheme",
    "Sec-CH-Prefers-Reduced-Motion",
    "Sec-CH-Prefers-Reduced-Transparency",
    "Sec-CH-DPR",
    "Sec-CH-Device-Memory",
    "Sec-CH-Viewport-Width",
    "Sec-CH-Viewport-Height",
    "Sec-CH-Width",
    "DPR",
    "Device-Memory",
    "Viewport-Width",
    "Width",
    "Downlink",
    "ECT",
    "RTT",
    "Save-Data",
    "DNT",  # rare enough to tell its user apart; Sec-GPC says the same of everybody
    "X-Client-Data",  # Chrome's field trials: a number of the installation, to Google's servers
)  # fmt: skip
"""Client hints (RFC 8942) and other fields that make a browser one of few."""
_EVERYBODY: Final = {
    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept-Language": "en-US,en;q=0.5",
    "Sec-GPC": "1",
}
"""What all clients say alike."""

_ASKS: Final = ("Accept-CH", "Critical-CH", "NEL", "Report-To", "Reporting-Endpoints")
"""Fields by which a server asks a browser for hints, and to report to it."""
_REQUEST: Final = {
    "off": HeaderOps(),
    "standard": HeaderOps(remove=_TELL_WHO),
    "strict": HeaderOps(remove=(*_TELL_WHO, *_HINTS), set=_EVERYBODY),
}

TRACKING_PARAMETERS: Final = (
    "utm_*", "fbclid", "gclid", "gclsrc", "gbraid", "wbraid", "dclid", "srsltid", "msclkid", "yclid", "ysclid",
    "twclid", "ttclid", "igshid", "igsh", "li_fat_id", "mc_eid", "mc_cid", "mkt_tok", "oly_anon_id", "oly_enc_id",
    "vero_id", "_openstat", "__hsfp", "__hssc", "__hstc", "_hsenc", "_hsmi", "hsCtaTracking", "s_cid", "wickedid",
    "rb_clickid", "ScCid", "_gl", "epik", "irclickid",
)  # fmt: skip
"""Parameters that say where a click came from, and nothing to the page; ``*`` stands for any rest. As Firefox, Brave
and the lists of AdGuard and ClearURLs have them."""

REFERERS = Literal["keep", "trim", "origin", "none"]
COOKIES = Literal["all", "first-party", "session", "none"]
_BY_LEVEL: Final[dict[str, tuple[REFERERS, bool, COOKIES]]] = {
    "off": ("keep", False, "all"),
    "standard": ("trim", True, "all"),
    "strict": ("none", True, "first-party"),
}


class Privacy(Model):
    """What plain requests tell of their users; a level is short for it. See the guide."""

    short_forms: ClassVar = ({"type": "string", "enum": ["off", "standard", "strict"]},)

    level: Literal["off", "standard", "strict"] = "standard"
    """What is taken out, changed and said alike; each of the following may differ from it."""
    referer: REFERERS | None = None
    """``trim`` tells other sites only which site a request comes from, ``origin`` tells all of them no more."""
    tracking_parameters: Literal["keep", "remove"] | None = None
    """Parameters such as ``utm_source`` and ``fbclid``, in the query and in the referrer."""
    cookies: COOKIES | None = None
    """``first-party`` takes them out of requests that pages of other sites make, ``session`` lets none outlive the
    browser, ``none`` lets none pass."""
    no_log: Words = ()
    """Users and groups whose requests are not written to the access log; they are counted without their name."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if data is False:  # YAML 1.1 habits: a bare `off`
            data = "off"
        return {"level": data} if isinstance(data, str) else data

    @property
    def how_referer(self) -> REFERERS:
        """What becomes of the referrer."""
        return self.referer or _BY_LEVEL[self.level][0]

    @property
    def removes_tracking(self) -> bool:
        """Whether tracking parameters are taken out."""
        return _BY_LEVEL[self.level][1] if self.tracking_parameters is None else self.tracking_parameters == "remove"

    @property
    def how_cookies(self) -> COOKIES:
        """What becomes of cookies."""
        return self.cookies or _BY_LEVEL[self.level][2]

    @property
    def request(self) -> HeaderOps:
        """What is taken out of requests and said alike."""
        ops = _REQUEST[self.level]
        return ops if self.how_referer != "none" else ops.model_copy(update={"remove": (*ops.remove, "Referer")})

    @property
    def response(self) -> HeaderOps:
        """What is taken out of responses."""
        return HeaderOps(remove=_ASKS) if self.level == "strict" else HeaderOps()
