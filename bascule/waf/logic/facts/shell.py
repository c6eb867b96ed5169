"""Commands of POSIX shells, cmd.exe and PowerShell where a value should be."""

from __future__ import annotations

from .fact import Fact

_UNIX = rb"(?:cat|ls|id|whoami|uname|pwd|ps|netstat|ifconfig|ip|wget|curl|nc|ncat|netcat|bash|sh|zsh|ksh|csh|dash|ash|python[23]?|perl|ruby|php|node|lua|gcc|chmod|chown|rm|cp|mv|mkdir|touch|echo|printf|sleep|ping|nslookup|dig|host|telnet|ssh|scp|ftp|tftp|kill|killall|env|export|set|find|grep|egrep|awk|sed|head|tail|more|less|tac|rev|nl|sort|cut|xxd|od|base64|tar|gzip|zip|unzip|dd|crontab|at|nohup|sudo|su|passwd|useradd|adduser|groups|w|who|last|hostname|df|du|mount|lsof|strace|which|whereis|locate|date|uptime|history|reboot|shutdown|halt|init|service|systemctl|iptables|apt|apt-get|yum|git|svn|socat|busybox|xterm|eval|exec|source|expr|test|true|false|yes|tee|xargs|openssl|mail|sendmail|mknod|mkfifo|vi|vim|nano|ed|man|file|stat|strings|ln|readlink|command|phpinfo)"
_WINDOWS = rb"(?:cmd(?:\.exe)?|powershell(?:\.exe)?|pwsh|dir|type|ipconfig|systeminfo|tasklist|taskkill|net1?|netsh|ping(?:\.exe)?|reg|schtasks|wmic|certutil|bitsadmin|mshta|rundll32|regsvr32|cscript|wscript|copy|del|move|xcopy|ver|vol|whoami|nslookup|echo|attrib|cacls|icacls|route|arp|tracert|timeout|start|query|findstr|forfiles|ren|md|rd|tree)"
_ANY = rb"(?:" + _UNIX[3:-1] + rb"|" + _WINDOWS[3:-1] + rb")"
_WEAK = rb"(?:id|date|set|find|sort|cut|file|test|at|w|who|last|host|source|start|more|less|head|tail|time|type|copy|move|del|net|reg|route|query|tree|md|rd|ver|vol|man|init|service|mail|nl|env|export|command|php|node|perl|ruby|lua|locate|which|df|du|ed|git|stat|expr|ps|ip|mount|groups|history|exec|eval|vi|tar|cp|mv|rm|su|dd|printf|true|rev|tee|ln|strings|zip|ftp|ssh|telnet|ping|curl|sh|ls|cat|sleep|echo|dir|pwd|nc)"
_STRONG = rb"(?:cat|ls|whoami|uname|netstat|ifconfig|wget|curl|ncat|netcat|bash|zsh|ksh|csh|python[23]?|chmod|chown|mkdir|touch|sleep|nslookup|telnet|ssh|scp|tftp|killall|grep|egrep|awk|sed|tac|xxd|base64|gzip|unzip|crontab|nohup|sudo|passwd|useradd|adduser|hostname|lsof|strace|whereis|uptime|reboot|shutdown|systemctl|iptables|apt-get|socat|busybox|xterm|xargs|openssl|sendmail|mknod|mkfifo|vim|nano|readlink|phpinfo|ipconfig|systeminfo|tasklist|taskkill|netsh|schtasks|wmic|certutil|bitsadmin|mshta|rundll32|regsvr32|cscript|wscript|xcopy|icacls|tracert|findstr|powershell|pwsh|cmd|ping|pwd|dir|nc|sh|rm|echo|perl|ruby|printf)"
_ARG = rb"(?:\s*$|\s*[;|&<>`)'\"\n]|\s+#|\s+[-/\w.$~*'\"\\{(])"

