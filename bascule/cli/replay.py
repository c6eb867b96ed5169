"""``bascule replay FILE...``: what a configuration would do to recorded requests, and what would change."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

import typer
from rich.console import Console
from rich.progress import Progress

from bascule.cli.problems import print_problems
from bascule.cli.replay_report import Report, print_json, print_report
from bascule.cli.texts import fail
from bascule.config.errors import ConfigError
from bascule.waf.replay.json_lines import from_json, split_lines
from bascule.waf.replay.reader import kind_of, read
from bascule.waf.replay.records import Recorded, ReplayError

if TYPE_CHECKING:
    from bascule.cli.replay_firewall import Firewall

CHUNK = 1 << 20
_PLACES = {"har": "entry"}


class Form(StrEnum):
    """How requests were recorded."""

    auto = "auto"
    har = "har"
    json = "json"
    raw = "raw"


class FailOn(StrEnum):
    """What ends the command with status 1."""

    blocks = "blocks"
    new_blocks = "new-blocks"
    new_passes = "new-passes"


def replay(
    files: Annotated[list[Path], typer.Argument(help="Recordings; - is stdin. May be gzipped.", show_default=False)],
    config: Annotated[Path | None, typer.Option(help="The configuration to try.")] = None,
    against: Annotated[Path | None, typer.Option(help="The configuration to compare with: the one that runs.")] = None,
    crs: Annotated[Path | None, typer.Option(help="Try a folder of the Core Rule Set instead.")] = None,
    paranoia: Annotated[int, typer.Option(min=1, max=4, help="Paranoia level for --crs.")] = 1,
    form: Annotated[Form, typer.Option("--format", help="Form of the recordings; found out by itself.")] = Form.auto,
    fail_on: Annotated[list[FailOn] | None, typer.Option(help="End with status 1 if there are such.")] = None,
    examples: Annotated[int, typer.Option(min=0, max=1000, help="Requests to show of each group.")] = 3,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Count unreadable JSON lines and go on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run recorded requests through the firewall, without a server, and say what would be blocked.

    Reads HAR, JSON lines (method, target, headers, body), Bascule's access log and events, ModSecurity's JSON audit
    log, and requests as text. Exit status: 0, or 1 if there is what --fail-on names, or 2 if something cannot be read.
    """
    if (config is None) == (crs is None):
        fail("give the configuration to try: --config FILE, or --crs DIR", 2)
    if against is None and fail_on and set(fail_on) & {FailOn.new_blocks, FailOn.new_passes}:
        fail("--fail-on new-blocks and new-passes compare: give --against FILE", 2)
    tried = load_firewall(config, crs, paranoia)
    base = load_firewall(against) if against is not None else None
    report = Report(examples, compares=base is not None)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("replaying", total=None)
        for name, request in recordings(files, form, report if skip_bad else None):
            report.add(name, request, tried.judge(request), base.judge(request) if base else None)
            progress.advance(task)
    if as_json:
        print_json(report)
    else:
        print_report(report)
    counts = {FailOn.blocks: report.blocked, FailOn.new_blocks: report.new_blocks, FailOn.new_passes: report.new_passes}
    if any(counts[what] for what in fail_on or ()):
        raise typer.Exit(1)


def load_firewall(config: Path | None, crs: Path | None = None, paranoia: int = 1) -> Firewall:
    """Return the firewall of a configuration, or of a folder of the Core Rule Set; ends the command where it cannot."""
    from bascule.cli.replay_firewall import WafLoadError, load_crs, load_file  # the data plane: for those who need it

    try:
        return load_file(config) if config is not None else load_crs(crs or Path(), paranoia)
    except ConfigError as error:
        print_problems(error.problems, "error")
    except WafLoadError as error:
        typer.echo(f"bascule: {error}", err=True)
    raise typer.Exit(2)


def recordings(files: list[Path], form: Form, bad: Report | None = None) -> Iterator[tuple[str, Recorded]]:
    """Yield the requests of all files with the name of their file; ends the command where one cannot be read.

    With `bad`, JSON lines that cannot be read are counted there and left out.
    """
    for file in files:
        kind = "" if form is Form.auto else form.value
        try:
            chunks = _chunks(file)
            first = next(chunks, b"")
            kind = kind or kind_of(first)
            for request in _records(_again(first, chunks), kind, bad):
                yield str(file), request
        except ReplayError as error:
            remedy = "; --skip-bad leaves such lines out" if kind == "json" else ""
            fail(f"{file}:{_PLACES.get(kind, '')}{error.place}: {error.reason}{remedy}", 2)
        except (OSError, EOFError, zlib.error) as error:
            fail(f"{file}: {getattr(error, 'strerror', None) or error}", 2)


def _records(chunks: Iterator[bytes], kind: str, bad: Report | None) -> Iterator[Recorded]:
    if bad is None or kind != "json":
        yield from read(chunks, kind)
        return
    for number, line in enumerate(split_lines(chunks), 1):
        try:
            if line.strip() and (request := from_json(line, number)) is not None:
                yield request
        except ReplayError:
            bad.bad += 1


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _chunks(file: Path) -> Iterator[bytes]:
    with io.BufferedReader(cast("io.RawIOBase", _open(file))) as stream:
        start = stream.peek(2)[:2]
        source = gzip.GzipFile(fileobj=stream) if start == b"\x1f\x8b" else stream
        while chunk := source.read(CHUNK):
            yield chunk


def _open(file: Path) -> BinaryIO:
    return sys.stdin.buffer if str(file) == "-" else file.open("rb")
