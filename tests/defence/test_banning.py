"""Bans with real processes: by hand, by offences, by lists; over reloads, deaths and restarts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import EndedError, Message, connect, request
from tests.support.command import tell
from tests.support.origins import Origin
from tests.support.program import Bascule, wait_for


def config(origin: Origin) -> dict[str, Any]:
    return {
        "workers": 2,
        "events": {"path": "events.jsonl"},
        "defence": {
            "allow": ["127.0.9.0/24"],
            "deny": ["127.0.8.0/24"],
            "bans": {"after": "5/m", "of": ["rate_limited", "no_route"], "time": "5m", "file": "bans.jsonl"},
        },
        "sites": {"site.test": {"routes": {"=/": {"respond": {"body": "x"}}}}},
    }


def ask(bascule: Bascule, source: str, target: str = "/") -> Message:
    with connect(bascule.port, source) as wire:
        wire.send(request(target))
        return wire.response()


def command(bascule: Bascule, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return tell(bascule, "ban", *arguments, text=text)


def listed(bascule: Bascule) -> dict[str, dict[str, Any]]:
    return {ban["network"]: ban for ban in json.loads(command(bascule, "list", "--json").stdout)}


def test_by_hand(bascule: Bascule) -> None:
    assert ask(bascule, "127.0.2.1").status == 200
    done = command(bascule, "add", "127.0.2.1", "--for", "1h", "--reason", "because")
    assert (done.returncode, "127.0.2.1 is banned until" in done.stderr) == (0, True)
    wait_for(lambda: ask(bascule, "127.0.2.1").status == 403, "the ban")
    message = ask(bascule, "127.0.2.1")
    assert (message.status, message["connection"], bool(message["x-bascule-ref"])) == (403, "close", True)
    assert ask(bascule, "127.0.2.2").status == 200
    assert listed(bascule)["127.0.2.1"]["reason"] == "because"
    assert command(bascule, "remove", "127.0.2.1").stderr == "bascule: 127.0.2.1 is banned no more\n"
    assert ask(bascule, "127.0.2.1").status == 200
    assert command(bascule, "remove", "127.0.2.1").stderr == "bascule: 127.0.2.1 is not banned\n"
    assert "is not an address or network" in command(bascule, "add", "nobody").stderr


def test_a_network_and_a_list(bascule: Bascule) -> None:
    done = command(bascule, "import", "-", "--for", "1h", text="127.0.3.0/28\n127.0.3.77 # one more\n")
    assert done.stderr == "bascule: 2 entries are banned\n"
    wait_for(lambda: ask(bascule, "127.0.3.5").status == 403, "the ban of a network")
    assert [ask(bascule, f"127.0.3.{end}").status for end in (1, 15, 16, 77)] == [403, 403, 200, 403]
    assert "127.0.3.0/28" in command(bascule, "export").stdout.splitlines()
    assert "set banned4" in command(bascule, "export", "--format", "nftables").stdout
    assert "line 1" in command(bascule, "import", "-", text="x").stderr


def test_what_the_configuration_says(bascule: Bascule) -> None:
    assert ask(bascule, "127.0.8.1").status == 403
    command(bascule, "add", "127.0.9.1")
    assert ask(bascule, "127.0.9.1").status == 200, "who is allowed is never kept out"


def test_a_client_bans_itself(bascule: Bascule) -> None:
    assert [ask(bascule, "127.0.4.1", "/nothing").status for _ in range(6)] == [404] * 6
    # an offence counts once its answer is out, and the next request may be as quick as that
    wait_for(lambda: ask(bascule, "127.0.4.1").status == 403, "the ban")
    assert [ask(bascule, "127.0.4.1").status for _ in range(8)] == [403] * 8, "at both workers at once"
    ban = wait_for(lambda: listed(bascule).get("127.0.4.1"), "the record")
    assert (ban["source"], ban["times"]) == ("auto", 1)
    assert "more than 5/60s offences" in ban["reason"]
    assert "no_route" in ban["evidence"]
    assert ask(bascule, "127.0.4.2").status == 200
    events = bascule.folder / "events.jsonl"
    wait_for(lambda: "banned: more than 5/60s offences" in events.read_text(), "the event")


def test_bans_outlive_processes(bascule: Bascule) -> None:
    command(bascule, "add", "127.0.5.1", "--for", "1h")
    command(bascule, "add", "127.0.6.0/24", "--for", "ever")
    wait_for(lambda: ask(bascule, "127.0.6.1").status == 403, "the ban")
    file = bascule.folder / "bans.jsonl"
    wait_for(lambda: file.exists() and '"127.0.6.0/24"' in file.read_text(), "the file, written every few seconds")
    for pid in bascule.children():
        os.kill(pid, signal.SIGKILL)

    def still() -> bool:
        try:
            return [ask(bascule, f"127.0.{net}.1").status for net in (5, 6, 7)] == [403, 403, 200]
        except (EndedError, OSError):
            return False

    wait_for(still, "all processes, and the bans")
    bascule.process.send_signal(signal.SIGHUP)
    wait_for(lambda: any("generation 2 serves" in line for line in bascule.lines), "the reload")
    wait_for(still, "the bans after a reload")


def test_a_restart_and_closed_connections(tmp_path: Path) -> None:
    (tmp_path / "bans.jsonl").write_text('{"network":"127.0.2.9","until":0,"since":1.0}\n')
    (tmp_path / "list.netset").write_text("# feed\n127.0.7.0/24\n")
    site = {"site.test": {"routes": {"/": {"respond": {"body": "x"}}}}}
    bans = {"file": str(tmp_path / "bans.jsonl"), "answer": "close"}
    with Bascule({"defence": {"bans": bans, "feeds": [str(tmp_path / "list.netset")]}, "sites": site}) as bascule:
        assert ask(bascule, "127.0.1.1").status == 200

        def closed(source: str) -> bool:
            try:
                ask(bascule, source)
            except (EndedError, OSError):
                return True
            return False

        assert closed("127.0.7.7")
        wait_for(lambda: closed("127.0.2.9"), "the bans of the file")


def test_a_ban_of_who_sends_proxy_headers_is_none_of_its_clients() -> None:
    listen = [{"address": "127.0.0.1:0", "proxy_protocol": ["127.0.0.0/8"]}]
    defence = {"deny": ["127.0.3.0/24", "192.0.2.0/24"], "bans": {"answer": "close"}}
    site = {"site.test": {"routes": {"/": {"respond": {"body": "x"}}}}}
    with Bascule({"listen": listen, "defence": defence, "sites": site}) as bascule:
        for client, closed in (("198.51.100.1", False), ("192.0.2.1", True)):
            with connect(bascule.port, "127.0.3.1") as wire:
                wire.send(f"PROXY TCP4 {client} 127.0.0.1 4711 80\r\n".encode() + request())
                if closed:
                    with pytest.raises((EndedError, OSError)):
                        wire.response()
                else:
                    assert wire.response().status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its account")
def test_bans_outlive_a_reload_where_the_keeper_has_an_account_of_its_own() -> None:
    bascule = Bascule({"user": "nobody", "sites": {"*": {"routes": {"/": {"respond": {"body": "x"}}}}}})
    bascule.folder.chmod(0o755)
    with bascule:
        assert command(bascule, "add", "127.0.5.1").returncode == 0
        bascule.process.send_signal(signal.SIGHUP)
        wait_for(lambda: any("generation 2 serves" in line for line in bascule.lines), "the reload")
        assert list(listed(bascule)) == ["127.0.5.1"]
        assert not [line for line in bascule.lines if "do not outlive" in line]
