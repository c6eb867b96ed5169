"""Checks of who may use the forward proxy: files, directory, certificates."""

from __future__ import annotations

import importlib.util
import os
from urllib.parse import urlsplit

from bascule.config.auth import KERBEROS_EXTRA, Auth, Kerberos, Ldap, Portal
from bascule.config.check_tls import check_authority
from bascule.config.errors import KeyPath
from bascule.config.findings import Findings
from bascule.config.grammar import host_of_url
from bascule.config.schema import Forward

_NEAR = ("localhost", "127.0.0.1", "::1")


def check_auth(findings: Findings, path: KeyPath, auth: Auth, forward: Forward) -> None:
    """Check what says who asks."""
    if not auth.asks and not auth.addresses and not auth.certificates:
        findings.error(
            path, "nothing says who anybody is: give users, digest, ldap, kerberos, portal, certificates or addresses"
        )
    if auth.required and not auth.asks and not auth.certificates:
        findings.warn(path, "only clients in `addresses` can use the proxy", "required: false lets others in")
    if any(char in auth.realm for char in '"\\') or not auth.realm.isprintable():
        findings.error((*path, "realm"), "a realm holds no quotes, backslashes or control characters")
    asked = any(listener.tls is not None and listener.tls.client_auth is not None for listener in forward.listen)
    if auth.certificates and not asked:
        findings.error(
            (*path, "certificates"), "no listener asks for client certificates",
            "give one tls: {certificates: [...], client_auth: {ca: FILE, mode: optional}}",
        )  # fmt: skip
    if auth.users:
        _check_file(findings, (*path, "users"), auth.users, "htpasswd -cB")
    if auth.digest:
        _check_digests(findings, (*path, "digest"), auth)
    if auth.kerberos is not None:
        _check_kerberos(findings, (*path, "kerberos"), auth.kerberos)
    if auth.ldap is not None:
        _check_ldap(findings, (*path, "ldap"), auth.ldap)
    if auth.portal is not None:
        _check_portal(findings, (*path, "portal"), auth.portal, forward)


def _lines(findings: Findings, path: KeyPath, file: str, program: str) -> list[tuple[int, str]]:
    """Return the lines of a file that say something, with their numbers."""
    try:
        with open(file, encoding="utf-8") as stream:
            lines = stream.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        findings.error(path, f"{file} cannot be read: {reason}", f"make one with {program}")
        return []
    findings.files.append(file)
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]


def _check_file(findings: Findings, path: KeyPath, file: str, program: str) -> None:
    for number, line in _lines(findings, path, file, program):
        if not _is_hashed(line):
            findings.error(
                path,
                f"{file}:{number}: this is not a name, a colon and a hash that is safe to keep",
                "bcrypt (htpasswd -B), argon2, SHA-crypt, apr1 and {SHA} are known; plain text and DES crypt are not",
            )


def _is_hashed(line: str) -> bool:
    name, colon, digest = line.partition(":")
    return bool(name and colon) and digest.startswith(
        ("$2a$", "$2b$", "$2y$", "$argon2", "$apr1$", "$5$", "$6$", "{SHA}")
    )


def _check_digests(findings: Findings, path: KeyPath, auth: Auth) -> None:
    lines = _lines(findings, path, auth.digest, "htdigest -c")
    realms = set()
    lengths: dict[str, set[int]] = {}
    for number, line in lines:
        name, _, rest = line.strip().partition(":")
        realm, _, digest = rest.rpartition(":")
        realms.add(realm)
        if realm == auth.realm:
            lengths.setdefault(name, set()).add(len(digest))
        if not name or len(digest) not in (32, 64) or set(digest.lower()) - set("0123456789abcdef"):
            findings.error(path, f"{auth.digest}:{number}: this is not name:realm:digest, of 32 or 64 digits")
    if lengths and not set.intersection(*lengths.values()):
        findings.error(
            path,
            f"some users of {auth.digest} have SHA-256 digests only, and others MD5 only",
            "give all of them one kind, or both: a client cannot know which of them its user has",
        )
    if lines and auth.realm not in realms:
        findings.error(
            path, f"no line of {auth.digest} is of the realm {auth.realm!r}", f"realm: {sorted(realms)[0] or 'Bascule'}"
        )


