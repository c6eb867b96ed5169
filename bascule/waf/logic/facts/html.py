"""HTML, CSS and JavaScript: what makes a browser run something."""

from __future__ import annotations

import re

from .fact import Fact

_EVENT = rb"on(?:abort|activate|after|animation|auxclick|before|begin|blur|bounce|can|cell|change|click|close|content|context|control|copy|cue|cut|data|dbl|deactivate|device|drag|drop|duration|emptied|end|error|filter|finish|focus|form|fullscreen|gesture|got|hash|help|input|invalid|key|language|layout|load|lose|lost|media|message|mouse|move|open|orientation|out|page|paste|pause|play|pointer|popstate|progress|property|ratechange|readystate|redo|repeat|reset|resize|resume|reverse|row|scroll|search|security|seek|select|show|slotchange|stalled|start|stop|storage|submit|suspend|sync|time|toggle|touch|track|transition|unhandled|undo|unload|url|user|volume|waiting|webkit|wheel|zoom)[a-z]{0,32}"
_CALL = rb"(?:alert|confirm|prompt|eval|print|settimeout|setinterval|setimmediate|fetch|open|write|writeln|atob|function|import|msgbox|focus|expression|document|location|window|self|top|parent|frames|this|globalthis|constructor|string|navigator|import|throw|console|onerror|javascript|new|import|\w+\s*=)"
_ELEMENT = (
    rb"a|abbr|address|area|article|aside|b|bdo|big|blink|blockquote|body|br|button|caption|center|cite|code|col|dd|details|dfn|dialog"
    rb"|dir|div|dl|dt|fieldset|figure|font|footer|form|frame|h[1-6]|head|header|hr|html|i|img|input|isindex|kbd|label|legend|li|main|map"
    rb"|marquee|menu|nav|nobr|ol|optgroup|option|p|picture|plaintext|pre|q|s|samp|section|select|small|source|strike|style|sub|summary"
    rb"|sup|table|tbody|td|textarea|tfoot|th|thead|time|title|tr|tt|u|ul|var|video|wbr|xmp"
)
"""Elements of HTML but em, mark, span and strong, with which engines of search are asked to mark what they find."""

