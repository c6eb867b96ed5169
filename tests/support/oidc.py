"""An OpenID Connect provider on loopback, as strict as the standards are; and one that can be made to lie."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

CLIENT, SECRET = "bascule", "a secret: 100%"
CLAIMS: dict[str, Any] = {"sub": "0815", "email": "anna@example.com", "email_verified": True, "groups": ["staff"]}


class OidcProvider:
    """``with OidcProvider() as provider``: who signs in is `claims`; what `lies` says stands in the next ID token."""

    def __init__(self) -> None:
        self.claims = dict(CLAIMS)
        self.lies: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.key = self.published = RSAKey.generate_key(2048, {"kid": "first"})
        self.algorithm = "RS256"
        self.broken = False
        self.now = 0.0
        """The clock of who asks, where a test gives it."""
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    def __enter__(self) -> OidcProvider:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider._get(self)

            def do_POST(self) -> None:
                provider._post(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def authorize(self, url: str) -> str:
        """Do what a browser does with somebody who says yes. Return where it is led then."""
        parts = urlsplit(url)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert url.startswith(f"{self.issuer}/authorize?")
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe()
        self._codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}"

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        if self.broken:
            _send(handler, 500, {})
        elif handler.path == "/keys":
            odd = OctKey.generate_key(256, {"kid": "odd"}).as_dict(private=True)  # of a kind that proves nothing
            keys = KeySet([self.published]).as_dict(private=False)["keys"]
            _send(handler, 200, {"keys": [{"kty": "new"}, odd, *keys]})
        else:
            assert handler.path == "/.well-known/openid-configuration"
            places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            told = {name: f"{self.issuer}/{path}" for name, path in places.items()}
            _send(handler, 200, {"issuer": self.issuer, **told, **self.metadata})

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        asked = self._codes.pop(form["code"], None)  # once
        pair = base64.b64encode(f"{CLIENT}:a+secret%3A+100%25".encode()).decode()
        if handler.headers["authorization"] != f"Basic {pair}":
            _send(handler, 401, {"error": "invalid_client"})
            return
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        proven = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != proven or asked["redirect_uri"] != form["redirect_uri"]:
            _send(handler, 400, {"error": "invalid_grant"})
            return
        now = int(time.time())
        about = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims = {name: value for name, value in {**about, **self.claims, **self.lies}.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.key.kid}
        token = jwt.encode(header, claims, self.key, algorithms=[self.algorithm])
        _send(handler, 200, {"access_token": "x", "token_type": "Bearer", "id_token": token})


def _send(handler: BaseHTTPRequestHandler, status: int, told: dict[str, Any]) -> None:
    body = json.dumps(told).encode()
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
