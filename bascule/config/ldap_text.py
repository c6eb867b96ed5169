"""Filters (RFC 4515) and distinguished names (RFC 4514) of a directory, as a person writes them."""

from __future__ import annotations

from ldap3.core.exceptions import LDAPException
from ldap3.operation.search import parse_filter
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import parse_dn


def filled(text: str, **values: str) -> str:
    """Return a filter with its ``{placeholders}`` filled in, escaped (RFC 4515 3)."""
    for key, value in values.items():
        text = text.replace("{" + key + "}", escape_filter_chars(value))
    return text


def filter_fault(text: str) -> str:
    """Return what is wrong with a filter, or empty."""
    try:
        parse_filter(filled(text, user="x", dn="x"), None, False, None, False, False)
    except (LDAPException, IndexError, AttributeError) as error:
        return f"{text!r} is not an LDAP filter such as (uid={{user}}): {error}"
    return ""


def dn_fault(text: str) -> str:
    """Return what is wrong with a distinguished name, or empty."""
    try:
        parse_dn(text)
    except LDAPException as error:
        return f"{text!r} is not a distinguished name such as ou=people,dc=example,dc=com: {error}"
    return ""