FACTS = (
    Fact(
        "html.script_tag",
        "opens or closes a script element",
        (
            rb"<[\s/\x00]*script\b",
            rb"<[\x00-\x20]*/?s[\x00\s]*c[\x00\s]*r[\x00\s]*i[\x00\s]*p[\x00\s]*t[\s/>]",
            rb"<\w+:script\b",
            rb"<script[^\w\s]",
            rb"\bscript\s*>\s*['\"]?>?\s*<",
        ),
        True,
    ),
    Fact(
        "html.active_tag",
        "a tag that loads, runs or frames something",
        (
            rb"<[\s/\x00]*(?:svg|iframe|object|embed|applet|math|link|meta|base|style|frameset|frame|isindex|keygen|bgsound|i?layer|marquee|video|audio|body|import|xss|portal|foreignobject|animate\w*|set|handler|listener|xml\b|x:script|\?xml-stylesheet|\?import|form|input|button|details|textarea|select|template|noscript|plaintext|image|html)(?:[\s/>\x00\"'`\x0b\x0c:]|$)",
        ),
    ),
    Fact(
        "html.embedding_tag",
        "a tag that puts a foreign page or object in this one, or changes where it loads from",
        (
            rb"<[\s/\x00]*(?:iframe|frame|frameset|object|embed|applet|base|meta|portal|bgsound|i?layer|link|isindex|xml|handler|foreignobject|keygen)(?:[\s/>\x00\"'`\x0b\x0c:]|$)",
        ),
    ),
    Fact(
        "html.tag",
        "any HTML tag with attributes, or several",
        (
            rb"<[a-z!?][a-z0-9:_-]{0,30}[\s/\x0b\x0c]+[^<>]{0,200}=",
            rb"</?[a-z][a-z0-9:_-]{0,30}\s*/?>",
            rb"<!--",
            rb"<!\[cdata\[",
            rb"<!doctype\s+html",
        ),
    ),
    Fact(
        "html.markup",
        "a tag of HTML in an address, a cookie or a name, which pages do not put there but to mark what was found",
        (rb"</?(?:" + _ELEMENT + rb")(?:\s[^<>]{0,200}[=>]|\s*/?>)",),
        telling=True,
    ),
    Fact(
        "html.event_handler",
        "an attribute that runs script on an event",
        (
            rb"[\s/\"'`<>\x00\x0b\x0c]" + _EVENT + rb"[\s\x00\x0b\x0c]*=[\s\x00\"'`&(\w/\\{\[$@+!~-]",
            rb"<[a-z][^<>]{0,400}[^\w]on[a-z]{3,40}\s{0,8}=",
            rb"<[a-z][^<>]{0,200}\s(?:x-init|x-on:\w{3,20}|v-on:\w{3,20}|ng-(?:init|click|focus|mouse\w{2,8}|blur|key\w{2,6}|submit|change)|data-ng-init|hx-on\S{0,20})\s*=",
            rb"^on(?:error|load|click|focus|mouse\w+|key\w+|toggle|blur|begin|start|animation\w+|pointer\w+|wheel|input|change|submit)\s*=\s*[\"'`\w(]",
        ),
    ),
    Fact(
        "html.handler_alone",
        "the whole value, in an address or a cookie, is attributes, one of which runs script on an event that calls what browsers have",
        (
            rb"^\s*(?:[a-z-]{1,20}=[^\s\"'<>=]{1,60}\s{1,4}){0,3}"
            + _EVENT
            + rb"\s*=\s*[^<>\n]{0,200}\b(?:alert|confirm|prompt|print|eval|settimeout|setinterval|function|fetch|open|import|atob"
            + rb"|constructor|onerror|cookie|document|location|window|self|top|globalthis|getscript)\b[^<>\n]{0,200}$",
        ),
        True,
    ),
    Fact(
        "html.event_in_tag",
        "an event attribute inside a tag",
        (rb"<[a-z!][^<>]{0,500}[\s/\"'`\x00\x0b\x0c]on[a-z]{3,40}[^=<>]{0,10}=",),
        True,
    ),
    Fact(
        "html.leaves_attribute",
        "closes an attribute's quotes and goes on with an attribute or tag",
        (
            rb"[\"'`]\s*/?\s*>+\s*<[a-z!/?]",
            rb"[\"'`][\s/]*(?:"
            + _EVENT
            + rb"|style|autofocus|src|href|formaction|srcdoc|accesskey|tabindex|contenteditable)[\s/]*=",
            rb"^\s*[\"'`]*>+\s*<[a-z!/?]",
            rb"[\"'`]\s*>[^<>]{0,30}<(?:/?\w+)",
            rb"</(?:title|textarea|style|script|noscript|template|iframe|xmp|option|select|a|div)\s*>\s*<[a-z!/?]",
            rb"--!?>\s*<[a-z!/?]",
            rb"\]\]>\s*<",
            rb"^\s*</(?:script|title|textarea|style)",
        ),
    ),
    Fact(
        "html.breaks_out",
        "begins inside an attribute, closes it and its tag, and opens another tag",
        (),
        True,
    ),
    Fact(
        "html.dangling",
        "a short text that ends within the address of a tag: what follows goes to another host",
        (),
        True,
    ),
    Fact(
        "html.script_url",
        "a javascript:, vbscript: or data: address that runs script",
        (
            rb"j\s*a\s*v\s*a\s*s\s*c\s*r\s*i\s*p\s*t\s*(?::|&colon|&#0*58|&#x0*3a|%3a)\s*(?:[^\sv;:)]|v(?:[^o]|o(?:[^i]|i[^d])))",
            rb"javascript\s*:\s*void\s*(?:\(\s*)?0\s*(?:\)\s*)?;+\s*[\w$.]{0,40}\s?[(\[`={]",
            rb"v\s*b\s*s\s*c\s*r\s*i\s*p\s*t\s*:\s*\w",
            rb"livescript\s*:|mocha\s*:\s*\w",
            rb"<(?:use|embed|object|iframe|script|feimage)\b[^<>]{0,100}[\s/\"'](?:href|xlink:href|src|data)\s*=\s*(?:[\"']\s*)?data:(?:image/svg|text/|application/)",
            rb"data\s*:\s*(?:text/html|text/xml|application/xhtml|application/xml|text/javascript|application/javascript|application/x-javascript|,\s*<|;base64,PHN2|;base64,PHNj)",
            rb"mhtml\s*:|jar\s*:\s*https?:",
            rb"feed\s*:\s*(?:javascript|data)",
        ),
    ),
    Fact(
        "html.script_url_start",
        "the whole value is a script address",
        (
            rb"^[\x00-\x20\"']*(?:j\s*a\s*v\s*a|v\s*b)\s*s\s*c\s*r\s*i\s*p\s*t\s*:\s*(?:[^\sv;:)]|v(?:[^o]|o(?:[^i]|i[^d])))[^\n]{0,200}[(=`\[%&;/\\.]",
            rb"^[\x00-\x20\"']*javascript\s*:\s*void\s*(?:\(\s*)?0\s*(?:\)\s*)?;+\s*[\w$.]{0,40}\s?[(\[`={]",
            rb"^\s*data\s*:\s*text/html",
        ),
        True,
    ),
    Fact(
        "html.style_script",
        "CSS that runs script or loads a sheet",
        (
            rb"expression\s*\([^)]{0,40}",
            rb"\bbehaviou?r\s*:\s*url\s*\(",
            rb"-moz-binding\s*:",
            rb"@import\b\s*['\"u]",
            rb"url\s*\(\s*['\"]?\s*(?:javascript|vbscript|data\s*:\s*(?:text|image/svg))",
            rb"style\s*=\s*[^>]{0,80}(?:expression|javascript|url\s*\()",
            rb"@keyframes\s+\w+\s*\{",
            rb"animation-name\s*:",
            rb"@charset",
        ),
    ),
    Fact(
        "html.loads_foreign",
        "a tag attribute that loads from an address",
        (
            rb"<[a-z][^<>]{0,200}[\s/\"'`](?:src|href|data|action|formaction|xlink:href|background|lowsrc|dynsrc|poster|srcdoc|code|codebase|to|from|values|content|srcset|cite|classid|profile|manifest|ping)\s*=\s*[\"'`]?\s*[^\s\"'`>]",
        ),
    ),
    Fact(
        "html.foreign_form",
        "a form that sends what is typed to another host",
        (rb"<(?:form|button|input)\b[^<>]{0,200}[\s/\"'`](?:form)?action\s*=\s*[\"'`]?\s*(?:https?:)?[/\\]{2}",),
        True,
    ),
    Fact(
        "html.lone_form",
        "the whole value is such a form with little in it",
        (
            rb"^[^<>\n]{0,40}<form\b[^<>\n]{0,80}[\s/\"'`]action\s*=\s*[\"'`]?\s*(?:https?:)?[/\\]{2}[^<>\n]{1,80}>[^\n]{0,80}$",
        ),
        True,
    ),
    Fact(
        "html.srcdoc_or_refresh",
        "srcdoc, meta refresh, base, autofocus tricks",
        (
            rb"\bsrcdoc\s*=",
            rb"http-equiv\s*=\s*[\"'`]?\s*(?:refresh|set-cookie|link|content-security)",
            rb"<base\s[^>]{0,40}href",
            rb"\bautofocus\b[\s/>=]",
            rb"\bformaction\s*=",
            rb"xlink:href\s*=",
            rb"\battributename\s*=",
            rb"allowscriptaccess",
            rb"\bcontenteditable\b",
            rb"\bdraggable\s*=",
            rb"\bdataformatas\s*=",
        ),
    ),
    Fact(
        "js.dialog_call",
        "calls alert, confirm, prompt or print",
        (
            rb"[=;:\"'`(>/!,{}&|+*-]\s*(?:alert|confirm|prompt)\s{1,8}\(\s*[\w'\"`/\\)]",
            rb"(?:\b|\d)(?:alert|confirm|prompt)(?:\?\.)?\(\s*(?:\)|\d|['\"`/\\]|document\b|window\b|location\b|self\b|top\b|this\b|origin\b|name\b|cookie\b|string\b|xss\b|atob\b|[\w.]{1,30}\(|$)",
            rb"\b(?:alert|confirm|prompt)(?:`[^`]{0,60}`|\\x28|\\u0028|&lpar|&#0*40|&#x0*28|\]\s*\(|\.(?:call|apply|bind)\b|//|%28|\)\s*\()",
            rb"[=;:\"'`(>]\s*print\s*\(\s*\)",
            rb"\bmsgbox\s*\(",
            rb"\.\s*(?:find(?:last)?(?:index)?|(?:flat)?map|some|every|filter|foreach|reduce(?:right)?|sort|replace(?:all)?|then|from)\s*\(\s*(?:(?:/[^/\n]{1,30}/\w{0,2}|\[[^\[\]\n]{0,30}\])\s*,\s*)?(?:alert|confirm|prompt|eval)\s*[,)]",
            rb"[\])]\s*\(\s*['\"`][^'\"`\n]{0,30}['\"`]\s*,\s*(?:alert|confirm|prompt|eval)\s*\)",
            rb"[\w$]{1,12}\s*=\s*(?:alert|confirm|prompt|eval)\s*[;,]\s*[\w$]{1,12}\s*[(`]|\[\s*,?\s*(?:alert|confirm|prompt|eval)\s*\]\s*(?:\[\d+\]\s*\(|\)\s*\w+\()",
            rb"[{,]\s*(?:tostring|valueof|set|get|then|\[symbol\.\w{1,20}\])\s*:\s*(?:alert|confirm|prompt|eval)\s*[,}]",
            rb"(?:^|[.;,{\s])on[a-z]{3,20}\s*=\s*(?:alert|confirm|prompt|eval)\s*(?:[;,)}]|$)",
            rb"\b(?:alert|confirm|prompt)\(\s*[!~+]|\breflect\s*\.\s*\w{3,12}\s*\(\s*(?:alert|confirm|prompt|eval)\s*,",
        ),
        True,
    ),
    Fact(
        "js.dialog_name",
        "names alert, confirm or prompt beside marks of script",
        (
            rb"\b(?:alert|confirm|prompt)\b\s*(?:\?\.)?\s*(?:\(|`|\)|\\x28|\\u0028|&lpar|&#40|&#x28|\[|;)",
            rb"[=:+(\[{,]\s*(?:alert|confirm|prompt)\s*(?:[^\w\s:]|$|\w{1,20}\s*[(=])",
        ),
    ),
    Fact(
        "js.calls_foreign",
        "script that loads from, sends to or goes to another host",
        (
            rb"\b(?:open|import|getscript|replace|assign|fetch|sendbeacon|load|ajax|importscripts|worker|eventsource|websocket|postmessage)\s*\(?\s*[\"'`]\s*(?:(?:https?|wss?|data):)?//"
            rb"|\blocation(?:\.href)?\s*=\s*[\"'`](?:https?:)?//|\.src\s*=\s*[\"'`](?:https?:)?//",
        ),
    ),
    Fact(
        "js.dangerous_call",
        "evaluates text or writes the document",
        (
            rb"\b(?:settimeout|setinterval|function|execscript|setimmediate|importscripts)\s*(?:\(|`)\s*['\"`\w(/\\\[$]",
            rb"\beval\s*(?:\(|`)\s*(?:['\"`(/\\\[]|[a-df-z0-9_]|e(?:[^v]|v[^a]|va[^l]|val\s*[^\sa]))",
            rb"\bdocument\s*(?:\.|\[)\s*['\"`]?\s*(?:cookie|write|writeln|domain|location|body|documentelement|createelement|getelement|queryselector|url|referrer|head|scripts|forms|defaultview|vulnerable)",
            rb"\b(?:window|self|top|parent|frames|this|globalthis)\s*(?:\.|\[)\s*['\"`/]?\s*(?:alert|confirm|prompt|eval|location|name|open|atob|document|opener|onerror|\w{1,12}['\"`]?\s*\]\s*\()",
            rb"\b(?:inner|outer)html\b\s*\+?=",
            rb"\blocation\s*(?:\.\s*(?:href|replace|assign|hash|search|host)\b|=\s*['\"`\w(]|\[)",
            rb"\bstring\s*(?:\.|\[['\"])\s*fromcharcode",
            rb"\.constructor\b\s*(?:\(|\.|\[|`)",
            rb"\bxmlhttprequest\s*\(|\bactivexobject\b|\bsendbeacon\b",
            rb"\bonerror\s*=\s*(?:alert|eval|prompt|confirm)",
            rb"\bimport\s*\(\s*['\"`]|\bimport\s*['\"`]",
            rb"\b(?:localstorage|sessionstorage)\s*(?:\.\s*(?:get|set|clear|remove)|\[)",
            rb"\b(?:atob|btoa|unescape|decodeuri\w*)\s*(?:\(|`)",
            rb"__defineg?s?etter__|\breflect\s*\.\s*(?:apply|construct|get)|\bnew\s+(?:function|image|xmlhttprequest|worker|activexobject)\b",
        ),
    ),
    Fact(
        "js.reads_secret",
        "reads the cookie, or runs what the address or a code says",
        (
            rb"\bdocument\s*(?:\.\s*cookie|\[\s*['\"`]cookie)\b",
            rb"\binnerhtml\s*\+?=\s*(?:document|location|name|window|decodeuri|(?:local|session)storage|['\"`]<)",
            rb"\beval\s*\(\s*(?:\w{1,12}\.(?:data|newvalue|responsetext|hash|search)\b|0x[0-9a-f]{2,12}\.|string\.raw|\(*\s*[_$!(\[]{1,4}\s*=?\s*[!+(]|\w\+\w\+\w)",
            rb"\blocation(?:\.href)?\s*=\s*(?:(?:document|window|self|top)\.)?(?:location\s*\.\s*(?:hash|search)|window\.name|name\s*(?:$|[;,'\"`]))",
            rb"(?:\.src|fetch|open|location|href|sendbeacon)\s*[=(]\s*['\"`](?:https?:)?//[^'\"`\n]{0,80}['\"`]\s*\+\s*(?:(?:window|self|top)\.)?(?:(?:local|session)storage|document\.cookie)\b",
            rb"\b(?:eval|settimeout|setinterval|setimmediate|function)\s*\(\s*(?:location\b|document\.|window\.name|name\s*\)|atob\s*\(|unescape\s*\(|string\.fromcharcode|decodeuri|['\"`]\s*(?:alert|return\b|eval))",
            rb"^\s*(?:(?:document|window|self|top|parent)\s*\.\s*){0,2}location(?:\s*\.\s*href)?\s*=\s*['\"`](?:https?:)?//[^\s'\"`]{1,200}['\"`]?\s*;?\s*$",
            rb"^\s*import\s*\(\s*['\"`]\s*(?:https?:|data:)?//[^\s'\"`]{1,200}['\"`]\s*\)\s*;?\s*$",
            rb"\bcreateelement\s*[(`]\s*['\"`]?script\b[^\n]{0,80}\bsrc\s*[=:]\s*['\"`]?(?:https?:)?//",
            rb"\bwith\s*\(\s*(?:document|window|self|top|location|navigator)\s*\)\s*(?:\w{1,30}\s*[.(=]|\{)",
            rb"\blocation(?:\.href)?\s*=\s*['\"`]?\s*(?:javascript:|data:text)|\b(?:function|constructor)\s*\(\s*['\"`][^'\"`]{1,60}['\"`]\s*\)\s*\(",
            rb"\b(?:eval|settimeout|setinterval|setimmediate|function|constructor)(?:\s*\(\s*(?:['\"`][^'\"`\n]{0,40}['\"`]\s*\+\s*){1,9}['\"`][^'\"`\n]{0,40}['\"`]\s*[),]|`[^`\n]{1,60}[\\($])",
        ),
        True,
    ),
    Fact(
        "js.leaves_string",
        "closes a script's string and goes on with code",
        (
            rb"['\"`]\s*[;,)}\]]*\s*[-+*/%^|&;,<>=]{1,3}\s*[(!~+-]*\b" + _CALL + rb"\s*[(`.\[]",
            rb"['\"`]\s*[)}\]]+\s*;?\s*\w+\s*[(=`]",
            rb"[;}\]]\s*(?:alert|confirm|prompt|eval)\s*[(`]",
            rb"[;)}'\"`]\s*//\s*['\"]?\s*$",
            rb"['\"`]\s*[-+*^]\s*(?:alert|confirm|prompt|eval)\b",
            rb"\*/\s*(?:alert|confirm|prompt|eval|</)",
        ),
    ),
    Fact(
        "js.acts_between_strings",
        "closes a script's string or comment, acts, and opens one again; or acts in an expression of its template",
        (
            rb"^[^'\"`<>\n]{0,60}['\"`][\s)}\]]*[;,+*/|&^-]{1,2}[\s(!~+-]*(?:(?:var|let|const|new|return|throw|void|if|for|while|try|with)\b\s*)?(?:[\w.$]{0,30}\s*[=(,;+!~\[{}:?&|)\]'\"`]{1,3}\s*){0,12}\b(?:window|self|top|parent|frames|globalthis|document|location|eval|function|settimeout|fetch|import|navigator|localstorage|sessionstorage|atob|onerror|alert|confirm|prompt)(?:[.(\[`]|\s*=)[^\n]{0,200}(?:['\"`]|//[^\n]{0,10}|/\*|<!--)\s*$",
            rb"^[^'\"`<>\n]{0,60}['\"`][\s)}\]]*;\s*[\w.$\[\]]{1,60}\s*=\s*[\w.$\[\]]{1,60}\s*;\s*(?:['\"`]|//|/\*|<!--)\s*['\"`]?$",
        ),
        True,
    ),
    Fact(
        "js.builds_name",
        "calls a member by a name built from pieces",
        (
            rb"[\w)\]]\s*\[\s*['\"`]\w{1,20}['\"`]\s*(?:[+~]\s*['\"`]\w{1,20}['\"`]\s*){1,8}\]\s*[(\[`.=]",
            rb"[\w)\]]\s*\[\s*/\w{1,12}/\.source|/\w{1,12}/\.source\s*\+\s*/\w{1,12}/\.source",
            rb"\b(?:window|self|top|frames|globalthis)\s*\[\s*['\"`/][^\]\n]{0,40}['\"`/]\s*\+[^\n]{1,200}\]\s*\(",
            rb"(?:!\[\]|\+\[\]|\[\]\[)[\[\]()!+]{24}|=\s*~\[\]\s*;\s*[$\w]{1,8}\s*=\s*\{",
        ),
        True,
    ),
    Fact(
        "js.whole_script",
        "the whole value is script that writes the page, evaluates, goes elsewhere or sends",
        (
            rb"^\s*(?:(?:var|let|const)\s+)?(?:\w{1,20}\s*=\s*)?new\s+(?:xmlhttprequest|image|eventsource|websocket|sharedworker|worker|broadcastchannel|rtcpeerconnection|function)\s*\(",
            rb"^\s*[\w.()\[\]]{1,60}\s*(?:=>[\w\s.]{1,40})?\.(?:inner|outer)html\s*\+?=|^(?:inner|outer)html\s*\+?=",
            rb"^\s*(?:eval|execscript|settimeout|setinterval|setimmediate)\s*(?:\.\s*(?:call|apply)\s*)?\(",
            rb"^\s*(?:(?:window|document|top|self|parent|frames)\s*\.\s*)*location\s*(?:\.\s*(?:href|hash|search|replace|assign)\b\s*)?[=(.]",
            rb"^\s*\w{1,8}\s*=\s*['\"]{2}\s*\+\s*['\"]\w{1,12}['\"]\s*\+",
            rb"^\s*(?:fetch|importscripts|navigator\s*\.\s*sendbeacon)\s*\(\s*['\"`]",
        ),
    ),
    Fact(
        "js.obfuscated",
        "script written in brackets, or a name built from pieces",
        (
            rb"[\[\]()!+{}$_'\"`|~\\/;=,.:-]{28,}",
            rb"\[\s*['\"`/][\w+/'\"` .]{1,30}['\"`/](?:\.source)?\s*\]\s*(?:\(|`|\[)",
            rb"['\"`]\s*\+\s*['\"`]\w{1,8}['\"`]\s*[\]+]",
            rb"\+\[\]|!\[\]|\[\]\[|\(!\[\]",
            rb"\$\{\s*[\w.]+\s*[(`]",
            rb"\w\s*=>\s*\w+\s*[(`]",
        ),
    ),
    Fact(
        "html.entity_in_url",
        "a script word split by entities or control characters",
        (
            rb"j(?:&[#\w]{1,10};|[\x00-\x1f])+a",
            rb"(?:&#x?0*[0-9a-f]{2,7};?){4}",
            rb"script\s*&colon;|&newline;|&tab;|&lpar;",
        ),
    ),
    Fact(
        "_js.look",
        "",
        (
            rb"['\"`]\s*(?:[-+*/%^|&;,<>=!?:.)\]}\[({`]|in\b|instanceof\b|\n|\xe2\x80[\xa8\xa9]).*[(`=]",
            rb"\*/\s*[\w$(\[{;}].*[(`=]",
            rb"\$\{.*[(`=]",
        ),
    ),
    Fact("html.fingerprint", "a browser would run script, by libinjection's HTML parser"),
    Fact(
        "_html.look",
        "",
        (
            rb"<[a-z!/?\x00]",
            rb"[\"'`\s/]on[a-z]{3,40}\s*=",
            rb"script\s*:",
            rb"[\"'`]\s*>",
            rb"[\"'`\s/](?:style|xlink:href|formaction|srcdoc)\s*=",
        ),
    ),
)

