"""What drives a target: atheris, with a corpus of its own that begins with the target's seeds."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent / "corpus"


def instrumented() -> Any:
    """Return a context in which imports of the program are instrumented, where atheris is there to do it."""
    try:
        import atheris
    except ImportError:
        return contextlib.nullcontext()
    return atheris.instrument_imports(include=["bascule"], enable_loader_override=False)


def run(name: str, one_input: Callable[[bytes], None], seeds: Iterable[bytes]) -> None:
    """Fuzz `one_input` until the options on the command line say that it is enough."""
    import atheris

    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    options = sys.argv[1:] or ["-max_total_time=60"]
    atheris.Setup([sys.argv[0], "-max_len=4096", f"-artifact_prefix={folder}-", *options, str(folder)], one_input)
    atheris.Fuzz()
