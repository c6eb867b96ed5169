"""Who may use the forward proxy: where its users are known, and what happens to those who guess."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, model_validator

from bascule.config.base import Model
from bascule.config.forward import Words
from bascule.config.grammar import host_of_url
from bascule.config.types import Duration, FileField, PositiveDuration, parse_network

KERBEROS_EXTRA = "pip install 'bascule[kerberos]', which takes a compiler and the headers of MIT Kerberos (libkrb5-dev)"


class LockOut(Model):
    """What happens to an address (of IPv6 its /64) that guesses passwords."""

    attempts: Annotated[int, Field(ge=1, le=10000)] = 10
    """Wrong passwords within `within` after which the address has to wait."""
    within: PositiveDuration = 300.0
    """The time in which they are counted."""
    wait: PositiveDuration = 900.0
    """How long it has to wait; right passwords are refused, too."""


class Ldap(Model):
    """Users are found by `filter` below `base`, or named by `user_dn`, and proven by a bind with their password."""

    servers: Words
    """``ldaps://dc.example.com`` or ``ldap://dc.example.com:389``, asked in this order until one answers."""
    start_tls: bool = False
    """Change to TLS on an ``ldap://`` connection before anything is said (RFC 4511 4.14)."""
    ca: FileField = ""
    """File of trusted authorities; the system's by default."""
    base: str = ""
    """Where users are looked for: ``ou=people,dc=example,dc=com``."""
    filter: str = "(uid={user})"
    """How a user is found; Active Directory has ``(sAMAccountName={user})``."""
    user_dn: str = ""
    """Name of every user's entry, ``uid={user},ou=people,dc=example,dc=com``, in place of a search."""
    bind_dn: str = ""
    """Who searches; by default nobody in particular, or the user where `user_dn` names it."""
    bind_password: Annotated[str, Field(repr=False)] = ""
    """The password of who searches."""
    group_base: str = ""
    """Where groups are looked for; by default `base`."""
    group_filter: str = "(|(member={dn})(uniqueMember={dn})(memberUid={user}))"
    """How the groups of a user are found, by ``{dn}`` or ``{user}``; empty for none."""
    group_name: str = "cn"
    """Attribute that names a group, as rules call it."""
    timeout: PositiveDuration = 5.0
    """Longest time to wait for a server, at each step."""

    @model_validator(mode="after")
    def _whole(self) -> Ldap:
        if not self.servers:
            raise ValueError("`servers` names no server, such as ldaps://dc.example.com")
        if not self.base and not self.user_dn:
            raise ValueError("users are found below `base`, or named by `user_dn`")
        if not (self.base or self.group_base) and self.group_filter:
            raise ValueError('groups are found below `base` or `group_base`; group_filter: "" asks for none')
        if bool(self.bind_dn) != bool(self.bind_password):
            raise ValueError("`bind_dn` and `bind_password` belong together")
        return self


class Kerberos(Model):
    """Users who have a ticket, by Negotiate (RFC 4559); takes the extra ``bascule[kerberos]``."""

    keytab: FileField
    """File with the key of ``HTTP/PROXY``, where PROXY is the name by which clients know the proxy; `user` reads it."""
    realm: str
    """Realm of the users, such as ``EXAMPLE.COM``; they are known by their name in it. Those of others are refused."""
    principal: str = ""
    """Whose key of the keytab is used, such as ``HTTP/proxy.example.com@EXAMPLE.COM``; any by default."""


class Portal(Model):
    """People sign in with a browser at an OpenID Connect provider; for a while their address is taken for them."""

    issuer: str
    """Who the provider is, ``https://login.example.com/realms/staff``: what it says of itself is below it, at
    ``/.well-known/openid-configuration``."""
    client_id: str
    """By which name the provider knows this proxy."""
    client_secret: Annotated[str, Field(repr=False)] = ""
    """What proves that name; empty for a public client, which PKCE alone protects."""
    url: str
    """Where browsers reach a listener of the proxy, ``http://proxy.example.com:3128``. The provider is told
    ``URL/portal/callback`` as redirect URI."""
    user: str = "sub"
    """Claim that names the user. A provider gives no ``sub`` to two people; ``email`` counts if it is verified."""
    groups: str = ""
    """Claim with the user's groups, as rules call them; none by default."""
    scopes: Words = ("openid", "profile", "email")
    """What the provider is asked for."""
    valid: PositiveDuration = 28800.0
    """How long after signing in an address is the user's."""
    open: Words = ()
    """Domains, with all below them, that are reached without signing in, as that of `issuer` is: what the provider's
    pages are made of."""
    ca: FileField = ""
    """File of authorities trusted for the provider; the system's by default."""
    timeout: PositiveDuration = 5.0
    """Longest time to wait for the provider, at each step."""

    @property
    def reached(self) -> frozenset[str]:
        """Domains that are reached without signing in."""
        return frozenset(name.lower() for name in (host_of_url(self.issuer), *self.open))


class Auth(Model):
    """Who asks. Users have a password in a file or a directory, a client certificate, an address, or signed in."""

    users: FileField = ""
    """An htpasswd file, names and hashed passwords: bcrypt, argon2, SHA-crypt, apr1 or {SHA}."""
    digest: FileField = ""
    """An htdigest file, ``name:realm:digest``: passwords that never travel (RFC 7616); SHA-256 or MD5."""
    ldap: Ldap | None = None
    """A directory that knows the users who are in neither file, and groups."""
    kerberos: Kerberos | None = None
    """Take tickets."""
    portal: Portal | None = None
    """Let people sign in at an OpenID Connect provider."""
    certificates: bool = False
    """Take clients with a certificate for whom its common name names; the listener's `tls.client_auth` asks for one."""
    addresses: dict[str, str] = Field(default_factory=dict)
    """From network to the user that everybody there is taken for."""
    groups: dict[str, Words] = Field(default_factory=dict)
    """From group to its users."""
    required: bool = True
    """Whether everybody has to say who they are; otherwise only rules that ask for users do."""
    realm: str = "Bascule"
    """What browsers show when they ask for the password."""
    cache: Duration = 600.0
    """How long a password that was right is not looked at again."""
    lock_out: LockOut = LockOut()
    """Protection against guessing."""

    @model_validator(mode="after")
    def _networks(self) -> Auth:
        for text in self.addresses:
            parse_network(text)
        return self

    @property
    def asks(self) -> bool:
        """Whether who is not known can say who they are."""
        return bool(self.users or self.digest or self.ldap or self.kerberos or self.portal)

    @property
    def folds_names(self) -> bool:
        """Whether a directory, or Kerberos, may know users by names in any case (RFC 4518 2)."""
        return self.ldap is not None or self.kerberos is not None

    def known_as(self, names: Iterable[str]) -> frozenset[str]:
        """Return the names of users as the configuration tells them, and as those of a directory are known."""
        return frozenset(name for told in names for name in ((told, told.lower()) if self.folds_names else (told,)))
