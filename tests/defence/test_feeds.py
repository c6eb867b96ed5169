"""Who is kept out by what others know: feeds at a URL, CrowdSec, and rules by country, operator, kind and time."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from bascule.config.compile import compile_config
from bascule.config.defence import CrowdSec
from bascule.config.errors import ConfigError
from bascule.config.schema import Config
from bascule.defence import calendar
from bascule.defence.access import AccessRules
from bascule.defence.bans import check_networks
from bascule.defence.calendar import Calendar
from bascule.defence.crowdsec import ApiError, CrowdSecWatch, seconds
from bascule.defence.geo import Geography
from tests.support.clients import Message, Wire, connect, request
from tests.support.origins import Handler, Origin, answer
from tests.support.pace import unless_stalled
from tests.support.program import Bascule, wait_for
from tests.support.shared import shared_dir

SITES = {"site.test": {"routes": {"/": {"respond": {"body": "x"}}}}}


def status(bascule: Bascule, source: str) -> int:
    with connect(bascule.port, source) as wire:
        wire.send(request())
        return wire.response().status


class Api:
    """The decisions stream of a CrowdSec Local API, as its bouncers see it: all at startup, then what changed."""

    def __init__(self) -> None:
        self.decisions: dict[int, dict[str, Any]] = {}
        self.new: list[dict[str, Any]] = []
        self.deleted: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.away = False

    def decide(
        self, number: int, value: str, scope: str = "Ip", kind: str = "ban", duration: str = "3h59m56.7s"
    ) -> None:
        decision = {"id": number, "origin": "cscli", "type": kind, "scope": scope, "value": value, "duration": duration,
                    "scenario": "manual 'ban'", "uuid": f"{number:032x}"}  # fmt: skip
        self.decisions[number] = decision
        self.new.append(decision)

    def delete(self, number: int) -> None:
        self.deleted.append({**self.decisions.pop(number), "duration": "-1s"})

    def __call__(self, wire: Wire, message: Message) -> bool:
        parts = urlsplit(message.start[1])
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        startup = asked["startup"]
        self.asked.append(startup)
        if self.away or parts.path != "/v1/decisions/stream":
            wire.send(answer(b"", "502 Bad Gateway", "Connection: close"))
        elif message["x-api-key"] != "sesame":
            wire.send(answer(b'{"message":"access forbidden"}', "403 Forbidden", "Connection: close"))
        else:
            new = list(self.decisions.values()) if startup == "true" else self.new
            deleted = self.deleted
            if asked.get("dedup") != "false":  # it then tells the longest decision about each value only
                others = {decision["value"] for decision in self.decisions.values()}
                deleted = [decision for decision in deleted if decision["value"] not in others]
            told = json.dumps({"deleted": deleted or None, "new": new or None}).encode()
            self.new, self.deleted = [], []
            wire.send(answer(told, "200 OK", "Content-Type: application/json", "Connection: close"))
        return False


@unless_stalled
def test_crowdsec() -> None:
    api = Api()
    api.decide(1, "127.0.2.1")
    api.decide(2, "127.0.3.0/24", "Range")
    api.decide(3, "127.0.2.9", kind="captcha")
    api.decide(4, "SE", "Country")
    with Origin(api) as lapi:
        crowdsec = {"url": f"http://{lapi.address}", "key": "sesame", "interval": "1s"}
        with Bascule({"defence": {"crowdsec": crowdsec, "allow": ["127.0.9.0/24"]}, "sites": SITES}) as bascule:
            wait_for(lambda: status(bascule, "127.0.2.1") == 403, "the decision")
            wait_for(lambda: status(bascule, "127.0.3.77") == 403, "the range")
            assert [status(bascule, source) for source in ("127.0.2.9", "127.0.2.2")] == [200, 200]
            api.decide(5, "127.0.2.1")
            api.decide(6, "127.0.2.3")
            api.decide(7, "127.0.2.4", duration="2s")
            wait_for(lambda: status(bascule, "127.0.2.3") == 403, "a new decision")
            api.delete(1)
            api.delete(6)
            wait_for(lambda: status(bascule, "127.0.2.3") == 200, "that it was taken back")
            assert status(bascule, "127.0.2.1") == 403, "the other decision about it"
            wait_for(lambda: status(bascule, "127.0.2.4") == 200, "that one has ended by itself")
            api.away = True
            wait_for(lambda: any("stays in force" in line for line in bascule.lines), "the complaint")
            assert status(bascule, "127.0.2.1") == 403
            api.delete(5)
            api.new, api.deleted = [], []  # told in an answer that was lost on the way
            api.away = False
            wait_for(lambda: any("answers again" in line for line in bascule.lines), "the end of it")
            wait_for(lambda: status(bascule, "127.0.2.1") == 200, "that nothing is decided about it any more")
    assert api.asked[:2] == ["true", "false"]


def babble(wire: Wire, message: Message) -> bool:
    wire.send(b"220 mail.test ESMTP\r\n")
    return False


@pytest.mark.parametrize(
    ("api", "why"), [(Api(), "it does not know the key"), (babble, "220 mail.test"), (lambda *_: False, "closed")]
)
def test_an_api_that_cannot_be_asked(api: Handler, why: str) -> None:
    """Whatever it says: what was decided stays in force, and it is asked again."""
    with Origin(api) as origin:
        watch = CrowdSecWatch(CrowdSec(url=f"http://{origin.address}", key="wrong"), cast(Any, None))
        with pytest.raises(ApiError, match=why):
            watch._ask(startup=True)


def test_lists_that_only_record(tmp_path: Path) -> None:
    api = Api()
    api.decide(1, "127.0.2.1")
    feed = tmp_path / "own.netset"
    feed.write_text("127.0.3.0/24\n")
    with Origin(api) as lapi:
        crowdsec = {"url": f"http://{lapi.address}", "key": "sesame", "mode": "detect"}
        defence = {"crowdsec": crowdsec, "feeds": [str(feed)], "feeds_mode": "detect"}
        with Bascule({"defence": defence, "events": {"path": "events.jsonl"}, "sites": SITES}) as bascule:
            assert status(bascule, "127.0.3.7") == 200
            told = bascule.folder / "events.jsonl"
            wait_for(lambda: "would be kept out: own.netset" in told.read_text(), "the event")
            wait_for(
                lambda: (status(bascule, "127.0.2.1") == 200) and "kept out: crowdsec" in told.read_text(), "the other"
            )


@pytest.mark.parametrize(
    ("text", "value"), [("3h59m56.7s", 14396.7), ("1m", 60.0), ("250ms", 0.25), ("-1h2m3s", -3723.0), ("10µs", 1e-5)]
)
def test_durations_of_go(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "1", "h", "1d", "1h, 2m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


def test_a_feed_at_a_url(tmp_path: Path) -> None:
    content = b"# a list\n127.0.4.0/24\n127.0.5.1 ; why\n"

    def handler(wire: Wire, message: Message) -> bool:
        wire.send(answer(content, "200 OK", "Connection: close"))
        return False

    with Origin(handler) as server:
        defence = {"feeds": [f"http://{server.address}/drop.netset"], "refresh": "60s"}
        config = {"defence": defence, "cache_dir": str(tmp_path), "sites": SITES}
        with Bascule(config) as bascule:
            wait_for(lambda: status(bascule, "127.0.4.7") == 403, "the list")
            assert [status(bascule, source) for source in ("127.0.5.1", "127.0.6.1")] == [403, 200]
    with Bascule(config) as bascule:
        assert status(bascule, "127.0.4.7") == 403, "it is kept, and in force from the start"


@pytest.mark.parametrize("content", ["<html>Please log in</html>\n", "# nothing\n", "192.0.2.1\n0.0.0.0/0\n"])
def test_what_is_no_list_of_networks(tmp_path: Path, content: str) -> None:
    file = tmp_path / "list"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"^line \d|nothing in it"):
        check_networks(str(file))


def rules(*stated: Any, **geo: str) -> AccessRules:
    data = {"listen": [80], "sites": {"*": "10.0.0.1:80"}, "defence": {"rules": list(stated), "geo": geo}}
    defence = compile_config(Config.model_validate(data)).config.defence
    return AccessRules(defence.rules, Geography(defence.geo), Calendar("UTC"))


def kept_out(found: AccessRules, *addresses: bytes) -> list[str]:
    return [rule.name if (rule := found.find(address)) is not None else "" for address in addresses]


def test_rules_by_databases() -> None:
    folder = shared_dir("lists", "maxmind", "test-data")
    databases = {
        "country": str(folder / "GeoLite2-Country-Test.mmdb"),
        "asn": str(folder / "GeoLite2-ASN-Test.mmdb"),
        "anonymous": str(folder / "GeoIP2-Anonymous-IP-Test.mmdb"),
    }
    found = rules(
        {"allow": {"network": "2.125.160.216"}},
        {"deny": {"country": ["GB"]}, "name": "abroad"},
        {"deny": {"asn": 1221}},
        {"deny": {"kind": ["tor", "vpn"]}, "name": "hidden"},
        **databases,
    )
    assert kept_out(found, b"2.125.160.216", b"2.125.160.217", b"1.128.0.1") == ["", "abroad", "rule 3"]
    assert kept_out(found, b"81.2.69.145", b"1.2.0.1", b"192.0.2.1") == ["abroad", "hidden", ""]
    with pytest.raises(ConfigError, match="`kind` needs a database"):
        rules({"deny": {"kind": "tor"}})


def test_rules_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_700_000_000.0  # Tuesday, 22:13 UTC
    monkeypatch.setattr(calendar, "time", lambda: now)
    found = rules({"deny": {"when": "Tue 22:00-22:14"}, "name": "late"}, {"deny": {"network": "192.0.2.0/24"}})
    assert kept_out(found, b"198.51.100.1", b"192.0.2.1") == ["late", "late"]
    now += 60.0
    assert kept_out(found, b"198.51.100.1", b"192.0.2.1") == ["", "rule 2"]


def test_rules_that_make_no_sense() -> None:
    with pytest.raises(ConfigError, match="no rule behind it"):
        rules({"deny": {}}, {"allow": {"network": "192.0.2.1"}})
    with pytest.raises(ConfigError, match="nothing to detect"):
        rules({"allow": {}, "mode": "detect"})
    with pytest.raises(ValueError, match="either `deny` or `allow`"):
        rules({"deny": {}, "allow": {}})


def test_rules_on_the_wire() -> None:
    week = "Mon-Sun 00:00-24:00"
    defence = {
        "allow": ["127.0.9.0/24"],
        "timezone": "UTC",
        "rules": [
            {"allow": {"network": "127.0.7.7"}},
            {"deny": {"network": "127.0.7.0/24", "when": week}, "name": "seven"},
            {"deny": {"network": "127.0.8.0/24"}, "name": "eight", "mode": "detect"},
        ],
    }
    other = time.strftime("%a", time.gmtime(time.time() + 3 * 86400))
    site = {"limit": [{"rate": "1/h", "when": f"{other} 00:00-24:00"}], **SITES["site.test"]}
    config = {"defence": defence, "events": {"path": "events.jsonl"}, "sites": {"site.test": site}}
    with Bascule(config) as bascule:
        found = [
            status(bascule, source) for source in ("127.0.7.1", "127.0.7.7", "127.0.8.1", "127.0.1.1", "127.0.1.1")
        ]
        assert found == [403, 200, 200, 200, 200], "the limit holds on another day"
        text = wait_for(
            lambda: "eight" in (told := (bascule.folder / "events.jsonl").read_text()) and told, "the event"
        )
        assert "the client would be kept out: eight" in text
        assert "the client is banned: seven" in text
