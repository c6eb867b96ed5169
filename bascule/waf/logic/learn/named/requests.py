"""What the named rules about requests are for: for each, a usual configuration and requests that it is to find."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import quote

from bascule.waf.logic.learn.corpora import Pairs, Request
from bascule.waf.logic.learn.named.identifiers import sentence_with

Make = Callable[[random.Random], Request]
_WORDS = [
    "order",
    "list",
    "view",
    "cart",
    "user",
    "item",
    "news",
    "page",
    "main",
    "shop",
    "data",
    "info",
    "help",
    "blog",
    "team",
]
_AGENT = b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
_FORM = b"application/x-www-form-urlencoded"
_BOUNDARY = b"----bascule7d4a6f"
_SCANNERS = (
    "sqlmap/1.{0}.{1}#stable (https://sqlmap.org)", "Mozilla/5.00 (Nikto/2.{0}.{1}) (Evasions:None) (Test:00{0})",
    "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)", "gobuster/3.{0}", "WPScan v3.8.{0}",
    "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)", "Fuzz Faster U Fool v2.{0}.{1}",
    "masscan/1.{0}", "Wfuzz/3.{0}", "feroxbuster/2.{0}.{1}", "DirBuster-1.0-RC{0}", "Acunetix Web Vulnerability Scanner",
    "commix/v3.{0}", "zgrab/0.x", "ZmEu", "Arachni/v1.{0}", "WhatWeb/0.5.{0}", "Wapiti/3.{0}.{1}", "dirsearch/0.4.{0}",
)  # fmt: skip


def word(source: random.Random) -> str:
    """Return a word as names of pages and parameters are."""
    return source.choice(_WORDS) + source.choice(("", str(source.randint(1, 99))))


def request(target: str | bytes, method: bytes = b"GET", body: bytes = b"", more: Pairs | None = None) -> Request:
    """Return a request as a browser sends it, with further fields."""
    raw = target.encode("latin-1") if isinstance(target, str) else target
    headers = [(b"host", b"shop.example.com"), (b"user-agent", _AGENT), (b"accept", b"text/html,*/*;q=0.8")]
    if body:
        headers.append((b"content-length", b"%d" % len(body)))
    return Request(method, raw, headers + (more or []), body)


def form(pairs: dict[str, str]) -> Request:
    """Return a form as it is posted."""
    body = "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs.items()).encode()
    return request("/save", b"POST", body, [(b"content-type", _FORM)])


def upload(files: list[tuple[bytes, bytes]]) -> Request:
    """Return an upload of files by name and content."""
    parts = [
        b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n%b\r\n" % (_BOUNDARY, name, content)
        for name, content in files
    ]
    body = b"".join((*parts, b"--%b--\r\n" % _BOUNDARY))
    return request("/upload", b"POST", body, [(b"content-type", b"multipart/form-data; boundary=" + _BOUNDARY)])


def letters(source: random.Random, count: int) -> str:
    """Return a text without meaning."""
    return "".join(source.choices(string.ascii_lowercase + string.digits, k=count))


def _longer(source: random.Random, limit: int) -> str:
    return letters(source, source.randint(limit + 1, 2 * limit))


def _backup(source: random.Random) -> Request:
    name = word(source) + source.choice((".php", ".html", ".aspx", ".jsp", ""))
    ending = source.choice((".bak", ".old", ".orig", ".save", ".swp", ".sql", ".config", ".backup", ".BAK", "~"))
    trick = source.choice(("", "", "", ".", "%20", ";a=b")) if ending != "~" else ""
    return request(f"/{word(source)}/{name}{ending}{trick}")


def _script(source: random.Random) -> Request:
    ending = source.choice((".php", ".phtml", ".php5", ".pHp", ".php.jpg", ".jsp", ".aspx", ".asp", ".cgi", ".phar"))
    name = source.choice((word(source) + ending, ".htaccess", "web.config"))
    return upload([(name.encode(), b"<?php echo 1;")])


def _program(source: random.Random) -> Request:
    start = source.choice(
        (b"MZ\x90\0\3", b"\x7fELF\2\1\1", b"\xca\xfe\xba\xbe\0\0\0\x34", b"#!/bin/sh\n", b"\xcf\xfa\xed\xfe")
    )
    return upload([(f"{word(source)}.{source.choice(('jpg', 'txt', 'pdf'))}".encode(), start + source.randbytes(64))])


def _mislabelled(source: random.Random) -> Request:
    ending = source.choice(("jpg", "png", "gif", "pdf", "zip", "docx"))
    content = source.choice((b"<html><script>alert(1)</script>", b"<?php phpinfo();", b"plain text", b"MZ\x90\0"))
    return upload([(f"{word(source)}.{ending}".encode(), content + source.randbytes(32))])


def _hidden_script(source: random.Random) -> Request:
    picture = source.choice(((b"gif", b"GIF89a"), (b"png", b"\x89PNG\r\n\x1a\n"), (b"jpg", b"\xff\xd8\xff\xe0")))
    code = source.choice((b"<?php system($_GET[1]);", b"<?PHP eval($_POST['a']); ?>", b"<?php\n include 'x';"))
    filler = source.randbytes(source.randint(8, 4096))
    return upload([(word(source).encode() + b"." + picture[0], picture[1] + filler + code)])


def _hidden_file(source: random.Random) -> Request:
    name = source.choice(
        (".git/config", ".git/HEAD", ".env", ".env.production", ".svn/entries", ".hg/store", ".aws/credentials",
         ".ssh/id_rsa", ".htpasswd", ".npmrc", ".docker/config.json", ".DS_Store", ".bash_history", ".idea/workspace.xml")
    )  # fmt: skip
    return request(source.choice(("/", f"/{word(source)}/")) + source.choice((name, name.replace(".", "%2e", 1))))


def _ranges(source: random.Random) -> Request:
    ranges = ",".join(f"{start}-" for start in range(source.randint(65, 1300)))
    return request("/" + word(source), more=[(b"range", b"bytes=0-," + ranges.encode())])


def _spelled(source: random.Random) -> Request:
    """Return a request for a place below /admin/ in one of the spellings that servers take for it."""
    spelling = source.choice(
        ("/admin/", "/ADMIN/", "//admin/", "/%61dmin/", "/%2561dmin/", "/./admin/", "/x/../admin/", "/x/%2e%2e/admin/",
         "/admin;v=1/", "\\admin\\", "/admin%2f", "/static/..;/admin/", "/admin//")
    )  # fmt: skip
    return request(spelling + word(source), source.choice((b"GET", b"POST")))


def _override(source: random.Random) -> Request:
    name = source.choice((b"x-http-method-override", b"x-http-method", b"x-method-override"))
    return request("/" + word(source), b"POST", b"a=1", [(name, source.choice((b"DELETE", b"PUT", b"PATCH")))])


def _without(name: bytes) -> Make:
    def make(source: random.Random) -> Request:
        full = request(f"/{word(source)}?{word(source)}=1")
        return replace(full, headers=[pair for pair in full.headers if pair[0] != name])

    return make


class Case(NamedTuple):
    """How a rule is measured: the keys of `waf` it is measured with (YAML; empty: by its name alone), and what it is to
    find. `harmless` says why no rate of harmless traffic is given."""

    given: str
    make: Make | None
    harmless: str = ""


TEXT = "[card, iban, us-ssn, kr-rrn]"
AS_TOLD = "it refuses what it is told to: how often honest clients send that is the site's to know"
REQUESTS: dict[int, Case] = {
    701_001: Case("filters: {lengths: {name: 128}}", lambda s: form({_longer(s, 128): "1"})),
    701_002: Case("filters: {lengths: {value: 8KiB}}", lambda s: form({word(s): _longer(s, 8192)})),
    701_003: Case(
        "filters: {lengths: {header: 4KiB}}",
        lambda s: request("/", more=[(s.choice((b"x-data", b"accept-language")), _longer(s, 4096).encode())]),
    ),
    701_004: Case(
        "filters: {lengths: {cookie: 4KiB}}",
        lambda s: request("/", more=[(b"cookie", f"{word(s)}={_longer(s, 4096)}".encode())]),
    ),
    701_005: Case("filters: {lengths: {path: 1KiB}}", lambda s: request("/" + _longer(s, 1024))),
    701_006: Case("filters: {lengths: {query: 4KiB}}", lambda s: request(f"/?{word(s)}={_longer(s, 4096)}")),
    701_007: Case(
        "filters: {lengths: {parameters: 200}}", lambda s: form({f"p{n}": "1" for n in range(s.randint(201, 900))})
    ),
    701_008: Case("", lambda s: request(f"/{word(s)}?{word(s)}={s.choice(('%90', chr(0x90))) * s.randint(16, 300)}%cc")),
    705_001: Case("", _backup),
    705_002: Case(
        "filters: {extensions: [exe, dll, ini, log, inc]}",
        lambda s: request(f"/{word(s)}.{s.choice(('exe', 'DLL', 'ini', 'log', 'inc.', 'log%20', 'exe::$DATA'))}"),
    ),
    706_001: Case("", _script),
    706_002: Case("", _program),
    706_003: Case(
        "filters: {uploads: {allow: [jpg, jpeg, png, gif, webp, pdf, docx, xlsx, csv, txt, zip]}}",
        lambda s: upload([(f"{word(s)}.{s.choice(('svg', 'html', 'exe', 'js', 'tar', 'png.exe'))}".encode(), b"abc")]),
    ),
    706_004: Case(
        "filters: {uploads: {max_size: 64KiB}}", lambda s: upload([(b"a.bin", s.randbytes(s.randint(65_537, 100_000)))])
    ),
    706_005: Case(
        "filters: {uploads: {max_files: 10}}",
        lambda s: upload([(b"%d.txt" % n, b"abc") for n in range(s.randint(11, 40))]),
    ),
    706_006: Case("filters: {uploads: {match_content: true}}", _mislabelled),
    706_007: Case(
        "",
        lambda s: upload([(f"{word(s)}{chr(s.choice((0, 1, 8, 9, 27, 127)))}{word(s)}.txt".encode(), b"abc")]),
    ),
    706_008: Case("", _hidden_script),
    707_001: Case(
        "filters: {words: [casino, viagra, jackpot]}",
        lambda s: form({word(s): f"{word(s)} {s.choice(('casino', 'VIAGRA', 'Jackpot'))}{s.choice(' .,!')} {word(s)}"}),
        AS_TOLD,
    ),
    708_001: Case(
        "",
        lambda s: request(
            "/" + word(s), b"POST", b"a=1", [(b"content-type", _FORM), (b"content-type", s.choice((b"text/plain", _FORM)))]
        ),
    ),
    708_002: Case("", _ranges),
    708_003: Case("", lambda s: request("/" + word(s), s.choice((b"GET", b"HEAD")), word(s).encode() + b"=1")),
    708_004: Case("", lambda s: request("/" + word(s), s.choice((b"POST", b"PUT")), word(s).encode() + b"=1")),
    709_001: Case("", lambda s: request(f"/{word(s)}?{word(s)}={word(s)}%00{s.choice(('.jpg', '', '.html'))}")),
    709_002: Case(
        "", lambda s: request(f"/{word(s)}/{s.choice(('%c0%ae', '%C0%AF', '%e0%80%ae', '%c1%9c', '%f0%80%80%ae'))}/x")
    ),
    709_003: Case("", lambda s: request(f"/{word(s)}?{word(s)}={s.randint(1, 100)}%{s.choice(('', 'zz', ' ', '&b=1', 'g0'))}")),
    710_001: Case("", lambda s: request(f"/?{(name := word(s))}={word(s)}&x=1&{name}={word(s)}")),
    711_001: Case(f"filters: {{identifiers: {TEXT}}}", lambda s: form({word(s): sentence_with(s, TEXT)})),
    713_001: Case(
        f"filters: {{identifiers: {TEXT}}}",
        lambda s: upload([(f"{word(s)}.{s.choice(('txt', 'csv'))}".encode(), sentence_with(s, TEXT).encode())]),
    ),
    714_001: Case(
        "", lambda s: request("/" + word(s), more=[(s.choice((b"x-original-url", b"x-rewrite-url")), b"/admin/" + word(s).encode())])
    ),
    714_002: Case(
        "filters: {fields: {deny: [x-original-host, x-host, x-forwarded-server]}}",
        lambda s: request("/", more=[(s.choice((b"x-original-host", b"x-host", b"x-forwarded-server")), b"evil.example")]),
    ),
    714_003: Case("filters: {fields: {require: [accept]}}", _without(b"accept")),
    715_001: Case("", lambda s: request("/" + word(s), s.choice((b"TRACE", b"TRACK", b"DEBUG")))),
    715_002: Case("", lambda s: request("/" + word(s), s.choice((b"JEFF", b"SEARCH", b"MOVE", b"MKCOL", b"PROPFIND", b"CONNECT")))),
    715_003: Case(
        "filters: {methods: [GET, HEAD, POST]}",
        lambda s: request("/" + word(s), s.choice((b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE"))),
    ),
    715_004: Case("filters: {methods: [GET, HEAD, POST]}", _override),
    717_001: Case(
        "",
        lambda s: replace(
            request("/" + word(s)),
            headers=[(b"user-agent", s.choice(_SCANNERS).format(s.randint(0, 9), s.randint(0, 9)).encode())],
        ),
    ),
    717_002: Case("", _hidden_file),
    717_003: Case("", _without(b"user-agent")),
    718_001: Case("filters: {access: [{path: /admin/, allow: [10.0.0.0/8]}]}", _spelled, AS_TOLD),
    721_001: Case("filters: {addresses: {deny: [192.0.2.0/24]}}", None, "it refuses the addresses it is given: no rate says more, only its cost"),
}  # fmt: skip
"""By rule."""
