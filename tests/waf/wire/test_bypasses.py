"""Requests made to be read differently by a firewall and by the application behind it: each is refused or flagged."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest

from tests.support.reflector import reflector
from tests.support.shared import shared_dir
from tests.waf.wire.world import crs_folder, guarded, send

ATTACK = b"<script>alert(1)</script>' union select password from users--"


def form(body: bytes, content_type: bytes, path: bytes = b"/post") -> bytes:
    return (
        b"POST %b HTTP/1.1\r\nhost: localhost\r\nuser-agent: test\r\naccept: */*\r\ncontent-type: %b\r\n"
        b"content-length: %d\r\n\r\n%b" % (path, content_type, len(body), body)
    )


def get(query: bytes) -> bytes:
    return b"GET /?%b HTTP/1.1\r\nhost: localhost\r\nuser-agent: test\r\naccept: */*\r\n\r\n" % query


def part(headers: bytes, body: bytes = ATTACK, boundary: bytes = b"b") -> bytes:
    return b"--%b\r\n%b\r\n\r\n%b\r\n--%b--\r\n" % (boundary, headers, body, boundary)


_FORM, _JSON, _MULTI = b"application/x-www-form-urlencoded", b"application/json", b"multipart/form-data; boundary=b"
_HTML = ATTACK.decode()
MADE = {
    "no content type": form(b"a=" + ATTACK, b""),
    "content type that lies: JSON": form(b'{"a": "%b"}' % ATTACK.replace(b'"', b""), _FORM),
    "content type that lies: text": form(b'{"a": "%b"}' % ATTACK, b"text/plain"),
    "content type that lies: XML": form(b"<a><b>&lt;script&gt;alert(1)&lt;/script&gt;</b></a>", _JSON),
    "JSON, escaped": form(b'{"a": "%b"}' % b"".join(b"\\u%04x" % c for c in ATTACK), _JSON),
    "JSON, duplicate member": form(b'{"a": "%b", "a": "x"}' % ATTACK, _JSON),
    "JSON, in a name": form(b'{"%b": 1}' % ATTACK, _JSON),
    "JSON, deep": form(b'{"a":' * 30 + b'["%b"]' % ATTACK + b"}" * 30, _JSON),
    "JSON, cut short": form(b'{"a": "%b"' % ATTACK, _JSON),
    "JSON, UTF-16": form(json.dumps({"a": _HTML}).encode("utf-16"), _JSON),
    "JSON with BOM": form(b"\xef\xbb\xbf" + json.dumps({"a": _HTML}).encode(), _JSON),
    "JSON, comment": form(b'{/**/"a": "%b"}' % ATTACK, _JSON),
    "JSON lines": form(b'{"a": 1}\n{"a": "%b"}' % ATTACK, _JSON),
    "charset IBM037": form("a=".encode("cp037") + _HTML.encode("cp037"), _FORM + b"; charset=ibm037"),
    "charset UTF-7": form(b"a=+ADw-script+AD4-alert(1)+ADw-/script+AD4-", _FORM + b"; charset=utf-7"),
    "charset UTF-16": form(("a=" + _HTML).encode("utf-16"), _FORM + b"; charset=utf-16"),
    "charset twice": form(("a=" + _HTML).encode("cp037"), _FORM + b"; charset=utf-8; charset=ibm037"),
    "XML, UTF-16": form("<?xml version='1.0' encoding='utf-16'?><a>&lt;script&gt;alert(1)&lt;/script&gt;</a>".encode(
        "utf-16"), b"text/xml"),
    "XML, UTF-7": form(b"<?xml version='1.0' encoding='utf-7'?><a>+ADw-script+AD4-alert(1)</a>", b"text/xml"),
    "XML, entity": form(b"<!DOCTYPE a [<!ENTITY x '<script>alert(1)</script>'>]><a>&x;</a>", b"text/xml"),
    "XML, CDATA": form(b"<a><![CDATA[<script>alert(1)</script>]]></a>", b"text/xml"),
    "XML, attribute": form(b"<a b='&lt;script&gt;alert(1)&lt;/script&gt;'/>", b"text/xml"),
    "parameter twice": get(b"a=1&a=%3Cscript%3Ealert(1)%3C/script%3E&a=2"),
    "parameter in two places": form(b"a=1", _FORM, b"/post?a=%3Cscript%3Ealert(1)%3C/script%3E"),
    "encoded twice": get(b"a=%253Cscript%253Ealert(1)%253C/script%253E"),
    "%u": get(b"a=%u003cscript%u003ealert(1)%u003c/script%u003e"),
    "overlong UTF-8": get(b"a=%c0%bcscript%c0%bealert(1)%c0%bc/script%c0%be"),
    "NUL": get(b"a=%00%3Cscript%3Ealert(1)%3C/script%3E"),
    "separator ;": get(b"x=1;a=%3Cscript%3Ealert(1)%3C/script%3E"),
    "entities": get(b"a=%26lt;script%26gt;alert(1)%26lt;/script%26gt;%3Cimg%20src=x%20onerror=alert(1)%3E"),
    "multipart, no name": form(part(b"content-disposition: form-data"), _MULTI),
    "multipart, name twice": form(part(b'content-disposition: form-data; name="a"; name="b"'), _MULTI),
    "multipart, name*": form(part(b"content-disposition: form-data; name*=utf-8''a"), _MULTI),
    "multipart, folded": form(part(b'content-disposition: form-data;\r\n name="a"'), _MULTI),
    "multipart, LF": form(part(b'content-disposition: form-data; name="a"').replace(b"\r\n", b"\n"), _MULTI),
    "multipart, quoted-printable": form(part(
        b'content-disposition: form-data; name="a"\r\ncontent-transfer-encoding: quoted-printable',
        b"".join(b"=%02X" % c for c in ATTACK)), _MULTI),
    "multipart, base64": form(part(
        b'content-disposition: form-data; name="a"\r\ncontent-transfer-encoding: base64', base64.b64encode(ATTACK)), _MULTI),
    "multipart, part charset": form(part(
        b'content-disposition: form-data; name="a"\r\ncontent-type: text/plain; charset=utf-7', b"+ADw-script+AD4-"), _MULTI),
    "multipart, two boundaries": form(
        part(b'content-disposition: form-data; name="a"', boundary=b"c"), _MULTI + b"; boundary=c"),
    "multipart, boundary not there": form(part(b'content-disposition: form-data; name="a"', boundary=b"c"), _MULTI),
    "multipart, no final boundary": form(part(b'content-disposition: form-data; name="a"')[:-7], _MULTI),
    "multipart, after the end": form(
        part(b'content-disposition: form-data; name="x"', b"1")
        + part(b'content-disposition: form-data; name="a"'), _MULTI),
    "multipart, before the start": form(b"a=%b\r\n" % ATTACK + part(b'content-disposition: form-data; name="x"', b"1"), _MULTI),
    "multipart, mixed": form(part(b'content-disposition: form-data; name="a"'), b"multipart/mixed; boundary=b"),
    "multipart, in capitals": form(part(b'content-disposition: form-data; name="a"'), b"Multipart/Form-Data; Boundary=b"),
    "attack as a file name": form(part(b'content-disposition: form-data; name="a"; filename="a\'; x.php"', b"x"), _MULTI),
}  # fmt: skip
"""By what is odd about it."""


def waffled() -> dict[str, bytes]:
    path = shared_dir("corpora", "devtest", "waffled.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {f"waffled {row['n']}": base64.b64decode(row["raw_b64"]) for row in rows}


def passed(requests: dict[str, bytes], tmp_path: Path) -> list[str]:
    """Send them all to a firewall that blocks, and return those that got through without a word."""
    silent: list[str] = []

    async def run() -> None:
        async with reflector() as port:
            waf = {"mode": "block", "rules": "crs", "crs": str(crs_folder(tmp_path)), "budget": "2s"}
            with guarded(f"127.0.0.1:{port}", waf, timeouts={"header": "1s", "body_idle": "1s"}) as bascule:
                for number, (name, request) in enumerate(requests.items()):
                    answer = await send(bascule.address, request, f"127.9.0.{number + 1}")
                    if answer.status not in (400, 403):
                        silent.append(f"{name}: {answer.status}")
                harmless = await send(bascule.address, form(b"a=1", _FORM), "127.9.1.1")
                assert harmless.status == 200
                await send(bascule.address, get(b"last=/etc/passwd"), "127.0.0.1")
                await asyncio.to_thread(bascule.event, client="127.0.0.1")

    asyncio.run(run())
    return silent


@pytest.mark.timeout(300)
def test_nothing_passes_that_parsers_read_differently(tmp_path: Path) -> None:
    assert passed(MADE, tmp_path) == []


@pytest.mark.timeout(300)
def test_parser_bypasses_of_waffled_are_refused(tmp_path: Path) -> None:
    requests = waffled()
    assert len(requests) == 27
    assert passed(requests, tmp_path) == []
