"""``bascule schema``: print the JSON Schema of the configuration, for editors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from bascule.config.export import json_schema


def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file instead of stdout.")] = None,
) -> None:
    """Print the JSON Schema of the configuration file.

    Editors with a YAML language server use it after a first line `# yaml-language-server: $schema=FILE`.
    """
    text = json.dumps(json_schema(), indent=2) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text)
    except OSError as error:
        typer.echo(f"bascule schema: {output} cannot be written: {error.strerror}", err=True)
        raise typer.Exit(1) from None
