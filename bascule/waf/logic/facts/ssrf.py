"""Addresses a server should not be made to fetch."""

from __future__ import annotations

from .fact import Fact

_START = rb"(?:[/\\]{2}|[/\\]{2}[\w.:%-]{1,40}@)"

FACTS = (
    Fact(
        "ssrf.loopback",
        "an address of this very host, in any spelling",
        (
            _START
            + rb"(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|127\.0?\.?1|127\.1|localhost|0\.0\.0\.0|0|\[?(?:0{0,4}:){1,7}0{0,3}1\]?|\[::\]|\[::ffff:[\w.:]+\]|localtest\.me|[\w.-]+\.(?:nip\.io|sslip\.io|xip\.io|localtest\.me|lvh\.me|localhost)|spoofed\.burpcollaborator\.net)(?:[:/?#\"'\s,)\\]|$)",
            rb"^\s*(?:localhost|127\.0\.0\.1|\[::1?\])(?::\d+)?(?:/|$)",
        ),
    ),
    Fact(
        "ssrf.odd_number_address",
        "an address as one number, in octal or hexadecimal",
        (
            _START
            + rb"(?:0x[0-9a-f]{1,10}(?:\.0x[0-9a-f]+)*|0[0-7]{1,11}(?:\.[0-9a-fx]+){0,3}|\d{8,10}|\d{1,3}\.\d{4,8}|\d{1,3}\.\d{1,3}\.\d{4,5}|\d{3,4}\.\d{3,4}\.\d{3,4}\.\d{3,4})(?:[:/?#\"'\s]|$)",
            rb"https?:(?:0x|0)[0-9a-f.]{4,}",
            _START + rb"(?:\xe2\x91|\xe2\x93|\xe3\x8e)",
        ),
    ),
    Fact(
        "ssrf.private_network",
        "an address of a private network",
        (
            _START
            + rb"(?:10\.\d{1,3}\.\d{1,3}\.\d{1,3}|192\.168\.\d{1,3}\.\d{1,3}|172\.(?:1[6-9]|2\d|3[01])\.\d{1,3}\.\d{1,3}|169\.254\.\d{1,3}\.\d{1,3}|\[f[cd][0-9a-f]{2}:|\[fe80:)",
            _START + rb"[\w-]+(?:\.[\w-]+)*\.(?:internal|local|intranet|corp|lan|svc|cluster\.local)(?:[:/?\"'\s]|$)",
        ),
    ),
    Fact(
        "ssrf.cloud_metadata",
        "the metadata service of a cloud",
        (
            rb"169\.254\.169\.254|169\.254\.170\.2|100\.100\.100\.200|fd00:ec2::254|192\.0\.0\.192",
            rb"metadata\.(?:google|azure|packet|tencentyun|nicv6)|metadata\.internal|instance-data\b",
            rb"/latest/(?:meta-data|user-data|dynamic)|computemetadata|/metadata/(?:v1|instance)|/opc/v\d|/openstack/latest|metadata\.json|/hetzner/v1",
            rb"2852039166|0xa9fea9fe|0251\.0376\.0251\.0376",
        ),
    ),
    Fact(
        "ssrf.odd_scheme",
        "a scheme with which servers are made to speak other protocols",
        (
            rb"\b(?:gopher|dict|ldaps?|tftp|sftp|netdoc|jar|rmi|smb|nfs|imap|pop3|rtsp|ws|wss|redis|mysql|ssh|telnet|ipp|ldapi|svn\+ssh)\s*:\s*//",
            rb"\bjar:(?:https?|file)|\burl:(?:https?|file)|service:jmx",
            rb"_%2a\d|%0d%0a(?:set|config|slaveof|flushall|auth)",
        ),
    ),
    Fact(
        "ssrf.callback_host",
        "a host name made to report back",
        (
            rb"\b(?:oast|oastify|burpcollaborator|interact|interactsh|dnslog|ceye|requestbin|webhook|canarytokens|ngrok|pipedream|bxss|xss|ezxss|dnsbin|requestrepo|beeceptor|hookbin|vps|attacker|evil|hacker|malicious)\b[\w-]*\.(?:\w{2,10}\.)?(?:example|com|net|pro|live|site|online|fun|me|sh|cn|io|org|in|ht|tld|local)\b",
        ),
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
            rb"https?:[/\\]{1,3}[\w.:-]+@[\w.\[]",
            rb"https?:[/\\]{1,3}[^/\s?#]{1,80}(?:\\|%5c)[@\w]",
            rb"https?://[^/\s]{1,80}#@|https?://[^/\s]{1,60}\s&@",
            rb"https?://[\w.-]+:\d+:\d+",
            rb"https?:///+\w",
        ),
    ),
)
