"""Certificates are read, matched with their keys, and doubted in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from .certs import make_pair
from .conftest import Fail, Load

TEXT = """
listen: ["0.0.0.0:443"]
sites:
  a.example:
    tls: {cert: %s, key: %s}
    routes: {/: "10.0.0.1:80"}
"""


@pytest.fixture(autouse=True)
def certificates(tmp_path: Path) -> None:
    make_pair(tmp_path, "a", ("a.example",))
    make_pair(tmp_path, "wild", ("*.example",))
    make_pair(tmp_path, "other", ("b.example", "c.example"))
    make_pair(tmp_path, "old", ("a.example",), days=-3)
    make_pair(tmp_path, "soon", ("a.example",), days=3)
    make_pair(tmp_path, "locked", ("a.example",), password="secret-word")
    (tmp_path / "garbage.pem").write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
    (tmp_path / "empty.pem").write_text("")


@pytest.mark.parametrize(
    ("cert", "key", "wrong", "message"),
    [
        ("gone.pem", "a.key", "cert", "the certificate file {0}/gone.pem cannot be read: No such file or directory"),
        ("garbage.pem", "a.key", "cert", "{0}/garbage.pem is not a PEM certificate: "),
        ("empty.pem", "a.key", "cert", "{0}/empty.pem is not a PEM certificate: Unable to load PEM file"),
        ("a.pem", "gone.key", "key", "the private key file {0}/gone.key cannot be read: No such file or directory"),
        ("a.pem", "a.pem", "key", "{0}/a.pem is not a PEM private key (it begins with -----BEGIN PRIVATE KEY-----)"),
        (
            "a.pem",
            "locked.key",
            "key",
            "the private key {0}/locked.key is encrypted; store it decrypted (openssl pkey)",
        ),
        ("a.pem", "other.key", "key", "the private key {0}/other.key does not belong to the certificate {0}/a.pem"),
    ],
)
def test_bad_pairs(fail_text: Fail, tmp_path: Path, cert: str, key: str, wrong: str, message: str) -> None:
    (problem,) = fail_text(TEXT % (cert, key)).problems
    column = 17 if wrong == "cert" else 17 + len(cert) + 7
    assert (problem.line, problem.column, problem.key) == (4, column, f'sites."a.example".tls.{wrong}')
    assert problem.message.startswith(message.format(tmp_path))


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ("a", ""),
        ("wild", ""),
        ("other", "the certificate does not name a.example (it names b.example, c.example)"),
        ("old", "old.pem expired on "),
        ("soon", "soon.pem expires on "),
    ],
)
def test_doubts(load_text: Load, tmp_path: Path, name: str, warning: str) -> None:
    plan = load_text(TEXT % (f"{name}.pem", f"{name}.key"))
    assert warning in "".join(problem.message for problem in plan.warnings)
    assert len(plan.warnings) == bool(warning)
    assert plan.sites[0].tls is not None
    assert plan.sites[0].tls.certificates[0].cert == str(tmp_path / f"{name}.pem")
    assert {str(tmp_path / f"{name}.pem"), str(tmp_path / f"{name}.key")} < set(plan.files)


def test_client_and_origin_authorities(load_text: Load, fail_text: Fail, tmp_path: Path) -> None:
    text = """
    listen: [{address: "127.0.0.1:0", tls: {certificates: [{cert: a.pem, key: a.key}]}}]
    sites:
      a.example:
        tls: {cert: a.pem, key: a.key, client_auth: {ca: %s}}
        routes:
          /: {servers: ["https://b.example"], tls: {ca: other.pem, cert: other.pem, key: other.key}}
    """
    assert str(tmp_path / "other.pem") in load_text(text % "wild.pem").files
    (problem,) = fail_text(text % "a.key").problems
    assert (problem.line, problem.key) == (4, 'sites."a.example".tls.client_auth.ca')


def test_tls_sites_without_a_tls_listener_are_doubted(load_text: Load) -> None:
    plan = load_text(TEXT.replace("443", "80") % ("a.pem", "a.key"))
    assert [(w.line, w.message) for w in plan.warnings] == [(4, "no listener has TLS, so this is never used")]


def test_a_pasted_key_is_not_shown(fail_text: Fail, tmp_path: Path) -> None:
    pasted = (tmp_path / "a.key").read_text()
    body = pasted.splitlines()[1]
    shown = str(fail_text(TEXT % ("a.pem", '"' + pasted.replace("\n", "\\n") + '"')))
    assert body not in shown
    assert "give the path of the file, not what is in it" in shown
