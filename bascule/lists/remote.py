"""Lists that live at a URL: fetched, kept in a folder, and fetched anew only when they changed.

A list is put in place in one step, and only if it is one: a page of an error, or half a file, never takes the place of
a list. However large it is, only a piece of it is in memory.
"""

from __future__ import annotations

import glob
import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final

TIMEOUT: Final = 30.0
"""Seconds without a byte after which a fetch is given up."""
MOST_SECONDS: Final = 1800.0
"""Seconds that a whole fetch may take: who sends byte by byte must not keep the other lists from being fetched."""
MOST_BYTES: Final = 256 << 20
"""Bytes of a list: the largest that are published have some 100 MiB."""
_PIECE: Final = 1 << 20
_ABANDONED: Final = 600.0
"""Seconds after which nobody writes any more to what is half fetched: its program ended meanwhile."""
_AGENT: Final = "bascule (lists)"


Version = tuple[int, int]
"""Which file it is that is there: its number and when it was written; zeros where there is none."""
Check = Callable[[str], None]
"""Looks at a file that was fetched; raises ValueError that says why it is no list."""


class FetchError(OSError):
    """A list cannot be had; the text says why."""


@dataclass(frozen=True)
class RemoteList:
    """A list at a URL, the file it is kept in, and what has to be true of it."""

    url: str
    file: str
    check: Check
    version: Version
    """What was there when this was made: make it before the file is read."""

    @classmethod
    def of(cls, url: str, folder: str, check: Check) -> RemoteList:
        """Return the list of a URL, kept in `folder`."""
        file = place_of(url, folder)
        return cls(url, file, check, _version(file))

    @property
    def is_here(self) -> bool:
        """Whether it was fetched before."""
        return os.path.exists(self.file)

    @property
    def has_changed(self) -> bool:
        """Whether another list is there now, whoever has fetched it: programs may share the folder."""
        return _version(self.file) != self.version

    def age(self, now: float) -> float:
        """Return the seconds since it was last found to be current; a great many if it never was."""
        try:
            return max(0.0, now - os.stat(self._notes).st_mtime)
        except OSError:
            return float(1 << 40)

    @property
    def _notes(self) -> str:
        """The file that says what the server called this version of it, and by its time, when that was asked."""
        return self.file + ".json"

    def refresh(self) -> bool:
        """Fetch it if it has changed. Return whether there is another one now. Raises FetchError.

        Blocks for as long as it takes; see `TIMEOUT`.
        """
        known = self._known() if self.is_here else {}
        request = urllib.request.Request(self.url, headers={"User-Agent": _AGENT, **known})  # noqa: S310 - checked
        try:
            with opener().open(request, timeout=TIMEOUT) as response:
                return self._take(response)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 304 and known:
                Path(self._notes).touch()
                return False
            raise FetchError(f"{self.url}: status {error.code}") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise FetchError(f"{self.url}: {getattr(error, 'reason', None) or error}") from None

    def _known(self) -> dict[str, str]:
        """Return the fields that ask for it only if it has changed (RFC 9110 13.1)."""
        with suppress(OSError, ValueError):
            told = json.loads(Path(self._notes).read_text())
            names = {"etag": "If-None-Match", "last_modified": "If-Modified-Since"}
            return {field: str(told[name]) for name, field in names.items() if told.get(name)}
        return {"If-Modified-Since": formatdate(os.stat(self.file).st_mtime, usegmt=True)}

    def _clear_away(self) -> None:
        """Remove what programs that ended left half fetched; others may share the folder, and fetch it now."""
        for left in glob.glob(f"{glob.escape(self.file)}.*.new"):
            with suppress(OSError):
                if time.time() - os.stat(left).st_mtime > _ABANDONED:
                    os.unlink(left)

    def _take(self, response: Any) -> bool:
        self._clear_away()
        temporary = f"{self.file}.{os.getpid()}.new"
        digest = hashlib.sha256()
        try:
            with open(temporary, "wb") as stream:
                read, until = 0, time.monotonic() + MOST_SECONDS
                while piece := response.read1(_PIECE):
                    read += len(piece)
                    if time.monotonic() > until:
                        raise FetchError(f"{self.url}: not here after {MOST_SECONDS:.0f} s")
                    if read > MOST_BYTES:
                        raise FetchError(f"{self.url}: more than {MOST_BYTES >> 20} MiB")
                    digest.update(piece)
                    stream.write(piece)
            announced = response.headers.get("Content-Length")
            if announced is not None and int(announced) != read:
                raise FetchError(f"{self.url}: it broke off after {read} bytes")
            try:
                self.check(temporary)
            except ValueError as error:
                raise FetchError(f"{self.url}: {error}, so the list is left as it is") from None
            same = self.is_here and _digest(self.file) == digest.digest()
            if not same:
                os.replace(temporary, self.file)
        finally:
            with suppress(OSError):
                os.unlink(temporary)
        told = {"etag": response.headers.get("ETag"), "last_modified": response.headers.get("Last-Modified")}
        Path(self._notes).write_text(json.dumps({"url": self.url, **told}))
        return not same


def _version(file: str) -> Version:
    try:
        found = os.stat(file)
    except OSError:
        return 0, 0
    return found.st_ino, found.st_mtime_ns


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from https to anything else."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """See urllib."""
        if not newurl.startswith("https://") and not (
            newurl.startswith("http://") and req.full_url.startswith("http:")
        ):
            raise FetchError(f"it redirects to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opener() -> urllib.request.OpenerDirector:
    """Return what fetches: verified TLS, no proxies of the environment (this program may be that proxy)."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoDowngrade())


def place_of(url: str, folder: str) -> str:
    """Return the file of a list: in `folder`, under a name that is made from its URL."""
    return os.path.join(folder, hashlib.sha256(url.encode()).hexdigest()[:24] + ".list")


def _digest(file: str) -> bytes:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def fetch_missing(lists: Iterable[RemoteList]) -> None:
    """Fetch the lists that are not here yet: without them there is no start. Raises FetchError."""
    for found in lists:
        if not found.is_here:
            found.refresh()
