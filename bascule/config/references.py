"""References in scalars: ``${env:NAME}``, ``${env:NAME:-default}`` and ``${file:PATH}``; ``$${`` is a literal ``${``.

What comes from outside the file is remembered as a secret, so that no message or listing ever shows it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MAX_REFERENCED_BYTES = 1 << 20
"""Size of a file a ``${file:}`` may name: keys and tokens are small; a device or a log is a mistake."""

MASK = "***"
_WORD = 12
"""Secrets below this length may be part of ordinary words, which are not masked for it."""
_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SECRET_NAME = re.compile(r"secret|token|pass?w|pwd|credential|authori[sz]ation|api-?_?key", re.IGNORECASE)
_SECRET_LINE = re.compile(
    r"([\w-]*(?:secret|token|pass?w|pwd|credential|authori[sz]ation|api-?_?key)[\w-]*[\"']?\s*:\s*)"
    r"(?!\s)(\"[^\"]*\"?|'[^']*'?|[^,}\]#]+)",
    re.IGNORECASE,
)


class UnresolvedError(ValueError):
    """A reference that cannot be resolved. The text tells the remedy and holds no secret."""


def names_secret(key: str, value: Any = "") -> bool:
    """Tell whether the value of a key is secret by its name, or because it is a private key pasted in."""
    return _SECRET_NAME.search(key) is not None or (isinstance(value, str) and "PRIVATE KEY-----" in value)


def mask_line(line: str) -> str:
    """Return a source line with the values of secret keys masked."""
    return _SECRET_LINE.sub(lambda match: match.group(1) + MASK, line)


class Secrets:
    """The values that must not be shown."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def add(self, value: str) -> None:
        """Remember a value; the lines of a longer text count by themselves too."""
        self._values.update(part for part in (value, value.strip(), *value.splitlines()) if len(part) > 3)

    def clean(self, text: str) -> str:
        """Return the text without any of the values. A short one counts only where it stands as a word by itself."""
        for value in sorted(self._values, key=len, reverse=True):
            for shown in {value, repr(value)[1:-1]}:
                if shown not in text:
                    continue
                if len(value) < _WORD:
                    text = re.sub(rf"(?<![0-9A-Za-z]){re.escape(shown)}(?![0-9A-Za-z])", MASK, text)
                else:
                    text = text.replace(shown, MASK)
        return text

    def clean_tree(self, value: Any) -> Any:
        """Return JSON-like data with every text cleaned, and the values of secret keys masked."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, Mapping):
            return {
                self.clean(str(key)): MASK if item and names_secret(str(key), item) else self.clean_tree(item)
                for key, item in value.items()
            }
        if isinstance(value, Iterable):
            return [self.clean_tree(item) for item in value]
        return value


class References:
    """Resolves references against an environment and files; remembers both what it read and what is secret."""

    def __init__(self, environment: Mapping[str, str], secrets: Secrets) -> None:
        self._environment = environment
        self._secrets = secrets
        self.files: list[str] = []

    def resolve(self, text: str, folder: str) -> tuple[str, bool]:
        """Return the text with its references replaced, and whether anything came from outside.

        Paths are relative to `folder`. Raises UnresolvedError.
        """
        outside = False

        def replace(match: re.Match[str]) -> str:
            nonlocal outside
            if match.group() == "$${":
                return "${"
            value, secret = self._value(match.group(1), folder)
            outside = outside or secret
            return value

        return _REFERENCE.sub(replace, text), outside

    def _value(self, reference: str | None, folder: str) -> tuple[str, bool]:
        kind, _, rest = (reference or "").partition(":")
        if kind == "env":
            return self._variable(rest)
        if kind == "file" and rest:
            return self._file(os.path.join(folder, rest)), True
        raise UnresolvedError(
            "a reference is written ${env:NAME}, ${env:NAME:-default} or ${file:PATH}; "
            "write $${ where ${ itself is meant"
        )

    def _variable(self, text: str) -> tuple[str, bool]:
        name, given, default = text.partition(":-")
        if not _NAME.match(name):
            raise UnresolvedError(f"{name!r} is not the name of an environment variable")
        value = self._environment.get(name, "")
        if value:
            self._secrets.add(value)
            return value, True
        if not given:
            state = "empty" if name in self._environment else "not set"
            raise UnresolvedError(
                f"the environment variable {name} is {state}: set it, or give a default with ${{env:{name}:-default}}"
            )
        return default, False

    def _file(self, path: str) -> str:
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_REFERENCED_BYTES + 1)
            text = data.decode()
        except OSError as error:
            raise UnresolvedError(f"the file {path} cannot be read: {error.strerror}") from None
        except ValueError:
            raise UnresolvedError(f"the file {path} is not UTF-8 text") from None
        if len(data) > MAX_REFERENCED_BYTES:
            raise UnresolvedError(f"the file {path} is larger than {MAX_REFERENCED_BYTES >> 20} MiB")
        self.files.append(path)
        text = text.rstrip("\r\n")
        self._secrets.add(text)
        return text
