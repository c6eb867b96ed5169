"""Source code and serialised objects of server languages."""

from __future__ import annotations

from .fact import Fact

_RUNS_PHP = rb"(?:system|exec|shell_exec|passthru|popen|proc_open|pcntl_exec|assert|eval|phpinfo|create_function|file_put_contents|file_get_contents|readfile)"

_NAME = rb"@?[a-z_\\][\w\\]*"
_STRING = rb"(?:[brufl]?'[^'\n]*'|[brufl]?\"[^\"\n]*\")"
_CONSTANT = rb"(?:" + _STRING + rb"|\$\w+|:\w+|\[" + _STRING + rb"\])"
_ARGUMENTS = rb"\(\s*(?:" + _CONSTANT + rb"(?:\s*,\s*(?:" + _CONSTANT + rb"|-?\w[\w.=]*|\[\]))*\s*)?\)"
"""Nothing, or constants. What others write for arguments are names, and numbers behind names are versions or counts."""
_OF = rb"(?:\.|::?|->)"
_CALL = (
    rb"(?:(?:(?:os|io|init|file|erlang|code):)?"
    + _NAME
    + rb"(?:(?:\.|::|->)"
    + _NAME
    + rb")*"
    + _ARGUMENTS
    + rb"|(?:\w+\.){0,3}(?:exit|die|u?sleep|print(?:ln|f)?|puts|echo|chr|kill|abort|halt|md5|eval|assert|evaluate|exec|system)\(\s*-?\d+\s*\))"
    + rb"(?:"
    + _OF
    + _NAME
    + rb"(?:"
    + _ARGUMENTS
    + rb")?)*"
)

