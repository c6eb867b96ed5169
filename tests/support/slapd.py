"""slapd on loopback, with TLS: users anna and ben below ou=people, a group students, and who searches."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.certs import Authority
from tests.support.program import PATIENCE, wait_for
from tests.support.programs import require_program

BASE = "dc=example,dc=com"
SEARCHER = f"cn=searcher,{BASE}"
_CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile {ca}
TLSCertificateFile {cert}
TLSCertificateKeyFile {key}
database mdb
suffix "dc=example,dc=com"
directory {folder}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.base="cn=searcher,dc=example,dc=com" read by users search by anonymous auth
"""
_ENTRIES = """
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: cn=searcher,dc=example,dc=com
objectClass: person
cn: searcher
sn: searcher
userPassword: looks around

dn: uid=anna,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: anna
cn: Anna
sn: A
userPassword: annas secret

dn: uid=ben,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: ben
cn: Ben
sn: B
userPassword: bens secret

dn: cn=students,dc=example,dc=com
objectClass: groupOfNames
cn: students
member: uid=anna,ou=people,dc=example,dc=com
"""


@dataclass
class Slapd:
    """Where it listens, whom to trust, and its process."""

    plain: str
    secure: str
    ca: str
    process: subprocess.Popen[bytes]

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Let it take connections, but say nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def slapd() -> Iterator[Slapd]:
    """Run it."""
    program, add = require_program("slapd"), require_program("slapadd", "slapd")
    folder = Path(tempfile.mkdtemp(prefix="l-"))
    (folder / "db").mkdir()
    authority = Authority(folder)
    pair = authority.issue("127.0.0.1")
    config = folder / "slapd.conf"
    config.write_text(_CONFIG.format(folder=folder, ca=authority.path, cert=pair.cert, key=pair.key))
    subprocess.run([add, "-f", str(config)], input=_ENTRIES.encode(), check=True, capture_output=True, cwd=folder)
    with contextlib.ExitStack() as free:
        ports = [free.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(2)]
    plain, secure = f"ldap://127.0.0.1:{ports[0]}", f"ldaps://127.0.0.1:{ports[1]}"
    errors = (folder / "errors").open("wb")
    process = subprocess.Popen(
        [program, "-d", "0", "-f", str(config), "-h", f"{plain} {secure}"], cwd=folder, stderr=errors
    )

    def accepts() -> bool:
        assert process.poll() is None, (folder / "errors").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ports[1]), 1):
            return True
        return False

    try:
        wait_for(accepts, "slapd")
        yield Slapd(plain, secure, authority.path, process)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        errors.close()
        shutil.rmtree(folder, ignore_errors=True)
