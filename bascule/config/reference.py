"""Writes ``docs/reference.md`` from the schema: ``python -m bascule.config.reference [docs]``.

Every key with its type, default and meaning, and where it can stand; and the examples of ``docs/config/``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from bascule.config.base import Model, meanings
from bascule.config.places import stands_at
from bascule.config.walk import inner, model_of, unwrap

_INTRODUCTION = """\
# Reference of the configuration

<!-- Written by `python -m bascule.config.reference`; do not edit. -->

The configuration is one YAML file (and what it includes). A key that is not listed here is an error, and so is a key
that stands twice. `bascule check FILE` says what a file would run; `bascule schema` prints a JSON Schema, with which
editors complete and check while you type.

## How values are written

| type | means | for example |
|---|---|---|
| duration | seconds, or numbers with units `ms`, `s`, `m`, `h`, `d` | `250ms`, `10s`, `1h30m` |
| size | bytes, or a number with `KiB`, `MiB`, `GiB` (`k`, `m`, `g`) | `64KiB`, `1MiB` |
| share | a fraction or a percentage | `0.2`, `20%` |
| network | an address or a CIDR block | `10.0.0.0/8`, `2001:db8::/32` |
| address | host and port, or a UNIX socket | `127.0.0.1:8080`, `[::1]:8080`, `:80`, `unix:/run/app.sock` |
| name server | IP address and port of a DNS server | `10.0.0.2:53`, `[2001:db8::53]:53` |
| origin | a server: address or URL, without a path | `10.0.0.1:8000`, `https://app.internal:8443` |
| file | a path, relative to the file it is written in | `certs/shop.pem`, `/etc/bascule/shop.pem` |
| affinity | `auto`, `off`, or numbers of cores | `[0, 1]` |
| pattern | a regular expression as RE2 knows it: linear time, no look-around | `^/item/[0-9]+$` |

**References.** In any text, `${env:NAME}` is an environment variable, `${env:NAME:-default}` one with a default, and
`${file:PATH}` the content of a file without its last line break. `$${` is a literal `${`. What comes from a variable
or a file never appears in messages or listings. Inside `{ }` and `[ ]` YAML wants quotes around a reference.

**Anchors.** `&name`, `*name` and `<<: *name` work; top-level keys that begin with `x-` are a place to keep them.

**Inheritance.** `timeouts`, `limits`, `headers`, `errors` and `waf` hold for all sites when they stand at the top
level; they, and `cookies` and `maintenance`, can stand at a site and at a route. A lower level overrides what it says.
`headers.request` and `headers.response` add up name by name, `errors.pages` status by status, `waf.answers` rule by
rule, and `waf.exclusions` and `waf.filters.patterns` one after the other.
"""


def reference(examples: Path) -> str:
    """Return the reference as Markdown, with the examples found in a folder."""
    places = stands_at()
    parts = [_INTRODUCTION, "## Examples\n"]
    for file in sorted(examples.glob("*.yaml")):
        title, _, text = file.read_text().partition("\n")
        parts.append(f"### {title.removeprefix('# ')}\n\n```yaml\n{text.strip()}\n```\n")
    parts.append("## Keys\n")
    parts += [_section(model, where) for model, where in places.items()]
    return "\n".join(parts)


def _section(model: type[Model], places: list[str]) -> str:
    where = "Stands at the top level." if not places else f"Stands at {', '.join(f'`{place}`' for place in places)}."
    schema = _own_schema(model)
    lines = [
        f"### {model.__name__}\n",
        f"{_markdown(model.__doc__ or '')}\n",
        f"{where}\n",
        "| key | type | default | meaning |",
        "|---|---|---|---|",
    ]
    required = schema.get("required", [])
    for field_name, field in model.model_fields.items():
        name = field.alias or field_name
        part = schema["properties"][name]
        default = "required" if name in required else _default(part, part.get("default"), model_of(field.annotation))
        meaning = _markdown(meanings(model).get(field_name, ""))
        lines.append(f"| `{name}` | {_type(part, field.annotation)} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _own_schema(model: type[Model]) -> dict[str, Any]:
    schema = model.model_json_schema()
    if "$ref" in schema:
        schema = schema["$defs"][model.__name__]
    found: dict[str, Any] = schema["anyOf"][-1] if "anyOf" in schema else schema
    return found


def _type(part: dict[str, Any], annotation: Any) -> str:
    """Return a type in words."""
    child = model_of(annotation)
    kind = unwrap(annotation)
    item = inner(kind)
    if child is not None:
        link = f"[{child.__name__}](#{child.__name__.lower()})"
        if item is None:
            return link
        return f"mapping to {link}" if part.get("type") == "object" else f"list of {link}"
    options = [option for option in part.get("anyOf", []) if option.get("type") != "null"]
    return _scalar({**part, **options[0]} if options else part)


def _scalar(part: dict[str, Any]) -> str:
    if part.get("type") == "array":
        return f"list of {_scalar(part['items'])}"
    if part.get("type") == "object":
        return f"mapping to {_scalar(part.get('additionalProperties', {}))}"
    if "enum" in part or "const" in part:
        values = part.get("enum", [part.get("const")])
        return ", ".join(f"`{value}`" for value in values if isinstance(value, str) and value) or _numbers(values)
    if (title := part.get("title", "X"))[:1].islower():
        return str(title)
    if part.get("type") in ("integer", "number"):
        bounds = [
            f"from {part['minimum']}" if "minimum" in part else "",
            f"to {part['maximum']}" if "maximum" in part else "",
        ]
        return " ".join(["number", *filter(None, bounds)])
    return {"boolean": "true or false", "string": "date" if part.get("format") == "date" else "text"}.get(
        str(part.get("type")), "text"
    )


def _numbers(values: list[Any]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _default(part: dict[str, Any], value: Any, child: type[Model] | None) -> str:
    if isinstance(value, dict) or (child is not None and value in (None, [], {})):
        return "" if value is None or child is None or value == [] else "its defaults"
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, list):
        return ", ".join(f"`{item}`" for item in value)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{_as_written(part.get('title', ''), value)}`"


def _as_written(kind: str, value: Any) -> str:
    """Return a default as a person would write it."""
    if kind == "share":
        return f"{value * 100:g}%"
    if kind == "duration":
        unit, size = next(
            (pair for pair in (("h", 3600), ("m", 60), ("s", 1)) if value and value % pair[1] == 0), ("ms", 0.001)
        )
        return f"{value / size:g}{unit}" if value else "0"
    if kind == "size":
        unit, size = next(
            (pair for pair in (("MiB", 1 << 20), ("KiB", 1 << 10)) if value and value % pair[1] == 0), ("", 1)
        )
        return f"{value // size}{unit}"
    return str(value)


def _markdown(text: str) -> str:
    """Return a docstring as one line of Markdown."""
    return re.sub(r"\s+", " ", text.replace("``", "`").replace("|", "\\|")).strip()


def main() -> None:
    """Write ``reference.md`` into the documentation folder."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    (folder / "reference.md").write_text(reference(folder / "config"))


if __name__ == "__main__":
    main()
