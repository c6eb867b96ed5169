"""``bascule profile``: learning from recordings, what is shown of it, and what comes out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from bascule.cli.main import app
from bascule.waf.engine import Waf, WafSettings


def invoke(*arguments: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["profile", *arguments])
    return found.exit_code, found.stdout, found.stderr


def test_learned_from_recordings_shown_and_exported(tmp_path: Path) -> None:
    config, recording = tmp_path / "bascule.yaml", tmp_path / "traffic.jsonl"
    config.write_text(
        "listen: ':1'\nwaf: {mode: detect, profile: {stage: learning, clients: 3, requests: 6, folder: profiles}}\n"
        "sites:\n  shop.example: ['127.0.0.1:1']\n"
    )
    lines = []
    for n in range(9):
        client = f"192.0.2.{n % 3}"
        lines.append({"method": "GET", "target": f"/item/{n}?size={n}", "client": client, "status": 200})
        lines.append({"method": "GET", "target": f"/gone/{n}", "client": client, "status": 404})
        attack = "/item/1?size=1'%20union%20select%20password%20from%20users--"
        lines.append({"method": "GET", "target": attack if n == 4 else f"/item/{n}?size=zz", "client": "203.0.113.9"})
        lines.append({"method": "GET", "target": "/", "client": client, "host": "elsewhere.example"})
    every = [{"host": "shop.example", "headers": {}, **line} for line in lines]
    every.append(
        {
            "host": "shop.example",
            "method": "POST",
            "target": "/item",
            "client": "192.0.2.1",
            "status": 200,
            "body_bytes": 7,
        }
    )
    recording.write_text("".join(json.dumps(line) + "\n" for line in every))

    status, _, said = invoke("learn", str(recording), "--config", str(config))
    assert status == 0, said
    assert (
        "bascule: 9 learned, 18 suspicious or refused or of a client that was, 1 whose body was not recorded, "
        "9 of no site with a profile"
    ) in said
    file = tmp_path / "profiles" / "shop.example.json"
    options = ("--file", str(file), "--clients", "3", "--requests", "6")

    status, shown, _ = invoke("show", *options)
    assert status == 0
    assert "shop.example: 9 requests learned, 1 of 1 places ripe" in shown
    assert "query:size integer to 1 bytes" in shown
    _, shown, _ = invoke("show", *options, "--json")
    assert [(place["place"], place["progress"]) for place in json.loads(shown)[0]["places"]] == [("/item/{int}", 100)]

    status, document, _ = invoke("export", "--openapi", *options)
    assert status == 0
    contract = tmp_path / "api.json"
    contract.write_text(document)
    assert list(json.loads(document)["paths"]) == ["/item/{int1}"]
    assert Waf.load(WafSettings(logic="", openapi=contract)).contract is not None

    status, _, said = invoke("learn", str(recording), "--config", str(config), "--fresh")
    assert "9 requests learned in all" in said
    status, _, said = invoke("show", "--file", str(config))
    assert status == 1
    assert "not a profile" in said


def test_a_network_of_ipv6_is_one_client_in_recordings_too(tmp_path: Path) -> None:
    config, recording = tmp_path / "bascule.yaml", tmp_path / "traffic.jsonl"
    config.write_text(
        "listen: ':1'\nwaf: {mode: detect, profile: {stage: learning, clients: 3, requests: 6, folder: profiles}}\n"
        "sites:\n  shop.example: ['127.0.0.1:1']\n"
    )
    line = {"method": "GET", "host": "shop.example", "headers": {}, "status": 200}
    poison = [{**line, "target": "/find?q=a~b", "client": f"2001:db8::{n}"} for n in range(1, 10)]
    several = [{**line, "target": "/find?q=a", "client": f"2001:db8:0:{n}::1"} for n in range(1, 4)]
    recording.write_text("".join(json.dumps(each) + "\n" for each in poison + several))
    assert invoke("learn", str(recording), "--config", str(config))[0] == 0
    learned = json.loads((tmp_path / "profiles" / "shop.example.json").read_text())
    alphabet = learned["root"]["children"]["find"]["operations"]["GET"]["parameters"]["query:q"]["alphabet"]
    assert {len(clients) for clients in alphabet.values()} == {1, 3}


def test_folder_that_cannot_be_made_is_told_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = tmp_path / "bascule.yaml"
    config.write_text(
        "listen: '127.0.0.1:0'\nwaf: {mode: detect, profile: {stage: learning, folder: file/profiles}}\n"
        f"run_dir: {tmp_path / 'run'}\nsites:\n  shop.example: ['127.0.0.1:1']\n"
    )
    found = subprocess.run(
        [sys.executable, "-m", "bascule", "run", str(config)], capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 1
    assert "file/profiles of the profile of shop.example cannot be made: Not a directory" in found.stderr
    assert "waf.profile.folder" in found.stderr
