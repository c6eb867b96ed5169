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
            rb"\{\{\{|\{\{=|\{#\s*\w+\s*#\}|\[%[^\]]{1,60}%\]|\{php\}|\{literal\}|\{system\(|\{if\s+\w+\(|\{\$smarty|\{self::|\{\{\s*\d+\s*\}\}",
        ),
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
        "template.java_internals",
        "reaches Java classes from an expression",
        (
            rb"\bt\s*\(\s*(?:java|javax|org)\.",
            rb"@[a-z][\w.]{2,60}\.[\w.]{2,40}@\w",
            rb"#(?:_memberaccess|context|parameters|application|session|request|attr|rt|cmd|req|res|_)\b\s*[.\[=(]",
            rb"ognl\.|_memberaccess|allowstaticmethodaccess|opensymphony|struts2?\b\.?\w*\(?",
            rb"\bgetclass\s*\(\s*\)|\.class\.forname|\bforname\s*\(|\bgetruntime\b|\bprocessbuilder\b|\bscriptengine|\bgetmethod\s*\(|\.newinstance\s*\(",
            rb"\b(?:freemarker\.template\.utility|freemarker)\b|\?new\s*\(|\?api\b|\?eval\b|\?interpret",
            rb"#set\s*\(\s*\$|\$class\.|\$velocity|#(?:evaluate|include|parse|foreach)\s*\(",
            rb"\b(?:request|session|application|page)scope\b|\bpagecontext\b|\bfacescontext\b|\bapplicationscope\b|initparam\.|\.getservletcontext|param\.\w+\}",
            rb"(?:class|classloader)\.(?:module\.)?(?:class)?loader\b|\bclass\.module\b",
        ),
    ),
    Fact(
        "template.runs_code",
        "a template that calls system functions",
        (
            rb"\{\{[^{}]{0,200}(?:system|exec|popen|passthru|shell_exec|eval|assert|registerundefinedfiltercallback|getfilter|map\s*\(|filter\s*\(|sort\s*\(|reduce\s*\(|source\s*\(|include\s*\(|file_excerpt|constant|dump)\b",
            rb"['\"]\s*\]?\s*\|\s*(?:filter|map|sort|reduce|join|attr|safe|first|tojson)\b",
            rb"(?:[$#@*%]\{|<%|\{\{|\{%)[^}]{0,200}\b(?:system|exec|popen|os\.|runtime|process|eval|file\.|io\.|dir\b|sleep|require|import|constructor|_self|global)\b",
            rb"\{\{/?(?:groovy|async|velocity|python|php|script|html)\b",
            rb"\bnew\s+function\s*\(|constructor\s*\.\s*constructor|\$eval\b|\$on\.constructor|_self\.env",
            rb"#\{\s*(?:system|`|%x|file|io|dir|global|root|process)",
        ),
    ),
    Fact(
        "template.jndi",
        "a lookup that makes Log4j load code (CVE-2021-44228)",
        (
            rb"\$\{\s*jndi\s*:",
            rb"\$\{[^}]{0,40}\$\{[^}]{0,80}(?:jndi|j\}|n\}|lower|upper|:-)",
            rb"\$\{(?:lower|upper|env|sys|date|java|main|ctx|bundle|docker|k8s|web|spring|marker|log4j|:-?)\s*:",
            rb"\$\{::-|\$\{:-",
            rb"\bjndi\s*:\s*(?:ldaps?|rmi|dns|iiop|corba|nis|nds|http)",
            rb"j\$\{|\}n\$\{|\$\{j",
        ),
    ),
)
