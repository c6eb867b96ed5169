"""Commands of POSIX shells, cmd.exe and PowerShell where a value should be."""

from __future__ import annotations

from .fact import Fact

_UNIX = rb"(?:cat|ls|id|whoami|uname|pwd|ps|netstat|ifconfig|ip|wget|curl|nc|ncat|netcat|bash|sh|zsh|ksh|csh|dash|ash|python[23]?|perl|ruby|php|node|lua|gcc|chmod|chown|rm|cp|mv|mkdir|touch|echo|printf|sleep|ping|nslookup|dig|host|telnet|ssh|scp|ftp|tftp|kill|killall|env|export|set|find|grep|egrep|awk|sed|head|tail|more|less|tac|rev|nl|sort|cut|xxd|od|base64|tar|gzip|zip|unzip|dd|crontab|at|nohup|sudo|su|passwd|useradd|adduser|groups|w|who|last|hostname|df|du|mount|lsof|strace|which|whereis|locate|date|uptime|history|reboot|shutdown|halt|init|service|systemctl|iptables|socat|busybox|xterm|eval|exec|source|expr|test|true|false|yes|tee|xargs|openssl|mail|sendmail|mknod|mkfifo|vi|vim|nano|ed|man|file|stat|strings|ln|readlink|command|phpinfo)"
_WINDOWS = rb"(?:cmd(?:\.exe)?|powershell(?:\.exe)?|pwsh|dir|type|ipconfig|systeminfo|tasklist|taskkill|net1?|netsh|ping(?:\.exe)?|reg|schtasks|wmic|certutil|bitsadmin|mshta|rundll32|regsvr32|cscript|wscript|copy|del|move|xcopy|ver|vol|whoami|nslookup|echo|attrib|cacls|icacls|route|arp|tracert|timeout|start|query|findstr|forfiles|ren|md|rd|tree)"
_ANY = rb"(?:" + _UNIX[3:-1] + rb"|" + _WINDOWS[3:-1] + rb")"
_WEAK = rb"(?:id|date|set|find|sort|cut|file|test|at|w|who|last|host|source|start|more|less|head|tail|time|type|copy|move|del|net|reg|route|query|tree|md|rd|ver|vol|man|init|service|mail|nl|env|export|command|php|node|perl|ruby|lua|locate|which|df|du|ed|git|stat|expr|ps|ip|mount|groups|history|exec|eval|vi|tar|cp|mv|rm|su|dd|printf|true|rev|tee|ln|strings|zip|ftp|ssh|telnet|ping|curl|sh|ls|cat|sleep|echo|dir|pwd|nc)"
_STRONG = rb"(?:cat|ls|whoami|uname|netstat|ifconfig|wget|curl|ncat|netcat|bash|zsh|ksh|csh|python[23]?|chmod|chown|mkdir|touch|sleep|nslookup|telnet|ssh|scp|tftp|killall|grep|egrep|awk|sed|tac|xxd|base64|gzip|unzip|crontab|nohup|sudo|passwd|useradd|adduser|hostname|lsof|strace|whereis|uptime|reboot|shutdown|systemctl|iptables|apt-get|socat|busybox|xterm|xargs|openssl|sendmail|mknod|mkfifo|vim|nano|readlink|phpinfo|ipconfig|systeminfo|tasklist|taskkill|netsh|schtasks|wmic|certutil|bitsadmin|mshta|rundll32|regsvr32|cscript|wscript|xcopy|icacls|tracert|findstr|powershell|pwsh|cmd|ping|pwd|dir|nc|sh|rm|echo|perl|ruby|printf)"
_ARG = rb"(?:\s*$|\s*[;|&<>`)'\"\n]|\s+#|\s+[-/\w.$~*'\"\\{(])"
_READER = rb"(?:cat|tac|more|less|head|tail|nl|strings|type|vim?|nano|[ef]?grep|od|xxd|hexdump|base64|cp|mv|sort|rev|awk|sed|cut|uniq|tee|diff|source|ls|dir|find|stat|du|ln|tar|zip|chmod|chown|rm|touch|mkdir|cd)"
_TELLS = (
    rb"(?:whoami|uname|ifconfig|ipconfig|netstat|systeminfo|tasklist|printenv|phpinfo|lsof|getent|lsb_release|dmesg)"
)
_SHORT = rb"(?:id|ps|env|set|date|ver|w|who|pwd|ls|dir|hostname|uptime|last|df|mount|history|groups|route|arp|export|reboot|jobs|net|free|top|echo|logname|nproc|arch)"
_TARGET = rb"(?:https?:|ftps?:|tftp:|\d{1,3}(?:\.\d{1,3}){3}|[\w$`{}().-]+\.[\w$`{}()-]{2,})"
_OPTION = rb"(?:[\s\x0b\xa0+]+[-/]{1,2}[\w:=-]+(?:[\s\x0b\xa0+]+\d+)?){0,6}[\s\x0b\xa0+]+"
_DOES = (
    rb"(?:/(?:[\w.?*-]+/){1,5})?(?:"
    + _READER
    + rb"(?:\.exe)?(?:"
    + _OPTION
    + rb"|\s*<\s*)[\"'\\]*(?:/[\w.?*]|\.\.?[/\\]|~/|\*\.\w|\$[a-z{(@*]|[a-z]:[\\/]|[\w*?-]+\.(?:php\d?|txt|conf|ini|log|sh|pyc?|xml|html?|env|cfg|bak|jspx?|aspx?|pl|rb|cgi|jsx?|json|ya?ml|sql|db|old|pem|key|crt|csv|properties)\b|passwd\b)"
    + rb"|"
    + _TELLS
    + rb"\b(?:\.exe)?(?:\s*(?:$|[;|&`)#'\"\n>,}])|[\s+]+[-/]{1,2}\w)"
    + rb"|(?:ls|dir|ps|ss|id|netstat|uname|df|du|find|who|pwd|env|date|last|mount)(?:\.exe)?[\s+]+-{1,2}\w"
    + rb"|(?:find|ls|dir|du)[\s+]+(?:-\w+[\s+]+)?/(?:\s|$|[;|&])"
    + rb"|ps[\s+]+(?:aux|ax|ef)\b|dir[\s+]+[\w:\\/*.-]*[\\/*:]"
    + rb"|(?:ping6?|nslookup|dig|telnet|ssh|wget|curl|tracert|traceroute|lwp-download|lynx|ftp|tftp|sftp|scp|aria2c|rsync)(?:\.exe)?"
    + _OPTION
    + rb"[\"'\\`$(]*(?:"
    + _TARGET
    + rb"|localhost|`|\$\()"
    + rb"|ping(?:\.exe)?[\s\x0b\xa0+]+-\w"
    + rb"|(?:sleep|timeout(?:[\s+]+/t)?|usleep|waitfor)[\s+]+/?\w?[\s+]*\d+(?:\.\d+)?[smhd]?[\s+]*(?:$|[;|&`)#'\"\n,}])"
    + rb"|(?:ba|z|k|c|da|a)?sh[\s+]+(?:-\w|/|\.)|(?:python[23]?(?:\.\d+)?|perl|ruby|php\d?|node|lua|gcc)[\s+]+-\w"
    + rb"|rm[\s+]+-{1,2}[rf]\w{0,9}[\s+]|(?:nc|ncat|netcat|socat)[\s+]+(?:-\w|\d{1,3}\.|[\w.-]+[\s+]+\d{2,5}\b|tcp)"
    + rb"|net1?(?:\.exe)?[\s+]+(?:user|localgroup|share|view|use|start|stop|accounts|group)\b|reg[\s+]+(?:add|query|delete|save)\b|netsh[\s+]+\w+"
    + rb"|(?:rundll32|regsvr32|certutil|bitsadmin|mshta|wmic|schtasks|cscript|wscript|taskkill|attrib|icacls|cacls)(?:\.exe)?[\s+]+[-/\w]"
    + rb"|(?:cmd|powershell|pwsh)(?:\.exe)?[\s+]*(?:/\w|-\w)|set[\s+]+/[ap]\b|ver[\s+]*$"
    + rb"|(?:echo|printf)[\s+]+(?:-\w+[\s+]+)?(?:[\"'$`\\%(]|\w[\w+/=.-]*[\s+]*(?:>|\||&&|;|`|$))|expr[\s+]+\d"
    + rb"|sudo[\s+]+(?:[-/]|(?:su|id|ls|cat|sh|bash|rm|mv|cp|dd|chmod|chown|tee|sed|awk|find|vi|vim|nc|wget|curl|perl|python3?|passwd|useradd|whoami|kill|reboot)\b)|(?:nohup|su|xargs|exec|eval|crontab|chmod|chown|kill|killall|useradd|adduser|usermod|passwd|mkfifo|mknod|systemctl|iptables|mysqldump)[\s+]+(?:[-/+]\w|\d{3,}|[ugoa]{1,3}[+=-][rwxs])"
    + rb"|/(?:usr/)?(?:local/)?s?bin/\w+)"
)
"""A command together with what shows that it is meant as one: its arguments, or nothing behind one that needs none."""
_ADMINISTERS = (
    rb"(?:(?:nltest|cmdkey|qwinsta|quser|gpresult|driverquery|msiexec|forfiles|klist|dsquery|makecab|extrac32|odbcconf|esentutl|diskshadow|psexec)(?:\.exe)?[\s+]+/\w"
    rb"|(?:del|erase|rd|rmdir|format|cipher|takeown)(?:\.exe)?[\s+]+/[a-z]|vssadmin(?:\.exe)?[\s+]+(?:list|delete|create|resize)\b|(?:wevtutil|fsutil|bcdedit|ntdsutil|dsquery)(?:\.exe)?[\s+]+\w|sc(?:\.exe)?[\s+]+(?:query|create|stop|config|delete)\b"
    rb"|[gmn]?awk[\s+]+(?:-\w|['\"{])|\.[\s+]+/\w|(?:copy|move|ren|xcopy)[\s+]+\S{1,60}[\s+]+\S{1,60}\.(?:php\d?|aspx?|jspx?|exe|bat|dll|ps1)\b|for[\s+]+/[fldr][\s+]+%{1,2}\w[\s+]+in\b|getent[\s+]+(?:hosts|passwd|group|shadow|ahosts)\b|openssl[\s+]+(?:s_client|enc|req|x509|base64)\b|at[\s+]+(?:now|midnight|noon|\d{1,2}:\d\d)\b|ldapsearch[\s+]+-\w|(?:redis-cli|smbclient|rpcclient|nmap|tcpdump|xxd|lsblk|dmesg|journalctl)[\s+]+-{1,2}\w)"
)
"""The same of the tools of administrators."""
_SWITCHED = (
    rb"(?:(?:findstr|tasklist|tree|robocopy|runas|tskill|where|assoc|sc|mode|choice|vol|label|net1?|reg|fc|comp|xcopy|attrib)(?:\.exe)?[\s+]+/[a-z?]{1,4}(?:[\s:]|$)"
    rb"|(?:vim?|rvim|view|gdb|nmap|strace|ltrace|expect|irb|julia|tclsh|flock|taskset|ionice|chroot|unshare|nsenter|parallel|sqlite3|fish|tcsh|deno|bun|java|jshell|groovy|scala|rustc|ssh|scp|lsof)[\s+]+-{1,2}\w"
    rb")"
)
"""Tools that are no words with an option of theirs."""
_STARTS = rb"(?:(?:start|call)[\s+]+(?:/\w[\s+]+)?(?:calc|notepad|cmd|powershell|mshta|https?:)|(?:calc|notepad|mspaint|regedit|taskmgr)\.exe\b|del[\s+]+\S{0,40}[*\\]|find[\s+]+[\w./~-]+[\s+]+-(?:exec|name|perm|type|delete)\b|ip[\s+]+(?:a|addr|link|route|neigh)[\s+]*(?:$|[;|&\"'])|arp[\s+]+-a|host[\s+]+[\w-]+\.[\w.-]+\s*(?:$|[;|&\"'])|gcc[\s+]+\S{1,40}\.c\b|(?:mysql|psql)[\s+]+-\w|(?:env|time|command|eval|exec|nohup|xargs|busybox|sudo|nice|setsid)[\s+]+(?:id|ls|whoami|uname|pwd|hostname)\s*(?:$|[;|&\"'])|tar[\s+]+-?[cxtz]\w{0,4}[\s+]+[-/\w.]|zip[\s+]+-\w[\s+]|e?grep[\s+]+-\w+[\s+]+\S{1,40}[\s+]+[/.*~]|dd[\s+]+[io]f=|su[\s+]+-|systemctl[\s+]+(?:start|stop|restart|status|enable|disable|daemon-reload)\b|(?:iwr|irm|iex|gci|gwmi|saps)[\s+]+[-\w\"'(:$/\\]|alias[\s+]+\w+=)"
"""The same of what starts other programs, and of aliases of PowerShell."""
_RUNNER = rb"(?:(?:busybox|sudo|env|nohup|time|command|exec|eval|nice|setsid|stdbuf|timeout[\s+]+\d+\w?)[\s+]+)?"
"""What runs the command behind it."""
_BRIEF = rb"(?:id|ls|pwd|ps|env|dir|whoami|uname|hostname|ver|ifconfig|ipconfig|netstat)"
_SEPARATED = rb"(?:[;|&]|\$\(|%0[ad]|<\(|>\()[\s\x0b\xa0+]*[\"'\\({@!]{0,3}[\s+]*"
_SUBCOMMANDS = (
    rb"(?:docker|podman|nerdctl)\s+(?:ps|run|exec|images?|pull|cp|inspect|rmi?|logs|version|info|compose|stop|kill|start|container|network|volume)\b"
    rb"|(?:kubectl|oc|helm)\s+(?:get|exec|apply|delete|describe|logs|cp|run|config|create|install|list)\b"
    rb"|(?:npm|pnpm|yarn|pip3?|gem|composer|apt|apt-get|yum|dnf|apk|brew|pacman|snap)\s+(?:i|install|add|run|exec|update|upgrade|remove|uninstall|download|list|config|-\w+)\b"
    rb"|git\s+(?:clone|config|log|show|push|pull|status|archive|remote|diff|checkout|init|fetch)\b"
    rb"|(?:aws|gcloud|az|terraform|vault|consul)\s+[a-z][a-z0-9-]{1,20}\b"
    rb"|(?:java|node|python[23]?|perl|ruby|php|lua|sh|bash|source|gcc|make|javac)\s+[\w./-]{0,40}\.(?:jar|js|py|pl|rb|php|lua|sh|c|class)\b"
    rb"|(?:sqlite3|mysql|psql|redis-cli|mongo|mongosh|nano|vim)\s+[-/.\w]"
    rb"|kill\s+-?\d|(?:\.|\.\.|~)/[\w./-]{0,40}\.(?:sh|py|pl|rb|php|out|exe|bin|elf|run|cgi)\b"
)
"""Tools with what they are told to do, and programs that are started by their path."""
_BEHIND_WORD = rb"^\s*[\w.:/@%-]*['\"]?\s*(?:;|\|\|?|&&)\s*"
_FEW_ARGUMENTS = rb"(?:\s+[^\s,;|&]+){0,3}\s*[;#&|'\"]{0,2}\s*$"
_NEW_LINE = rb"(?:(?:^|[^\s\w`])\s{0,2}`|\w`|[\n\r]|\\n|\\r)[\s\x0b\xa0+]*[\"'\\({@!]{0,3}[\s+]*"

