"""What requests of the forward proxy tell of the client, by level. Header policy of the configuration goes on top."""

from __future__ import annotations

from typing import Final

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

PRIVACY: Final = {
    "off": HeaderOps(),
    "standard": HeaderOps(remove=_TELL_WHO),
    "strict": HeaderOps(remove=(*_TELL_WHO, *_HINTS, "Referer"), set=_EVERYBODY),
}
"""By level of `forward.privacy`."""
