"""TLS of sites and of listeners, as a person writes it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from bascule.config.base import Model
from bascule.config.types import Duration, FileField, TlsVersion


class Certificate(Model):
    """A certificate chain and its private key, PEM files; watched, and swapped without a restart."""

    cert: FileField
    """The chain, the site's own certificate first."""
    key: FileField
    """The private key, not encrypted."""


class ClientAuth(Model):
    """Client certificates (mTLS)."""

    ca: FileField
    """PEM file of the authorities whose certificates are accepted."""
    mode: Literal["require", "optional"] = "require"
    """Whether a client without a certificate is refused."""
    subjects: tuple[str, ...] = ()
    """Common names or DNS names let in; all by default."""
    forward: bool = True
    """Tell the server who it is, in `X-Client-Cert-Subject` (a client's own field is dropped)."""


class SiteTls(Model):
    """TLS of a site. `cert` and `key` may stand here directly in place of `certificates`."""

    short_keys: ClassVar = ("cert", "key")

    certificates: Annotated[tuple[Certificate, ...], Field(min_length=1)]
    """Certificates of the site, for instance an ECDSA and an RSA one."""
    client_auth: ClientAuth | None = None
    """Client certificates; none are asked for by default."""
    redirect: bool = True
    """Send plain-HTTP requests of this site to https, when there is a TLS listener: to port 443 if one has it, else to
    that of the first (its `public_port`)."""
    hsts: Duration = 0.0
    """`Strict-Transport-Security` max-age; 0 sends none."""
    hsts_subdomains: bool = False
    """Let `Strict-Transport-Security` include subdomains."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, str):
            raise ValueError(
                "ACME (automatic certificates) is not available in this version; write tls: {cert: FILE, key: FILE}"
                if data == "auto"
                else f"{data!r} is not TLS of a site; write tls: {{cert: FILE, key: FILE}}"
            )
        if isinstance(data, dict) and ("cert" in data or "key" in data) and "certificates" not in data:
            pair = {name: data[name] for name in ("cert", "key") if name in data}
            return {**{name: data[name] for name in data if name not in pair}, "certificates": [pair]}
        return data


class ListenTls(Model):
    """TLS of a listener. Certificates come from the sites; these here serve clients without a known name."""

    certificates: tuple[Certificate, ...] = ()
    """What clients get that name no site, or none with TLS."""
    client_auth: ClientAuth | None = None
    """Client certificates, on listeners of the forward proxy; those of sites are asked for by the sites."""
    public_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port by which clients reach it, where a mapping in front makes it another one than its own: plain requests are
    sent there. 0 means its own."""
    min_version: TlsVersion = "1.2"
    """Lowest TLS version."""
    alpn: tuple[Literal["http/1.1"], ...] = ("http/1.1",)
    """Protocols offered in the handshake (RFC 7301)."""
    ciphers: str = ""
    """OpenSSL cipher list for TLS 1.2; a modern forward-secret list by default."""
    session_tickets: bool = True
    """Resume sessions by tickets (RFC 5077), whose keys live as long as the configuration does."""
