"""Addresses a server should not be made to fetch."""

from __future__ import annotations

from .fact import Fact

_SCHEME = rb"^[\s\"'<]*(?:url[:=]\s*)?(?:https?:[/\\]{0,4}|[a-z][a-z0-9+.-]{1,12}:[/\\]{2,4}|[/\\]{2,4})(?:[\w.:%~!$&*+,;=-]{0,60}@)?"
"""A value that is an address from its beginning on: where an address stands among other words, nobody fetches it."""
_ANY = rb"\b(?:https?|ftps?|gopher|dict|ldaps?|sftp|tftp|wss?|jar:\w+):[/\\]{2,}(?:[\w.:%-]{1,60}@)?"
_HTTP = rb"^\s*https?:[/\\]{2}(?:[\w.:%-]{1,60}@)?"
_SERVICES = (
    rb"(?:2[0-35]|22|37|53|69|79|110|111|11[39]|135|139|143|161|179|389|445|465|51[2-5]|587|636|873|99[035]|1433|1521|2049"
    rb"|237[569]|2379|3306|3389|5432|5984|5985|6379|8500|9042|9200|9300|10250|11211|2701[7-9])"
)
"""Ports of mail, files, logins and directories (Fetch Standard, 2.9: bad ports), of databases and of what runs containers."""
_END = rb"(?:[:/?#\"'\s,)\\!&;>\x00]|%23|%2f|%00|$)"
_DECIMAL = rb"(?:21307064\d\d|323223\d{4}|323\d{7}|167\d{6,7}|288\d{7}|2852039166|28520\d{5}|303\d{7})"

