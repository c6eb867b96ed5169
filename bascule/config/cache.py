"""The cache as a person writes it: what is kept of the responses of a site or route, and where all of it is kept."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from bascule.config.base import Model
from bascule.config.types import Duration, FileField, Size


def _field_name(name: str) -> str:
    name = name.strip().lower()
    if not name.isascii() or not name.replace("-", "").isalnum():
        raise ValueError(f"{name!r} is not the name of a header field, such as accept-language")
    return name


FieldName = Annotated[str, AfterValidator(_field_name)]


class CacheKey(Model):
    """What beside scheme, host, path and query tells responses apart, and what does not."""

    ignore: tuple[str, ...] = ()
    """Query parameters that make no difference: names or patterns such as ``utm_*``. The server gets them still."""
    headers: tuple[FieldName, ...] = ()
    """Request fields that make a difference although the server's `Vary` does not say so."""
    cookies: tuple[str, ...] = ()
    """Cookies that make a difference."""


class CacheBypass(Model):
    """Requests that go past the cache: they are neither answered from it, nor are their answers stored."""

    cookies: tuple[str, ...] = ()
    """Those that carry one of these cookies: names or patterns such as ``session*``."""
    headers: tuple[FieldName, ...] = ()
    """Those that carry one of these fields."""
    paths: tuple[str, ...] = ()
    """Those of paths that begin so."""


class Cache(Model):
    """What is kept of the responses of a site or route (RFC 9111). A bare ``true`` or ``false`` is short for `enabled`.

    A level overrides the keys it states.
    """

    short_forms: ClassVar = ({"type": "boolean"},)

    enabled: bool = True
    """Whether responses are stored and reused."""
    default_ttl: Duration = 0.0
    """How long a successful response is fresh that does not say so itself; 0 leaves it to `heuristic`."""
    heuristic: bool = True
    """Take such a response as fresh for a tenth of the time since its `Last-Modified`, at most a day."""
    max_ttl: Duration = 0.0
    """No response is fresh for longer, whatever it says; 0 means no such limit."""
    error_ttl: Duration = 0.0
    """How long a 404 or 410 is fresh that does not say so itself."""
    max_error_ttl: Duration = 300.0
    """No response of a status from 400 is fresh for longer; 0 means no such limit."""
    stale_while_revalidate: Duration = 0.0
    """How long a stale response is used while a new one is fetched, where the response does not say (RFC 5861)."""
    stale_if_error: Duration = 0.0
    """How long a stale response is used while the servers fail, where the response does not say (RFC 5861)."""
    max_object: Annotated[Size, Field(ge=1024)] = 64 << 20
    """Larger responses are not stored; nor are those larger than an eighth of the store."""
    collapse: Duration = 5.0
    """How long a request waits for the answer to an equal one that is on its way to the server; 0 lets each ask."""
    key: CacheKey = CacheKey()
    """What tells responses apart."""
    bypass: CacheBypass = CacheBypass()
    """Requests that go past the cache."""
    client_directives: Literal["ignore", "honour"] = "ignore"
    """Whether clients may ask for newer or older responses (`Cache-Control: no-cache`, `max-stale`...). To honour that
    lets any client make the servers work."""
    strip_cookies: bool = False
    """Store responses without their `Set-Cookie`, instead of not storing such responses."""
    check_types: bool = True
    """Do not store a page (HTML, or of no type) under a path that ends like a picture, script or other file: so a
    deceived user's page is not left for others (web cache deception)."""
    targeted: tuple[FieldName, ...] = ("bascule-cache-control", "cdn-cache-control")
    """Response fields that take the place of `Cache-Control` here, the first that is there (RFC 9213)."""
    status_field: bool = True
    """Tell in `Cache-Status` how a response was come by (RFC 9211)."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"enabled": data} if isinstance(data, bool) else data


NO_CACHE = Cache(enabled=False)


class CacheStore(Model):
    """Where responses are kept: one store for all sites and the forward proxy, shared by all workers."""

    path: FileField = ""
    """Folder on disk, which outlives restarts. By default responses are kept in memory, below /dev/shm."""
    size: Annotated[Size, Field(ge=1 << 20)] = 64 << 20
    """Bytes that it may hold."""
    hot: Annotated[Size, Field(ge=0)] = 16 << 20
    """Bytes that each worker keeps at hand beside it, of what is asked for most."""
