"""What a body says of a login: the account, and the passwords that are in it."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from bascule.waf.bodies import Limits, json_leaves, parse_multipart, parse_urlencoded

LONGEST: Final = 1024
"""Bytes of an account or password that are looked at."""
_LIMITS: Final = Limits(fields=256)
_USUAL_ACCOUNTS: Final = (
    "email mail emailaddress user username userid uid usr login loginid loginname account accountname accountid "
    "identifier identity id log phone phonenumber mobile customer customerid member nick nickname jusername name "
    "benutzer benutzername utilisateur usuario"
)
"""Names of fields without marks: Spring's `j_username`, WordPress's `log`..."""
_USUAL_PASSWORDS: Final = "pass pwd pw psw passphrase pin kennwort contrasena motdepasse senha"
_SECRET: Final = ("password", "passwd", "passwort")
_OLD: Final = ("old", "current", "existing", "previous")
_NEW: Final = ("new", "confirm", "repeat", "again", "verify", "retype", "confirmation")
_MARKS: Final = re.compile(r"[^a-z0-9]")


class Credentials(NamedTuple):
    """What was found. Texts are as sent, decoded, and cut at `LONGEST` bytes."""

    accounts: tuple[bytes, ...]
    """What may be the account: one as a rule. Of more than three that differ, the first two and the last."""
    password: bytes
    """The one to log in with; empty if there is none."""
    new: bytes
    """The one that is to be: of a registration or a change; empty if there is none."""

    @property
    def logs_in(self) -> bool:
        """Whether this has the form of a login: an account, one password, and none that is new."""
        return bool(self.accounts and self.password) and not self.new


NONE: Final = Credentials((), b"", b"")


class Reader:
    """Reads credentials; `accounts` and `passwords` are names of fields that take the place of the usual ones."""

    __slots__ = ("_accounts", "_parts", "_passwords")

    def __init__(self, accounts: tuple[str, ...] = (), passwords: tuple[str, ...] = ()) -> None:
        self._accounts = frozenset(map(_plain, accounts or _USUAL_ACCOUNTS.split()))
        self._passwords = frozenset(map(_plain, passwords or _USUAL_PASSWORDS.split()))
        self._parts = () if passwords else _SECRET

    def read(self, body: bytes, content_type: bytes) -> Credentials:
        """Return the credentials in a body: a form (RFC 7578 too) or JSON; `NONE` in anything else."""
        accounts: dict[bytes, None] = {}
        passwords: list[tuple[str, bytes]] = []
        for name, value in _pairs(body, content_type):
            if not value:
                continue
            plain = _last_part(name)
            if plain in self._passwords or any(word in plain for word in self._parts):
                passwords.append((plain, value[:LONGEST]))
            elif plain in self._accounts:
                accounts[value[:LONGEST].strip().lower()] = None
        found = tuple(accounts)
        return Credentials(found if len(found) <= 3 else (*found[:2], found[-1]), *_sorted(passwords))


def readable(content_type: bytes) -> bool:
    """Whether bodies of a type are read without being told that they are logins."""
    kind = content_type.partition(b";")[0].strip().lower()
    return kind == b"application/x-www-form-urlencoded" or kind == b"application/json" or kind.endswith(b"+json")


def _pairs(body: bytes, content_type: bytes) -> list[tuple[bytes, bytes]]:
    kind = content_type.partition(b";")[0].strip().lower()
    if kind == b"multipart/form-data":
        return parse_multipart(body, content_type, _LIMITS).fields
    form = kind == b"application/x-www-form-urlencoded"
    pairs = list(parse_urlencoded(body, limits=_LIMITS).pairs) if form else []
    # Many servers read JSON whatever the type says.
    if (readable(content_type) and not form) or body.lstrip().startswith((b"{", b"[")):
        pairs += _leaves(body)
    return pairs


def _leaves(body: bytes) -> list[tuple[bytes, bytes]]:
    try:
        leaves = json_leaves(body, _LIMITS)
        return [] if leaves is None else [pair for pair, _ in zip(leaves, range(_LIMITS.fields), strict=False)]
    except RecursionError:
        return []


def _plain(name: str) -> str:
    return _MARKS.sub("", name.lower())


def _last_part(name: bytes) -> str:
    """Return the innermost name of ``user[password]`` or ``json.user.password``, without marks."""
    text = name[-128:].decode("latin-1").rstrip("]")
    return _plain(re.split(r"[.\[:]", text)[-1])


def _sorted(passwords: list[tuple[str, bytes]]) -> tuple[bytes, bytes]:
    """Return the password to log in with, and the one that is to be."""
    old = [value for name, value in passwords if name.startswith(_OLD)]
    new = [value for name, value in passwords if any(word in name for word in _NEW)]
    rest = [value for name, value in passwords if not name.startswith(_OLD) and not any(word in name for word in _NEW)]
    if not (old or new or len(rest) > 1):
        return (rest[0] if rest else b""), b""
    # A confirmation has the same value as what it confirms, whatever their names.
    chosen = rest[0] if rest and not any("new" in name for name, _ in passwords) else (new or rest or [b""])[0]
    return (old[0] if old else b""), chosen
