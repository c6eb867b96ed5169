"""What every proxy under test has: a program, a version, a configuration for one site, a command."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, as PEM files."""

    chain: Path
    key: Path
    both: Path
    """Chain and key in one file, as HAProxy reads it."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a proxy is asked to be: one listener on 127.0.0.1 in front of one origin on 127.0.0.1."""

    listen: int
    origin: int
    folder: Path
    """The proxy's own empty folder, for its configuration and its access log."""
    workers: int = 1
    certificate: Certificate | None = None
    """TLS in front when given."""
    crs: Path | None = None
    """The OWASP CRS folder (`crs-setup.conf.example` and `rules/`) for peers with a WAF."""


class Peer(ABC):
    """One proxy. To add one, write its file beside this one and list it in `peers/__init__.py`."""

    name: ClassVar[str]
    install: ClassVar[str]
    """What to type where it is absent."""
    inspects: ClassVar[bool] = False
    """Whether it has a WAF that blocks, and so must refuse an attack before its speed is worth a number."""
    version_pattern: ClassVar[str] = r"(\d+(?:\.\d+)+\w*)"

    @abstractmethod
    def program(self) -> Path | None:
        """Return the program's path, None where it is not installed."""

    @abstractmethod
    def version_command(self) -> Sequence[str]:
        """Return the arguments that make the program print its version."""

    @abstractmethod
    def files(self, site: Site) -> Mapping[str, str]:
        """Return the configuration: file name in the site's folder -> text."""

    @abstractmethod
    def arguments(self, site: Site) -> Sequence[str]:
        """Return the arguments that run the proxy in the foreground with those files."""

    def environment(self, site: Site) -> Mapping[str, str]:
        """Return environment variables to add."""
        return {}

    def version(self) -> str:
        """Return the installed version, `?` where the program does not tell it."""
        program = self.program()
        if program is None:
            return "absent"
        try:
            done = subprocess.run(
                [str(program), *self.version_command()],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=20,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return "?"
        return parse_version(done.stdout.decode(errors="replace"), self.version_pattern)


def parse_version(text: str, pattern: str) -> str:
    """Return what the pattern's group finds first in what a program says about its version, else `?`."""
    found = re.search(pattern, text)
    return found[1] if found else "?"


def find_program(name: str) -> Path | None:
    """Return the program `name` of this Python environment, else of PATH (and the system's sbin folders)."""
    beside = Path(sys.executable).parent / name
    if beside.exists():
        return beside
    found = shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")
    return Path(found) if found else None
