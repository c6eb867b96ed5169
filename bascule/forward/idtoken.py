"""ID tokens, by which an OpenID Connect provider says who signed in: whether one is to be believed."""

from __future__ import annotations

import time
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey, import_key

from bascule.forward.provider import SignInError, UnknownKeyError

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that are believed: those of keys that nobody but the provider has (RFC 8725 3.1)."""
LEEWAY: Final = 60
"""Seconds by which the provider's clock may be another than ours."""


class Tokens:
    """Judges the tokens of one issuer for one client."""

    def __init__(self, issuer: str, client_id: str) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._keys = KeySet([])

    def learn(self, keys: list[Any]) -> None:
        """Take these for the provider's keys (RFC 7517 5): those of them that are of use here."""
        self._keys = KeySet([key for data in keys if (key := _key(data)) is not None])

    def claims(self, token: str, nonce: str) -> dict[str, Any]:
        """Return what a token says, if it is to be believed (OpenID Connect Core 3.1.3.7).

        Raises SignInError, and UnknownKeyError where it is by a key that was not learned.
        """
        required = jwt.JWTClaimsRegistry(
            now=int(time.time()),
            leeway=LEEWAY,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            claims = jwt.decode(token, self._keys, algorithms=ALGORITHMS).claims
            required.validate(claims)
        except InvalidKeyIdError as error:
            raise UnknownKeyError(f"the ID token is not to be believed: {error}") from None
        except (JoseError, ValueError, TypeError) as error:
            raise SignInError(f"the ID token is not to be believed: {error}") from None
        audience = claims["aud"]
        others = "azp" in claims or (isinstance(audience, list) and len(audience) > 1)
        if others and claims.get("azp") != self._client_id:
            raise SignInError("the ID token was made for another client")
        return claims


def _key(data: Any) -> RSAKey | ECKey | OKPKey | None:
    """Return a key of a set, None for one that is of no use here."""
    try:
        key = import_key(data)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if isinstance(key, RSAKey | ECKey | OKPKey) else None
