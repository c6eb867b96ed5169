"""TLS of one client connection without I/O: ciphertext in, plaintext out, and the other way round (RFC 8446).

The owner moves bytes: `feed` what came from the socket, and after every call send what `take` returns, also after a
TlsError, since that is where the alert is.
"""

from __future__ import annotations

import ssl
from typing import Any, Final, Protocol, cast

from bascule.config.tls import ClientAuth
from bascule.telemetry import causes
from bascule.tls.certificates import Subject, subject_of
from bascule.tls.clienthello import HelloError, server_name
from bascule.tls.ja4 import ja4

_RECORD: Final = 16384
"""Plaintext of one record, the most that OpenSSL returns at a time."""
_ALERTS: Final = {"not_tls": b"", "bad_hello": b"\x32", "hello_too_large": b"\x32", "unrecognized_name": b"\x70"}
"""Fatal alerts sent before there is an OpenSSL object (RFC 8446 6); who does not speak TLS gets none."""


class TlsError(Exception):
    """The connection is over. `reason` is OpenSSL's, or ours, as a lower-case word for logs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Endpoint(Protocol):
    """What a server name selects."""

    @property
    def context(self) -> ssl.SSLContext:
        """Makes the connection."""

    @property
    def client_auth(self) -> ClientAuth | None:
        """The client certificates it asks for."""


class Selector(Protocol):
    """Chooses by server name: the contexts of a listener."""

    def select(self, server_name: bytes) -> Endpoint | None:
        """Return what serves a lower-case name (or ``b""``), or None to refuse it."""


class _Core(Protocol):
    """What ssl.SSLObject hands every call on to, made without it: OpenSSL's own object, as CPython wraps it."""

    session_reused: bool

    def do_handshake(self) -> None: ...
    def read(self, size: int) -> bytes: ...
    def write(self, data: bytes | memoryview) -> int: ...
    def pending(self) -> int: ...
    def shutdown(self) -> None: ...
    def getpeercert(self, binary: bool) -> bytes | None: ...
    def selected_alpn_protocol(self) -> str | None: ...
    def version(self) -> str | None: ...
    def cipher(self) -> tuple[str, str, int] | None: ...


class TlsFilter:
    """The server's side of a TLS connection."""

    __slots__ = (
        "_incoming",
        "_ja4",
        "_object",
        "_outgoing",
        "_selector",
        "_subject",
        "client_auth",
        "done",
        "eof",
        "hello",
        "sni",
    )

    def __init__(self, selector: Selector) -> None:
        self._selector = selector
        self._object: _Core | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._subject: Subject | None = None
        self.client_auth: ClientAuth | None = None
        """The policy the handshake was made under."""
        self.eof = False
        """The client said that it sends no more (close_notify); without it, the end of the stream is a truncation."""
        self.done = False
        """Whether the handshake is complete."""
        self._ja4: str | None = None
        self.hello = b""
        """The first bytes of the client, up to the whole ClientHello."""
        self.sni = b""
        """The server name the client asked for, lower-case; empty if none."""

    def feed(self, ciphertext: bytes) -> bytes:
        """Take bytes from the socket and return the plaintext they hold, possibly none. Raises TlsError."""
        if self._object is None:
            self._begin(ciphertext)
        else:
            self._incoming.write(ciphertext)
        if self._object is None or not (self.done or self._handshake(self._object)):
            return b""
        return self._read(self._object)

    def _begin(self, ciphertext: bytes) -> None:
        self.hello = hello = self.hello + ciphertext if self.hello else ciphertext
        try:
            name = server_name(hello)
            if name is None:
                return
            endpoint = self._selector.select(name)
            if endpoint is None:
                raise HelloError("unrecognized_name")
        except HelloError as error:
            if alert := _ALERTS[error.reason]:
                self._outgoing.write(b"\x15\x03\x03\x00\x02\x02" + alert)
            raise TlsError(error.reason) from None
        self.sni = name
        self.client_auth = endpoint.client_auth
        self._incoming.write(hello)
        self._object = cast(Any, endpoint.context)._wrap_bio(self._incoming, self._outgoing, True)

    def _handshake(self, tls: _Core) -> bool:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise _fault(error) from None
        self.done = True
        if self.client_auth is not None and (der := tls.getpeercert(True)):
            try:
                self._subject = subject_of(der)
            except ValueError:
                raise TlsError("bad_client_certificate") from None
        return True

    def _read(self, tls: _Core) -> bytes:
        incoming = self._incoming
        chunks: list[bytes] = []
        try:
            while True:
                chunk = tls.read(_RECORD)
                if not chunk:
                    self.eof = True
                    break
                chunks.append(chunk)
                if not incoming.pending and not tls.pending():
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # their close_notify came after ours
            self.eof = True
        except ssl.SSLError as error:
            raise _fault(error) from None
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def write(self, plaintext: bytes) -> None:
        """Encrypt; the handshake must be complete. Raises TlsError."""
        tls = self._object
        if tls is None or not self.done:
            raise TlsError("write_before_handshake")
        try:
            written = tls.write(plaintext)
            if written < len(plaintext):  # a record at a time
                view = memoryview(plaintext)
                while written < len(plaintext):
                    written += tls.write(view[written:])
        except ssl.SSLError as error:
            raise _fault(error) from None

    def take(self) -> bytes:
        """Return the ciphertext to send, and forget it."""
        return self._outgoing.read()

    def shutdown(self) -> None:
        """Say that nothing more will be written (close_notify). Never raises."""
        tls = self._object
        if tls is None or not self.done:
            return
        try:
            tls.shutdown()
        except ssl.SSLError:
            return  # the client's own close_notify is not awaited

    @property
    def alpn(self) -> str | None:
        """The protocol agreed on (RFC 7301)."""
        return self._object.selected_alpn_protocol() if self._object else None

    @property
    def version(self) -> str:
        """``TLSv1.3`` or ``TLSv1.2``; empty before the handshake."""
        return (self._object.version() or "") if self._object else ""

    @property
    def cipher(self) -> str:
        """Name of the cipher suite; empty before the handshake."""
        cipher = self._object.cipher() if self._object else None
        return cipher[0] if cipher else ""

    @property
    def ja4(self) -> str:
        """The fingerprint of the client's ClientHello, made on first use."""
        if self._ja4 is None:
            self._ja4 = ja4(self.hello)
        return self._ja4

    @property
    def resumed(self) -> bool:
        """Whether an earlier session was resumed."""
        return bool(self._object and self._object.session_reused)

    @property
    def peer_subject(self) -> str:
        """Whom the client's verified certificate names, fit for a header field; empty without one."""
        return self._subject.name if self._subject else ""

    @property
    def peer_common_name(self) -> str:
        """The common name of the client's verified certificate; empty without one."""
        return self._subject.common_name if self._subject else ""

    def client_auth_refusal(self, policy: ClientAuth) -> str:
        """Return the cause to refuse a request for a site that asks for client certificates, or empty.

        ``misdirected``: the handshake was made for another name and did not ask what `policy` asks (answer 421).
        ``client_certificate``: no certificate, or one whose subject is not let in (answer 403).
        """
        made = self.client_auth
        if made is None or (made is not policy and (made.ca, made.mode) != (policy.ca, policy.mode)):
            return causes.MISDIRECTED
        if self._subject is None:
            return causes.CLIENT_CERTIFICATE if policy.mode == "require" else ""
        if policy.subjects and not self._subject.names.intersection(policy.subjects):
            return causes.CLIENT_CERTIFICATE
        return ""


def _fault(error: ssl.SSLError) -> TlsError:
    return TlsError((error.reason or "tls_error").lower())
