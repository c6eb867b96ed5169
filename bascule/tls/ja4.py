"""JA4: a fingerprint of the program that speaks TLS, from its ClientHello (FoxIO, JA4 only; BSD-3-Clause).

``t13d1516h2_8daaf6152771_02713d6af862``: transport, highest version, whether a name was sent, how many cipher suites
and extensions, the first protocol of ALPN; then hashes of the suites, and of the extensions with the signature
algorithms. Browsers shuffle extensions, so they are sorted; GREASE (RFC 8701) is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from bascule.tls.clienthello import HelloError, body

_SERVER_NAME, _SIGNATURES, _ALPN, _VERSIONS = 0x0000, 0x000D, 0x0010, 0x002B
_NAMES = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3"}
_NONE = "000000000000"


def ja4(data: bytes) -> str:
    """Return the JA4 of the ClientHello that `data` begins with; empty if there is none whole and sound."""
    try:
        hello = body(data)
        return "" if hello is None else _fingerprint(hello)
    except (HelloError, IndexError):
        return ""


def _fingerprint(hello: bytes) -> str:
    version = hello[0] << 8 | hello[1]
    position = 35 + hello[34]
    end = position + 2 + (hello[position] << 8 | hello[position + 1])
    suites = list(_numbers(hello[position + 2 : end]))
    position = end + 1 + hello[end]
    extensions = dict(_extensions(hello, position + 2))
    if supported := list(_numbers(extensions.get(_VERSIONS, b"")[1:])):
        version = max(supported)
    first = (
        f"t{_NAMES.get(version, '00')}{'d' if _SERVER_NAME in extensions else 'i'}"
        f"{min(len(suites), 99):02}{min(len(extensions), 99):02}{_protocol(extensions.get(_ALPN, b''))}"
    )
    kinds = sorted(kind for kind in extensions if kind not in (_SERVER_NAME, _ALPN))
    signatures = _written(list(_numbers(extensions.get(_SIGNATURES, b"")[2:])))
    text = _written(kinds) + (f"_{signatures}" if signatures else "")
    return f"{first}_{_hash(_written(sorted(suites)))}_{_hash(text) if kinds else _NONE}"


def _numbers(data: bytes) -> Iterator[int]:
    """Yield the 16-bit numbers of a list, without GREASE."""
    for position in range(0, len(data) - 1, 2):
        number = data[position] << 8 | data[position + 1]
        if not _is_grease(number):
            yield number


def _is_grease(number: int) -> bool:
    """RFC 8701 2: both bytes are the same, and end in A."""
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


def _extensions(hello: bytes, position: int) -> Iterator[tuple[int, bytes]]:
    while position + 4 <= len(hello):
        kind = hello[position] << 8 | hello[position + 1]
        size = hello[position + 2] << 8 | hello[position + 3]
        position += 4 + size
        if not _is_grease(kind):
            yield kind, hello[position - size : position]


def _protocol(alpn: bytes) -> str:
    """Return the first and the last character of the first protocol, or of their hexadecimal form if they are none.

    ``99`` stands for a protocol that begins beyond ASCII, as in the captures of JA4's authors.
    """
    name = alpn[3 : 3 + alpn[2]] if len(alpn) > 3 else b""
    if not name:
        return "00"
    if name[0] > 127:
        return "99"
    ends = bytes((name[0], name[-1]))
    if ends.isalnum():
        return ends.decode("ascii")
    return f"{name[0]:02x}"[0] + f"{name[-1]:02x}"[1]


def _written(numbers: list[int]) -> str:
    return ",".join(f"{number:04x}" for number in numbers)


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12] if text else _NONE
