"""Addresses in fields that say where somebody is: a developer's site, the page a beacon is about, where he came from.

Such a field is shown or counted, and no server fetches from it; who develops has pages on his own machine and network.
Only the plain spelling is spared: whoever hides an address wants it fetched.
"""

from __future__ import annotations

import re

_NAMES = frozenset(
    b"""website homepage home_page blog dl dr ref referrer referer page_referrer document_referrer origin origins weborigins
    allowed_origins redirect_uri redirect_uris redirecturi redirecturis post_logout_redirect_uri stringvalue document-uri
    documenturl page_location current_url $current_url $referrer initial_referrer $initial_referrer ruleurl generatorurl
    externalurl panelurl dashboardurl silenceurl redirect_to return_to returnto return_url returnurl back_url backurl next
    continue relaystate _wp_http_referer""".split()
)
"""What such fields are called, in lower case: of profiles, of measurements (`dl` and `dr` are Google's, `stringValue` is
OpenTelemetry's), of reports that browsers send, of alerts, which say where they are shown, of clients that a
browser is sent back to, on the user's own machine, too (RFC 8252 7.3), and of forms that say where it goes next, which in
a network of one's own is an address there."""
_LAST = re.compile(rb"\.array_\d+\Z|\[\d*\]\Z")
"""The place in a list, behind a name."""
_OWN = re.compile(
    rb"https?://(?:localhost|127\.0\.0\.1|\[::1\]|10(?:\.\d{1,3}){3}|192\.168(?:\.\d{1,3}){2}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d{1,3}){2}"
    rb"|[a-z][a-z0-9-]{0,60}\.(?:lan|intranet|corp|internal))(?::\d{2,5})?(?:[/?#][\w/.,:;=&?#%+~*-]{0,500})?"
)
_WHERE = frozenset(
    f"ssrf.{name}"
    for name in ("loopback", "loopback_name", "private_network", "private_name", "bare_name", "url_value")
)


def whereabouts(facts: frozenset[str], name: bytes, text: bytes) -> frozenset[str]:
    """Return the facts without those of an address, if the field only says where somebody is."""
    if (
        facts.isdisjoint(_WHERE)
        or _LAST.sub(b"", name).rpartition(b".")[2].lower() not in _NAMES
        or _OWN.fullmatch(text) is None
    ):
        return facts
    return facts - _WHERE if all(each in _WHERE for each in facts if each.startswith("ssrf.")) else facts
