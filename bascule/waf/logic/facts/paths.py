"""File paths: climbing out of the directory, files that should stay secret, wrappers and remote includes."""

from __future__ import annotations

import re

from .fact import Fact

_DOTS = rb"(?:\.\.|\.\x00?\.|%2e%2e|\.%2e|%2e\.|%252e%252e|%c0%ae%c0%ae|\xc0\xae\xc0\xae|0x2e0x2e|%uff0e%uff0e|\.\.\.\.|\?\?|%%32%65%%32%65)"
_SEP = rb"(?:[/\\]{1,4}|%2f|%5c|%252f|%255c|%c0%af|%c1%9c|%c0%2f|%c1%af|%c0%5c|%e0%80%af|%25c0%25af|0x2f|0x5c|%u2215|%u2216|%uefc8|%uf025|;/|\xc0\xaf|\xc1\x9c|::|%%32%66|%bg%qf|\xef\xbc\x8f|\xe2\x88\x95|/\./)"

FACTS = (
    Fact(
        "path.climbs",
        "leaves a directory: ../",
        (
            rb"(?:^|[/\\=:\"'\s,(]|%2f|%5c|\xc0\xaf)" + _DOTS + _SEP,
            _DOTS + _SEP + _DOTS,
            rb"[/\\]\.\.(?:$|[;?\x00&])",
            rb"[/\\]\.\.;",
        ),
    ),
    Fact(
        "path.climbs_twice",
        "leaves two or more directories",
        (_DOTS + _SEP + rb"[./\\]{0,6}" + _DOTS, _DOTS + _SEP + rb"[\w%.-]{0,20}" + _SEP + _DOTS + _SEP),
    ),
    Fact("path.climbs_far", "leaves four or more directories", (rb"(?:" + _DOTS + _SEP + rb"[./\\]{0,4}){4}",)),
    Fact(
        "path.climbs_encoded",
        "a way up that is written in an encoding",
        (
            rb"(?:\.\.|\.%(?:25)?2e|%(?:25)?2e\.)%(?:25)*(?:2f|5c)",
            rb"%(?:25)*2e%(?:25)*2e(?:[/\\]|%)",
            rb"%(?:25)*c0%(?:25)*a[ef]",
            rb"%(?:25)*c1%(?:25)*(?:9c|1c|af|8s|pc)",
            rb"%(?:25)*e0%(?:25)*80%(?:25)*a[ef]",
            rb"%u(?:2215|2216|ff0e|002e|005c|f025|efc8)",
            rb"\xc0[\xae\xaf\x2e\x2f\x5c]|\xc1[\x9c\x1c\x8f]|\xe0\x80\xaf|\xe0\x80\xae",
            rb"0x2e0x2e",
            rb"\.\.2f(?:\.\.2f|\w)",
            rb"%%[0-9a-f]{2}%%[0-9a-f]{2}",
            rb"(?:%c0%\w\w){2}|\.%c0%\w\w|(?:\xc0[\x20-\xff]){2}",
            rb"%f[08c](?:%80){2,4}%a[ef]|[\xf8\xfc]\x80{3,4}[\xae\xaf]|\xf0\x80\x80[\xae\xaf]",
            rb"(?:\?\.|\.\?|\?\?)(?:0x2f|0x5c|%[0-9a-f]|/|\\)[^=]{0,12}(?:\?\.|\.\?|\?\?)(?:0x2f|0x5c|%[0-9a-f]|/|\\)",
            rb"\.\.(?:%01|\x01)%c0|\.\.%(?:bg|c0|c1|uf)",
            rb"0x2e|0x2f\.|0x5c\.",
            rb"\.{3,}[/\\]{1,}\.{3,}",
            rb"\.\.[/\\]{2,}\.\.",
            rb"%%32%(?:%?36|65)",
            rb"\.\?/|\.\.(?:%00|%01|\x00|\x01)[/\\]",
        ),
    ),
    Fact(
        "path.unix_secret",
        "a Unix file that attackers read",
        (
            rb"[/\\]+\.?/*etc[/\\.]+(?:\./)*(?:passwd|shadow|group|hosts?|issue|motd|fstab|crontab|sudoers|hostname|resolv\.conf|my\.cnf|mysql|apache2?|httpd|nginx|ssh|php|init\.d|pam\.d|security|profile|inetd|services|networks|lsb-release|os-release|redhat-release|debian_version|environment|ftp\w*|exports|mtab|ld\.so|syslog|lighttpd|vsftpd|proftpd|samba|samba|at\.|cron|rc\d?|default|wu-ftpd|pure-ftpd|logrotate|chrootusers|openldap|openvpn|tomcat|kubernetes|docker|letsencrypt)",
            rb"(?:^|[^\w.])etc[/\\]+(?:passwd|shadow|hosts|group)\b",
            rb"/proc/(?:self|\d+|version|cpuinfo|mounts|net|cmdline|meminfo|sched_debug|stat|swaps|modules|filesystems|ioports|interrupts|partitions|loadavg|key-users|config)",
            rb"/var/(?:log|lib|mail|spool|run|www|adm|apache|mysql|cpanel|lock|htmp|webmin|backups|local)(?:[/_]|$)",
            rb"/(?:root|home/[\w$~.-]{1,40}|users/\w+)/\.?(?:ssh|bash_history|bashrc|profile|mysql_history|aws|config|gnupg|netrc|my\.cnf|viminfo|xauthority|ash_history|zsh|htpasswd|anaconda|kube|docker|npmrc)",
            rb"\bid_(?:rsa|dsa|ecdsa|ed25519)\b|authorized_keys|known_hosts",
            rb"/usr/(?:local|lib|share|pkg|spool|home|ports|etc|adm|apache)/[\w/.-]{0,40}(?:conf|log|php\.ini|\.cnf|passwd|config|httpd|apache|mysql|error|access)",
            rb"/opt/[\w/.-]{1,40}(?:conf|log|\.ini|\.xml|\.cnf)",
            rb"/dev/(?:null|random|urandom|zero|tcp|shm|fd|stdin)\b",
            rb"/private/etc|/sys/(?:class|kernel|devices|fs)/|/run/secrets|/boot/(?:grub|initrd|vmlinuz)|/logs/(?:access|error)[_.]log|/apache2?/logs?/|/(?:lampp|xampp|lamp)/|/volumes/\w+/|/library/webserver",
        ),
    ),
    Fact(
        "path.windows_secret",
        "a Windows file that attackers read",
        (
            rb"\b(?:boot|win|system|desktop|php|my|odbc)\.ini\b",
            rb"(?:windows|winnt|win)[/\\]+(?:system32|win\.ini|system\.ini|repair|system|panther|php\.ini|debug|temp|regedit|explorer|notepad|my\.ini|iis|php|inetpub|inf)",
            rb"\bsystem32[/\\]+(?:config|drivers|inetsrv|logfiles|cmd|eula|license)",
            rb"\b[a-z]:[/\\]+(?:windows|winnt|boot\.ini|inetpub|program\s*files|users|documents and settings|xampp|apache|wamp|php\d?|mysql|sysprep|autoexec|pagefile|home|nginx|tomcat|log)",
            rb"\b(?:inetpub|web\.config|applicationhost\.config|global\.asax|unattend\.xml|ntuser\.dat|sam\._|sysprep\.inf|machine\.config)\b",
            rb"[/\\]program files(?: \(x86\))?[/\\]",
        ),
    ),
    Fact("path.java_private", "the private folder of a Java application", (rb"\b(?:web-inf|meta-inf)(?:[/\\]|%|\b)",)),
    Fact(
        "path.dot_file",
        "a hidden file or folder: a repository, keys or settings",
        (
            rb"(?:^|[/\\=\s])\.(?:git|svn|hg|bzr)(?:[/\\]|ignore|config|$|\?)",
            rb"(?:^|[/\\=\s])\.(?:env|htaccess|htpasswd|bash_history|ssh|aws|docker|npmrc|dockerenv|ds_store|idea|vscode|netrc|passwd|mysql_history|pgpass|kube|travis\.yml)\b",
        ),
    ),
    Fact(
        "path.backup_copy",
        "a backup or editor's copy of a file",
        (
            rb"\.(?:bak|old|orig|save|swp|swo|sql|dump|mdb|backup|copy)(?:~|$|\?|%00|\x00|;)",
            rb"\.\w{2,5}~$|/\w+~$",
            rb"\bdump\.sql|\bbackup\.(?:zip|tar|sql|tgz|gz|rar)",
        ),
    ),
    Fact(
        "path.app_secret",
        "a settings or log file of an application",
        (
            rb"\bwp-config(?:\.|-|\b)",
            rb"\b(?:config|configuration|database|settings|secrets|credentials|parameters|application|db|connect|conn|dbconnect|localsettings|local_settings)\.(?:inc|ya?ml|properties|ini|xml|py|bak|sql|yml)(?:\b|%00|\x00)",
            rb"\.(?:inc|log|tmp)(?:~|$|\?|%00|\x00|;)",
            rb"\b(?:composer|package-lock|yarn)\.(?:lock|json)\b|\bid_rsa\b|\bdocker-compose\.ya?ml",
            rb"\b(?:error_log|access_log|access\.log|error\.log)$",
        ),
    ),
    Fact("path.null_byte", "a null byte that cuts the path off", (rb"\x00", rb"%00", rb"\\0(?:$|\.)|\\x00|%2500")),
    Fact(
        "path.wrapper",
        "a stream wrapper of PHP or another loader",
        (
            rb"\b(?:php|zip|phar|zlib|bzip2|expect|glob|ogg|rar|ssh2(?:\.\w+)?|compress\.\w+|data|input|netdoc|jar|classpath|resource|dict|gopher|ldaps?|tftp|sftp|imaps?|pop3|smtp|telnet)\s*:\s*//[\w./%-]",
            rb"\bphp://(?:filter|input|memory|temp|output|fd|stdin)",
            rb"convert\.(?:base64|iconv|quoted)|string\.rot13|zlib\.(?:in|de)flate",
            rb"\bdata:(?:text/plain|text/html|application/x-httpd-php|;base64|,)[;,]",
            rb"\bexpect://|\bphar://",
        ),
    ),
    Fact(
        "path.file_url",
        "a file: address",
        (rb"\bfile\s*:\s*/{1,}", rb"\bfile\s*:\s*[/\\]{2}", rb"\bfile:%2f", rb"^\\\\[\w.-]+\\[\w$.-]", rb"\bnetdoc:/"),
    ),
    Fact(
        "path.remote_script",
        "the address of a script on another host",
        (
            rb"\b(?:https?|ftps?|//):?/{0,2}[\w.:@%\[\]-]{3,100}/[^\s?#<>\"]{0,100}\.(?:txt|pl|py|sh|inc|phtml|dat|log)\?*(?:%00|\x00|\?)?$",
            rb"\b(?:https?|ftps?)://[\w.:-]{3,100}/[^\s?#<>\"]{0,100}\.(?:php\d?|gif|jpg|png|html?|asp|jsp|cgi)(?:%00|\x00|\?\??)$",
            rb"^(?:https?|ftps?)://[^/\s]+/[^\s?]{0,100}(?:%00|\x00|\?\?)$",
            rb"\b(?:ht|f)tps?:/{0,2}[^\s/]+/(?:[\w.~-]+/){0,6}(?:shell|cmd|c99|r57|evil|rfi)[\w-]{0,10}\.\w+",
        ),
    ),
    Fact(
        "path.absolute",
        "an absolute path where a value should be",
        (
            rb"^/(?:etc|proc|var|usr|home|root|opt|tmp|dev|sys|bin|boot|mnt|srv|lib|private|volumes|applications|apache\d?|windows|winnt|inetpub|nginx|php\d?|www|web|xampp|logs?|mysql|library|program files|ade|conf)(?:/|$)",
            rb"^[a-z]:[/\\]",
            rb"^\\+\w+",
        ),
    ),
    Fact(
        "path.odd_segment",
        "a path segment that confuses servers",
        (
            rb"/\.(?:/|%2f|;)",
            rb"/%2e(?:/|%|$)",
            rb"\.(?:php|asp|aspx|jsp|cgi)(?:\.|%20|%00|::\$data|;)",
            rb"::\$(?:data|index)",
            rb";(?:jsessionid)?/?\.\.",
            rb"/(?:\x5c|%5c)",
            rb"\.(?:jsp|php|asp|aspx)(?:%[0-9a-f]{2}|\.)",
            rb"\.\.\x5c|~1[/.]",
            rb"\.\.;/|/;/|/\.;",
            rb"\s\.(?:jsp|asp|php)$",
            rb"//{2,}",
            rb"\.(?:jsp|css|gif|jpg)/[^/]{0,60}\.(?:old|bak|jsp|inc)",
        ),
    ),
    Fact("path.script_upload", "an uploaded file's name has an extension that runs on a server"),
)

_SCRIPT_NAME = re.compile(
    rb"\.(?:php\d?|phtml|phar|phps|pht|inc|aspx?|ashx|asmx|asa|cer|jspx?|jspf|jsw|cfml?|cgi|pl|py|rb|sh|exe|dll|bat|cmd|ps1"
    rb"|vbs|hta|war|jar|htaccess|config|shtml|stm)\.?(?:\x00|%00|;|$|[\s.]*(?:\.|%20|/|:))",
    re.IGNORECASE,
)


def is_script_name(name: bytes) -> bool:
    """Tell whether a file name, or the part of it that a server goes by, has the extension of a program."""
    return _SCRIPT_NAME.search(name) is not None