FACTS = (
    Fact(
        "shell.command_after_separator",
        "a separator followed by the name of a command",
        (
            rb"(?:;|\|\|?|&&?|`|[\r\n])\s*[\"'\\(]*(?:/[\w./?*-]{1,40}/)?" + _STRONG + rb"(?:\.exe)?" + _ARG,
            rb"(?:;|\|\|?|&&|`)\s*[\"'\\(]*(?:/[\w./?*-]{1,40}/)?"
            + _WEAK
            + rb"(?:\.exe)?\s+(?:-{1,2}[a-z]|/|\.\./|~/|\$|[a-z]:)",
            rb"(?:;|\||&&|`)\s*(?:id|ps|who|env|set|date|ver|w)\s*(?:$|[;|&`#\n])",
            rb"(?:^|[\w'\")])\s*(?:;|\||&&|\|\||&|\n|`)\s*\(*\s*[\"'\\]*/(?:bin|usr|sbin|etc|tmp|opt|var|dev|home)/",
            rb"%0[ad]\s*(?:/\w+/)?" + _STRONG + _ARG,
        ),
    ),
    Fact(
        "shell.only_command",
        "the whole value is a command with arguments or a bare diagnostic command",
        (
            rb"^\s*(?:/(?:usr/)?(?:local/)?s?bin/)" + _UNIX + rb"\b",
            rb"^\s*(?:cat|ls|wget|curl|nc|ncat|bash|sh|python[23]?|perl|ruby|php|rm|chmod|ping(?:\.exe)?|nslookup|type|dir|net|powershell|cmd(?:\.exe)?|certutil|echo|touch|cp|mv|tar|find|grep|dig|sleep)\s+(?:-{1,2}[a-z0-9]|/[a-z]\b|/[a-z]|[\w.-]*[.~]/|c:|https?:|\$|\d{1,3}(?:\.\d{1,3}){3}|[\w/.-]+\s*[|;><&])",
            rb"^\s*(?:whoami|ifconfig|ipconfig|uname\s+-a|netstat|systeminfo|tasklist)\s*[;|&#]?\s*$|^(?:id|ls|pwd|dir)\s*[;|&]+$",
        ),
    ),
    Fact(
        "shell.substitution",
        "runs a command inside $(...) or backquotes",
        (
            rb"\$\(\s*[\"'\\]?(?:/[\w/]+/)?" + _ANY + rb"[\s)\"'|;<]",
            rb"`\s*(?:/[\w/]+/)?" + _ANY + rb"(?:\s[^`]{0,200})?`",
            rb"\$\(\(\s*\d",
            rb"\$\(\s*<",
            rb"[<>]\(\s*" + _ANY + rb"\s",
            rb"`[^`\n]{0,60}/(?:etc|bin|tmp|dev)/[^`]{0,100}`",
        ),
    ),
    Fact(
        "shell.pipe_to_shell",
        "feeds something into a shell or interpreter",
        (
            rb"\|\s*(?:/[\w/]+/)?(?:ba|z|k|c|da|a)?sh\b(?:\s|$|[;&'\"`)])",
            rb"\|\s*(?:python[23]?|perl|ruby|php|node|xargs|base64|tee|iex|invoke-expression)\b",
            rb"\b(?:ba|z|k|da)?sh\s+-(?:c|i|p)\b",
            rb"\b(?:python[23]?|perl|ruby|node|php|lua)\d?(?:\.\d+)?\s+-(?:c|e|r)\b",
            rb"\bcmd(?:\.exe)?\s*(?:\"\s*)?/[ckv]\b",
            rb"\bpowershell(?:\.exe)?\s+-?\w",
            rb"/bin/(?:ba|z|k|da|c|a)?sh\b",
            rb"\bnc(?:at)?\s+-\w+\s",
        ),
    ),
    Fact(
        "shell.reverse_shell",
        "opens a connection for a remote shell",
        (
            rb"/dev/(?:tcp|udp)/",
            rb"\b(?:nc|ncat|netcat)(?:\.exe)?\b[^;|&\n]{0,60}\s-\w*e\b",
            rb"\bmkfifo\b|\bmknod\s+\S+\s+p\b",
            rb"\bsocat\b.{0,40}\bexec\b",
            rb"\bsocket\.socket\b|\bfsockopen\s*\(|\btcpsocket\b|\btcpclient\b|sockaddr_in\(|io::socket",
            rb"\d?>\s*&\s*/dev|[012]>\s*&\s*[012]\b|&\s*>\s*/dev",
            rb"exec\s+\d+<>",
        ),
    ),
    Fact(
        "shell.space_trick",
        "writes a space as ${IFS}, a brace list or a redirection",
        (
            rb"\$\{?ifs\b",
            rb"\{\s*(?:cat|ls|wget|curl|ping|echo|nc|bash|sh)\s*,[^}]{1,80}\}",
            rb"\b(?:cat|sh|bash|tac|head|more|less)\s*<>?\s*[/.\w$]",
            rb"[a-z]\$(?:@|\{[@*]\})[a-z]|[a-z]\$u\b",
            rb"\$\{(?:path|home|pwd|shell|hostname|#|[\w@*!?-]+(?::|##?|%%?|/|\^|,))[^}]{0,40}\}",
            rb"\$'\\",
            rb"\$(?:path|home|pwd|shell|hostname|oldpwd|shlvl|random|bash\w*)\b",
            rb"%(?:comspec|windir|systemroot|programfiles|appdata|userprofile|username|computername)(?:%|:~)",
        ),
    ),
    Fact(
        "shell.split_word",
        "a command name broken by quotes, backslashes or wild cards",
        (
            rb"\b(?:c['\"\\]+a['\"\\]*t|c['\"\\]*a['\"\\]+t|w['\"\\]+h['\"\\]*o|wh['\"\\]+oa|l['\"\\]+s|w['\"\\]+get|wg['\"\\]+et|c['\"\\]+url|cu['\"\\]+rl|pi['\"\\]+ng|p['\"\\]+ing|i['\"\\]+d)\b",
            rb"/(?:\?|b\?|\?in|bi\?|b\*|\*)[\w?*]{0,5}/[\w?*]*[?*]",
            rb"/e[?*t][?*c]/p[?*a]",
            rb"\b(?:p\^?o\^w|c\^m\^?d|w\^h|n\^e\^t|\w\^\w\^\w)",
            rb"/etc/\w{0,4}['\"\\]+\w|/e['\"\\]+tc|/et['\"\\]+c",
        ),
    ),
    Fact(
        "shell.redirect_to_file",
        "writes output to a file",
        (
            rb">\s*(?:/(?:tmp|var|dev|etc|home|usr|opt|www)/|&\d|[\w./-]+\.(?:php|txt|sh|jsp|asp|aspx|html|out|log|exe|bat|ps1)\b|c:\\|nul\b)",
        ),
    ),
    Fact(
        "shell.shellshock",
        "a function definition for a shell's environment (CVE-2014-6271)",
        (rb"\(\s*\)\s*\{[^}]{0,40}[;_:}][^}]{0,20}\}?\s*[;>]",),
    ),
    Fact(
        "shell.command_with_target",
        "a command with the arguments of an attack",
        (
            rb"\b(?:cat|tac|more|less|head|tail|nl|strings|type|vi|grep|file|od|xxd|base64|cp|sort|rev)\s+(?:[-\w]+\s+){0,2}[\"']?(?:/etc/|/proc/|/var/|/home/|/root|\.\./|c:\\|\.htpasswd|wp-config)",
            rb"\b(?:wget|curl|fetch|lwp-download|aria2c)\b\s+(?:-[\w-]+\s+(?:\S+\s+)?){0,4}[\"']?(?:https?|ftp)://",
            rb"\b(?:wget|curl)\s+(?:-\w+\s+)*[\w.-]+\.\w{2,}(?:[/:\s]|$)",
            rb"\bping(?:\.exe)?\s+(?:-[a-z]\s*\d+\s+){1,3}[\w.-]+",
            rb"\bping(?:\.exe)?\s+-[nc]\s",
            rb"\bnslookup\s+[\w$`.({-]+\.",
            rb"\bsleep\s+\d+\s*(?:[;|&#'\"`)]|$)",
            rb"\bnet1?\s+(?:user|localgroup|share|view|use|start|stop)\b",
            rb"\brm\s+-[rf]{1,2}\b",
            rb"\bchmod\s+(?:\+?[xs]|[0-7]{3,4}|-r|u\+|a\+|777)",
            rb"\buname\s+-\w",
            rb"\bls\s+-\w+",
            rb"\bps\s+(?:-ef|aux)",
            rb"\bid\s*;\s*",
            rb"\bnet(?:stat|sh)\s+-?\w+",
            rb"\bdir\s+(?:[a-z]:|/[a-z]\b|\\)",
            rb"\btype\s+(?:%\w+%|[a-z]:\\)",
            rb"\b(?:ipconfig|ifconfig)\s*(?:/all|-a|[;|&])",
            rb"\becho\s+[\"'$\w][^|>\n]{0,200}(?:\||>)",
            rb"\bgit\s+clone\s",
            rb"\btouch\s+/",
            rb"\bkill\s+-9",
            rb"\bdd\s+if=",
        ),
    ),
    Fact(
        "shell.powershell",
        "PowerShell that downloads, decodes or runs",
        (
            rb"\b(?:iex|invoke-expression|invoke-webrequest|invoke-restmethod|invoke-command|start-process|new-object|downloadstring|downloadfile|get-content|get-childitem|get-process|set-executionpolicy|start-sleep|write-host|out-file|add-type|get-wmiobject|get-service|new-pssession|start-bitstransfer)\b\s*[\(\s'\"\-$|]",
            rb"-(?:enc|encodedcommand|ec|nop|noprofile|noni|exec(?:utionpolicy)?|w\s+hidden|windowstyle)\s",
            rb"\bnet\.webclient\b|\[system\.\w+\.|\[convert\]::|\[reflection\.assembly\]|\[char\]\s*\d",
            rb"\$env:\w+|\$psversiontable|\$executioncontext",
        ),
    ),
    Fact(
        "shell.interpreter_path",
        "the path of a shell, interpreter or system tool",
        (
            rb"/(?:usr/)?(?:local/)?s?bin/" + _UNIX + rb"\b",
            rb"\b(?:system32|syswow64)[\\/]+(?:cmd|calc|notepad|ping|config|drivers|inetsrv|windowspowershell)",
            rb"\bcmd\.exe\b|\bpowershell\.exe\b|\bcmd1?\.(?:asp|exe)",
        ),
    ),
)
