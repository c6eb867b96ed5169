"""The reference is current, its examples load, and the JSON Schema accepts what the loader accepts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from bascule.config.base import Model, meanings
from bascule.config.export import json_schema
from bascule.config.loader import load
from bascule.config.reference import reference
from bascule.config.response import PageWatch
from bascule.config.view import view
from bascule.tls.authority import create
from bascule.waf.response.pages import Copy, write

from .certs import make_pair

DOCS = Path(__file__).resolve().parents[2] / "docs"
RULES = """
SecRule ARGS "@rx attack" "id:942100,phase:2,pass,tag:'attack-xss'"
SecRule ARGS "@rx attack" "id:942190,phase:2,pass"
"""
"""Those that examples name."""
EXAMPLES = sorted((DOCS / "config").glob("*.yaml"))


def as_json(text: str) -> Any:
    """What an editor's YAML parser hands to the schema: dates are text."""
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(text), default=str))


def surroundings(folder: Path) -> None:
    """Make what the examples refer to."""
    for name in ("shop", "partners"):
        make_pair(folder / "certs", name, (f"{name}.example.com", f"www.{name}.example.com"))
    for name in ("partners-ca", "internal-ca"):
        make_pair(folder / "certs", name, (name,))
    for name, text in {
        "coreruleset/crs-setup.conf.example": "",
        "coreruleset/rules/REQUEST-901-INITIALIZATION.conf": RULES,
        "pages/sorry.html": "<h1>Sorry</h1>",
        "secrets/admin-token": "0123456789abcdef0123456789abcdef\n",
        "users.htpasswd": "anna:$2y$05$abcdefghijklmnopqrstuu\n",
        "lists/gambling": "casino.example\n",
        "lists/banking": "bank.example\n",
        "lists/health": "clinic.example\n",
        "lists/social.txt": "0.0.0.0 social.example\n",
        "sites/blog.yaml": "sites: {blog.example.com: '10.0.0.71:8000'}\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "ca").mkdir()
    for name, content in zip(("bascule-ca.pem", "bascule-ca.key"), create("Example", 365), strict=True):
        (folder / "ca" / name).write_bytes(content)
        (folder / "ca" / name).chmod(0o600)
    watch = PageWatch(copies=str(folder / "copies/shop"), paths=("/", "/about"))
    for path in watch.paths:
        write(watch, Copy(path, "text/html", "2026-01-01T00:00:00Z"), b"<h1>Shop</h1>")


def test_the_reference_is_current() -> None:
    current = (DOCS / "reference.md").read_text()
    assert current == reference(DOCS / "config"), "run: python -m bascule.config.reference"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_load_without_a_warning(example: Path, tmp_path: Path) -> None:
    surroundings(tmp_path)
    (tmp_path / example.name).write_text(example.read_text())
    plan = load(tmp_path / example.name, {})
    assert plan.warnings == ()
    assert view(plan)["sites"] or view(plan)["forward"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_json_schema_accepts_the_examples(example: Path) -> None:
    jsonschema.validate(as_json(example.read_text()), json_schema())


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("listen: 80\nsites: {a: 'b:1'}", True),
        ("listen: ['https://[::]:443', {address: ':80'}]\nsites: {a: ['b:1', {address: 'c:1', weight: 2}]}", True),
        ("x-mine: {any: thing}\nworkers: '${env:W:-2}'\nwatch: '${env:X:-on}'", True),
        ("waf: 'off'\ntimeouts: {header: 1.5}\nlimits: {body_bytes: 1MiB}", True),
        ("sites: {a: {maintenance: true, routes: {/: {pool: p}, /x: [{redirect: /y}]}}}", True),
        ("sites: {a: {tls: {cert: a, key: b}, routes: {/: {servers: ['a:1'], health: tcp}}}}", True),
        ("listne: 80", False),
        ("waf: blok", False),
        ("workers: many", False),
        ("sites: {a: {rutes: {}}}", False),
        ("sites: {a: {routes: {/: {balance: best}}}}", False),
        ("timeouts: {headr: 1}", False),
    ],
)
def test_the_json_schema(text: str, good: bool) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    assert validator.is_valid(as_json(text)) == good


def models(root: type[Model] = Model) -> Iterator[type[Model]]:
    for model in root.__subclasses__():
        yield model
        yield from models(model)


def test_every_key_is_explained() -> None:
    silent = [f"{m.__name__}.{name}" for m in models() for name in m.model_fields if not meanings(m).get(name)]
    assert silent == []
    assert all(model.__doc__ for model in models())


def test_links_of_the_reference_lead_somewhere() -> None:
    text = (DOCS / "reference.md").read_text()
    headings = {line[4:].lower() for line in text.splitlines() if line.startswith("### ")}
    assert set(re.findall(r"\]\(#([a-z]+)\)", text)) <= headings


def test_descriptions_reach_the_editor() -> None:
    schema: dict[str, Any] = json_schema()
    assert schema["properties"]["workers"]["description"].startswith("Worker processes")
    assert schema["$defs"]["Pool"]["properties"]["slow_start"]["description"]