def _check_kerberos(findings: Findings, path: KeyPath, kerberos: Kerberos) -> None:
    if importlib.util.find_spec("gssapi") is None:
        findings.error(path, "this takes an extra that is not installed", KERBEROS_EXTRA)
    try:
        mode = os.stat(kerberos.keytab).st_mode
    except OSError as error:
        findings.error(
            (*path, "keytab"), f"{kerberos.keytab} cannot be read: {error.strerror}", "kadmin: ktadd -k FILE HTTP/PROXY"
        )
    else:
        if mode & 0o007:
            findings.warn((*path, "keytab"), f"anybody may read {kerberos.keytab}", f"chmod 640 {kerberos.keytab}")
        findings.files.append(kerberos.keytab)
    if kerberos.realm != kerberos.realm.upper() or not kerberos.realm:
        findings.warn((*path, "realm"), f"realms are written in capitals, and {kerberos.realm!r} is not")


def _check_ldap(findings: Findings, path: KeyPath, ldap: Ldap) -> None:
    from bascule.config.ldap_text import dn_fault, filter_fault  # slow to import, and rarely needed

    for index, url in enumerate(ldap.servers):
        place: KeyPath = (*path, "servers", index)
        host = host_of_url(url)
        parts = urlsplit(url if host else "")
        if parts.scheme not in ("ldap", "ldaps") or parts.path.strip("/") or parts.username:
            findings.error(
                place, f"{url!r} is not a server such as ldaps://dc.example.com or ldap://dc.example.com:389"
            )
        elif parts.scheme == "ldaps" and ldap.start_tls:
            findings.error(place, "ldaps:// is TLS from the start", "leave `start_tls` out, or write ldap://")
        elif parts.scheme == "ldap" and not ldap.start_tls and host not in _NEAR:
            findings.warn(place, "passwords travel in the clear", "write ldaps://, or start_tls: true")
    if ldap.ca:
        check_authority(findings, (*path, "ca"), ldap.ca)
    for key in ("filter", "group_filter"):
        if (text := getattr(ldap, key)) and (fault := filter_fault(text)):
            findings.error((*path, key), fault)
    if "{user}" not in ldap.filter and not ldap.user_dn:
        findings.error((*path, "filter"), "the filter names no {user}: everybody would be the same one")
    if ldap.user_dn and "{user}" not in ldap.user_dn:
        findings.error((*path, "user_dn"), "the name holds no {user}: everybody would be the same one")
    for key in ("base", "group_base", "bind_dn", "user_dn"):
        if (text := getattr(ldap, key)) and (fault := dn_fault(text.replace("{user}", "x"))):
            findings.error((*path, key), fault)


def _check_portal(findings: Findings, path: KeyPath, portal: Portal, forward: Forward) -> None:
    for key, example in (("issuer", "https://login.example.com"), ("url", "http://proxy.example.com:3128")):
        url = getattr(portal, key)
        host, parts = host_of_url(url), urlsplit(url if host_of_url(url) else "")
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or parts.username:
            findings.error((*path, key), f"{url!r} is not a URL such as {example}")
        elif key == "issuer" and parts.scheme == "http" and host not in _NEAR:
            findings.error((*path, key), "what the provider says could be forged on the way", f"https://{host}")
        elif key == "url" and parts.path.strip("/"):
            findings.error((*path, key), "the portal has paths of its own", f"{parts.scheme}://{parts.netloc}")
        elif key == "url" and parts.scheme == "http" and host not in _NEAR:
            findings.warn((*path, key), "who listens can see people sign in", "give a listener tls, and write https://")
    if not portal.client_id:
        findings.error((*path, "client_id"), "the provider knows no client without a name")
    for key in ("user", "groups"):
        if not getattr(portal, key) and key in portal.model_fields_set:
            findings.error((*path, key), "a claim has a name", f"leave `{key}` out")
    if "openid" not in portal.scopes:
        findings.error((*path, "scopes"), "without `openid` the provider does not say who signed in", "[openid, email]")
    if all(listener.transparent != "off" for listener in forward.listen):
        findings.error((*path, "url"), "no listener serves it: all are transparent", 'listen: ["0.0.0.0:3128"]')
    if portal.ca:
        check_authority(findings, (*path, "ca"), portal.ca)
