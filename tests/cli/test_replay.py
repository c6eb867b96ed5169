from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bascule.cli.main import app
from tests.cli.firewall import crs, event, load


def request(target: str, host: str = "shop.example", **more: Any) -> str:
    return json.dumps({"method": "GET", "target": target, "headers": {"host": host}, **more})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crs(tmp_path_factory.mktemp("crs"))


@pytest.fixture
def traffic(tmp_path: Path) -> Path:
    path = tmp_path / "traffic.jsonl"
    lines = [
        request("/search?q=union+select"),
        request("/search?q=books"),
        request("/search?q=union++select&p=2"),
        request("/api/x?q=union+select"),
        request("/?q=union+select", host="other.example"),
        json.dumps(
            {"method": "POST", "target": "/form", "headers": {"host": "shop.example"}, "body": "a=union select"}
        ),
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def config(
    tmp_path: Path, folder: Path, name: str, waf: str = "", api: str = "off", host: str = "shop.example"
) -> Path:
    path = tmp_path / name
    path.write_text(
        f"listen: 127.0.0.1:8080\ncache_dir: {tmp_path}\nwaf: {{mode: block, crs: {folder}{waf}}}\n"
        f"sites:\n  shop.example:\n    routes:\n      /: [127.0.0.1:9001]\n"
        f"      /api/: {{servers: [127.0.0.1:9001], waf: {api}}}\n"
    )
    return path


def run(*arguments: object, status: int = 0) -> Result:
    result = CliRunner().invoke(app, ["replay", *map(str, arguments)])
    assert result.exit_code == status, result.output
    return result


def report(*arguments: object, status: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--json", status=status).stdout)
    return found


def test_a_rule_folder_judges_all(traffic: Path, folder: Path) -> None:
    found = report(traffic, "--crs", folder)
    assert (found["requests"], found["blocked"]) == (6, 5)
    assert {"id": 942100, "message": "SQL injection", "count": 5} in found["rules"]
    assert all(rule["id"] != 949110 for rule in found["rules"])
    groups = {group["path"]: group for group in found["groups"]}
    assert groups["shop.example/search"]["count"] == 2
    assert groups["shop.example/search"]["examples"] == [f"{traffic}:1", f"{traffic}:3"]
    assert groups["shop.example/form"]["rules"] == [942100]


def test_a_configuration_judges_by_its_routes(traffic: Path, folder: Path, tmp_path: Path) -> None:
    found = report(traffic, "--config", config(tmp_path, folder, "a.yaml"))
    reasons = {group["path"]: (group["rules"], group["reason"]) for group in found["groups"]}
    assert reasons == {
        "shop.example/search": ([942100], ""),
        "shop.example/form": ([942100], ""),
        "other.example/": ([], "no route"),
    }


def test_what_went_out_through_the_forward_proxy_is_judged_by_its_firewall(
    traffic: Path, folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(
        f"cache_dir: {tmp_path}\nforward: {{listen: '127.0.0.1:3128', waf: {{mode: block, crs: {folder}}}}}\n"
    )
    tunnel = tmp_path / "tunnel.jsonl"
    tunnel.write_text(json.dumps({"method": "CONNECT", "target": "shop.example:443", "headers": {}}) + "\n")
    found = report(traffic, tunnel, "--config", path)
    assert (found["requests"], found["blocked"]) == (7, 5)
    assert {tuple(group["rules"]) for group in found["groups"]} == {(942100,)}


def test_detect_mode_tells_what_would_be_blocked(traffic: Path, folder: Path, tmp_path: Path) -> None:
    file = config(tmp_path, folder, "a.yaml", api="detect")
    assert "shop.example/api/x" in {group["path"] for group in report(traffic, "--config", file)["groups"]}


def test_what_the_proxy_refuses_itself_is_told(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(request("/a/../../etc") + "\n" + request("/", host="bad host") + "\n")
    found = report(path, "--config", config(tmp_path, folder, "a.yaml"))
    assert found["blocked"] == 2
    assert all("refused before the firewall" in group["reason"] for group in found["groups"])


def test_two_configurations_are_compared(traffic: Path, folder: Path, tmp_path: Path) -> None:
    old = config(tmp_path, folder, "old.yaml")
    new = config(
        tmp_path,
        folder,
        "new.yaml",
        api="block",
        waf=", exclusions: [{path: /search, parameter: q, rules: [942100], owner: a, reason: b}]",
    )
    found = report(traffic, "--config", new, "--against", old)
    assert found["new_blocks"]["count"] == 1
    assert [(group["path"], group["rules"]) for group in found["new_blocks"]["groups"]] == [
        ("shop.example/api/x", [942100])
    ]
    assert found["new_passes"]["count"] == 2
    assert found["new_passes"]["groups"][0]["path"] == "shop.example/search"
    assert found["new_passes"]["groups"][0]["rules"] == [942100]
    text = run(traffic, "--config", new, "--against", old).stdout
    assert "1 newly blocked" in text
    assert "2 newly let through" in text
    assert ["1", "942100", "shop.example/api/x", f"{traffic}:4"] in [line.split() for line in text.splitlines()]


@pytest.mark.parametrize(("condition", "same", "other"), [("blocks", 1, 1), ("new-blocks", 0, 1), ("new-passes", 0, 0)])
def test_exit_status_for_ci(traffic: Path, folder: Path, tmp_path: Path, condition: str, same: int, other: int) -> None:
    old, new = config(tmp_path, folder, "old.yaml"), config(tmp_path, folder, "new.yaml", api="block")
    run(traffic, "--config", old, "--against", old, "--fail-on", condition, status=same)
    run(traffic, "--config", new, "--against", old, "--fail-on", condition, status=other)


def test_recordings_of_several_kinds_at_once(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl.gz"
    with gzip.open(log, "wb") as stream:
        stream.write(event(load(folder), "/?q=union+select", "ref1", (b"cookie", b"a=b")).to_json() + b"\n")
    har = tmp_path / "a.har"
    entry = {"request": {"method": "GET", "url": "http://shop.example/?q=union%20select", "headers": []}}
    har.write_text(json.dumps({"log": {"entries": [entry, entry]}}))
    raw = tmp_path / "a.txt"
    raw.write_text("GET /?q=union+select HTTP/1.1\nHost: shop.example\n\n")
    access = tmp_path / "access.log"
    line = {"method": "POST", "target": "/?q=1", "host": "h", "status": 200, "bytes_in": 700, "user_agent": "x"}
    access.write_text(json.dumps(line) + "\n")
    found = report(log, har, raw, access, "--crs", folder)
    assert (found["requests"], found["blocked"]) == (5, 4)
    assert found["without"] == {"headers": 1, "body": 1}
    assert found["groups"][0]["examples"] == [f"{log}:1", f"{har}:1", f"{har}:2"]
    assert "1 request recorded without body" in run(access, "--crs", folder).stdout


def test_stdin(folder: Path) -> None:
    result = CliRunner().invoke(app, ["replay", "-", "--crs", str(folder), "--json"], input=request("/?q=union+select"))
    assert json.loads(result.stdout)["blocked"] == 1


def test_content_codings_are_taken_off(folder: Path, tmp_path: Path) -> None:
    raw = tmp_path / "a.txt"
    body = gzip.compress(b"q=union select")
    head = f"POST / HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n"
    raw.write_bytes(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode() + body)
    assert report(raw, "--crs", folder)["blocked"] == 1


@pytest.mark.parametrize(("policy", "reason"), [("inspect-start", None), ("reject", "large_body"), ("stream", "")])
def test_what_is_beyond_the_limit_of_a_body_is_judged_as_the_proxy_does(
    folder: Path, tmp_path: Path, policy: str, reason: str | None
) -> None:
    path = tmp_path / "large.jsonl"
    late = "a=" + "x" * 5000 + "&q=union+select&b=" + "y" * 2000
    path.write_text(request("/", method="POST", body=late) + "\n" + request("/", method="POST", body="q=" + "z" * 100))
    file = config(tmp_path, folder, "a.yaml", waf=f", body_limit: 2048, large_body: {policy}")
    groups = report(path, "--config", file)["groups"]
    assert len(groups) == (0 if reason is None else 1)
    for group in groups:
        assert group["count"] == 1
        assert group["rules"] == ([942100] if policy == "stream" else [])
        assert (reason or "") in group["reason"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", request("/") + "\n{\n", "a.jsonl:2: not a JSON record"),
        ("a.txt", "GET / HTTP/1.1\nHost: a\n\nGARBAGE\n\nGET /\n", ""),
        ("b.txt", "nothing\n", "b.txt:1: not a request line"),
        ("a.har", '{"log":{"entries":[{"request":{}}]}}', "a.har:entry1: not a HAR entry"),
    ],
)
def test_faults_name_file_and_line(folder: Path, tmp_path: Path, name: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    result = run(path, "--crs", folder, status=2 if said else 0)
    assert said in result.output


def test_other_faults(folder: Path, tmp_path: Path, traffic: Path) -> None:
    assert "No such file" in run(tmp_path / "none", "--crs", folder, status=2).output
    assert "--config FILE, or --crs DIR" in run(traffic, status=2).output
    assert "give --against" in run(traffic, "--crs", folder, "--fail-on", "new-blocks", status=2).output
    assert "name the folder that CRS was unpacked to" in run(traffic, "--crs", tmp_path, status=2).output
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"x" * 1000)[:-12])
    assert "broken.gz:" in run(broken, "--crs", folder, status=2).output
    bad = tmp_path / "bad.yaml"
    bad.write_text("listen: 1.2.3.4:80\nsitse: {}\n")
    assert "sitse" in run(traffic, "--config", bad, status=2).output
    half = tmp_path / "half.jsonl"
    half.write_text("{\n" + request("/?q=union+select") + "\n")
    assert report(half, "--crs", folder, "--skip-bad")["bad_records"] == 1


def test_groups_are_bounded(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bascule.cli.replay_report.MAX_GROUPS", 3)
    path = tmp_path / "many.jsonl"
    path.write_text("\n".join(request(f"/{number}?q=union+select") for number in range(10)))
    groups = report(path, "--crs", folder, "--examples", "2")["groups"]
    assert len(groups) == 4
    assert groups[0]["reason"] == "further groups"
    assert groups[0]["count"] == 7
    assert len(groups[0]["examples"]) == 2
