"""Source code and serialised objects of server languages."""

from __future__ import annotations

from .fact import Fact

FACTS = (
    Fact(
        "code.php_tag",
        "opens a PHP block",
        (
            rb"<\?(?:php|=)",
            rb"<\?\s*(?:echo|system|eval|print|passthru|exec|include|require|@|\$|phpinfo)",
            rb"<script[^>]{0,20}language\s*=\s*[\"']?php",
        ),
    ),
    Fact(
        "code.php_call",
        "calls a PHP function that runs code or reads files",
        (
            rb"\b(?:phpinfo|passthru|shell_exec|proc_open|popen|pcntl_exec|assert|create_function|call_user_func(?:_array)?|preg_replace|file_get_contents|file_put_contents|readfile|highlight_file|show_source|fopen|fwrite|fputs|move_uploaded_file|base64_decode|gzinflate|gzuncompress|str_rot13|array_map|array_filter|usort|register_shutdown_function|include_once|require_once|ini_set|error_reporting|var_dump|print_r|unserialize|md5|chr|strrev|hex2bin|set_time_limit|glob|scandir|opendir|getenv|posix_\w+|dl|mb_ereg_replace|putenv|symlink|unlink|curl_exec)\s*\(\s*(?:['\"$)\w(@\\]|-?\d)",
            rb"\b(?:system|exec|eval)\s*\(\s*['\"$\w(@\\]",
            rb"\$_(?:get|post|request|cookie|server|files|session|env)\b\s*[\[{]?",
            rb"\$globals\s*\[",
            rb"\$\{?['\"(]?\w{1,20}\s*\(\s*\$|\bprint\s*\(\s*(?:`|md5|system|\d+\s*[*+])",
            rb"\becho\s+(?:md5|shell_exec|system|exec|`|\$_|phpinfo|['\"]<)",
            rb"\b(?:die|exit)\s*\(\s*(?:md5|@|['\"]|print|system|phpinfo)",
        ),
    ),
    Fact(
        "code.php_object",
        "a serialised PHP object or array",
        (
            rb"[oc]:\+?\d{1,6}:\"[\w\\]{1,120}\":\d+:\{",
            rb"\ba:\d{1,6}:\{(?:[isadobn]:|\})",
            rb"\bo:\d+:\"",
            rb"s:\d+:\"[^\"]{0,100}\";\s*[isadobn]:\d",
        ),
    ),
    Fact(
        "code.java_call",
        "calls Java that runs commands or loads classes",
        (
            rb"\bjava\.(?:lang\.(?:runtime|processbuilder|class|system|reflect|thread|string|object|integer|math|boolean)|io\.\w+|net\.(?:url|urlclassloader|socket)|util\.(?:scanner|base64|hashmap|priorityqueue)|beans\.\w+|rmi|nio\.)",
            rb"\bjavax\.(?:script|naming|el|management|swing|imageio|xml)\b",
            rb"\b(?:getruntime|processbuilder|processimpl|scriptenginemanager|urlclassloader|classloader|getdeclaredmethod|defineclass)\b\s*[.(\[]?",
            rb"\bruntime\s*\.\s*(?:getruntime|exec)",
            rb"\borg\.(?:apache|springframework|hibernate|codehaus|mozilla|python|jboss|yaml)\.[\w.]{4,}",
            rb"\bcom\.(?:sun|opensymphony|alibaba|mchange|ibm|oracle|newrelic)\.[\w.]{4,}",
            rb"\bnew\s+java\.|\bthread\.sleep\s*\(|\bsystem\.(?:getproperty|getenv|exit|setproperty)\s*\(",
            rb"\bgroovy\.|\bgroovyshell\b|\.execute\(\)\.text|@groovy\.transform",
        ),
    ),
    Fact(
        "code.java_object",
        "a serialised Java object",
        (
            rb"\xac\xed\x00\x05",
            rb"\baced0005",
            rb"\bro0abx?",
            rb"h4siaaaaaaaa",
            rb"@type\"?\s*:\s*\"?[\w$\[]+\.[\w.$]{3,}",
            rb"<(?:java|object|void|sorted-set|dynamic-proxy|tree-map|jdk\.nashorn|java\.util)\b[^>]{0,80}(?:class|version|method|>)",
            rb"\"(?:class|@class|\$type|_type|javaclass|__class__|py/object|py/reduce)\"\s*:\s*\"[\w$]+\.[\w$]+\.[\w.$]+",
            rb"!!(?:javax?|com|org)\.[\w.]+|!!python/",
            rb"wddxpacket",
        ),
    ),
    Fact(
        "code.python_call",
        "calls Python that runs commands or loads code",
        (
            rb"\b(?:os|subprocess|commands|popen2|pty|sys|shutil|importlib|builtins|posix|nt)\.(?:system|popen\w*|exec\w*|spawn\w*|call|run|check_output|getoutput|import_module|environ|listdir|remove|modules|fork)\b",
            rb"__import__\s*\(",
            rb"\bimport\s+(?:os|sys|subprocess|socket|pty|base64|requests|urllib|time)\b",
            rb"\b(?:exec|eval|compile|getattr|open|execfile|globals|locals|vars)\s*\(\s*(?:['\"_\w])[^)]{0,60}['\")]",
            rb"\b(?:cos|cposix|csubprocess|c__builtin__|cnt)\n(?:system|popen|eval|exec|getattr)",
            rb"\bpickle\.(?:loads?|dumps?)|\bcpickle\b|\byaml\.load",
            rb"\blambda\s+\w*\s*:",
            rb"\x80[\x02-\x05][c}\x95]|\bgASV|\bgAN9|\bY3Bvc2l4",
            rb"\bprint\s*\(\s*(?:open|os\.|__|\d+\s*\*)",
            rb"\bsocket\.socket\s*\(",
        ),
    ),
    Fact(
        "code.node_call",
        "calls Node.js that runs commands or loads modules",
        (
            rb"\brequire\s*\(\s*['\"`\\](?:child_process|fs|os|net|http|vm|util|path|https|process|cluster)",
            rb"\bchild_process\b|\bexecsync\b|\bspawnsync\b|\bexecfilesync\b|\breadfilesync\b|\bwritefilesync\b|\breaddirsync\b",
            rb"\bprocess\.(?:mainmodule|binding|exit|kill|env|cwd|argv|title|version|stdout|platform|nexttick)\b",
            rb"\b(?:global|globalthis|this|root)\.(?:process|constructor|require|mainmodule)\b",
            rb"_\$\$nd_func\$\$_",
            rb"\bconstructor\.constructor\b|\bres(?:ponse)?\.(?:end|write|send)\s*\(|\bmainmodule\b|\bfunction\s*\(\s*\)\s*\{[^}]{0,80}(?:require|process|return)",
            rb"\bsettimeout\s*\(\s*function|\bwhile\s*\(\s*(?:true|1)\s*\)|\bfor\s*\(;;\)",
        ),
    ),
    Fact(
        "code.ruby_call",
        "calls Ruby that runs commands",
        (
            rb"\bkernel\.(?:exec|system|open|exit|fork|spawn|eval|send|\w+)\b",
            rb"\bio\.(?:popen|read|readlines|binread|sysopen)\b|\bfile\.(?:read|open|readlines|write)\s*\(|\bdir\.(?:entries|glob|\[)",
            rb"\b(?:eval|instance_eval|class_eval|send|constantize|system|exec)\s*\(?\s*['\"](?:puts|system|ls|`|id|\w+\s)",
            rb"%x[\[({|/(]",
            rb"!ruby/(?:object|hash|struct|class|regexp|sym)|\bopen3\.|\berb\.new|\bprocess\.spawn|\btcpsocket\.",
            rb"\x04\x08[\[o{I@:\"]|\bBAh[7bJv]",
        ),
    ),
    Fact(
        "code.dotnet",
        ".NET objects, view state, gadgets and server-side script",
        (
            rb"\bsystem\.(?:diagnostics\.process|io\.\w+|reflection|web\.|windows\.|data\.services|configuration|runtime|management|net\.|security|collections)",
            rb"\bAAEAAAD/////",
            rb"objectdataprovider|windowsidentity|typeconfuse|losformatter|binaryformatter|netdatacontract",
            rb"@\(\s*\d|@\{[^}]{0,60}(?:system|process|int|var)\b",
            rb"<%\s*(?:@|=|#|response|execute|eval|runtime|out\.|dim|set)",
            rb"\b(?:response|server)\.(?:write|execute|createobject|mappath|redirect)\b|\bwscript\.shell\b|\bcreateobject\s*\(",
            rb"\bresponse\.write\b",
            rb"\b(?:executeglobal|execute)\s*\(\s*(?:request|chr)",
        ),
    ),
    Fact(
        "code.perl_call",
        "Perl that runs or prints",
        (
            rb"\bperl\s+-e\b|\buse\s+(?:socket|io|lwp|mime)\b",
            rb"\bexec\s*\{\s*['\"]|\bqx[/({\[|]|\bopen\s*\(\s*\w+\s*,\s*['\"][|<>]",
        ),
    ),
    Fact(
        "code.web_shell",
        "a parameter or code that hands a command over",
        (
            rb"\b(?:eval|assert|system|exec|passthru|shell_exec)\s*\(?\s*(?:@|\()?\s*(?:base64_decode\s*\(\s*)?\$_(?:get|post|request|cookie|server)",
            rb"@eval\b|@ini_set|\bc99\w*\.php|\br57\w*\.php|\bcmd\.jsp|\bshell\.php|\bwso\.php",
            rb"runtime\.getruntime\(\)\.exec\(\s*request",
            rb"__halt_compiler|__file__|__dir__",
        ),
    ),
)
