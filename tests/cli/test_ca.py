"""``bascule ca``: an authority made once, its key for nobody else, its certificate exported."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from typer.testing import CliRunner, Result

from bascule.cli.main import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["ca", *arguments])


def test_init_and_export(tmp_path: Path) -> None:
    made = run("init", str(tmp_path / "ca"), "--name", "Example School", "--days", "90", "--only", "corp.example")
    assert made.exit_code == 0, made.stderr_bytes
    key, file = tmp_path / "ca" / "bascule-ca.key", tmp_path / "ca" / "bascule-ca.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=Example School"
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 90
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper().encode()
    assert fingerprint in made.stdout_bytes

    again = run("init", str(tmp_path / "ca"))
    assert again.exit_code == 1
    assert b"is there already" in again.stderr_bytes
    assert x509.load_pem_x509_certificate(file.read_bytes()) == certificate
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / file.name).write_bytes(file.read_bytes())
    assert b"is there already" in run("init", str(tmp_path / "half")).stderr_bytes
    assert not (tmp_path / "half" / key.name).exists()  # which would be the key of no certificate

    config = tmp_path / "bascule.yaml"
    config.write_text(
        "forward: {listen: 3128, intercept: {certificate: ca/bascule-ca.pem, key: ca/bascule-ca.key, default: bump}}"
    )
    exported = run("export", "--config", str(config))
    assert exported.stdout_bytes == file.read_bytes()
    assert fingerprint in exported.stderr_bytes
    assert x509.load_der_x509_certificate(run("export", "--der", "-c", str(config)).stdout_bytes) == certificate


def test_mistakes(tmp_path: Path) -> None:
    assert b"not a host" in run("init", str(tmp_path / "ca"), "--only", "http://a/").stderr_bytes
    assert not (tmp_path / "ca").exists()
    (tmp_path / "bascule.yaml").write_text("forward: {listen: 3128}")
    found = run("export", "--config", str(tmp_path / "bascule.yaml"))
    assert found.exit_code == 1
    assert b"has no `forward.intercept`" in found.stderr_bytes
