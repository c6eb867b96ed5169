"""The protocol itself: header, mail and log injection, redirects, prototype pollution, includes, formulas."""

from __future__ import annotations

from .fact import Fact

_LINE = rb"(?:\r\n|\r|\n|%0d%0a|%0a|%0d|\\r\\n|%250[ad]|\xe5\x98\x8a|\xe5\x98\x8d|%e5%98%8[ad]|%u000[ad])"

FACTS = (
    Fact(
        "http.header_after_line_end",
        "a line end followed by the name of an HTTP header",
        (
            _LINE
            + rb"[\s%20]{0,6}(?:set-cookie2?|location|content-type|content-length|content-encoding|content-disposition|transfer-encoding|host|x-[\w-]{2,40}|refresh|link|cookie|referer|user-agent|access-control-[\w-]+|status|last-modified|connection|expect|via|server|date|contenttype|contentlength|\w{2,30}injection\w*|authorization|cache-control|upgrade|forwarded|etag|age)\s*(?::|%3a)",
        ),
    ),
    Fact(
        "http.response_after_line_end",
        "a line end followed by a status line or a request",
        (
            _LINE + rb"\s{0,6}http/\d",
            _LINE + rb"\s{0,6}(?:get|post|put|head|options|delete|trace|connect)\s+[/h*]",
            rb"\bhttp/1\.[01]\s+\d{3}\b",
            _LINE + _LINE + rb"\s*<(?:html|script|svg|img|body|h1)",
        ),
    ),
    Fact("http.set_cookie", "a Set-Cookie header in a value", (rb"set-cookie2?\s*(?::|%3a)\s*\+?\s*[\w-]+\s*=",)),
    Fact(
        "http.mail_header",
        "a line end followed by a header or command of mail",
        (
            _LINE
            + rb"\s{0,4}(?:b?cc|to|from|subject|reply-to|mime-version|content-transfer-encoding|sender|return-path|x-mailer)\s*(?::|%3a)\s*[^\r\n]{0,80}(?:@|\w)",
            _LINE
            + rb"\s*(?:mail\s+from|rcpt\s+to|data\s*(?:\r|\n|%0)|ehlo|helo|quit\b|rset|vrfy|starttls|capability|noop|fetch\s|\w{1,6}\s+(?:select|login|fetch|logout|capability)\b)",
            _LINE + rb"\s*\.\s*" + _LINE,
        ),
    ),
    Fact(
        "http.encoded_line_end",
        "a line end in a value, in an encoding",
        (
            rb"%0d%0a|%0d%0d|%250d|%250a|%e5%98%8a|%u000a",
            rb"\xe5\x98\x8a|\xe5\x98\x8d",
            rb"^(?:%0a|%0d)|/%0[ad]|%0[ad](?:[\w-]+:|%)",
        ),
    ),
    Fact(
        "http.redirect_trick",
        "an address that misleads about where it leads",
        (
            rb"^\s*(?:https?:)?[/\\]{3,}[\w.@-]+",
            rb"^[/\\]{2}[\w.-]+\.\w{2,}(?:/|\\)?(?:%2f|\.\.|%5c|;|@)",
            rb"^/\\|^\\/|^/%5c|^/%2f|^//%|^/%09|^\\\\\w|^/\t/",
            rb"^(?:https?:|//)[^/?#]{0,60}@",
            rb"^https?:[\w.]",
            rb"^https?:/\w",
            rb"^[/\\]*(?:https?|ftp):?/{0,3}[^/]{0,80}/(?:%2f|\.\.|%2e)",
            rb"^//[\w.-]+/{0,3}(?:%2f|%2e|\.\.)",
            rb"^/{1,4}[\w.@-]+\.\w{2,6}/(?:%2f|%2e|\.\.)",
            rb"\xe3\x80\x82|\xe3\x82\x9d|\xe3\x80\xb5|%e3%80%82",
            rb"^[/\\.;<>]{1,4}//\w+\.\w+",
            rb"^[?&\w]{0,12}=?//[\w.-]+\.[a-z]{2,}(?:[/%]|$)",
            rb"^/\.\.?//",
            rb"^/https?:/",
            rb"^/{1,4}(?:javascript|data):",
        ),
    ),
    Fact(
        "http.prototype_pollution",
        "reaches an object's prototype",
        (rb"\b__proto__\b", rb"\bconstructor\s*(?:\.|\[\s*['\"]?|\]\s*\[\s*|\"\s*:\s*\{\s*\")prototype\b"),
    ),
    Fact(
        "http.server_side_include",
        "a server-side include directive",
        (
            rb"<!--\s*#\s*(?:exec|include|echo|config|printenv|set|fsize|flastmod|if)\b",
            rb"<esi:(?:include|inline|remove|comment|vars|debug|assign)\b",
        ),
    ),
    Fact(
        "http.formula",
        "a spreadsheet formula that runs or loads",
        (
            rb"^[\s\"']*[=+@-]\s*(?:cmd|dde|msexcel|rundll32|powershell|hyperlink|importxml|importfeed|importhtml|importrange|importdata|webservice|image|exec|call|register\.id|sum|concatenate|shell)\b\s*[|(!]",
            rb"\bcmd\|\s*['\"]?\s*/c",
            rb"[=+@-]\s*\w{1,20}\|'",
        ),
    ),
    Fact(
        "http.format_string",
        "printf directives in a row",
        (rb"(?:%\d{0,2}\$?[nxsp][\s.,-]?){4,}", rb"%\d+\$[nsx]", rb"(?:%n){2,}|(?:%s){3,}|(?:%x){3,}", rb"%\*\$?\*?x"),
    ),
    Fact(
        "http.long_run",
        "one character repeated so often that only a buffer overflow needs it",
        (rb"a{200}|x{200}|\x90{16}|%{30}|\.{60}|/{40}|0{300}|9{60}",),
    ),
    Fact(
        "http.text_template",
        "Java properties or class loader as a parameter name",
        (
            rb"^class(?:\.module)?\.classloader\b|\bclass\[.?classloader",
            rb"^(?:redirect|action|redirectaction|method)\s*:\s*[$%]?\{?",
        ),
    ),
)
