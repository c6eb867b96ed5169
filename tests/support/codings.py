"""Content codings, as clients and servers apply them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import zstandard


def zstd(data: bytes) -> bytes:
    """Return data as one frame of Zstandard."""
    return zstandard.ZstdCompressor().compress(data)


ENCODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"br": brotli.compress,
    b"zstd": zstd,
    b"gzip, gzip": lambda data: gzip.compress(gzip.compress(data)),
    b"zstd, br": lambda data: brotli.compress(zstd(data)),
}
"""By the value of Content-Encoding."""