FACTS = (
    Fact(
        "ssrf.loopback",
        "an address of this very host, in any spelling",
        (
            _SCHEME
            + rb"(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|127\.0?\.?1|127\.1|localhost|0\.0\.0\.0|0|\[(?:0{0,4}:){1,7}0{0,3}1\]|\[::\]|\[[0:]*:ffff:[\w.:]+\]|localtest\.me|[\w.-]+\.(?:nip\.io|sslip\.io|xip\.io|localtest\.me|lvh\.me|localhost|vcap\.me)|spoofed\.burpcollaborator\.net|localhost\.localdomain|ip6-localhost|ip6-loopback|loopback|localhost\.|lvh\.me|\[::1(?:%25?|%2525)\w{1,8}\])"
            + _END,
        ),
        True,
    ),
    Fact(
        "ssrf.loopback_name",
        "this very host by its name or number, where a value should be",
        (
            rb"^\s*(?:localhost|127\.0\.0\.1|\[::1?\]|0\.0\.0\.0)(?::\d+)?(?:/|$)",
            _ANY + rb"(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|0\.0\.0\.0)" + _END,
            rb"^(?:0{1,4}:){5,7}(?:ffff:)?7f00:?0*1$",
        ),
    ),
    Fact(
        "ssrf.odd_number_address",
        "an address as one number, in octal or hexadecimal",
        (
            _SCHEME
            + rb"(?:0x[0-9a-f]{1,10}(?:\.0x[0-9a-f]+|\.\d+)*|0[0-7]{1,11}(?:\.[0-9a-fx]+){1,3}|0[0-7]{9,12}|"
            + _DECIMAL
            + rb"|\d{8,10}|\d{1,3}\.\d{4,8}|\d{1,3}\.\d{1,3}\.\d{4,5}|\d{3,4}\.\d{3,4}\.\d{3,4}\.\d{3,4}|(?:0x[0-9a-f]+|0\d+|\d+)\.(?:0x[0-9a-f]+|0\d{2,})(?:\.\w+){0,2})"
            + _END,
            _SCHEME + rb"\d{1,3}(?:\xe3\x80\x82|\xef\xbc\x8e|\xef\xbd\xa1)\d",  # full stops that IDNA takes for dots
            _SCHEME + rb"(?:\w{0,20}\.?)(?:\xe2\x91|\xe2\x92|\xe2\x93|\xe3\x8e|\xf0\x9d\x9f)",
        ),
        True,
    ),
    Fact(
        "ssrf.private_network",
        "an address of a private network",
        (
            _SCHEME
            + rb"(?:10\.\d{1,3}\.\d{1,3}\.\d{1,3}|192\.168\.\d{1,3}\.\d{1,3}|172\.(?:1[6-9]|2\d|3[01])\.\d{1,3}\.\d{1,3}|169\.254\.\d{1,3}\.\d{1,3}|\[f[cd][0-9a-f]{2}:|\[fe80:)",
            _SCHEME
            + rb"(?:[\w-]+(?:\.[\w-]+)*\.(?:svc|cluster\.local|consul)|host\.docker\.internal|gateway\.docker\.internal|docker\.for\.\w+\.(?:localhost|internal))(?:[:/?\"'\s]|$)",
        ),
        True,
    ),
    Fact(
        "ssrf.private_name",
        "a host with the name of a private network",
        (
            _SCHEME
            + rb"[\w-]+(?:\.[\w-]+)*\.(?:internal|intranet|corp|lan|home|local|localdomain|private|home\.arpa)(?:[:/?\"'\s]|$)",
            rb"^https?://kubernetes\.default(?:[:/?]|$)",
            _SCHEME
            + rb"(?:198\.1[89]\.\d{1,3}\.\d{1,3}|100\.(?:6[4-9]|[79]\d|1[01]\d|12[0-7])\.\d{1,3}\.\d{1,3})(?:[:/?\"'\s]|$)",
        ),
        telling=True,
    ),
    Fact(
        "ssrf.bare_name",
        "an address whose host has no dot in its name, as only those of a private network have",
        (_HTTP + rb"[a-z][\w-]{0,60}(?::\d{1,5})?(?:[/?#]|$)",),
        telling=True,
    ),
    Fact(
        "ssrf.own_number",
        "this very host or one of its network by number alone, with a port or in short",
        (
            rb"^\s*(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|10\.\d{1,3}\.\d{1,3}\.\d{1,3}|192\.168\.\d{1,3}\.\d{1,3}|172\.(?:1[6-9]|2\d|3[01])\.\d{1,3}\.\d{1,3}|127\.\d{1,3}|\[::1?\]|0\.0\.0\.0):\d{1,5}(?:/[^\s]*)?$",
            rb"^\s*(?:127\.0\.0\.1|127\.1|\[::1?\]|0\.0\.0\.0|localhost)(?:/[^\s]*)?$|^::1$",
        ),
        telling=True,
    ),
    Fact(
        "ssrf.service_scheme",
        "a scheme of what is no site, or of a browser's own",
        (
            rb"^\s*(?:smtps?|telnet|imaps?|pop3s?|ssh2|mysql|postgres(?:ql)?|redis|rediss|mongodb(?:\+srv)?|amqps?|memcached?|mqtt|nntp|finger|sip|rsync|vnc|rdp|etcd|cassandra|kafka|nats|unix|http\+unix|view-source|feed|cgi|wyciwyg|local_file):(?:/|file:|https?:)",
        ),
        telling=True,
    ),
    Fact(
        "ssrf.service_port",
        "an address with the port of a service that is no site, most of which browsers refuse to ask",
        (
            _HTTP + rb"(?:[\w.-]{1,80}|\[[\da-f:.]{2,45}\]):" + _SERVICES + rb"(?:[/?#]|$)",
            rb"^\s*(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1?\]|0\.0\.0\.0|0):" + _SERVICES + rb"(?:/|$)",
        ),
        True,
    ),
    Fact(
        "ssrf.cloud_metadata",
        "the metadata service of a cloud",
        (
            rb"169\.254\.169\.254|169\.254\.170\.2\b|100\.100\.100\.200|fd00:ec2::254|192\.0\.0\.192\b",
            rb"\bmetadata\.(?:google|azure|packet|tencentyun|nicv6)\b|^https?://metadata\.goog(?:[:/?]|$)|\bmetadata\.internal|^\w+://(?:instance-data|rancher-metadata)\b",
            rb"/latest/(?:meta-data|user-data|dynamic/instance)|/computemetadata/|/metadata/instance\?|/opc/v\d/|/openstack/latest|/hetzner/v1",
            rb"\b2852039166\b|0xa9fea9fe|0xa9\.0xfe|0251\.0?0?376\.|425\.510\.425\.510|\[::ffff:a9fe:a9fe\]",
        ),
        True,
    ),
    Fact(
        "ssrf.odd_scheme",
        "a scheme with which servers are made to speak other protocols",
        (
            rb"\b(?:gopher|dict|ldaps?|ldapi|tftp|sftp|netdoc|rmi|smb|nfs|ipp|svn\+ssh)\s*:\s*//",
            rb"^\s*(?:view-source|feed|cgi|proxy):(?:file:|\w{2,6}://(?:localhost|127\.|10\.|192\.168\.|169\.254\.|0\.0\.0\.0|\[))|^\s*http\+unix:/",
            rb"\bjar:(?:https?|file|ftp)|\burl:(?:https?|file)|service:jmx",
            rb"\bgopher:|_%2a\d|%0d%0a(?:set|config|slaveof|flushall|auth)\b",
        ),
        True,
    ),
    Fact(
        "ssrf.callback_host",
        "a host of a service that reports who called",
        (
            rb"\b(?:oast|oastify|burpcollaborator|interactsh|interact\.sh|dnslog|ceye|requestbin|canarytokens|pipedream|bxss|ezxss|dnsbin|requestrepo|beeceptor|hookbin|pingb|webhook)\b[\w-]*\.?(?:\w{2,10}\.)?(?:example|com|net|pro|live|site|online|fun|me|sh|cn|io|org|in|ht)\b",
            rb"[/.@](?:interact\.sh|burpcollaborator\.net|webhook\.site|dnslog\.cn|ceye\.io|requestrepo\.com|bxss\.me|r87\.me|pingb\.in|oast\.(?:pro|live|site|online|fun|me))(?:[:/?#\s]|$)",
            rb"\bxss\.(?:ht|report)\b|\bngrok(?:-free)?\.(?:io|app|dev)\b|\bdnslog\.\w{2,4}\b",
        ),
        True,
    ),
    Fact(
        "ssrf.telling_host",
        "a host whose name says what it is for",
        (rb"[/@.](?:attacker|evil|hacker|malicious|vps|burp|xss)[\w-]*\.(?:\w{2,10}\.)?[a-z]{2,7}\b",),
    ),
    Fact(
        "ssrf.attackers_site",
        "an address on a host that is called what attackers call theirs",
        (
            rb"^[\s\x00]*(?:https?:)?[/\\]{2,4}(?:[\w.-]{1,60}\.)?(?:evil|attacker|malicious|hacker|phish\w{0,6}|badguy|bad-?site|evil-?(?:site|domain|host|server|com))\.(?:com|net|org|io|example|test|tld|local|xyz|ru|co|site|me)(?:[:/?#\\%\s]|$)",
            rb"//(?:[\w-]{1,40}\.){0,3}(?:evil|attacker)(?:-?(?:site|domain|host|server))?\.(?:com|net|org|io|example|test|tld|local|xyz|ru)(?:[:/?#\\%\s\"'<>]|$)",
        ),
        True,
    ),
    Fact(
        "ssrf.url_value",
        "the whole value is an address on a host",
        (rb"^\s*(?:https?|ftps?):[/\\]{1,3}[^\s/]", rb"^\s*//[\w.-]+\.[a-z]{2,}"),
    ),
    Fact(
        "ssrf.user_in_url",
        "an address with a user part or a backslash that misleads about the host",
        (
            rb"^\s*https?:[/\\]{1,3}[\w-]*[.:][\w.:-]*@[\w.\[]",  # a key alone is how Sentry's clients write where they report
            rb"^\s*(?:https?:[/\\]{1,3}|//)[^/\s?#\\]{1,80}(?:\\|%5c)[@\w]",
            rb"^\s*https?://[^/\s]{1,80}#@|^\s*https?://[^/\s]{1,60}\s&@",
            rb"^\s*https?://[\w.-]+:\d+:\d+",
            rb"^\s*https?:///+\w",
        ),
        True,
    ),
)
