"""A Kerberos KDC on loopback: users anna and ben of EXAMPLE.TEST, and OTHER.TEST beside it; a keytab for HTTP/localhost."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.program import PATIENCE, wait_for
from tests.support.programs import require_program

REALM = "EXAMPLE.TEST"
SERVICE = f"HTTP/localhost@{REALM}"
_CLIENT = """
[libdefaults]
 default_realm = {realm}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 default_ccache_name = FILE:{folder}/ccache
[realms]
 {realm} = {{
  kdc = 127.0.0.1:{port}
 }}
[domain_realm]
 localhost = {realm}
"""
_KDC = """
[kdcdefaults]
 kdc_listen = 127.0.0.1:{port}
 kdc_tcp_listen = 127.0.0.1:{port}
[realms]
 {realm} = {{
  database_name = {folder}/principal
  key_stash_file = {folder}/stash
 }}
[logging]
 kdc = FILE:{folder}/kdc.log
"""


@dataclass(frozen=True)
class Kdc:
    """A running KDC."""

    folder: Path
    environ: dict[str, str]
    keytab: str

    def login(self, user: str, password: str) -> dict[str, str]:
        """Get a ticket; return the environment in which programs have it."""
        environ = {**self.environ, "KRB5CCNAME": f"FILE:{self.folder}/{user}.ccache"}
        kinit = require_program("kinit", "krb5-user")
        subprocess.run(
            (kinit, user), input=password, text=True, check=True, env=environ, timeout=60, capture_output=True
        )
        return environ


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def kdc() -> Iterator[Kdc]:
    """Run one."""
    krb5kdc, util = require_program("krb5kdc", "krb5-kdc"), require_program("kdb5_util", "krb5-kdc")
    kadmin = require_program("kadmin.local", "krb5-admin-server")
    with tempfile.TemporaryDirectory(prefix="kdc-") as name:
        folder, port = Path(name), _free_port()
        for file, text in (("krb5.conf", _CLIENT), ("kdc.conf", _KDC)):
            (folder / file).write_text(text.format(realm=REALM, folder=folder, port=port))
        environ = {
            **os.environ,
            "KRB5_CONFIG": str(folder / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(folder / "kdc.conf"),
            "KRB5RCACHEDIR": str(folder),
        }
        keytab = str(folder / "http.keytab")

        def run(*argv: str) -> None:
            subprocess.run(argv, check=True, env=environ, timeout=60, capture_output=True)

        run(util, "create", "-s", "-r", REALM, "-P", "master")
        for user in ("anna", "ben"):
            run(kadmin, "-q", f'addprinc -pw "{user}s secret" {user}')
        run(kadmin, "-q", f"addprinc -randkey {SERVICE}")
        run(kadmin, "-q", f"ktadd -k {keytab} {SERVICE}")
        process = subprocess.Popen((krb5kdc, "-n"), env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: _answers(port), "the KDC")
            yield Kdc(folder, environ, keytab)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
