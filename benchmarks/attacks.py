"""Proof that a WAF is on before its cost is measured: attacks it must refuse, in each place that has values."""

from __future__ import annotations

import http.client
import json
from urllib.parse import quote, urlencode

from benchmarks.certificate import HOST
from benchmarks.machine import BenchError

_PAYLOADS = ("<script>alert(1)</script>", "1' UNION SELECT password FROM users-- ")
_TIMEOUT_SECONDS = 30.0
_REFUSED = 403


def check_refuses_attacks(port: int) -> None:
    """Send each attack in a query, a form and a JSON document, and a harmless request.

    Raises:
        BenchError: an attack gets through, or the harmless request does not.
    """
    if (status := _status(port, "GET", "/search?q=spring", "", "")) != 200:
        raise BenchError(f"a harmless GET is answered {status}; what refuses everything is not measured")
    for payload in _PAYLOADS:
        attempts = {
            "a query": ("GET", f"/search?q={quote(payload)}", "", ""),
            "a form": ("POST", "/body/", "application/x-www-form-urlencoded", urlencode({"q": payload})),
            "a JSON body": ("POST", "/body/", "application/json", json.dumps({"q": payload})),
        }
        for place, attempt in attempts.items():
            if (status := _status(port, *attempt)) != _REFUSED:
                raise BenchError(f"{payload!r} in {place} is answered {status}, not 403: the WAF does not inspect it")


def _status(port: int, method: str, target: str, content_type: str, body: str) -> int:
    headers = {"Host": HOST, "User-Agent": "Mozilla/5.0", "Accept": "*/*"}
    if content_type:
        headers["Content-Type"] = content_type
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request(method, target, body or None, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"a request to check the WAF failed: {error!r}") from error
    finally:
        connection.close()
