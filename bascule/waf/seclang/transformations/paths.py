"""Path normalisation: `//`, `/./` and `/../`."""

from __future__ import annotations

import re

from bascule.waf.pace import rest

_SLASH = re.compile(rb"/")
_EITHER = re.compile(rb"[/\\]")
_DOT, _SLASH_BYTE, _BACKSLASH = ord("."), ord("/"), ord("\\")


def normalise_path(value: bytes) -> bytes:
    """Remove repeated slashes and resolve self- and back-references."""
    if b"//" not in value and b"./" not in value and not value.endswith(b"."):
        return value
    path = _normalise(bytearray(value), windows=False)
    return value if path == value else path


def normalise_path_win(value: bytes) -> bytes:
    """Do the same after turning backslashes into slashes."""
    if b"\\" not in value:
        return normalise_path(value)
    return _normalise(bytearray(value), windows=True)


def _normalise(source: bytearray, *, windows: bool) -> bytes:
    """Transcribe ModSecurity's in-place automaton, oddities included, over whole segments at a time.

    Linear: a back-reference walks back only over bytes that were written once.
    """
    end = len(source) - 1
    separators = _EITHER if windows else _SLASH
    absolute = separators.match(source) is not None
    trailing = separators.match(source, end) is not None
    out = bytearray()
    at, at_root, done = 0, False, False
    while not done and at <= end:
        rest()
        if windows:
            _convert(source, at, end)
        char = source[at]
        if at == end:
            done = True
        elif source[at + 1] != _SLASH_BYTE:
            if char == _SLASH_BYTE:
                at = _copy_slash(source, out, at, end, absolute, windows)
            else:  # nothing happens before the last byte of the segment
                following = separators.search(source, at + 1)
                stop = following.start() - 1 if following else end
                out += source[at:stop]
                at = stop
            continue
        if char == _DOT and (done or source[at + 1] == _SLASH_BYTE):
            if out and out[-1] == _DOT:
                if not absolute and (at_root or len(out) <= 2):
                    at_root = True
                    out.append(source[at])
                    at += 1
                    continue
                at_root = _back(out, keep_root=absolute and done) or at_root
                at += 1
            elif not out:
                at += 1
            elif out[-1] == _SLASH_BYTE:
                if not done:
                    out.pop()
                at += 1
            else:
                out.append(char)
                at += 1
                continue
            if done:
                break
        elif out and not (char == _SLASH_BYTE and at != end):
            at_root = False
        if source[at] == _SLASH_BYTE:
            at = _copy_slash(source, out, at, end, absolute, windows)
        else:
            out.append(source[at])
            at += 1
    if not trailing and out and out[-1] == _SLASH_BYTE:
        out.pop()
    return bytes(out)


def _convert(source: bytearray, at: int, end: int) -> None:
    if source[at] == _BACKSLASH:
        source[at] = _SLASH_BYTE
    if at < end and source[at + 1] == _BACKSLASH:
        source[at + 1] = _SLASH_BYTE


def _copy_slash(source: bytearray, out: bytearray, at: int, end: int, absolute: bool, windows: bool) -> int:
    """Copy the last slash of a run (none at the start of a relative path); return the next position."""
    while at < end and (source[at + 1] == _SLASH_BYTE or (windows and source[at + 1] == _BACKSLASH)):
        at += 1
    if absolute or out:
        out.append(source[at])
    return at + 1


def _back(out: bytearray, *, keep_root: bool) -> bool:
    """Drop the dot and the segment before it; tell whether that reached the root."""
    cut = out.rfind(b"/", 1, max(len(out) - 2, 0)) if len(out) > 3 else -1
    if cut > 0:
        del out[cut:]
        return False
    del out[1 if keep_root else 0 :]
    return True
