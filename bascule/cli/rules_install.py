"""Unpack a rule set's release: nothing but its rules, and only what was asked for."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath

from bascule.waf.engine import WafSettings, load_rules

MAX_ARCHIVE = 64 << 20
MAX_FILE = 16 << 20
MAX_FILES = 4_096
MAX_TOTAL = 256 << 20
TIMEOUT = 60.0
"""Bytes and files a release may have, seconds a download may take: CRS 4 is 1 MB with 400 files."""

_WANTED = re.compile(
    r"crs-setup\.conf(\.example)?|LICENSE|rules/[\w.-]+\.(conf(\.example)?|data)|plugins/[\w.-]+\.(conf|data)"
)


class InstallError(Exception):
    """The release cannot be installed; the message says why and what to do."""


def install(source: str, sha256: str, to: Path) -> int:
    """Install the release at `source` into `to`, which must not exist. Returns the number of files.

    Raises:
        InstallError: it cannot be read, is not what the hash says, or holds no rules.
        WafLoadError: its rules do not load.
    """
    if to.exists():
        raise InstallError(f"{to} is there already; name a new folder, and switch over to it when it is in place")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise InstallError("--sha256 takes 64 hexadecimal digits, as the release's page shows them")
    content = _read(source)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256.lower():
        raise InstallError(
            f"the SHA-256 of {source} is {found}, not {sha256.lower()}: it is damaged or not what you expect"
        )
    to.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
    try:
        files = _unpack(content, place)
        load_rules(WafSettings(crs_dir=place))
        place.chmod(0o755)
        os.rename(place, to)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return files


def _read(source: str) -> bytes:
    try:
        if source.startswith("https://"):
            with urllib.request.urlopen(source, timeout=TIMEOUT) as answer:  # noqa: S310 - https alone
                content: bytes = answer.read(MAX_ARCHIVE + 1)
        elif "://" in source:
            raise InstallError(f"{source}: only https URLs and files can be installed from")
        else:
            with open(source, "rb") as file:
                content = file.read(MAX_ARCHIVE + 1)
    except (OSError, urllib.error.URLError) as error:
        raise InstallError(f"{source} cannot be read: {error}") from None
    if len(content) > MAX_ARCHIVE:
        raise InstallError(f"{source} is larger than {MAX_ARCHIVE >> 20} MiB; that is no rule set")
    return content


def _unpack(content: bytes, place: Path) -> int:
    """Write the rule set's own files below `place`; links, devices and all else in the archive are left out."""
    files = total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for count, member in enumerate(archive):
                if count >= MAX_FILES:
                    raise InstallError(f"the archive has more than {MAX_FILES} members; that is no rule set")
                name = "/".join(PurePosixPath(member.name).parts[1:])
                if not member.isfile() or not _WANTED.fullmatch(name):
                    continue
                total += member.size
                if total > MAX_TOTAL:
                    raise InstallError(f"the archive unpacks to more than {MAX_TOTAL >> 20} MiB; that is no rule set")
                if member.size > MAX_FILE:
                    raise InstallError(f"{name} is larger than {MAX_FILE >> 20} MiB; that is no rule file")
                reader = archive.extractfile(member)
                assert reader is not None
                path = place / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(reader.read())
                files += 1
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InstallError(f"the archive cannot be unpacked: {error}") from None
    if not files:
        raise InstallError("the archive holds no rule set (crs-setup.conf.example and rules/ below one folder)")
    return files
