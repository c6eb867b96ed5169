"""The protocol itself: header, mail and log injection, redirects, prototype pollution, includes, formulas."""

from __future__ import annotations

from .fact import Fact

_LINE = rb"(?:\r\n|\r|\n|%0d%0a|%0a|%0d|\\r\\n|%250[ad]|\xe5\x98\x8a|\xe5\x98\x8d|%e5%98%8[ad]|%u000[ad])"

_ENCODED_LINE = rb"(?:%0d%0a|%0a|%0d|%250[ad]|\xe5\x98\x8a|\xe5\x98\x8d|%e5%98%8[ad]|%u000[ad])"
_FIELD = rb"(?:location|host|x-[\w-]{1,40}|refresh|link|cookie|referer|user-agent|status|last-modified|connection|expect|via|server|date|authorization|cache-control|upgrade|forwarded|etag|age)"

FACTS = (
    Fact(
        "http.header_after_line_end",
        "a line end followed by the name of an HTTP header",
        (
            _LINE
            + rb"[\s%20]{0,6}(?:set-cookie2?|content-type|content-length|content-encoding|content-disposition|transfer-encoding|access-control-[\w-]+|contenttype|contentlength|\w{2,30}injection\w*|x-xss-protection|x-frame-options|x-forwarded-\w+)\s*(?::|%3a)",
            _ENCODED_LINE + rb"[\s%20]{0,6}" + _FIELD + rb"\s*(?::|%3a)",
            rb"^\S{0,120}(?:\r\n|\r|\n)\s{0,3}(?:location\s*:\s*(?:https?:)?//|refresh\s*:\s*\d|link\s*:\s*<|cookie\s*:\s*\w+=|x-[\w-]{1,40}\s*:)",
        ),
        True,
    ),
    Fact(
        "http.response_after_line_end",
        "a line end followed by a status line or a request",
        (
            _LINE + rb"\s{0,6}http/\d",
            _LINE + rb"\s{0,6}(?:get|post|put|head|options|delete|trace|connect)\s+(?:/|https?:|\*)\S*\s+http/",
            rb"\bhttp/1\.[01]\s+\d{3}\b[^\r\n]{0,80}(?:%0|\\r|\\n|[\r\n]|content-|set-cookie|location:|<)",
            _LINE + _LINE + rb"\s*<(?:html|script|svg|img|body|h1)",
        ),
        True,
    ),
    Fact("http.set_cookie", "a Set-Cookie header in a value", (rb"set-cookie2?\s*(?::|%3a)\s*\+?\s*[\w-]+\s*=",), True),
    Fact(
        "http.mail_header",
        "a line end followed by a header or command of mail",
        (
            _LINE
            + rb"\s{0,4}(?:b?cc|reply-to|mime-version|content-transfer-encoding|return-path|x-mailer)\s*(?::|%3a)\s*[^\r\n]{0,80}(?:@|\w)",
            rb"@[\w.-]{2,60}" + _LINE + rb"\s{0,4}(?:to|from|subject|sender)\s*(?::|%3a)\s*\S",
            rb"(?:%0a|%0d|\\r\\n|%e5%98%8d|\xe5\x98\x8d)\s{0,4}(?:to|from|subject|sender)\s*(?::|%3a)\s*\S",
            _LINE
            + rb"\s*(?:mail\s+from|rcpt\s+to|data\s*(?:\r|\n|%0)|ehlo|helo|quit\b|rset|vrfy|starttls|capability|noop|expn\s|auth\s+(?:login|plain|cram)|fetch\s|[a-z]{1,4}\d{1,5}\s+(?:select|login|fetch|logout|capability|create|delete|rename|examine|list|lsub|status|append|store|copy|uid|search|noop|starttls)\b)",
            _LINE + rb"\s*\.\s*" + _LINE,
        ),
        True,
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
            rb"^\s*(?:https?:)?[/\\]{3,}[\w.-]+\.[a-z]{2,}\S*$",
            rb"^[/\\]{2}[\w.-]+\.\w{2,}(?:/|\\)?(?:%2f|\.\.|%5c|@)",
            rb"^/{1,3}\\+/?[\w.-]+\.\w{2,}|^\\+/{1,3}[\w.-]+\.\w{2,}|^/%(?:5c|2f|09|0a|0d)[\w/\\.%-]*\w\.\w{2,}|^[/\\][\t\r\n]+[/\\]|^\t[\t\r\n]{0,4}[/\\]{2}[\w-]{1,60}\.[\w.-]{2,60}",
            rb"^//[\w.:%-]{1,60}@[\w.]|^https?:[^/?#\s]{1,60}@[\w.\[]",
            rb"^https?:[\w-]{1,60}\.[a-z]{2,}(?:[/?#:]|$)",
            rb"^https?:/[\w-]{1,60}\.[a-z]{2,}(?:[/?#:]|$)",
            rb"^[/\\]{0,4}(?:https?:)?[/\\]{2,4}[\w.@:-]{1,80}[/\\]+(?:%2f|%2e|\.\.)[%/\\.\w]{0,6}$",
            rb"^(?:https?:)?[/\\]{0,3}[\w-]+(?:\xe3\x80\x82|%e3%80%82|\xef\xbc\x8e|\xef\xbd\xa1)[\w-]+/?$|^/\xe3\x82\x9d|^/?\xe3\x80[\xb1\xb5][\w-]",
            rb"^[.;<>]{1,4}//\w+\.\w+|^/\.\.?//\w+\.\w+|^/{1,3}[<>;.]//\w+\.\w+",
            rb"^/{1,4}(?:https?:[/\\]{1,4}|//)[^/?#\s]{1,60}@",
            rb"^/{1,4}(?:javascript|data):",
            rb"^(?:https?:)?//[\w-]{1,60}(?:\.[\w-]{1,60}){1,8}[\x00#\\]\.[\w-]{1,40}(?:\.[\w-]{1,40})+$",
        ),
        True,
    ),
    Fact(
        "http.leads_elsewhere",
        "a parameter that says where to go next names another host without a scheme, as a site's own pages never do",
        (
            rb"^(?:next|redir(?:ect)?|return|ret|rurl|continue|forward|dest(?:ination)?|go|goto|to|jump|back|exit|success|checkout|login|logout|relaystate|service)(?:[_-]?(?:url|uri|to|path|page|success|back))?=[\s\x00]{0,4}[/\\]{2}[\w-]{1,60}(?:\.[\w-]{1,60}){0,8}\.[a-z]{2,}(?:[:/?#\\]|$)",
        ),
        True,
    ),
    Fact(
        "http.address_as_path",
        "an address on another host where a path belongs",
        (
            rb"^/https?:/",
            rb"^//[\w.-]+\.[a-z]{2,}/{0,3}(?:$|[%?#])",
            rb"^[?&]\w{1,12}=(?:https?:)?//[\w.-]+\.[a-z]{2,}",
        ),
    ),
    Fact(
        "http.prototype_pollution",
        "reaches an object's prototype",
        (
            rb"\b__proto__\s*(?:[\]\[.\"':=/]|$)|__pro(?:__proto__)+to__|construct(?:constructor)+or",
            rb"\bconstructor\s*(?:\.|\[\s*['\"]?|\]\s*\[\s*|\"\s*:\s*\{\s*\")prototype\s*(?:[.=:\[\]\"']|$)",
        ),
        True,
    ),
    Fact(
        "http.server_side_include",
        "a server-side include directive",
        (
            rb"<!--\s*#\s*(?:exec|include|echo|config|printenv|set|fsize|flastmod|if)\b",
            rb"<!--\s*esi\b",
            rb"<esi:(?:include|inline|remove|comment|vars|debug|assign)\b",
        ),
        True,
    ),
    Fact(
        "http.formula",
        "a spreadsheet formula that runs or loads",
        (
            rb"^[\s\"']*(?:=\s*|[+@-])(?:cmd|dde|msexcel|rundll32|powershell|hyperlink|importxml|importfeed|importhtml|importrange|importdata|webservice|register\.id|shell)\b\s*[|(!]",
            rb"^[\s\"']*=(?:image|exec|call|concatenate)\s*\(",
            rb"\bcmd\|\s*['\"]?\s*/c|\bdde\s*\(\s*['\"]",
            rb"[=+@-]\w{1,20}\|'[^']{1,80}'!",
        ),
        True,
    ),
    Fact(
        "http.formula_start",
        "begins as a formula of a spreadsheet",
        (
            rb"^=\s?(?:(?:indirect|query|register|rtd|py|googlefinance|filterxml|encodeurl|cell|info|hyperlink|offset|evaluate)\s?\()",
        ),
        telling=True,
    ),
    Fact(
        "http.field_after_line_end",
        "a line end followed by what any header field is written like",
        (rb"(?:^|\S)[\r\n]{1,4}[a-z][\w-]*:\s?[^\s/:][^\n]*$|(?:%0d|%0a){1,4}[a-z][\w-]*(?::|%3a)",),
        telling=True,
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
        "http.only_long_run",
        "the whole value is one character over and over",
        (rb"^[^\n]{0,12}(?:a{200,}|x{200,}|0{300,}|9{200,}|\.{200,}|%{200,})[^\n]{0,12}$",),
        True,
    ),
    Fact(
        "http.text_template",
        "Java properties or class loader as a parameter name",
        (
            rb"^class(?:\.module)?\.classloader\b|\bclass\[.?classloader",
            rb"^(?:redirect|action|redirectaction|method)\s*:\s*(?:[$%#]\{|%(?:25)*\{|\(?#)",
        ),
        True,
    ),
)
