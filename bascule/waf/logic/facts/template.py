"""Template and expression languages: Jinja, Twig, Freemarker, Velocity, EL, OGNL, SpEL, ERB, Razor and their kin."""

from __future__ import annotations

from .fact import Fact

FACTS = (
    Fact(
        "template.expression",
        "a template expression with a sum, a call or an attribute inside",
        (
            rb"\{\{[^{}]{0,200}?(?:[\d)'\"]\s*[*+/%-]\s*['\"\d(]|\w\s*\(|\.\s*\w+|\[|\||@|'|__|=)[^{}]{0,200}(?:\}\}|$)",
            rb"\{%-?\s*(?:if|for|set|include|import|extends|block|macro|raw|print|debug|autoescape|with|do|from|load|filter)\b[^%]{0,200}%?\}",
            rb"[$#@*~]\{\s*[^{}]{0,100}?(?:\d\s*[*+/%-]\s*['\"\d]|\w\s*\(|\.\s*\w+\s*[(\[.]|\[['\"]|@|=|#|\bnew\s|t\()",
            rb"\$\{\{[^}]{1,200}\}",
            rb"#\{\s*\d+\s*[*+-]",
            rb"\[\[\s*\$\{|\[\(\s*\$\{|__\$\{",
            rb"\{\{\{|\{\{=|\{#\s*\w+\s*#\}|\[%[^\]]{1,60}%\]|\{php\}|\{literal\}|\{system\(|\{if\s+\w+\(|\{\$smarty|\{self::",
        ),
    ),
    Fact(
        "template.sum",
        "nothing but a sum in the brackets of a template",
        (
            rb"\{\{\s*[('\"]*-?\d{1,12}['\")]*\s*(?:\*|\*\*|[+/%-])\s*[('\"]*-?\d{1,12}['\")]*\s*\}\}",
            rb"[$#@*~%]\{{1,2}\s*[('\"]*-?\d{1,12}['\")]*\s*[*+/%-]\s*[('\"]*-?\d{1,12}['\")]*\s*\}",
            rb"<%[=#-]?\s*\d{1,12}\s*[*+-]\s*\d{1,12}\s*-?%>",
            rb"\[\[\s*\$?\{?\d{1,12}\s*[*+-]\s*\d{1,12}\s*\}?\]\]|\[=\s*\d+\s*[*+]\s*\d+\s*\]",
            rb"(?:^|[^\w)])[@#]\(\s*\d{1,12}\s*[*+-]\s*\d{1,12}\s*\)",
            rb"(?:^|[\s=\"'>])\{=?\s*\d{1,12}\s*\*\s*\d{1,12}\s*\}",
            rb"#set\s*\(\s*\$\w+\s*=\s*\d+\s*[*+-]\s*\d+\s*\)",
            rb"\{%-?\s*(?:if|elif|print|set\s+\w+\s*=)\s*\(?\s*\d{1,12}\s*[*+/%-]\s*\d|\{\{#(?:with|each)\s*['\"]",
            rb"\{%-?\s*(?:debug|import\s+os)\b|^\W{0,3}\{%-?\s*print\b[^%]{0,200}%\}|\{\{\s*\d+\s*\}\}",
            rb"\{\{\s*(?:[\"']\w{0,12}[\"']\s*\*\s*\d{1,6}|\d{1,6}\s*\*\s*[\"']\w{0,12}[\"'])\s*\}\}|\{\{<%\[%",
            rb"\{\{\s*[\"']\w*[\"']\s*\.\s*\w+\(|\{\{\s*request\s*\}\}",
            rb"\$\{\s*[\"']\w*[\"']\s*\.\s*(?:toupper|tolower|concat|replace|getclass)",
        ),
        True,
    ),
    Fact(
        "template.names_internals",
        "names what only a template engine's own objects are called",
        (
            rb"\{\{[-%\s]*(?:config|_self|self|cycler|lipsum|joiner|url_for|get_flashed_messages|settings\.secret\w*|app\.request|dump\s*\(|phpinfo|\$on|constructor|g\.pop|request\.(?:application|environ|args|server|query|cookies|attr))\b",
            rb"[$#*]\{\{?\s*(?:config\.|application(?:scope)?\b|session(?:scope)?\b|requestscope|pagescope|pagecontext|facescontext|initparam|self\.|class\.|this\.class|_self|dump\s*\(|request\.get|\w+\.getclass|system\.(?:get|exit)|new\s+java)",
            rb"\{[{%][^{}]{0,80}\brequest\.(?:get|args|post|params|query|cookies|headers|form|values|environ)\b|\{%-?\s*(?:get_admin_log|load\s+(?:log|ssi))\b|\{\{-?\s*messages\.storages\b",
            rb"\{\$smarty\b|\{php\}|\{self::|\{system\(|\{\w+\|system\}|\{(?:fetch|include_php|include)\s+file\s*=|\{if\s+(?:phpinfo|system|exec|readfile)\(",
            rb"<#(?:assign|import|include|list|function|macro|setting)\b|\[#(?:assign|import)\b|\$\{\.(?:version|data_model|globals|main|template)",
            rb"#(?:set|evaluate|include|parse)\s*\(\s*[\"'$]\$?\w+\s*[=.)]|#set\s*\(\s*\$\w+\s*=\s*[\"']?",
            rb"\{%-?\s*(?:include|import|extends|from|set|for)\b[^%]{0,120}(?:/etc/|__|config\.|\bos\b|popen|system|cycler|subclasses)",
        ),
        True,
    ),
    Fact("template.server_tag", "a block of ERB, JSP or ASP", (rb"<%[=@!-]?\s*[^%]{1,200}%?>",)),
    Fact(
        "template.arithmetic",
        "sums in a template to see whether it is evaluated",
        (
            rb"[{$#@%<=(\[*]\s*[{(\[=%]?\s*'?\d{1,12}'?\s*\*\s*'?\d{1,12}'?\s*[})\]%]",
            rb"[$#@%]\{[^{}]{0,40}\d\s*[*+-]\s*\d",
        ),
    ),
    Fact(
        "template.python_internals",
        "climbs Python objects to reach modules",
        (
            rb"__(?:class|mro|base|bases|subclasses|globals|builtins|init|import|getattribute|getitem|dict|self|code|func|reduce|name|call)__",
            rb"\b(?:mro|subclasses)\s*\(\s*\)",
            rb"\battr\s*\(\s*['\"\[(]",
            rb"\b(?:request|config|self|cycler|joiner|namespace|lipsum|url_for|get_flashed_messages|session|g)\s*[.|\[]\s*['\"(]*(?:application|_{1,2}(?:class|init|globals|mro|dict)|from_object|environ|__)",
            rb"\bget_user_file\s*\(|\brange\.constructor\b|\bdebug\s*\}\}",
        ),
    ),
    Fact(
        "template.object_chain",
        "goes from a value to its class and on to what the engine keeps from templates",
        (
            rb"__(?:subclasses|globals|builtins|mro|bases?|getattribute|import)__\s*[\[(.'\"|)]",
            rb"__class__\s*\.\s*__\w+__\s*[.\[(]",
            rb"['\"\])}]\s*\.\s*class\s*\.\s*(?:mro|bases?|forname|classloader|protectiondomain|module|getclass|subclasses|getresource)\b",
            rb"[%$#]\{\s*\(*\s*#\w+\s*[=.\[(]|%\{\s*#\w+\s*\}",
            rb"\{[{%][^{}]{0,100}\|\s*attr\s*\(|\{[{%][^{}]{0,100}\[\s*['\"]\w+['\"]\s*[+~]\s*['\"]",
            rb"\$[!{]{0,2}\w{1,30}(?:\.\w{1,30}(?:\(\))?){0,3}\.getclass\s*\(",
            rb"[$#]\{\s*(?:param|paramvalues|header|headervalues|cookie|initparam)\s*[.\[]\s*\w",
            rb"\{\{-?\s*(?:_context|_charset|_self)\b|\{\{-?\s*(?:printf|println|html|js|call|define|template)\s+[\"'.`$]",
            rb"\{\{-?\s*\.(?:\w{1,30}\.){0,4}\w{1,30}\s+[\"'`]|\{\{-?\s*\.\s*-?\}\}",
        ),
        True,
    ),
    Fact(
        "template.java_internals",
        "reaches Java classes from an expression",
        (
            rb"\bt\s*\(\s*(?:java|javax|org)\.",
            rb"@[a-z][\w.]{2,60}\.[\w.]{2,40}@\w",
            rb"#(?:_memberaccess|context|parameters|application|session|request|attr|rt|cmd|req|res)\b\s*(?:[.\[(]|=\s*[(@#'\"]?\w+[.@(])",
            rb"ognl\.|_memberaccess|allowstaticmethodaccess|opensymphony|struts2?\b\.?\w*\(?",
            rb"\bgetclass\s*\(\s*\)|\.class\.forname|\bforname\s*\(|\bgetruntime\b|\bprocessbuilder\b|\bscriptengine|\bgetmethod\s*\(|\.newinstance\s*\(",
            rb"\b(?:freemarker\.template\.utility|freemarker)\b|\?new\s*\(|\?api\b|\?eval\b|\?interpret",
            rb"\$class\.|\$velocity\.|\$\w+\.class\.(?:inspect|forname|getclass)|\$\w+\.getclass\(",
            rb"\b(?:request|session|application|page)scope\b|\bpagecontext\b|\bfacescontext\b|\bapplicationscope\b|initparam\.|\.getservletcontext|param\.\w+\}",
            rb"(?:class|classloader)\.(?:module\.)?(?:class)?loader\b|\bclass\.module\b",
        ),
    ),
    Fact(
        "template.runs_code",
        "a template that calls system functions",
        (
            rb"#_memberaccess\b['\"]?\s*[.\[=]|@ognl\.ognlcontext@",
            rb"\{\{[^{}]{0,200}(?:system|exec|popen|passthru|shell_exec|eval|assert|registerundefinedfiltercallback|getfilter|map\s*\(|filter\s*\(|sort\s*\(|reduce\s*\(|source\s*\(|include\s*\(|file_excerpt|constant|dump)\b",
            rb"['\"]\s*\]?\s*\|\s*(?:filter|map|sort|reduce|join|attr|safe|first|tojson)\b",
            rb"(?:[$#@*%]\{|<%|\{\{|\{%)[^}]{0,200}\b(?:system|exec|popen|os\.|runtime|process|eval|file\.|io\.|dir\b|sleep|require|import|constructor|_self|global)\b",
            rb"\{\{/?(?:groovy|async|velocity|python|php|script|html)\b",
            rb"\bnew\s+function\s*\(|constructor\s*\.\s*constructor|\$eval\b|\$on\.constructor|_self\.env",
            rb"#\{\s*(?:system|`|%x|file|io|dir|global|root|process)",
        ),
        True,
    ),
    Fact(
        "template.jndi",
        "a lookup that makes Log4j load code (CVE-2021-44228)",
        (
            rb"\$\{\s*jndi\s*:",
            rb"\$\{[^}]{0,40}\$\{[^}]{0,80}(?:jndi|lower:|upper:|:-|env:|sys:|date:)",
            rb"\$\{\s*(?:lower|upper|sys|java|ctx|docker|k8s|spring|marker|log4j|bundle)\s*:\s*[\w.']",
            rb"\$\{\s*(?:env|main|date|web)\s*:\s*[\w.':-]{1,60}\}",
            rb"\$\{::-|\$\{:-",
            rb"\$\{\s*(?:script|dns|url|urlencoder|urldecoder|base64decoder|base64encoder|resourcebundle|properties|const|localhost)\s*:\s*[\w.]",
            rb"\bjndi\s*:\s*(?:ldaps?|rmi|dns|iiop|corba|nis|nds|http)\b",
        ),
        True,
    ),
)
