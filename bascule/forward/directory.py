"""Users of an LDAP directory (RFC 4511): a name and a password are right if the directory lets them bind.

Everything here waits for the network, and is therefore called in threads; see `identity.py`.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from math import ceil
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.utils.dn import escape_rdn

from bascule.config.auth import Ldap
from bascule.config.ldap_text import filled
from bascule.forward.identity import DirectoryError, Found

_WRONG = frozenset(
    ("invalidCredentials", "inappropriateAuthentication", "invalidDNSyntax", "noSuchObject", "constraintViolation",
     "unwillingToPerform", "insufficientAccessRights")
)  # fmt: skip
"""Results of a bind that are about the user: no such one, another password, an account that may not log in."""
MAX_GROUPS = 1000
"""Groups of a user that are looked at."""


class Directory:
    """Asks the servers of a directory, the first that answers."""

    def __init__(self, config: Ldap) -> None:
        self._config = config
        self._seconds = ceil(config.timeout)  # what the library can tell the kernel and the server
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, version=ssl.PROTOCOL_TLS_CLIENT, ca_certs_file=config.ca or None)
        self._servers = [
            ldap3.Server(url, tls=tls, connect_timeout=config.timeout, get_info=ldap3.NONE) for url in config.servers
        ]

    def check(self, name: str, password: str) -> Found | None:
        """Return the user with this name and password, or None. Raises DirectoryError.

        An empty password is never right: a server takes it for an anonymous bind and says yes (RFC 4513 5.1.2).
        """
        if not name or not password or "\0" in name + password:
            return None
        reason = ""
        for server in self._servers:
            try:
                return self._ask(server, name, password)
            except (LDAPException, OSError, ssl.SSLError) as error:
                reason = f"{server.name}: {error}"
        raise DirectoryError(reason)

    def groups(self, name: str) -> frozenset[str]:
        """Return the groups of a user who was known without a password; none for whom it does not know.

        Raises DirectoryError.
        """
        reason = ""
        for server in self._servers:
            try:
                return self._look_up(server, name)
            except (LDAPException, OSError, ssl.SSLError) as error:
                reason = f"{server.name}: {error}"
        raise DirectoryError(reason)

    def _look_up(self, server: Any, name: str) -> frozenset[str]:
        config = self._config
        if not config.group_filter or not name or "\0" in name:
            return frozenset()
        with self._open(server, config.bind_dn, config.bind_password) as searcher:
            dn = self._find(searcher, name)
            return self._groups(searcher, name, dn) if dn else frozenset()

    def _find(self, searcher: Any, name: str) -> str:
        """Return the name of a user's entry; empty for nobody, or more than one who could be meant."""
        config = self._config
        if config.user_dn:
            return config.user_dn.replace("{user}", escape_rdn(name))
        entries = self._search(searcher, config.base, filled(config.filter, user=name), [ldap3.NO_ATTRIBUTES])
        return str(entries[0]["dn"]) if len(entries) == 1 else ""

    def _ask(self, server: Any, name: str, password: str) -> Found | None:
        config = self._config
        if config.user_dn:
            dn = config.user_dn.replace("{user}", escape_rdn(name))
        else:
            with self._open(server, config.bind_dn, config.bind_password) as searcher:
                dn = self._find(searcher, name)
            if not dn:
                return None
        try:
            with self._open(server, dn, password) as user:
                if not config.group_filter:
                    return Found(dn, frozenset())
                if not config.bind_dn:
                    return Found(dn, self._groups(user, name, dn))
        except _WrongPasswordError:
            return None
        with self._open(server, config.bind_dn, config.bind_password) as searcher:
            return Found(dn, self._groups(searcher, name, dn))

    @contextlib.contextmanager
    def _open(self, server: Any, dn: str, password: str) -> Iterator[Any]:
        """Yield a bound connection. Raises _WrongPasswordError and LDAPException."""
        config = self._config
        connection = ldap3.Connection(
            server,
            user=dn or None,
            password=password or None,
            authentication=ldap3.SIMPLE if dn else ldap3.ANONYMOUS,
            receive_timeout=self._seconds,
            read_only=True,
            auto_referrals=False,
        )
        try:
            connection.open()
            if config.start_tls and not connection.start_tls():
                raise LDAPException(f"StartTLS refused: {connection.result['description']}")
            if not connection.bind():
                if dn != config.bind_dn and connection.result["description"] in _WRONG:
                    raise _WrongPasswordError
                raise LDAPException(f"bind as {dn or 'nobody'}: {connection.result['description']}")
            yield connection
        finally:
            sock = connection.socket
            connection.unbind()
            if sock is not None:  # which the library leaves open where it could not connect
                sock.close()

    def _groups(self, connection: Any, name: str, dn: str) -> frozenset[str]:
        config = self._config
        wanted = filled(config.group_filter, user=name, dn=dn)
        entries = self._search(connection, config.group_base or config.base, wanted, [config.group_name])
        return frozenset(str(value) for entry in entries for value in entry["attributes"].get(config.group_name, ()))

    def _search(self, connection: Any, base: str, wanted: str, attributes: list[str]) -> list[dict[str, Any]]:
        connection.search(base, wanted, attributes=attributes, size_limit=MAX_GROUPS, time_limit=self._seconds)
        if connection.result["description"] not in ("success", "sizeLimitExceeded", "noSuchObject"):
            raise LDAPException(f"search below {base}: {connection.result['description']}")
        return [entry for entry in connection.response or () if entry["type"] == "searchResEntry"]


class _WrongPasswordError(Exception):
    """The directory knows the user, and says that this is not the password."""
