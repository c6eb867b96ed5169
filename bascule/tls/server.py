"""The TLS contexts of the listeners: which certificate, and whose certificate is asked for, by server name.

Built once before the workers are forked: they then share the keys of session tickets, so that a client resumes its
session at any of them.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import NamedTuple

from bascule.config.plan import Plan, SitePlan
from bascule.config.tls import Certificate, ClientAuth, ListenTls
from bascule.tls.certificates import CertificateError, KeyPair, Signature, load_authorities, signature
from bascule.tls.filter import TlsFilter

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2: forward secrecy and AEAD only (RFC 9325 4.2). TLS 1.3 has no others. The groups are OpenSSL's own choice,
X25519 and P-256 first: Python's `set_ecdh_curve` would narrow them to one."""

Pairs = dict[Certificate, KeyPair]
_Asked = tuple[str, str] | None


class _Recipe(NamedTuple):
    """What makes a context; equal recipes share one, and with it its session tickets."""

    listen: ListenTls
    certificates: tuple[Certificate, ...]
    asked: _Asked
    """Authorities and mode of client certificates."""


def bare_context(min_version: str = "1.2", ciphers: str = "") -> ssl.SSLContext:
    """Return a server's context that has no certificate yet. Raises ssl.SSLError for ciphers that there are not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[min_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_ciphers(ciphers or _CIPHERS)
    return context


class SiteTlsContext:
    """What serves a server name. `context` is replaced when files change in a way it cannot take up."""

    __slots__ = ("client_auth", "context", "recipe")

    def __init__(self, recipe: _Recipe, client_auth: ClientAuth | None, context: ssl.SSLContext) -> None:
        self.recipe = recipe
        self.client_auth = client_auth
        self.context = context


class ListenerContexts:
    """The contexts of one listener by server name: exact, then the longest wildcard, then the default."""

    __slots__ = ("_default", "_exact", "_suffixes")

    def __init__(self) -> None:
        self._exact: dict[bytes, SiteTlsContext] = {}
        self._suffixes: dict[bytes, SiteTlsContext] = {}
        self._default: SiteTlsContext | None = None

    def add(self, host: str, context: SiteTlsContext) -> None:
        """Serve a host name, ``*.example.com``, or with ``*`` any other name and clients that name none."""
        name = host.encode() if host.isascii() else host.encode("idna")
        if name == b"*":
            self._default = context
        elif name.startswith(b"*."):
            self._suffixes[name[1:]] = context
        else:
            self._exact[name] = context

    def select(self, server_name: bytes) -> SiteTlsContext | None:
        """Return what serves a lower-case name (``b""``: none given), or None: then it is refused."""
        found = self._exact.get(server_name)
        position = server_name.find(b".") if found is None else -1
        while position >= 0 and found is None:
            found = self._suffixes.get(server_name[position:])
            position = server_name.find(b".", position + 1)
        return found or self._default

    def filter(self) -> TlsFilter:
        """Return the filter for a new connection."""
        return TlsFilter(self)


class ServerContexts:
    """The contexts of all listeners. `warnings` says what works but will not please clients."""

    def __init__(self, plan: Plan, previous: ServerContexts | None = None) -> None:
        """Read the files and make the contexts. Raises CertificateError.

        Contexts of `previous` whose recipe and files are the same are taken over, so that sessions survive a reload.
        """
        self.warnings: list[str] = []
        self._pairs: Pairs = {}
        self._seen: dict[tuple[str, ...], Signature] = {}
        self._made: dict[_Recipe, ssl.SSLContext] = {}
        self._sites: list[SiteTlsContext] = []
        self._told: set[str] = set()
        self._previous = previous
        self._listeners = [
            self._listener(listener.tls, plan.sites) if listener.tls else None for listener in plan.listeners
        ]
        self._previous = None

    @classmethod
    def build(cls, plan: Plan, previous: ServerContexts | None = None) -> ServerContexts:
        """Return the contexts of a plan; see the constructor. Call before the fork."""
        return cls(plan, previous)

    def for_listener(self, index: int) -> ListenerContexts | None:
        """Return the contexts of the listener with this place in the plan, or None if it does not speak TLS."""
        return self._listeners[index]

    def reload(self) -> list[str]:
        """Read changed files again; connections made from now on get the new certificates.

        Returns what is wrong with files that cannot be used, once: the old certificates then stay in use, and the files
        are looked at again at the next reload.
        """
        problems: list[str] = []
        for files in list(self._pairs):
            before = self._signature(files)
            if before == self._seen[(files.cert, files.key)]:
                continue
            try:
                self._take_up(KeyPair.read(files))
            except CertificateError as error:
                problems.append(str(error))
            else:
                self._seen[(files.cert, files.key)] = before
        problems += self._reload_authorities()
        told, self._told = self._told, set(problems)
        return [problem for problem in problems if problem not in told]

    # Making ----------------------------------------------------------------------------------------

    def _listener(self, listen: ListenTls, sites: Iterable[SitePlan]) -> ListenerContexts:
        contexts = ListenerContexts()
        if listen.certificates:
            contexts.add("*", self._context(listen, listen.certificates, listen.client_auth, ()))
        for site in sites:
            if site.tls is not None:
                context = self._context(listen, site.tls.certificates, site.tls.client_auth, site.hosts)
                for host in site.hosts:
                    contexts.add(host, context)
        return contexts

    def _context(
        self, listen: ListenTls, certificates: tuple[Certificate, ...], auth: ClientAuth | None, hosts: tuple[str, ...]
    ) -> SiteTlsContext:
        for files in certificates:
            if files not in self._pairs:
                self._seen[(files.cert, files.key)] = self._signature(files)
                self._pairs[files] = KeyPair.read(files)
            self.warnings += [text for text in self._pairs[files].warnings(hosts) if text not in self.warnings]
        recipe = _Recipe(listen, certificates, (auth.ca, auth.mode) if auth else None)
        if recipe not in self._made:
            if auth:
                self._seen[(auth.ca,)] = signature(auth.ca)
            self._made[recipe] = self._inherited(recipe) or self._make(recipe)
        site = SiteTlsContext(recipe, auth, self._made[recipe])
        self._sites.append(site)
        return site

    def _inherited(self, recipe: _Recipe) -> ssl.SSLContext | None:
        """The context of the generation before, if it would be made the same again."""
        before = self._previous
        context = before._made.get(recipe) if before else None
        if before is None or context is None:
            return None
        same = all(before._pairs[files].digest == self._pairs[files].digest for files in recipe.certificates)
        if recipe.asked:
            same = same and before._seen[recipe.asked[:1]] == self._seen[recipe.asked[:1]]
        return context if same else None

    def _make(self, recipe: _Recipe) -> ssl.SSLContext:
        listen = recipe.listen
        try:
            context = bare_context(listen.min_version, listen.ciphers)
        except ssl.SSLError:
            raise CertificateError(
                f"ciphers: OpenSSL knows no cipher in {listen.ciphers!r}; see `openssl ciphers -v`"
            ) from None
        if listen.alpn:
            context.set_alpn_protocols(list(listen.alpn))
        if not listen.session_tickets:
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0
        else:
            context.num_tickets = 1  # each takes 20 us to make; a connection of HTTP/1.1 uses one, and brings the next
        if recipe.asked:
            load_authorities(context, recipe.asked[0])
            context.verify_mode = ssl.CERT_REQUIRED if recipe.asked[1] == "require" else ssl.CERT_OPTIONAL
        for files in recipe.certificates:
            self._pairs[files].load_into(context)
        return context

    # Changing --------------------------------------------------------------------------------------

    @staticmethod
    def _signature(files: Certificate) -> Signature:
        return signature(files.cert, files.key)

    def _take_up(self, pair: KeyPair) -> None:
        """Put a changed pair into the contexts that use it.

        In place, since the keys of session tickets live in the context; anew if the type of the key has changed,
        since the old certificate would stay beside the new one.
        """
        old = self._pairs[pair.files]
        if old.digest == pair.digest:
            return
        pair.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self._pairs[pair.files] = pair
        for recipe, context in self._made.items():
            if pair.files not in recipe.certificates:
                continue
            if old.kind == pair.kind:
                pair.load_into(context)
            else:
                self._replace(recipe)

    def _replace(self, recipe: _Recipe) -> None:
        self._made[recipe] = context = self._make(recipe)
        for site in self._sites:
            if site.recipe == recipe:
                site.context = context

    def _reload_authorities(self) -> list[str]:
        problems: list[str] = []
        for authorities in {recipe.asked[0] for recipe in self._made if recipe.asked}:
            now = signature(authorities)
            if now == self._seen[(authorities,)]:
                continue
            try:
                for recipe in [made for made in self._made if made.asked and made.asked[0] == authorities]:
                    self._replace(recipe)
            except CertificateError as error:
                problems.append(str(error))
            else:
                self._seen[(authorities,)] = now
        return problems