_ATTRIBUTE = (
    rb"(?:autofocus|contenteditable|controls|hidden|open|(?!on)[a-z][\w:-]{0,30}+\s{0,4}=\s{0,4}"
    rb"(?:\"[^\"<>]{0,80}\"|'[^'<>]{0,80}'|[^\s\"'<>=`]{1,80}+))"
)
_BREAKS_OUT = re.compile(
    rb"[^<>]{0,200}?[\"'`][^<>\w]{0,12}>+[^<>]{0,20}<+\s*[a-z!/?]"
    rb"|[^<>]{0,80}?[\"'`][\s/]+(?:on[a-z]{4,20}|style|formaction|srcdoc)\s*=\s*[\"'`]?[^\s\"'`]"
    rb"|[^<>]{0,80}?[\"'`][\s/]++(?:" + _ATTRIBUTE + rb"[\s/]++){0,8}on[a-z]{4,40}\s*=\s*[\"'`]?[^\s\"'`]"
    rb"|[^<>]{0,80}</(?:script|title|textarea|style|noscript|template|iframe|xmp|noembed|math|svg)\b[^<>]{0,20}>[^<>]{0,20}<"
    rb"|[^<>]{0,80}?--!?>\s*<[a-z!/?]",
    re.IGNORECASE,
)


MAX_DANGLING = 512
"""Bytes of a text that may dangle; of longer ones, excerpts end within a tag by chance."""
_DANGLES = re.compile(
    rb"<(?:img|image|input|base|form|a|link|button|iframe|video|audio|object|embed|area|source)\b[^<>]{0,200}"
    rb"[\s/\"'](?:(?:src|href|action|formaction|data|poster|background)\s*=\s*(?:'\s*(?:https?:)?//[^'<>]*|\"\s*(?:https?:)?//[^\"<>]*)"
    rb"|(?<=<base.)target\s*=\s*(?:'[^'<>]*|\"[^\"<>]*))\Z",
    re.IGNORECASE,
)


def dangles(text: bytes) -> bool:
    """Tell whether a text ends within the quotes of an address on another host, or of a page's target."""
    return len(text) <= MAX_DANGLING and _DANGLES.search(text) is not None


def breaks_out(text: bytes) -> bool:
    """Tell whether a text begins inside an attribute, a comment or an element of text, and leaves it for a new tag."""
    return _BREAKS_OUT.match(text) is not None