FACTS = (
    Fact(
        "shell.runs_command",
        "a separator, then a command with arguments, or a short one and nothing else",
        (
            _SEPARATED + _RUNNER + _DOES,
            _SEPARATED + _ADMINISTERS,
            _SEPARATED + _SWITCHED,
            _SEPARATED + _STARTS,
            rb"^[\w.@-]{0,30}['\"]?\s*[;|&]{1,2}\s*" + _SHORT + rb"\s*\|\s*" + _ANY + rb"(?:\s+-{1,2}\w|\s*$)",
            rb"^\s*(?:;|&&|\|\|?)\s*" + _SHORT + rb"\s*;?\s*$",
            rb"^\s*['\"]?\s*[;|&]{1,2}\s*" + _BRIEF + rb"\s*(?:[;|&#]\s*){1,3}['\"]?\s*$",
            rb"^\s*[;|&]{1,2}\s*" + _BRIEF + rb"\s*$",
            rb"[;|&]\s*(?:ls|pwd|whoami|uname|ifconfig|ipconfig|netstat)\s*$|\|\s*hostname\s*$",
            rb"(?:&&|\|\||;;)\s*" + _BRIEF + rb"\s*$",
            rb"^[\w.@'\"-]{0,30}\s*(?:(?:&&|\|\|)\s*(?:id|whoami|ls|uname|pwd)\s*(?:&&|\|\|)|[;|&]{1,2}\s*[({]{1,2}\s*(?:id|whoami|ls|uname|pwd)\s*;?\s*[)}]{1,2})\s*\w{0,10}$",
            rb"^[\w.@-]{0,40}['\"]?\s*(?:;|&&|\|\|)\s*(?:/bin/)?(?:ba|z|da|k)?sh\s*[;#]?$|:\(\)\s*\{\s*:\s*\|\s*:\s*&",
            rb"[;|&]\s*(?:if\b[^\n]{1,100};\s*then\b[^\n]{1,200};\s*fi|(?:while|until|for)\b[^\n]{1,100};\s*do\b[^\n]{1,200};\s*done)\b",
            rb"^[\r\n]+\s*(?:id|whoami|ls|uname|pwd)\s*$",
            rb"^\s*[;|&]{0,2}\s*>{1,2}\s*/(?:tmp|var|etc|dev|home|root|opt|usr|www|srv)/[\w./-]{1,80}\s*[;#]?$",
            rb"(?:^|\s)-exec(?:dir)?\s+[\w/.]{1,40}\b[^;\n]{0,60}(?:\\?;|\s\+)\s*$",
            _SEPARATED + rb"(?:ls|id|ps|env|set|cat|dir|whoami|ifconfig|uname)\s*>{1,2}\s*[\w./~-]",
            rb"^\s*['\"]\s*[;|&]{1,2}\s*" + _BRIEF + rb"\s*['\"]?$",
            rb"^\s*(?:\d{1,3}(?:\.\d{1,3}){3}|\d{1,6}|[\w-]{1,40}\.\w{2,8}|localhost)['\"]?\s*(?:;|\|\|?|&&?|%0[ad])\s*"
            + _BRIEF
            + rb"\s*(?:[;|&#'\"]{1,2}\s*)?$",
            rb"%0[ad]\s*" + _BRIEF + rb"\s*(?:$|[;|&%#])",
            rb"['\"(]\s*\|\s*" + _BRIEF + rb"\s*['\")]",
            rb"^/(?:[^;\n]{0,100}(?:/|\d(?:\.\d{1,3}){3}))?;\s*" + _BRIEF + rb"\s*$",
            rb"\.\w{2,5};\s*"
            + _BRIEF
            + rb"\s*;\s*\.\w{2,5}$|^\w{1,30}['\"]?\)\s*[;|]{1,2}\s*"
            + _BRIEF
            + rb"\s*[;|]?$",
            rb"^\s*wmic(?:\.exe)?\s+(?:/node:\S+\s+)?(?:process|os|service|product|useraccount|shadowcopy)\s+(?:call|get|list|where|delete)\b",
            _SEPARATED
            + rb"(?:(?:reboot|poweroff)\s*(?:$|[;|&`)#'\"])|(?:shutdown|halt|init)\s+(?:-\w|/\w|now\b|[06]\b))",
        ),
        True,
    ),
    Fact(
        "shell.runs_on_new_line",
        "a new line or backquote, then a command with arguments",
        (_NEW_LINE + _DOES, _NEW_LINE + _ADMINISTERS, _NEW_LINE + _SWITCHED),
        True,
    ),
    Fact(
        "shell.runs_short_command",
        "a short command between separators of a shell",
        (
            rb"(?:&&|\|\|)\s*" + _SHORT + rb"\s*(?:$|[;|&`)#'\"\n])",
            rb"(?:^|['\")\d])\s*[;|&]\s*" + _SHORT + rb"\s*(?:[;|&#'\"]|$)",
            rb"[;|&]\s+" + _SHORT + rb"\s*(?:[;&#'\"]\s*$|$)",
            rb"(?:^|\s)[;|&]" + _SHORT + rb"[;|&]\s*$",
        ),
    ),
    Fact(
        "shell.command_behind_word",
        "the whole value is one word, a separator and a command with a few arguments",
        (
            _BEHIND_WORD
            + rb"(?:"
            + _STRONG[3:-1]
            + rb"|docker|kubectl|mysql|psql|pip3?|npm|git|make|exit|pkill|umask|alias|cal|calc|notepad|cd|arp|route|id|ps|env|set|export"
            + rb"|history|head|tail|more|less|strings|sort|cp|mv|ln|kill|su|groups|last|who|w|vi|eval|exec|command)(?:\.exe)?"
            + _FEW_ARGUMENTS,
        ),
    ),
    Fact(
        "shell.tool_behind_word",
        "the same with a command that is no other word",
        (
            _BEHIND_WORD
            + rb"(?:rm|cp|mv|ln|mkdir|rmdir|chmod|chown|pkill|killall|nohup|xargs|useradd|adduser|usermod|ls|dir|del|ifconfig|iptables|nslookup|umask|printenv|uname|whoami|scp|lsblk|uniq|dmesg|journalctl|mktemp|chroot|modprobe|insmod|sysctl|umount|fdisk|blkid|getent|visudo|tcpdump|nmap)"
            + _FEW_ARGUMENTS,
            _BEHIND_WORD + rb"(?:" + _SUBCOMMANDS + rb")" + _FEW_ARGUMENTS,
        ),
        True,
    ),
    Fact(
        "shell.word_behind_separator",
        "nothing but a separator and words, or one command in brackets or redirected, as a shell takes them and no form does",
        (
            rb"^\s*['\"]?\s*(?:[;|]\s?|\|\|\s?|&&\s?|&\s)\s?(?:[a-z][\w-]+(?:\.(?:exe|sh|py|bat|com|pl|cmd|ps1))?|[.~]?/[\w./~-]+|:)(?:\s+[\w./*~$:@=,+'\"{}()<>%-]+){0,5}\s*[;&#'\"]{0,2}\s*$",
            rb"^\s*(?:[({!]\s*"
            + _BRIEF
            + rb"\s*[)}]?|"
            + _BRIEF
            + rb"\s*>{1,2}\s*\S+|>{1,2}[\w./-]*[./]\w[\w./-]*|\$'\w+'|'\w'\w+|\w`\w?`\w{2,10}|\$(?:user|shell|ifs|ppid|pwd|oldpwd))\s*$",
            rb"^\w+=[\w/.-]+;\s*\$\{?\w+\}?\s*[\w/.-]*$|^(?:exec|eval|iwr|iex|irm)\s+[\w./:-]+$|^\w+\s*\|\s*(?:more|cat|sh|less|sort|wc|tee)\s*$",
        ),
        telling=True,
    ),
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
            rb"^\s*(?:cat|ls|wget|curl|nc|ncat|bash|sh|python[23]?|perl|ruby|php|rm|chmod|ping(?:\.exe)?|nslookup|type|dir|net|powershell|cmd(?:\.exe)?|certutil|echo|touch|cp|mv|tar|find|grep|dig|sleep)\s+(?:-{1,2}[a-z0-9]|/[a-z]\b|/[a-z]|[\w.-]*[.~]/|c:|https?:|\$|\d{1,3}(?:\.\d{1,3}){3}|[\w/.-]+\s*[><])",
            rb"^\s*(?:cat|ls|wget|curl|ncat|bash|chmod|nslookup|powershell|certutil|tar|grep)\s+[\w-]*[/.][\w/.-]*\s*[|;><&]",
            rb"^\s*(?:cat|ls|wget|curl|ncat|bash|chmod|nslookup|powershell|certutil|tar|grep)\s+[\w-]+\s*[|;><&]{1,2}\s*(?:$|[\w-]*[/.]|"
            + _STRONG
            + rb"\b|"
            + _SHORT
            + rb"\b)",
            rb"^\s*(?:ipconfig|ifconfig|netstat|uname|whoami|ps)\s+[-/]\w",
            rb"^\s*(?:wmic|rundll32|regsvr32|mshta|bitsadmin|schtasks|cscript|wscript|vssadmin|wevtutil|icacls|taskkill)(?:\.exe)?\s+(?:[/-]\w|\w+\.dll|https?:|javascript:|vbscript:|(?:delete|create|resize)\s|\S+\.(?:js|vbs|hta|dll|wsf|sct)\b)",
            rb"^\s*reg(?:\.exe)?\s+(?:add|query|delete|save|export)\s+[\"']?hk",
            rb"^\s*net1?\s+(?:user|localgroup|share|view|use|accounts|group)\s+\S|^\s*sleep\s+\d{1,3}\s*$",
            rb"^[\w.:-]{1,40}[\r\n]+\s*"
            + _BRIEF
            + rb"\s*$|^\w{1,40}[\r\n]+\s*(?:head|tail|cat|nl|tac)\s+(?:-\w+\s+(?:\d+\s+)?)?[\w~-]*[./][\w./-]+\s*$",
            rb"^\s*(?:whoami|ifconfig|ipconfig|uname\s+-a|netstat|systeminfo|tasklist)\s*[;|&#]?\s*$|^(?:id|ls|pwd|dir)\s*[;|&]+$",
        ),
        True,
    ),
    Fact(
        "shell.substitution",
        "runs a command inside $(...) or backquotes",
        (
            rb"\$\(\s*[\"'\\]?(?:/[\w/]+/)?" + _ANY + rb"(?:[\s|;<][^)]{0,200})?\)(?:[^.\w]|$)",
            rb"\$\([^()]{0,30}\)\$|\$\((?:\w+=\w*;)+|\$\(\s*"
            + _BRIEF
            + rb"\s*\)\.(?:png|jpe?g|gif|pdf|txt|docx?|zip|svg|csv)\b",
            rb"\$\(\(\s*\d",
            rb"\$\(\s*<",
            rb"[<>]\(\s*" + _ANY + rb"\s|<\(\s*" + _BRIEF + rb"\s*\)|\w\$\(\s*" + _BRIEF + rb"\s*\)\w",
            rb"\$\(\s*(?:hostname|whoami|uname|pwd|ifconfig|getent|xxd|openssl|dmesg)\b[^)]{0,40}\)|\$\(\s*(?:echo|cat|curl|wget|ping|nslookup|sleep|ls|bash|sh|printf|python3?|perl|php)\s+[\w'\"/$.-]",
        ),
        True,
    ),
    Fact(
        "shell.backquoted",
        "runs a command inside backquotes",
        (
            rb"(?:^|[^\s`\w])\s{0,2}`\s*(?:/[\w/]+/)?" + _ANY + rb"(?:[\s<>;|&][^`]{0,200})?`",
            rb"\w`\s*(?:/[\w/]+/)?" + _ANY + rb"(?:[\s<>;|&][^`]{0,200})?`",
            rb"`\s*(?:/[\w/]+/)?" + _ANY + rb"(?:[\s<>;|&][^`]{0,200})?`(?:\s*[;|&\"'#)]|\w|\s*$)",
            rb"`[^`\n]{0,60}/(?:etc|bin|tmp|dev)/[^`]{0,100}`",
        ),
        True,
    ),
    Fact(
        "shell.assembles_command",
        "puts a command together from variables or pieces of them, or smuggles an option that runs one",
        (
            rb"\$\{(?:path|home|pwd|shell|hostname|oldpwd|ifs)\s*:\s*\d|\$\{\w{1,20}:\d{1,3}:\d{1,3}\}",
            rb"\$\{(?:path|home|pwd|shell|oldpwd)(?:%{1,2}|#{1,2}|/{1,2}|\^{1,2}|,{1,2})[^}\n]{1,20}\}[\w/$]",
            rb"%\w{3,20}:~-?\d",
            rb"(?:^|[;|&\n\s])\w{1,12}=[^;&|\s]{1,40}[;&|]{1,2}\s*(?:\w{1,12}=[^;&|\s]{1,40}[;&|]{1,2}\s*)*\$\{?\w{1,12}\}?\$",
            rb"[;|&^\r\n]\s*\w{1,12}=\$?\\?['\"][^'\"]{1,60}['\"]\s*;\s*\$\w",
            rb"[;|&\n]\s*(?:export|declare|set)\s+\w{1,12}=[^\s;&|]{1,60}\s*[;&|]{1,2}\s*(?:eval\s+)?\$\{?\w",
            rb"(?:^[\s'\"]*|[;|&(\s])-{1,2}(?:use-askpass|exec|upload-pack|receive-pack|checkpoint-action|to-command|open-files-in-pager|o?proxycommand|post-file|ssh-command|wrapper|use-compress-program|unzip-command|rsh-command|rsyncable-command|pager|editor)\s*=",
            rb"^\s*-{1,2}(?:output(?:-document|-file)?|to-file|log-file|config|conf|exec-path|pre-script|post-script|rsh|plugin|require|load|preload)=[^\s]{0,60}(?:/|\\|\.(?:php|sh|jsp|so|dll)\b)",
            rb"\s--(?:checkpoint-action|to-command|rsh-command|use-compress-program|unzip-command)\s*=",
        ),
        True,
    ),
    Fact(
        "shell.pipe_to_shell",
        "feeds something into a shell or interpreter",
        (
            rb"\|\s*(?:/[\w/]+/)?(?:ba|z|k|c|da|a)?sh\s*(?:[;&'\"`)]|-\w|\s#)|\|\s*sh\s*$|\|\s*/(?:usr/)?bin/",
            rb"(?:https?:|base64|\becho\b|\bcat\b)[^|]{0,200}\|\s*(?:ba|z|k|da)?sh\b",
            rb"\|\s*(?:python[23]?|perl|ruby|php|node)\s*(?:-\w|[;&'\"`)])|\|\s*(?:xargs|base64|tee)\s+[-/\w]|\|\s*(?:iex|invoke-expression)\b",
            rb"\b(?:ba|z|k|da)?sh\s+-(?:c|i|p)\b",
            rb"\b(?:python[23]?|perl|ruby|node|php|lua)\d?(?:\.\d+)?\s+-(?:c|e|r)\b",
            rb"(?:\bcmd(?:\.exe)?|%comspec%)\s*(?:\"\s*)?/[ckv]\b",
            rb"\bpowershell(?:\.exe)?\s+[-/]\w|\bpowershell\.exe\s",
            rb"/bin/(?:ba|z|k|da|c|a)?sh\b",
            rb"\bnc(?:at)?\s+-\w+\s",
        ),
        True,
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
            rb"\d?>\s*&\s*/dev|\s0>\s*&\s*1\b|\s1>\s*&\s*0\b|&\s*>\s*/dev",
            rb"exec\s+\d+<>",
        ),
        True,
    ),
    Fact(
        "shell.space_trick",
        "writes a space as ${IFS}, a brace list or a redirection",
        (
            rb"\$\{?ifs\b",
            rb"\{\s*(?:cat|ls|wget|curl|ping|echo|nc|bash|sh)\s*,[^}]{1,80}\}|\{\s*"
            + _BRIEF
            + rb"\s*,\s*[\w/-]{0,20}\}",
            rb"\b(?:cat|sh|bash|tac|head|tail|wc)\s*<>?\s*(?:[.\w$~]|/[ehptv])",
            rb"[a-z]\$(?:@|\{[@*]\})[a-z]",
            rb"\$'\\|[;|&]\s*(?:\$\{?\w{1,12}\}?|(?:ba|z|k|da)?sh)\s*<<<",
        ),
        True,
    ),
    Fact(
        "shell.variable",
        "an environment variable of a shell, or a piece cut out of one",
        (
            rb"\$\{(?:path|home|pwd|shell|hostname|#|[\w@*!?-]+(?::|##?|%%?|/|\^|,))[^}]{0,40}\}",
            rb"\$(?:path|home|pwd|shell|hostname|oldpwd|shlvl|random|bash\w*)\b",
            rb"%(?:comspec|windir|systemroot|programfiles|appdata|userprofile|username|computername)(?:%|:~)",
            rb"[;|&\n]\s*\w{1,12}=[^\s;&|]{1,60}[;&|]+\s*\$\w",
        ),
    ),
    Fact(
        "shell.split_word",
        "a command name broken by quotes, backslashes or wild cards",
        (
            rb"\b(?:c['\"\\]+a['\"\\]*t|c['\"\\]*a['\"\\]+t|w['\"\\]+h['\"\\]*o|wh['\"\\]+oa|w['\"\\]+get|wg['\"\\]+et|c['\"\\]+url|cu['\"\\]+rl|pi['\"\\]+ng|p['\"\\]+ing)\b",
            rb"/[b?*][i?*][n?*]/[\w?]{0,10}\?[\w?]{0,10}(?:[\s$<;|&]|$)|/\?{2,4}/[\w?*]{2,12}(?:[\s$<;|&/]|$)",
            rb"/(?:e[?*][?*c]|et[?*]|[?*]tc|[?*]tc)/[\w?*]+|/etc/\w{0,5}[?*]\w{0,5}[?*]",
            rb"\b(?:p\^?o\^w|c\^m\^?d|w\^h\^o|n\^e\^t|[a-z]\^[a-z]\^[a-z]\^[a-z])",
            rb"/etc/\w{0,4}['\"\\]+\w|/e['\"\\]+tc|/et['\"\\]+c",
            rb"/(?:b[?*]n|bi[?*]|b\?\?|\?i\?|\?\?n)/[\w?*]|[;|&`(\n]\s*(?:/usr)?/\?in/\w",
            rb"/etc\$\{?\w{1,12}\}?/|[;|&]\s*[a-z]{2,8}\$\{?\w{1,12}\}?[\s+]+/\w",
        ),
        True,
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
        (rb"(?:^|['\"=\s])\(\s*\)\s*\{\s*(?::|_|\w{1,10}\s*;|:\s*;)\s*;?\s*\}\s*[;>]", rb"^\s*\(\s*\)\s*\{"),
        True,
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
            rb"\s-(?:encodedcommand|executionpolicy|noprofile|noninteractive|windowstyle)\b|\s-(?:enc|ec|e)\s+[a-z0-9+/]{12}|\s-w\s+hidden\b|\s-nop\b",
            rb"(?:^\s*|[;|&(]\s*|\b(?:powershell|pwsh)(?:\.exe)?\s+)(?:get|set|new|start|stop|invoke|remove|add|out|write|clear)-(?:process|service|content|childitem|item\w{0,12}|location|command|webrequest|restmethod|expression|object|wmiobject|ciminstance|host|alias|variable|executionpolicy|eventlog|localuser|aduser|computerinfo|netipaddress|job|sleep)\s*(?:$|[;|&)])",
            rb"\b(?:powershell|pwsh)(?:\.exe)?\s+(?:get|set|invoke|new|start|stop)-\w{3}|^\s*pwsh\s+-\w",
            rb"\bnet\.webclient\b|\[system\.\w+\.|\[convert\]::|\[reflection\.assembly\]|\[char\]\s*\d",
            rb"\(\s*(?:gwmi|gcim|iwr|irm|gci|gps|gsv)\s",
            rb"\$env:\w+|\$psversiontable|\$executioncontext",
        ),
        True,
    ),
    Fact(
        "shell.interpreter_path",
        "the path of a shell, interpreter or system tool",
        (
            rb"/(?:usr/)?(?:local/)?s?bin/" + _UNIX + rb"\b",
            rb"\b(?:system32|syswow64)[\\/]+(?:cmd|calc|notepad|ping|config|drivers|inetsrv|windowspowershell)",
            rb"\bcmd\.exe\b|\bpowershell\.exe\b|\bcmd1?\.(?:asp|exe)",
        ),
        True,
    ),
)
