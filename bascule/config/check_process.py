"""Checks of what concerns the whole program: listeners, accounts, the admin interface, the access log."""

from __future__ import annotations

import grp
import ipaddress
import pwd

from bascule.config.check_pools import MIN_SECRET
from bascule.config.check_tls import check_authority, check_pair
from bascule.config.errors import KeyPath, suggest
from bascule.config.explain import missing_hint
from bascule.config.findings import Findings
from bascule.config.observe import LOG_FIELDS
from bascule.config.schema import Config, Listener
from bascule.config.tls import ClientAuth


def check_listeners(findings: Findings, config: Config) -> None:
    """Check where is listened, and that there is somebody to listen for."""
    seen: dict[str, KeyPath] = {}
    _check_needed(findings, config)
    secure_sites = [name for name, site in config.sites.items() if site.tls is not None]
    forward = () if config.forward is None else config.forward.listen
    places: list[tuple[KeyPath, Listener]] = [
        *((("listen", index), listener) for index, listener in enumerate(config.listen)),
        *((("forward", "listen", index), listener) for index, listener in enumerate(forward)),
    ]
    for path, listener in places:
        address = listener.address
        if (address.port or address.path) and seen.setdefault(str(address), path) != path:
            findings.error(path, f"{address} is listened on twice")
        if listener.tls is not None:
            if listener.tls.client_auth is not None:
                _check_client_auth(findings, path, listener.tls.client_auth)
            if listener.tls.public_port and path[0] == "forward":
                findings.error((*path, "tls", "public_port"), "nobody is sent to the forward proxy: leave this out")
            for number, pair in enumerate(listener.tls.certificates):
                check_pair(findings, (*path, "tls", "certificates", number), pair.cert, pair.key, ())
            if not listener.tls.certificates and (not secure_sites or path[0] == "forward"):
                findings.error(
                    path,
                    f"{address} is a TLS listener, and there is no certificate",
                    "give it tls: {certificates: [{cert: FILE, key: FILE}]}, or write http:// before the address"
                    if path[0] == "forward"
                    else "give a site tls: {cert: FILE, key: FILE}, or write http:// before the address",
                )
    if not any(listener.tls is not None for listener in config.listen):
        for name in secure_sites:
            findings.warn(
                ("sites", name, "tls"), "no listener has TLS, so this is never used", 'listen: ["0.0.0.0:443"]'
            )
    for index, network in enumerate(config.trusted_proxies):
        if network.prefixlen == 0:
            findings.warn(("trusted_proxies", index), "everybody is trusted, so everybody can forge a client address")


def _check_client_auth(findings: Findings, path: KeyPath, auth: ClientAuth) -> None:
    """Client certificates of a listener are those of the forward proxy's clients."""
    place: KeyPath = (*path, "tls", "client_auth")
    if path[0] != "forward":
        findings.error(place, "the sites ask for client certificates", "write sites: {HOST: {tls: {client_auth: ...}}}")
    check_authority(findings, (*place, "ca"), auth.ca)
    if "forward" in auth.model_fields_set:
        findings.error((*place, "forward"), "servers are not told who uses the forward proxy")


def _check_needed(findings: Findings, config: Config) -> None:
    """Sites need listeners and listeners sites; a forward proxy needs neither."""
    if not config.listen and (config.sites or config.forward is None):
        findings.error(("listen",), "the key `listen` is missing", missing_hint("listen"))
    elif config.listen and not config.sites:
        findings.error(("sites",), "the key `sites` is missing", missing_hint("sites"))


def check_process(findings: Findings, config: Config) -> None:
    """Check accounts, the admin interface and the access log."""
    admin = config.admin
    if admin.listen is not None and not admin.token and not _is_local(admin.listen.host, admin.listen.path):
        findings.error(
            ("admin", "listen"), f"{admin.listen} can be reached from elsewhere, and there is no `token`",
            "listen on 127.0.0.1, or give a token such as ${env:BASCULE_ADMIN_TOKEN}",
        )  # fmt: skip
    if admin.token and len(admin.token) < MIN_SECRET:
        findings.error(("admin", "token"), f"the token is shorter than {MIN_SECRET} characters")
    if config.user and not _exists(pwd.getpwnam, config.user):
        findings.error(("user",), f"there is no user {config.user!r} on this machine")
    if config.group and not _exists(grp.getgrnam, config.group):
        findings.error(("group",), f"there is no group {config.group!r} on this machine")
    if config.group and not config.user:
        findings.error(("group",), "`group` is given without `user`")
    log = config.access_log
    for index, name in enumerate(log.fields):
        if name not in LOG_FIELDS:
            hint = "; ".join(part for part in (suggest(name, LOG_FIELDS), f"fields: {', '.join(LOG_FIELDS)}") if part)
            findings.error(("access_log", "fields", index), f"there is no field {name!r}", hint)


def _exists(look_up: object, name: str) -> bool:
    assert callable(look_up)
    try:
        look_up(name)
    except (KeyError, ValueError):
        return False
    return True


def _is_local(host: str, path: str) -> bool:
    try:
        return bool(path) or host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
