"""Included files are put together; nothing is said twice, and every problem names its own file."""

from __future__ import annotations

from pathlib import Path

from .conftest import Fail, Load

MAIN = """
include: [sites/*.yaml, common.yaml]
listen: 80
sites: {a.example: "10.0.0.1:80"}
"""


def test_sites_and_pools_are_put_together(load_text: Load, tmp_path: Path) -> None:
    plan = load_text(
        MAIN,
        files={
            "sites/b.yaml": "sites: {b.example: {routes: {/: {pool: shared}}}}\n",
            "sites/c.yaml": "include: ../pools.yaml\nsites: {c.example: '10.0.0.3:80'}\n",
            "pools.yaml": "x-note: anything\npools: {shared: {servers: ['10.0.0.9:80']}}\n",
            "common.yaml": "workers: 2\ntimeouts: {header: 5s}\n",
        },
    )
    assert [site.name for site in plan.sites] == ["a.example", "b.example", "c.example"]
    assert plan.pools[0].name == "shared"
    assert plan.config.workers == 2
    names = [str(Path(file).relative_to(tmp_path)) for file in plan.files]
    assert names == ["c.yaml", "sites/b.yaml", "sites/c.yaml", "pools.yaml", "common.yaml", "sites"]


def test_files_are_relative_to_the_file_that_names_them(load_text: Load, tmp_path: Path) -> None:
    plan = load_text(
        "include: team/site.yaml\nlisten: 80\n",
        files={
            "team/site.yaml": "sites: {b.example: {errors: {pages: {503: sorry.html}}, routes: {/: '10.0.0.1:80'}}}\n",
            "team/sorry.html": "sorry\n",
        },
    )
    assert plan.sites[0].routes[0].errors.pages == {"503": str(tmp_path / "team/sorry.html")}
    assert str(tmp_path / "team/sorry.html") in plan.files


def test_saying_it_twice_names_both_places(fail_text: Fail, tmp_path: Path) -> None:
    files = {"common.yaml": "listen: 81\n"}
    problem = fail_text(MAIN, files=files).problems[0]
    assert problem.where == f"{tmp_path}/common.yaml:1:1"
    assert problem.message == f"this is said twice: it was said before in {tmp_path}/c.yaml:2:1"
    problem = fail_text(MAIN, files={"common.yaml": "pools: {}\nsites:\n  a.example: '10.0.0.2:80'\n"}).problems[0]
    assert problem.where == f"{tmp_path}/common.yaml:3:3"
    assert problem.key == 'sites."a.example"'
    assert problem.message == f"this is said twice: it was said before in {tmp_path}/c.yaml:3:9"


def test_circles_are_refused(fail_text: Fail, tmp_path: Path) -> None:
    problem = fail_text(MAIN, files={"common.yaml": "include: c.yaml\n"}).problems[0]
    assert problem.where == f"{tmp_path}/common.yaml:1:10"
    assert problem.message == f"the files include each other in a circle: {tmp_path}/c.yaml is being read"
    assert fail_text("include: c.yaml\nlisten: 80\n").problems[0].line == 1


def test_missing_includes(fail_text: Fail, load_text: Load, tmp_path: Path) -> None:
    problem = fail_text("include: gone.yaml\n").problems[0]
    assert problem.message == f"there is no file {tmp_path}/gone.yaml"
    assert (problem.line, problem.column) == (1, 10)
    assert fail_text("include: [3]\n").problems[0].message.startswith("an include is the name of a file")
    problem = fail_text("listen: 80\ninclude: /proc/self/mem\n").problems[0]
    assert problem.message == "/proc/self/mem: the file cannot be read: Input/output error"
    assert (problem.line, problem.column) == (2, 10)


def test_a_pattern_that_matches_nothing_is_told(load_text: Load, tmp_path: Path) -> None:
    """It may be meant so, or be a folder's name misspelt: it is a doubt and no error."""
    text = "include: [none/*.yaml, '*.yml']\nlisten: 80\nsites: {a.example: '10.0.0.1:80'}\n"
    plan = load_text(text, files={"b.yml": "workers: 1\n"})
    assert [(doubt.line, doubt.column, doubt.key, doubt.message) for doubt in plan.warnings] == [
        (1, 11, "include", f"no file matches {tmp_path}/none/*.yaml")
    ]


def test_problems_in_included_files_name_them(fail_text: Fail, tmp_path: Path) -> None:
    problem = fail_text(MAIN, files={"common.yaml": "\nworkers: x\n"}).problems[0]
    assert problem.where == f"{tmp_path}/common.yaml:2:10"
    problem = fail_text(MAIN, files={"common.yaml": "pools: {p: {servers: [{address: 'a:1', weight: 0}]}}\n"}).problems[
        0
    ]
    assert problem.where == f"{tmp_path}/common.yaml:1:13"


def test_anchors_and_merge_keys(load_text: Load) -> None:
    plan = load_text(
        """
        x-server: &server {weight: 3, max_connections: 7}
        listen: 80
        sites:
          a.example:
            routes:
              /:
                servers:
                  - {<<: *server, address: "10.0.0.1:80"}
                  - {<<: [{weight: 5}, *server], address: "10.0.0.2:80", max_connections: 9}
        """
    )
    servers = plan.pools[0].config.servers
    assert [(server.weight, server.max_connections) for server in servers] == [(3, 7), (5, 9)]
