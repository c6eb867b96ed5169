"""File paths: climbing out of the directory, files that should stay secret, wrappers and remote includes."""

from __future__ import annotations

import re

from .fact import Fact

_ODD_DOTS = (
    rb"(?:\.\?|\?\.|\?\?|\.\x00\.|\.{1,2}[\x00\x01]|(?:%(?:25)*2%?e|%uff0e|%u002e|0x2e|%c0%[a2]e|\xc0[\x2e\xae]|\xe0\x80\xae"
    rb"|\xef\xbc\x8e|%%32%%65|%%32%65){1,2}\.?|(?:%?\xc0[\x2e\x5e\x6e\xae\xee\xfe]){1,2}n?|(?:\xf0\x80\x80\xae|[\xf8\xfc]\x80{3,4}\xae|\xe0@\xae){1,2}|\.(?:%(?:25)*2%?e|\xc0[\x2e\xae]))"
)
"""Two dots as no browser writes them: in part or as a whole in an encoding, a lax one too, or with a wild card."""
_DOTS = rb"(?:\.\.|\.{4}|\.\.\./\.|" + _ODD_DOTS[3:-1] + rb")"
_ODD_SEP = (
    rb"(?:%(?:25)*(?:2%?f|5%?c)|0x2f|0x5c|\xc0[\x2f\x5c\xaf]|\xc1[\x1c\x8f\x9c\xaf]|[\xc0\xc1]%\w\w|%(?:25)*c[01]%\w\w"
    rb"|%e0%80%af|\xe0\x80\xaf|\xf0\x80\x80\xaf|[\xf8\xfc]\x80{3,4}\xaf|%u(?:2215|2216|efc8|f025|002f|005c)|%bg%qf"
    rb"|\xef\xbc\x8f|\xe2\x88\x95|%%32%%?66|%%35%%?63)"
)
_SEP = rb"(?:[/\\]{1,4}|" + _ODD_SEP[3:-1] + rb"|;/|::|/\./)"
_SECRET = rb"(?:etc|boot\.ini|win(?:dows|nt|\.ini)|proc|var|usr|home|root|web-inf|php\.ini)"
_ETC = (
    rb"(?:passwd|shadow|group|hosts?|issue|motd|fstab|crontab|sudoers|hostname|resolv\.conf|my\.cnf|mysql|apache2?|httpd?|nginx"
    rb"|ssh|php\d?|init\.d|pam\.d|security|profile|inetd|services|networks|lsb-release|os-release|redhat-release"
    rb"|debian_version|environment|ftp\w*|exports|mtab|ld\.so|r?syslog|lighttpd|vsftpd|proftpd|pure-?ftpd|samba|at\.|cron"
    rb"|rc\.|default/|wu-ftpd|logrotate|chrootusers|openldap|openvpn|tomcat|kubernetes|docker|letsencrypt|master\.passwd|aliases"
    rb"|snmp|vhcs2|webmin|squid|bashrc|bind|named|mail|postfix|exim)"
)

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
        "path.climbs_in_path",
        "a request path that climbs, which no browser sends: it resolves ../ itself",
        (
            rb"[/\\](?:\.\.|%2e%2e|\.%2e|%2e\.)(?:[/\\;]|%2f|%5c|$)",
            rb"[/\\]\.\.[^/\\\w.-]",
            rb"[/\\]\.(?:%2e|\x00)",
            rb"(?:%2f|%5c)\.\.",
            rb"^/[\w-]{1,30}\.\.[/\\]",  # nginx's alias without a slash
        ),
        True,
    ),
    Fact(
        "path.trick_in_path",
        "a request path with what makes servers read another name than it has",
        (
            rb"\x00|%00",
            rb"::\$(?:data|index_allocation)",
            rb"/;/|\.\.;|/\.;",
            rb"^/+(?:\\|\t)[/\\]{0,2}[\w-]{1,60}(?:\.[\w-]{1,60})+(?:$|[/?#])",  # browsers take it for another host
        ),
        True,
    ),
    Fact(
        "path.climbs_twice",
        "leaves two or more directories",
        (
            rb"(?:\.{2,4}[/\\]{1,4}(?:\./)?){2}",
            rb"(?:^|[/\\=\s])(?:\.\.[/\\]){1,9}\.\.(?:$|[;?\x00&])",
            _DOTS + _SEP + rb"[\w%.-]{0,20}" + _SEP + _DOTS + _SEP,
        ),
    ),
    Fact("path.climbs_far", "leaves four or more directories", (rb"(?:" + _DOTS + _SEP + rb"[./\\]{0,4}){4}",), True),
    Fact(
        "path.climbs_encoded",
        "a way up that is written in an encoding",
        (
            rb"(?:" + _DOTS + _ODD_SEP + rb"){2}",
            rb"(?:" + _ODD_DOTS + _SEP + rb"){2}",
            rb"(?:^|[/\\=.])(?:"
            + _DOTS
            + _ODD_SEP
            + rb"|"
            + _ODD_DOTS
            + rb"(?:[/\\]|"
            + _ODD_SEP
            + rb"))[/\\]{0,3}"
            + _SECRET,
            rb"(?:^|[/\\=])(?:\.\.|%(?:25)*2e%(?:25)*2e|\.%(?:25)*2e|%(?:25)*2e\.)%(?:25)*(?:2f|5c)",
            rb"(?:^|[/\\=])%(?:25)*2e%(?:25)*2e(?:[/\\]|%)",
            rb"\.\.2f(?:\.\.2f|(?:etc|proc|var|usr|home|root|apache\d?|windows)\w)",
            rb"(?:\.{3,}[/\\]+){2}|\.{3,}[/\\]+" + _SECRET,
            rb"(?:\.\.[/\\]{2,}){2}",
            rb"(?:0x2e){2}(?:0x2f|0x5c)|(?:^|[/\\=])\.{6,}[/\\]",
        ),
        True,
    ),
    Fact(
        "path.climbs_oddly",
        "dots of a way up with more dots, or with what a lax reader drops, among them",
        (rb"(?:^|[/\\=])(?:\.{3,}|\.\.[\s\x00?*#;:]{1,3}|\.[\x00-\x20?*]\.|(?:0x2e){2})[/\\]",),
        telling=True,
    ),
    Fact(
        "path.unix_secret",
        "a Unix file that attackers read",
        (
            rb"[/\\]+\.?/*etc[/\\.]+(?:\./)*" + _ETC,
            rb"(?:^|[^\w.])etc[/\\]+(?:passwd|shadow|hosts|group)\b",
            rb"/proc/(?:self|\d+|version|cpuinfo|mounts|net|cmdline|meminfo|sched_debug|stat|swaps|modules|filesystems|ioports|interrupts|partitions|loadavg|key-users|config)\b",
            rb"/var/(?:log|lib|mail|spool|run|www|adm|apache|mysql|cpanel|lock|htmp|webmin|backups|local)(?:[/_]|$)",
            rb"/(?:root|home/[\w$~.-]{1,40}|users/\w+)/\.?(?:ssh|bash_history|bashrc|profile|mysql_history|aws|config/(?:gcloud|gh|rclone|filezilla|git)|gnupg|netrc|my\.cnf|viminfo|xauthority|ash_history|zsh|htpasswd|anaconda|kube|docker|npmrc)",
            rb"\bid_(?:rsa|dsa|ecdsa|ed25519)\b|\bauthorized_keys\b",
            rb"/usr/(?:local|lib|share|pkg|spool|home|ports|etc|adm|apache)/[\w/.-]{0,40}(?:conf|logs?/|\.log|php\.ini|\.cnf|passwd|httpd|pureftpd|pure-ftpd|mysql)",
            rb"/opt/[\w/.-]{1,40}(?:conf/|\.conf|logs?/|\.ini|\.cnf)",
            rb"/dev/(?:null|random|urandom|zero|tcp|shm|fd|stdin)\b",
            rb"/private/etc|/sys/(?:class|kernel|devices|fs)/|/run/secrets|/boot/(?:grub|initrd|vmlinuz)|/logs/(?:access|error)[_.]log|/apache2?/logs?/|/(?:lampp|xampp|lamp)/|/library/webserver",
        ),
        True,
    ),
    Fact(
        "path.windows_secret",
        "a Windows file that attackers read",
        (
            rb"(?:^|[/\\=])(?:boot|win|system|php|my|odbc|ntuser)\.ini(?:\x00|%00|$|[/\\?#;&])|[/\\](?:boot|win|system|php|my|odbc|ntuser)\.ini\b",
            rb"(?:windows|winnt|win)[/\\]+(?:system32|win\.ini|system\.ini|repair|system\b|panther|php\.ini|debug|regedit|explorer|notepad|my\.ini|iis|php|inetpub)",
            rb"\bsystem32[/\\]+(?:config|drivers|inetsrv|logfiles|cmd|eula|license)",
            rb"\b[a-z]:[/\\]+(?:windows|winnt|boot\.ini|inetpub|documents and settings|xampp|apache|wamp|php\d?\b|mysql|sysprep|autoexec|pagefile|nginx|tomcat|appserv|minint|system volume information|unattend(?:ed)?\.|perflogs)",
            rb"\b[a-z]:[/\\]+program\s*files(?: \(x86\))?[/\\]+(?:mysql|apache|php|iis|xampp|filezilla|vnc|(?:[\w. ]+[/\\]+){1,4}(?:conf|httpd|my\.ini|php\.ini|data))",
            rb"\b[a-z]:[/\\]+users[/\\]+\w+[/\\]+(?:ntuser|appdata|\.ssh)",
            rb"(?:^|[/\\])(?:web\.config|applicationhost\.config|global\.asax|unattend(?:ed)?\.xml|ntuser\.dat|sam\._|sysprep\.(?:inf|xml)|machine\.config)(?:$|[\x00%~.?])",
        ),
        True,
    ),
    Fact(
        "path.java_private",
        "the private folder of a Java application",
        (rb"\bweb-inf(?:[/\\]|%|\b)", rb"\bmeta-inf[/\\]", rb"web-infweb\.xml"),
        True,
    ),
    Fact(
        "path.dot_file",
        "a hidden file or folder: a repository, keys or settings",
        (
            rb"(?:^|[/\\=])\.(?:git|svn|hg|bzr)(?:[/\\]|config|$|\?)",
            rb"(?:^|[/\\=])\.env(?:$|[^\w.-]|\.(?:prod|local|dev|live|stag|test|old|bak|save|backup|remote|php|\d)\w*)",
            rb"(?:^|[/\\=])\.(?:htaccess|htpasswd|bash_history|ssh|aws|docker|npmrc|dockerenv|ds_store|idea|vscode|netrc|passwd|mysql_history|pgpass|kube|travis\.yml)\b",
            rb"/\.ht(?:access|passwd)",
        ),
        True,
    ),
    Fact(
        "path.backup_copy",
        "a backup or editor's copy of a file",
        (
            rb"\.(?:bak|old|orig|save|swp|swo|sql|dump|mdb|backup|copy)(?:~|$|\?|%00|\x00|;)",
            rb"\.\w{2,5}~$|/[\w-]*~$",
            rb"\bdump\.sql|\bbackup\.(?:zip|tar|sql|tgz|gz|rar)",
        ),
    ),
    Fact(
        "path.app_secret",
        "a settings or log file of an application",
        (
            rb"\bwp-config(?:\.|-|\b)",
            rb"\b(?:config|configuration|database|settings|secrets|credentials|parameters|application|db|connect|conn|dbconnect|localsettings|local_settings)\.(?:inc|ya?ml|properties|ini|xml|py|bak|sql|yml|php|cfg|conf)(?:\b|%00|\x00)",
            rb"[/\\][\w.-]*\.(?:inc|log|tmp|conf|cfg|cnf|ini|pwd|pem|key|pfx|p12|kdbx)(?:~|$|\?|%00|\x00|;)",
            rb"\b(?:composer|package-lock|yarn)\.(?:lock|json)\b|\bid_rsa\b|\bdocker-compose\.ya?ml",
            rb"\b(?:error_log|access_log|access\.log|error\.log)$",
        ),
    ),
    Fact(
        "path.cut_name",
        "a file name with a null byte or a stream behind it, which makes programs read another name",
        (
            rb"^[\w./\\:-]{1,80}(?:\x00|%00)[\s%;.]{0,12}\.\w{2,5}$",
            rb"^[\w./\\-]{1,80}\.(?:php\d?|html?|jspx?|aspx?|cgi|pl|inc|txt|conf|ini|cfg|log|xml|png|jpe?g|gif)(?:\x00|%00)",
            rb"^[\w./\\-]{1,80}::\$(?:data|index_allocation)",
        ),
        True,
    ),
    Fact("path.null_byte", "a null byte that cuts the path off", (rb"\x00", rb"%00", rb"\\0(?:$|\.)|\\x00|%2500")),
    Fact(
        "path.wrapper",
        "a stream wrapper of PHP or another loader",
        (
            rb"\b(?:php|zip|phar|zlib|bzip2|expect|glob|ogg|rar|ssh2(?:\.\w+)?|compress\.\w+|netdoc|jar|dict|gopher|ldaps?|tftp|sftp)\s*:\s*//[\w./%-]",
            rb"\bphp://?(?:filter|input|memory|temp|output|fd|stdin)",
            rb"convert\.(?:base64|iconv|quoted)|string\.rot13|zlib\.(?:in|de)flate",
            rb"^\s*data:(?:text/plain|text/html|application/x-httpd-php)?(?:;charset=[\w-]+)?(?:;base64)?,\s*<\?",
            rb"^\s*data://",
            rb"^\s*data:(?:text/plain|application/x-httpd-php)?;base64,PD",
            rb"\bexpect://|\bphar://|^\s*(?:classpath|resource)\*?:",
        ),
        True,
    ),
    Fact(
        "path.file_url",
        "a file: address",
        (
            rb"^\s*(?:url:)?file\s*:\s*/{1,}",
            rb"[\"'=(\s]file\s*:\s*/{2,}[/\w]",
            rb"\bfile\s*:\s*\\{2}|\bfile:%2f",
            rb"^\\\\(?:[\w-]+\.[\w.-]+|[\w.-]+@\w+|[?.])\\[\w$.-]",
            rb"\bnetdoc:/",
        ),
        True,
    ),
    Fact(
        "path.remote_include",
        "an address on another host of a text or include file, which a site has no use for but to run it",
        (
            rb"^\s*(?:https?|ftps?|//):?/{0,2}[\w.:@%\[\]-]{3,100}/[^\s?#<>\"]{0,100}\.(?:txt|pl|py|sh|inc|phtml|dat)\?*(?:[\w=;&,.+]{1,24})?(?:%00|\x00)?$",
            rb"^\s*(?:ht|f)tps?:/{0,2}[^\s/]+/(?:[\w.~-]+/){0,6}(?:shell|cmd|c99|r57|evil|rfi)[\w-]{0,10}\.\w+",
            rb"^\s*ftps?://[\w.:@-]{3,100}/[^\s?#]{0,100}\.(?:php\d?|jsp|aspx?|cgi)\b",
            rb"^\s*(?:https?:)?//\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?/(?:[\w.~-]+/){0,3}[\w.~-]{1,60}\.(?:php\d?|jspx?|aspx?|cgi|pl|py|sh|inc|phtml)(?:$|[?\x00%])",
        ),
        True,
    ),
    Fact(
        "path.remote_script",
        "the address of a script on another host",
        (
            rb"^\s*(?:https?|ftps?)://[\w.:-]{3,100}/[^\s?#<>\"]{0,100}\.(?:php\d?|gif|jpg|png|html?|asp|jsp|cgi)(?:%00|\x00|\?\??)$",
            rb"^(?:https?|ftps?)://[^/\s]+/[^\s?]{0,100}(?:%00|\x00|\?\?)$",
        ),
    ),
    Fact(
        "path.system_folder",
        "the whole value is a file in a folder of the operating system",
        (
            rb"^/+(?:etc|root)/[\w.*/-]{0,80}(?:\x00|%00|\*)?$",
            rb"^/+proc/[\w/]{2,60}$",
            rb"^/usr/[\w./-]{1,80}(?:logs?|conf|cfg|\.pl|\.pdb)(?:\x00|%00)?$",
            rb"^/?(?:var/)?tmp/sess_|^/usr/(?:local/apache\d?|pkgsrc|lib/security)/",
        ),
        True,
    ),
    Fact(
        "path.absolute",
        "an absolute path where a value should be",
        (
            rb"^/(?:etc|proc|var|usr|root|opt|tmp|dev|sys|bin|boot|mnt|srv|lib|private|volumes|apache\d?|windows|winnt|inetpub|nginx|php\d?|xampp|mysql|library|program files)(?:/|$)",
            rb"^[a-z]:[/\\]",
            rb"^\\+\w+",
        ),
    ),
    Fact(
        "path.system_tree",
        "a path below a folder of a Unix system, where a value should be",
        (
            rb"^/(?:etc|proc|var|usr|root|opt|dev|sys|boot|srv|private|volumes|library|system)/[\w.~-]{1,80}/[\w.~/-]{1,160}$",
        ),
        telling=True,
    ),
    Fact(
        "path.windows_tree",
        "a path below a folder of Windows, where a value should be",
        (
            rb"^/?[a-z]:[/\\]{1,3}(?:$|(?:program\s?(?:files|data)|users[/\\]+(?:admin\w*|public|default|all users)|windows|winnt|temp|inetpub|documents|xampp|wamp\w*)(?:[/\\\s(]|$))",
            rb"^%(?:appdata|windir|systemroot|programfiles|programdata|userprofile|systemdrive|temp|tmp|localappdata|public|allusersprofile)%[/\\]",
        ),
        telling=True,
    ),
    Fact(
        "path.odd_name",
        "asks for a script by a name that a server may read as another, or for a program of Windows",
        (
            rb"\.(?:php\d?|phtml|aspx?|jspx?|cgi|pl)(?:[\s.]+|;[^/=]*|[\s.]*::?\$\w+)$",
            rb"/(?:scripts|cgi-\w{1,8}|cgi|bin|exe|win)/(?:[\w.-]+/){0,4}[\w-]+\.(?:exe|bat|cmd|com|dll)(?:$|[?/])",
            rb":\$\w+(?::\$\w+)?$|/(?:[c-e]|admin|ipc)\$/|/(?:con|aux|nul|prn|com\d|lpt\d)\.\w{1,8}$",
            rb"^//[\w-]+(?:\.[\w-]+){0,5}\.(?:com|net|org|io|test|example|ru|cn|de|uk|info|biz|xyz|me|site)(?:$|[/?#:])",
            rb"\.\w{0,4}%(?:4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a])[\w%]{0,8}$",
        ),
        telling=True,
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
            rb"\.(?:jsp|css|gif|jpg)/[^/]{0,60}\.(?:old|bak|jsp|inc|java)|/\.(?:jsp|asp|php|java)$",
        ),
    ),
    Fact("path.script_upload", "an uploaded file's name has an extension that runs on a server", (), True),
)

_SCRIPT_NAME = re.compile(
    rb"\.(?:php\d?|phtml|phar|phps|pht|pgif|shtml|aspx?|ashx|asmx|asa|cer|cshtml|soap|jspx?|jspf|jsw|jsv|cfml?|cfc|htaccess|user\.ini|war)"
    rb"\.?(?:\x00|%00|;|$|[\s.]*(?:\.|%20|/|:))|\.(?:htaccess|user\.ini)$|web\.config$",
    re.IGNORECASE,
)


def is_script_name(name: bytes) -> bool:
    """Tell whether a file name, or the part of it that a server goes by, has the extension of a server's program."""
    return _SCRIPT_NAME.search(name) is not None
