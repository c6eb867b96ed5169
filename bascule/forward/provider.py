"""An OpenID Connect provider: what it says of itself, the code that it gave to a browser, and the ID token for it.

Everything here waits for the network, and is therefore called in threads; see `portal.py`.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import ssl
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from bascule.config.auth import Portal

MAX_ANSWER: Final = 1 << 20
"""Bytes of an answer of the provider."""
_FRESH: Final = 3600.0
"""Seconds after which what the provider says of itself is asked for again."""
_RETRY: Final = 10.0
"""Seconds between two looks for a key that is not known: anybody can have a token made up that names none."""


class ProviderError(Exception):
    """The provider does not answer as it should: who signed in is not known."""


class SignInError(Exception):
    """The provider answered, and what it said is not to be believed, or names nobody."""


class UnknownKeyError(SignInError):
    """An ID token is signed by a key that the provider has not published, or not yet."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in."""

    user: str
    groups: frozenset[str]


class _AsItIs(urllib.request.HTTPErrorProcessor):
    """Follows no redirect, for a secret is meant for one place, and leaves errors to be read."""

    def http_response(self, request: Any, response: Any) -> Any:
        """See urllib."""
        return response

    https_response = http_response


class Provider:
    """Asks the provider. `clock` gives seconds that only rise."""

    def __init__(self, config: Portal, redirect_uri: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._redirect_uri = redirect_uri
        self._clock = clock
        context = ssl.create_default_context(cafile=config.ca or None)
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), _AsItIs()
        )
        self._metadata: dict[str, Any] = {}
        self._asked = float("-inf")
        from bascule.forward.idtoken import Tokens  # here, for its library takes 50 ms, and few have a portal

        self._tokens = Tokens(config.issuer, config.client_id)
        self._keys_asked = float("-inf")

    def sign_in_url(self, state: str, nonce: str, verifier: str) -> str:
        """Return where a browser signs in (OpenID Connect Core 3.1.2.1, RFC 7636). Raises ProviderError."""
        endpoint = self._endpoint("authorization_endpoint")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._config.client_id,
                "redirect_uri": self._redirect_uri,
                "scope": " ".join(self._config.scopes),
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
        )
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"

    def redeem(self, code: str, nonce: str, verifier: str) -> Person:
        """Return whom a code stands for. Raises SignInError and ProviderError."""
        config, endpoint = self._config, self._endpoint("token_endpoint")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
            "client_id": config.client_id,
        }
        fields = {}
        if config.client_secret:
            methods = self._metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
            if "client_secret_basic" in methods:  # RFC 6749 2.3.1
                pair = f"{quote_plus(config.client_id)}:{quote_plus(config.client_secret)}".encode()
                fields["Authorization"] = "Basic " + base64.b64encode(pair).decode()
            else:
                form["client_secret"] = config.client_secret
        answer = self._ask(endpoint, urlencode(form).encode(), fields)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderError(f"{endpoint}: there is no ID token in the answer")
        return self._person(self._claims(token, nonce))

    def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """Return what an ID token says. Raises SignInError if it is not to be believed."""
        self._look_for_keys()
        try:
            return self._tokens.claims(token, nonce)
        except UnknownKeyError:  # they are changed from time to time
            self._look_for_keys(unknown=True)
            return self._tokens.claims(token, nonce)

    def _person(self, claims: dict[str, Any]) -> Person:
        config = self._config
        user = claims.get(config.user)
        if not isinstance(user, str) or not user or len(user) > 128 or not user.isprintable():
            raise SignInError(f"there is no name in the claim {config.user!r}")
        if config.user == "email" and claims.get("email_verified") is not True:
            raise SignInError("the provider has not verified the address of e-mail")
        groups = claims.get(config.groups, []) if config.groups else []
        groups = [groups] if isinstance(groups, str) else groups
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise SignInError(f"the claim {config.groups!r} is no list of groups")
        return Person(user, frozenset(groups))

    def _look_for_keys(self, unknown: bool = False) -> None:
        """Learn the keys by which the provider signs; with `unknown` look for others, if that is not long ago."""
        age = self._clock() - self._keys_asked
        if age > _FRESH or (unknown and age > _RETRY):
            found = self._ask(self._endpoint("jwks_uri")).get("keys")
            if not isinstance(found, list):
                raise ProviderError("what is at its jwks_uri is no set of keys")
            self._tokens.learn(found)
            self._keys_asked = self._clock()

    def _endpoint(self, name: str) -> str:
        """Return an address that the provider tells of itself (OpenID Connect Discovery 4)."""
        issuer = self._config.issuer
        if self._clock() - self._asked > _FRESH:
            metadata = self._ask(issuer.rstrip("/") + "/.well-known/openid-configuration")
            if metadata.get("issuer") != issuer:
                raise ProviderError(f"it says of itself to be {metadata.get('issuer')!r}, not {issuer!r}")
            self._metadata, self._asked = metadata, self._clock()
        url = self._metadata.get(name)
        if not isinstance(url, str) or not url.startswith(("https://", issuer[: issuer.index(":")] + "://")):
            raise ProviderError(f"it does not tell its {name}, or not by https")
        return url

    def _ask(self, url: str, form: bytes | None = None, fields: dict[str, str] | None = None) -> dict[str, Any]:
        """Return the JSON object at a URL. Raises ProviderError, and SignInError where a form is refused."""
        request = urllib.request.Request(url, form, {"Accept": "application/json", **(fields or {})})  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._config.timeout) as response:
                status, content = response.status, response.read(MAX_ANSWER + 1)
            found = json.loads(content) if len(content) <= MAX_ANSWER else None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise ProviderError(f"{url}: {getattr(error, 'reason', None) or error}") from None
        if status == 400 and isinstance(found, dict) and found.get("error") == "invalid_grant":  # RFC 6749 5.2
            raise SignInError("the provider does not take its code back")
        if status != 200:
            raise ProviderError(f"{url}: status {status}")
        if not isinstance(found, dict):
            raise ProviderError(f"{url}: there is no JSON object of at most {MAX_ANSWER} bytes")
        return found