FACTS = (
    Fact(
        "code.php_tag",
        "opens a PHP block",
        (
            rb"<\?(?:php|=)",
            rb"<\?\s*(?:echo|system|eval|print|passthru|exec|include|require|@|\$|phpinfo)",
            rb"<script[^>]{0,20}language\s*=\s*[\"']?php",
        ),
        True,
    ),
    Fact(
        "code.php_runs",
        "calls a PHP function that runs code, reads files or shows the server's settings",
        (
            rb"\b(?:phpinfo|passthru|shell_exec|proc_open|popen|pcntl_exec|create_function|call_user_func(?:_array)?|file_get_contents|file_put_contents|highlight_file|show_source|move_uploaded_file|base64_decode|gzinflate|gzuncompress|str_rot13|register_shutdown_function|var_dump|print_r|scandir|readfile|hex2bin|posix_\w+|die\s*\(\s*md5|echo\s*\(?\s*md5|print\s*\(?\s*md5)\s*\(\s*(?:['\"$)(@\\]|\w+\s*[('\"-]|\d)",
            rb"(?:^|[^.\w])(?:system|passthru|shell_exec|popen)\s*\(\s*['\"]\s*[a-z/.{]",
            rb"\b(?:system|exec|assert|eval|passthru)\s*\(\s*(?:['\"]\s*(?:id|ls|cat|whoami|uname|ping|curl|wget|nslookup|dir|sleep|echo|phpinfo|/bin|/usr|\w+\s+[-/])|\$_|chr\s*\(|base64_decode|gzinflate|str_rot13|\$\{|(?:strrev|hex2bin|pack|convert_uudecode|gzuncompress|(?:raw)?urldecode|sprintf|implode|file_get_contents)\s*\()",
            rb"\b(?:php_uname|phpversion|php_sapi_name|php_ini_loaded_file|get_current_user|get_loaded_extensions|get_defined_(?:vars|functions|constants))\s*\(|\becho\s+php_(?:version|os)\b",
            rb"^\W{0,6}(?:unlink|rmdir|mkdir|chmod|touch|fwrite|fputs|fopen|readfile|opendir|simplexml_load_file|curl_exec|mail|putenv|header)\s*\(\s*['\"$\w][^\n]{0,200}\)\s*;|^\W{0,6}(?:system|passthru|shell_exec)\s*\(\s*\w{2,20}\s*\)\W{0,4}$|\b(?:set_time_limit|error_reporting|ignore_user_abort)\s*\(\s*\d?\s*\)\s*;",
            rb"\b(?:copy|rename|fopen|symlink|move_uploaded_file)\s*\(\s*['\"][^'\"]{1,100}['\"]\s*,\s*['\"][^'\"]{0,80}\.(?:php\d?|phtml|phar|htaccess)['\"]",
            rb"\$_(?:get|post|request|cookie|server|files|session|env)\s*[\[{]|^zerodium\w*\s*\(",
            rb"\b(?:include|require)(?:_once)?\s*\(?\s*(?:\$_|['\"](?:https?:|php:|/etc|\.\./))",
            rb"\becho\s+(?:shell_exec|system|exec|`|\$_|phpinfo)\b",
            rb"\bchr\s*\(\s*\d+\s*\)\s*\.\s*chr\s*\(|(?:^|['\";.=(])\s*md5\s*\(\s*\d+\s*\)|['\"]\s*\.\s*@?(?:system|exec|passthru|phpinfo|md5|eval|print|shell_exec)\s*\(",
            rb"\$\{\s*@?(?:phpinfo|system|print|eval|exec|passthru|assert|die|sleep)\s*\(|\{\$\{\s*\w+\s*\(",
            rb"\b(?:array_\w+|u[as]?k?sort|iterator_apply|forward_static_call(?:_array)?|call_user_func(?:_array)?|register_\w+_function|ob_start|preg_replace_callback)\s*\([^()]{0,40}['\"]\s*"
            + _RUNS_PHP
            + rb"\s*['\"]",
            rb"\(?\s*['\"]\s*" + _RUNS_PHP + rb"\s*['\"]\s*\)?\s*\(|^\W{0,6}\(\s*" + _RUNS_PHP + rb"\s*\)\s*\(",
            rb"\(\s*['\"][\w\\]{1,16}['\"]\s*\.\s*['\"][\w\\.'\" ]{1,40}['\"]\s*\)\s*\(",
            rb"\$\w{1,20}\s*=\s*['\"][^;]{1,80};\s*@?\$\w{1,20}\s*\(",
            rb"\bpreg_replace\s*\(\s*['\"]([^'\"]{1,80})[/#~|!][imsxu]{0,4}e[imsxu]{0,4}['\"]",
            rb"\b(?:assert_options|new\s+\w{2,40}|\w{0,20}callback|\w{0,20}_func\w{0,10})\s*\([^()]{0,60}['\"]\s*"
            + _RUNS_PHP
            + rb"\s*['\"]\s*[,)]",
            rb"^[\s('\"]{0,3}~[\s('\"]{0,3}[\x85-\x9e]{3,}['\")]{0,2}\s{0,2}\(|~[\s('\"]*(?:%[89][0-9a-f]){3,}",
            rb"\bthink\\\w{2,20}/\w+|^(?:shell_exec|proc_open|pcntl_exec|call_user_func(?:_array)?|file_put_contents|create_function|passthru)$|^__(?:construct|destruct|callstatic|invoke|wakeup|tostring)$",
            rb"\b(?:extract|parse_str|unserialize|import_request_variables)\s*\(\s*\$_|\b(?:ini_set|putenv|ini_alter|dl)\s*\(\s*['\"]\w",
            rb"\b(?:print|echo|print_r|var_dump|die|exit)\s*\(?\s*`\s*[a-z/]",
            rb"\bffi::(?:cdef|load|scope)\s*\(|\bnew\s+\\?(?:spl\w{3,20}|simplexmlelement|(?:filesystem|directory|recursivedirectory|glob)iterator|reflection(?:function|method|class)|soapclient|imagick)\s*\(|\$\{\s*\$\w+\s*\}\s*[\[(]",
            rb"\b(?:print_r|var_dump|var_export|print|echo|die|exit)\s*\(?\s*(?:glob|scandir|getenv|readdir|fread|phpversion|php_uname|getcwd|ini_get(?:_all)?|get_cfg_var|exec|sys_get_temp_dir|array_map|get_defined_vars)\s*\(",
        ),
        True,
    ),
    Fact(
        "code.php_setting",
        "sets what PHP may include, or where from",
        (
            rb"\b(?:allow_url_include|auto_prepend_file|auto_append_file|disable_functions|open_basedir|cgi\.force_redirect|safe_mode)\s*(?:=|%3d)",
            rb"^\xad[a-z]\s|^\xc2\xad[a-z]\s|^(?:_(?:session|server|env|files|get|post|request|cookie)|globals)\[",
        ),
        True,
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
            rb"^phpinfo$|^\s*(?:include|require)(?:_once)?\s*\(?\s*['\"$]",
        ),
    ),
    Fact(
        "code.php_object",
        "a serialised PHP object or array",
        (
            rb"(?:^|[^\w])[oc]:\+?\d{1,6}:\"[\w\\]{1,120}\":\+?\d+:\{",
            rb"\bo:\+?\d+:\"\w",
        ),
        True,
    ),
    Fact(
        "code.php_array",
        "a serialised PHP array",
        (rb"\ba:\d{1,6}:\{(?:[isadobn]:|\})", rb"s:\d+:\"[^\"]{0,100}\";\s*[isadobn]:\d"),
    ),
    Fact(
        "code.java_call",
        "calls Java that runs commands or loads classes",
        (
            rb"\bjava\.(?:lang\.(?:runtime|processbuilder|class|system|reflect|thread)|io\.\w+|net\.(?:url|urlclassloader|socket)|util\.(?:scanner|base64)|beans\.\w+|rmi|nio\.)",
            # with a checksum behind them, types of GWT's messages
            rb"\bjava\.(?:lang\.(?:string|object|integer|math|boolean)|util\.(?:hashmap|priorityqueue))\w*(?:[^\w/]|/\D|$)",
            rb"\bjavax\.(?:script|naming|el|management|swing|imageio|xml)\b",
            rb"\b(?:getruntime|processbuilder|processimpl|scriptenginemanager|urlclassloader|classloader|getdeclaredmethod|defineclass)\b\s*[.(\[]?",
            rb"\bruntime\s*\.\s*(?:getruntime|exec)",
            rb"\borg\.(?:apache|springframework|hibernate|codehaus|mozilla|python|jboss|yaml)\.[\w.]{4,}",
            rb"\bcom\.(?:sun|opensymphony|alibaba|mchange|ibm|oracle|newrelic)\.[\w.]{4,}",
            rb"\bnew\s+java\.|\bthread\.sleep\s*\(|\bsystem\.(?:getproperty|getenv|exit|setproperty)\s*\(",
            rb"\bgroovy\.(?:lang|util|sh)|\bgroovyshell\b|['\"]\]?\.execute\(\)|@groovy\.transform|@grab(?:config|resolver|exclude)?\s*\(",
        ),
        True,
    ),
    Fact(
        "code.java_object",
        "a serialised Java object",
        (
            rb"\xac\xed\x00\x05",
            rb"\baced0005",
            rb"\bro0abx?",
            rb"@type\"?\s*:\s*\"?(?:com|org|java|javax|sun|net|ch|oracle|br)\.[\w.$]{3,}|^(?:com\.(?:sun|alibaba|mchange|zaxxer|newrelic|caucho|ibatis|mysql|p6spy|pastdev|nqadmin|oracle|ibm)|javax\.(?:naming|script|management|swing|el|imageio|xml)|org\.(?:apache|springframework|hibernate|codehaus|mozilla|aoju|jboss|quartz|docx4j|jdom|jsecurity|arrah|h2)|ch\.qos|net\.sf|br\.com\.anteros|oadd|sun|java\.(?:lang|net|io|beans|rmi|util\.PriorityQueue|util\.Scanner))\.[\w.$]{4,}$",
            rb"<(?:java|void|sorted-set|dynamic-proxy|tree-map|jdk\.nashorn|java\.util)\b[^>]{0,80}(?:class|version|method|>)|<object\s+class\s*=",
            rb"\"(?:class|@class|\$type|_type|javaclass|__class__|py/object|py/reduce)\"\s*:\s*\"[\w$]+\.[\w$]+\.[\w.$]+",
            rb"!!(?:javax?|com|org|sun|ch|net|oracle)\.[\w.]+|!!python/",
            rb"wddxpacket",
            rb"^\s*\[\s*\"(?:[a-z][\w$]*\.){2,8}[A-Z][\w$]*\"\s*,|^yv66vg|\bjdbc:(?:h2|derby|sqlite)[\w:]*:|\bjdbc:[\w:]{2,20}:\S{0,200}(?:deserialize|interceptors|load_?local|urlinlocal|factory|jndi|loggerfile|init)\w*=",
        ),
        True,
    ),
    Fact(
        "code.python_call",
        "calls Python that runs commands or loads code",
        (
            rb"\b(?:os|subprocess|commands|popen2|pty|sys|shutil|importlib|builtins|posix|nt)\.(?:system|popen\w*|exec\w*|spawn\w*|call|run|check_output|getoutput|import_module|environ|listdir|remove|modules|fork)\b",
            rb"__import__\s*\(",
            rb"^\s*(?:breakpoint|globals|locals|vars|credits|copyright)\s*\(\s*\)\s*;?\s*$",
            rb"(?:^|[\n(])[ci](?:__main__|__builtin__|builtins|os|posix|nt|subprocess|commands|sys|timeit)\n\w+\n",
            rb"^\(?[dl]p0?\n[SVIFLgp(]|(?:^|\n)\(?[SV][^\n]{1,60}\np\d+\n",
            rb"^py/(?:object|reduce|type|function|newargs\w*|state|tuple|repr)$|^__(?:reduce(?:_ex)?|class)__$",
            rb"[;'\"(]\s*import\s+(?:os|sys|subprocess|socket|pty|base64|commands)\s*(?:[;,)'\"\n]|$)",
            rb"\b(?:exec|eval|compile|getattr|execfile)\s*\(\s*['\"][^)]{0,80}['\"]|\bopen\s*\(\s*['\"][^)]{1,80}['\"]\s*(?:,\s*['\"]\w{1,3}['\"]\s*)?\)\.\w+|\b(?:globals|locals|vars)\s*\(\s*\)\s*[.\[]",
            rb"\b(?:cos|cposix|csubprocess|c__builtin__|cnt)\n(?:system|popen|eval|exec|getattr)",
            rb"\bpickle\.(?:loads?|dumps?)|\bcpickle\b|\byaml\.load",
            rb"\x80[\x02-\x05](?:\x95|c\w+\n)|^gASV[\w+/=]{12,}|^gA[JN][j9fXVK][\w+/=]{8,}|\bY3Bvc2l4",
            rb"\bprint\s*\(\s*(?:open\s*\(|__|\d+\s*\*)",
            rb"\b(?:exec|eval)\s*\(\s*(?:bytes|bytearray|base64|codecs|zlib|marshal|compile|input|chr|open)\s*[.(]|\b(?:exec|eval)\s*\(\s*['\"]{2}\.join\b",
            rb"\bsocket\.socket\s*\(",
        ),
        True,
    ),
    Fact(
        "code.node_call",
        "calls Node.js that runs commands or loads modules",
        (
            rb"\brequire\s*\(\s*['\"`\\](?:child_process|fs|os|net|http|vm|util|path|https|process|cluster)",
            rb"\bchild_process\b|\bexecsync\b|\bspawnsync\b|\bexecfilesync\b|\breadfilesync\b|\bwritefilesync\b|\breaddirsync\b",
            rb"\bprocess\.(?:mainmodule\b|binding\s*\(|exit\s*\(|kill\s*\(|env\b\s*(?:[.\[)};]|$)|cwd\s*\(|argv\b)",
            rb"\b(?:global|globalthis|this|root)\.(?:process\.|constructor\.constructor|require\b|mainmodule\b)",
            rb"_\$\$nd_func\$\$_",
            rb"\b(?:root|global|globalthis|this)\.process\b|\breturn\s+this\b\s*;?\s*\}\s*\)?\s*\(\s*\)",
            rb"\.constructor\s*(?:\(|`)\s*['\"`][^'\"`\n]{1,200}['\"`]?\s*(?:\)\s*[(`]|`)|\bconstructor\.constructor\b|\bmainmodule\b|\bfunction\s*\(\s*\)\s*\{[^}]{0,80}(?:require\s*\(|process\.)",
            rb"^[^a-z]{0,12}(?:res(?:ponse)?\.(?:end|write|send)\s*\(|while\s*\(\s*(?:true|1)\s*\)|for\s*\(;;\))|\bnew\s+function\s*\(\s*['\"]return",
        ),
        True,
    ),
    Fact(
        "code.ruby_call",
        "calls Ruby that runs commands",
        (
            rb"\bkernel\.(?:exec|system|open|exit|fork|spawn|eval|send)\b\s*[('\"]",
            rb"\bio\.(?:popen|read|readlines|binread|sysopen)\b|\bfile\.(?:read|open|readlines|write)\s*\(|\bdir\.(?:entries|glob|\[)",
            rb"\b(?:eval|instance_eval|class_eval|send|constantize|system|exec)\s*\(?\s*['\"](?:puts|system|ls|`|id|\w+\s)",
            rb"(?:^|[\s=\"'({;])%x[\[({|]\s*['\"]?\w+[^\])}|]{0,60}[\])}|]",
            rb"\bopen\s*\(\s*['\"]\|",
            rb"!ruby/(?:object|hash|struct|class|regexp|sym)|\bopen3\.|\berb\.new|\bprocess\.spawn|\btcpsocket\.",
            rb"^\x04\x08[\[oceuU]|^BAh[vVjl1][\w+/]{4,}={0,2}$",
            rb"^Gem::(?:Requirement|Installer|SpecFetcher|Package|StubSpecification|Source|RequestSet|Net|DependencyList|Security|Version)",
        ),
        True,
    ),
    Fact(
        "code.dotnet",
        ".NET objects, view state, gadgets and server-side script",
        (
            rb"\bsystem\.(?:diagnostics\.process|io\.\w+|reflection|web\.|windows\.|data\.services|configuration|runtime|management|net\.|security|collections)",
            rb"\bAAEAAAD/////|^system\.[\w.]{2,60}(?:`\d\[\[|,\s*(?:system|mscorlib|presentation\w+|microsoft)\b)",
            rb"\bassembly\.load\w{0,8}\s*\(\s*(?:convert|system|new\s|\w+\.(?:download|read))|^/wE[yx][\w+/]{6}|objectdataprovider|windowsidentity|typeconfuse|losformatter|binaryformatter|netdatacontract",
            rb"@\(\s*\d+\s*[*+-]|@\{[^}]{0,60}(?:system\.|process\.start|var\s+\w+\s*=)",
            rb"<%\s*(?:@\s*(?:page|import|language)|response\.|execute|eval\b|runtime|out\.|dim\s|set\s)|\beval\s+request\s*\(",
            rb"\b(?:response|server)\.(?:write|execute|createobject|mappath|redirect)\b|\bwscript\.shell\b|\bcreateobject\s*\(",
            rb"\bresponse\.write\b",
            rb"(?:^|[\s\"'>({;])@\(?(?:system\.[a-z]{2,20}\.[a-z]|environment\.[a-z]{3,}|httpcontext\.|html\.raw\()",
            rb"\b(?:executeglobal|execute)\s*\(\s*(?:request|chr)",
        ),
        True,
    ),
    Fact(
        "code.perl_call",
        "Perl that runs or prints",
        (
            rb"\bperl\s+-e\b|\buse\s+(?:socket|io|lwp|mime)\b",
            rb"\bexec\s*\{\s*['\"]|(?:^|[\s=;({])qx[/({\[|]\s*\w{2,}|\bopen\s*\(\s*\w+\s*,\s*['\"][|<>]",
        ),
        True,
    ),
    Fact(
        "code.web_shell",
        "a parameter or code that hands a command over",
        (
            rb"\b(?:eval|assert|system|exec|passthru|shell_exec)\s*\(?\s*(?:@|\()?\s*(?:base64_decode\s*\(\s*)?\$_(?:get|post|request|cookie|server)",
            rb"@eval\b|@ini_set|\bc99\w*\.php|\br57\w*\.php|\bcmd\.jsp|\bshell\.php|\bwso\.php",
            rb"runtime\.getruntime\(\)\.exec\(\s*request",
            rb"__halt_compiler|__file__|__dir__",
            rb"<jsp:(?:scriptlet|declaration|expression|include|forward|usebean|setproperty|root|plugin)\b|<cf(?:execute|include|file|script|query|invoke|object|http|dump|output|registry|directory|module)\b",
            rb"\bexec\.command\s*\(\s*\"|\bstd::process::command|\bcommand::new\s*\(|\bos\.execute\s*\(\s*['\"]|\bloadstring\s*\(\s*['\"]|\bpackage\.loadlib\s*\(|\bos:cmd\s*\(\s*\"|\bio\.popen\s*\(\s*['\"]",
        ),
        True,
    ),
    Fact(
        "code.converted",
        "a picture, playlist or page description that runs a command or reads a file where it is converted",
        (
            rb"%pipe%|/outputfile\s*\(\s*(?:%|/)|^push graphic-context\b.{0,400}(?:https?:[^'\"\n]{0,200}[\"'][|;&]|\b(?:msl|ephemeral|label|caption|text|fill)[: ]\s*['\"(]?@)",
            rb"#ext-?(?:m3u|x-\w)[^<>]{0,400}(?:\bfile:/|\bconcat:|\bsubfile,,|\bcrypto:)",
            rb"<(?:image|use|script|feimage|tref)\b[^<>]{0,200}\bhref\s*=\s*[\"']\s*(?:expect|file|php|netdoc|gopher|jar|dict|phar|https?://169\.254\.169\.254)[:/]",
        ),
        True,
    ),
    Fact(
        "code.whole_call",
        "nothing but a call with constants, as no value of a form or an address is",
        (rb"^[\s'\";.)+&|!=-]*(?:(?:new|return|await|print|puts|echo|println)\s)?" + _CALL + rb"[\s'\";.)+&|/#-]*$",),
        telling=True,
    ),
    Fact(
        "code.whole_statement",
        "nothing but a statement, or a name of what a program is run by",
        (
            rb"^\s*(?:import\s+(?:os|sys|subprocess|socket|pty|platform|shutil|pickle|requests|urllib\w*|java\.[\w.*]+)\s*(?:[;,.(][^\n]*)?|from\s+[\w.]+\s+import\s+[\w*, ]+|import\s+[\w{},* ]+\s+from\s+['\"][^'\"\n]+['\"])\s*;?\s*$",
            rb"^[^\w\s]{0,4}\s*(?:echo|print|printf|die|exit|return|puts)\b\s*[^\n;]*;[^\w\n]{0,4}$|^[^\w\s]{0,4}throw\s+new\s+\w+\s*\(",
            rb"^[^\w\s]{0,3}(?:system|exec|eval|require|unlink|puts|print|do|load|spawn|include|sh|popen)(?:_once)?\s+(?:'[^'\n]+'|\"[^\"\n]+\"|`[^`\n]+`)[^\w\n]{0,3}$",
            rb"^\W{0,2}\((?:eval|load(?:-file)?|require|shell?|exec|system|slurp|getenv|open|run)\s+['\":(]",
            rb"^\[(?:exec|open|info|glob|socket|source)\s+[\w/|. -]+\]$",
            rb"^\(?lambda\b[^:\n]*:\s*\S|^\W{0,2}\(\s*(?:async\s*)?\(?\w{0,10}\)?\s*=>[^\n]*\)\s*\(\s*\)",
            rb"^\W{0,4}t\(\s*\w+\s*\)\s*\.\s*\w+\s*\(",
            rb"^[^\w\n]{0,3}(?:process\.(?:version|versions|pid|platform|title|arch|memoryusage|uptime|execpath|release|config|stdout|stdin)|__(?:dirname|filename|namespace__|class__|function__|method__|line__)|module\.(?:exports|constructor|parent|paths)|environment\.(?:[a-z]{4,30})|env\[[^\]\n]+\]|\$env\{[^}\n]+\}|%env|@argv|ruby_(?:version|platform)|(?:self|this)\.(?:class|constructor|__proto__)|['\"]{2}\.class|\$globals|php_(?:os|version|uname)|_g|objectspace\.\w+|(?:system|application|session|server)\.(?:globals|properties|env))[^\w\n]{0,3}$",
        ),
        telling=True,
    ),
    Fact(
        "code.jwt_unsigned",
        "a token that says it needs no signature, or has its key on this machine",
        (
            rb"\"alg\"\s*:\s*\"none\"",
            rb"\"(?:jku|x5u)\"\s*:\s*\"https?://(?:localhost|127\.|10\.|192\.168\.|169\.254\.|\[)",
        ),
        True,
    ),
)
