"""References are resolved, and what they bring in is never shown."""

from __future__ import annotations

import json

import pytest

from bascule.config.references import mask_line
from bascule.config.view import view

from .conftest import Fail, Load

SITE = "\nsites: {a.example: '10.0.0.1:80'}\n"


def test_variables_defaults_files_and_literals(load_text: Load) -> None:
    plan = load_text(
        """
        listen: ${env:LISTEN}
        workers: ${env:WORKERS:-3}
        watch: ${env:WATCH:-on}
        admin: {token: "${file:secrets/token}"}
        errors: {contact: "$${env:X} <${env:MAIL:-a@b:-c}>"}
        sites: {"${env:HOST}": "10.0.0.1:80"}
        """,
        {"LISTEN": "127.0.0.1:8080", "HOST": "shop.example", "WORKERS": ""},
        {"secrets/token": "0123456789abcdef\n"},
    )
    assert str(plan.config.listen[0].address) == "127.0.0.1:8080"
    assert plan.config.workers == 3
    assert plan.config.watch is True
    assert plan.config.admin.token == "0123456789abcdef"
    assert plan.config.errors.contact == "${env:X} <a@b:-c>"
    assert plan.sites[0].hosts == ("shop.example",)
    assert any(file.endswith("secrets/token") for file in plan.files)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("${env:GONE}", "the environment variable GONE is not set: set it, or give a default with ${env:GONE:-default}"),
        ("${env:EMPTY}", "the environment variable EMPTY is empty: set it, or give a default with ${env:EMPTY:-default}"),
        ("${env:A-B}", "'A-B' is not the name of an environment variable"),
        ("${HOME}", "a reference is written ${env:NAME}, ${env:NAME:-default} or ${file:PATH}; write $${ where ${ itself is meant"),
        ("${env:A", "a reference is written ${env:NAME}, ${env:NAME:-default} or ${file:PATH}; write $${ where ${ itself is meant"),
        ("${file:}", "a reference is written ${env:NAME}, ${env:NAME:-default} or ${file:PATH}; write $${ where ${ itself is meant"),
    ],
)  # fmt: skip
def test_unresolvable(fail_text: Fail, value: str, message: str) -> None:
    problem = fail_text(f"listen: 80\nuser: {value}{SITE}", {"EMPTY": ""}).problems[0]
    assert (problem.line, problem.column, problem.key, problem.message) == (2, 7, "user", message)


def test_missing_and_binary_files(fail_text: Fail, tmp_path) -> None:
    error = fail_text("listen: 80\nuser: ${file:gone}" + SITE)
    assert error.problems[0].message == f"the file {tmp_path}/gone cannot be read: No such file or directory"
    (tmp_path / "binary").write_bytes(b"\xff")
    assert "is not UTF-8 text" in str(fail_text("listen: 80\nuser: ${file:binary}" + SITE))
    (tmp_path / "huge").write_bytes(b"x" * ((1 << 20) + 1))
    assert "is larger than 1 MiB" in str(fail_text("listen: 80\nuser: ${file:huge}" + SITE))


SECRET = "hunter2-and-more"


@pytest.mark.parametrize(
    "text",
    [
        "listen: ${env:S}" + SITE,
        "listen: 80\nworkers: ${env:S}" + SITE,
        "listen: 80\nwaf: ${env:S}" + SITE,
        "listen: 80\nstop_timeout: ${env:S}" + SITE,
        "listen: 80\ntrusted_proxies: ['${file:secret}']" + SITE,
        "listen: 80\nuser: ${env:S}" + SITE,
        "listen: 80\n'${env:S}': 1" + SITE,
        "listen: 80\nadmin: {pasword: hunter2-and-more}" + SITE,
        "listen: 80\nadmin: {token: hunter2-and-more, listen: x}" + SITE,
        "listen: 80\nadmin: {token: 'hunter2-and-more', listen: x, oops" + SITE,
        "listen: 80\naccess_log: {fields: ['${env:S}']}" + SITE,
        "listen: 80\nsites: {a.example: {routes: {/: {pool: '${env:S}'}}}}",
        "listen: 80\nsites: {'${env:S}/x': '10.0.0.1:80'}",
        "listen: 80\nsites: {a.example: 'https://${env:S}@10.0.0.1'}",
        "listen: '${env:URL}'" + SITE,
    ],
)
def test_no_message_shows_a_secret(fail_text: Fail, text: str) -> None:
    error = fail_text(text, {"S": SECRET, "URL": "redis://user:hunter2@10.0.0.1"}, {"secret": SECRET + "\n"})
    shown = str(error) + json.dumps([p.excerpt + p.hint + p.key for p in error.problems])
    assert "hunter" not in shown
    assert error.problems[0].line > 0


def test_no_view_shows_a_secret(load_text: Load) -> None:
    plan = load_text(
        """
        listen: ["127.0.0.1:0"]
        admin: {token: hunter2-and-more-admin}
        headers: {request: {set: {Authorization: Bearer hunter2, X-Where: "${env:S}!"}}}
        sites:
          a.example:
            routes:
              /: {servers: ["10.0.0.1:80"], sticky: {secret: hunter2-and-more-sticky}, health: {path: /h, headers: {X-Api-Key: hunter2}}}
              "=/${env:S}": {redirect: "/${env:S}"}
        """,
        {"S": SECRET},
    )
    assert "hunter" not in json.dumps(view(plan))
    assert "hunter" not in repr(plan.config.admin) + repr(plan.pools[0].config.sticky)
    assert plan.config.admin.token == "hunter2-and-more-admin"


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("  token: abc def # x", "  token: ***# x"),
        ("{secret: 'a, b', ttl: 1h}", "{secret: ***, ttl: 1h}"),
        ('db-password: "x', "db-password: ***"),
        ("hash: {key: client}", "hash: {key: client}"),
        ("key: certs/a.key", "key: certs/a.key"),
        ("Authorization: Bearer x", "Authorization: ***"),
        ("secret:", "secret:"),
    ],
)
def test_masks_secrets_in_excerpts(line: str, masked: str) -> None:
    assert mask_line(line) == masked
