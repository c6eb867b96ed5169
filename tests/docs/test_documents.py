"""What the documents say holds: configurations load, links lead somewhere, names are those of the code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import typer.core
from typer.testing import CliRunner

from bascule.cli.main import COMMANDS, app
from bascule.telemetry import causes, names
from tests.config.test_documents import surroundings
from tests.docs import tables

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in _BLOCK.findall(page.read_text()) if name == language]


CONFIGURATIONS = [
    pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    if page.name != "reference.md"  # its examples are docs/config/, which tests/config/ loads
    for number, text in enumerate(blocks(page, "yaml"), 1)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the configurations refer to."""
    made = tmp_path_factory.mktemp("surroundings")
    surroundings(made)
    return made


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_configurations_load_without_a_warning(text: str, folder: Path) -> None:
    (folder / "bascule.yaml").write_text(text)
    done = CliRunner().invoke(app, ["check", str(folder / "bascule.yaml")])
    assert done.exit_code == 0, done.output
    assert "no warnings" in done.output


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, made as GitHub makes them."""
    text = _BLOCK.sub("", page.read_text())
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for link in _LINK.findall(_BLOCK.sub("", page.read_text())):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize(("index", "folder"), [("docs/decisions/README.md", "decisions"), ("docs/index.md", "guide")])
def test_every_page_is_in_its_index(index: str, folder: str) -> None:
    linked = {Path(link).name for link in _LINK.findall((ROOT / index).read_text())}
    assert {page.name for page in (ROOT / "docs" / folder).glob("*.md")} - {"README.md"} <= linked


def test_the_whole_admin_api_is_told() -> None:
    told = (ROOT / "docs/operations.md").read_text()
    code = "".join(file.read_text() for file in (ROOT / "bascule/admin").glob("*.py"))
    paths = {path.partition("{")[0].rstrip("/") for path in re.findall(r'Route\("(/[^"]*)"', code)} - {""}
    assert len(paths) > 12
    assert {path for path in paths if path not in told} == set()


@pytest.mark.parametrize("page", [tables.PAGE, tables.NAMED, tables.CARD])
def test_the_tables_from_the_code_are_current(page: Path) -> None:
    assert page.read_text() == tables.renewed(page.read_text(), page), "run: make docs"


def test_documents_name_no_cause_or_metric_that_does_not_exist() -> None:
    known = {value.name for value in vars(names).values() if isinstance(value, names.Metric)}
    for page in PAGES:
        named = set(re.findall(r"`(bascule_[a-z_]+)`", page.read_text()))
        assert named - {"bascule_route"} <= known, page  # the sticky cookie
    limits = (ROOT / "docs/guide/limits.md").read_text()
    rows = [line.split(" | ")[-1] for line in limits.splitlines() if line.startswith(("| `timeouts.", "| `limits."))]
    assert len(rows) > 15
    assert {cause for row in rows for cause in re.findall(r"`(\w+)`", row)} <= set(causes.ALL)


def command_lines(page: Path) -> Iterator[list[str]]:
    """Yield the words behind `bascule` of each command in a block, and of those between backquotes."""
    lines = "\n".join(blocks(page, "")).replace("\\\n", " ").splitlines()
    inline = re.findall(r"`(bascule [^`]+)`", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S))
    for line in (*lines, *(" ".join(code.split()) for code in inline)):
        if found := re.match(r"(?:\$ |sudo )?(?:\S*/)?bascule ([a-z-].*)", line):
            words = re.split(r"\s+#|[|>&;]", found[1])[0].split()
            if words[0] in COMMANDS or words[0].startswith("-") or line in lines:
                yield [word.strip("[]").replace("...", "") for word in words]


def unknown(words: list[str]) -> str:
    """Return the first word that is no command or no option where it stands."""
    command = typer.main.get_command(app)
    context = typer.Context(command)
    left = iter(words)
    for word in left:
        name, assigned, _ = word.partition("=")
        if name.startswith("-") and len(name) > 1:
            known = {
                opt: option for option in command.get_params(context) for opt in option.opts + option.secondary_opts
            }
            if name not in known:
                return word
            if not assigned and not getattr(known[name], "is_flag", True):
                next(left, "")  # its value
        elif isinstance(command, typer.core.TyperGroup):
            inner = command.get_command(context, word)
            if inner is None:
                return word
            command, context = inner, typer.Context(inner, parent=context)
    return ""


def test_commands_exist() -> None:
    told = [(page, words) for page in PAGES for words in command_lines(page)]
    assert len(told) > 100
    assert not [(page.name, words, unknown(words)) for page, words in told if unknown(words)]
    assert unknown(["reload", "--nothing"]) == "--nothing"
    assert unknown(["rules", "instal"]) == "instal"


def test_data_files_are_packaged() -> None:
    """What is not Python must be named in pyproject.toml, or an installed Bascule lacks it."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["*"]
    files = [
        path for path in (ROOT / "bascule").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".so")
    ]
    assert files
    assert [file for file in files if not any(file.match(pattern) for pattern in patterns)] == []
