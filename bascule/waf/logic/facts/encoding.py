"""How a value that does something was hidden: evasion is evidence."""

from __future__ import annotations

from bascule.waf.logic.decode import STEPS, How

from .fact import Fact

_SAYS = {
    "url": "was still URL-encoded after the application's own decoding",
    "percent_u": "was written as %uHHHH",
    "html_entity": "was written as HTML entities",
    "backslash": "was written with backslash escapes",
    "css_escape": "was written with CSS escapes",
    "overlong": "was written as overlong UTF-8",
    "full_width": "was written in full-width letters",
    "utf7": "was written as UTF-7",
    "base64": "was written as Base64",
    "hex": "was written as a hexadecimal literal",
    "char_codes": "was written as character codes",
    "scientific": "held numbers that MySQL drops",
    "php_string": "was a string in a serialised value of PHP",
    "null_byte": "held null bytes",
}

FACTS = (
    *(Fact(f"enc.{name}", _SAYS[name]) for name, _ in STEPS),
    Fact("enc.double_url", "was URL-encoded twice or more beyond the application's own decoding"),
    Fact("enc.layers", "was hidden under two or more encodings"),
)


def look(how: How) -> set[str]:
    """Return the facts about the steps that led to a text."""
    found = {f"enc.{step}" for step in how}
    if how.count("url") > 1:
        found.add("enc.double_url")
    if len(how) > 1:
        found.add("enc.layers")
    return found
