from __future__ import annotations

import json
import os
import socket
from collections import Counter
from pathlib import Path

import pytest

from bascule.config.observe import AccessLog
from bascule.telemetry.accesslog import AccessLogger, open_early
from bascule.telemetry.sinks import LogOpenError
from tests.telemetry.support import make_record, make_route


def test_errors_are_always_logged_and_the_rest_by_chance(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    draws = iter([0.1, 0.9, 0.2, 0.9])
    config = AccessLog(path=str(path), fields=("status", "target"), sample=0.5)
    logger = AccessLogger(config, chance=lambda: next(draws))
    statuses = [200, 204, 404, 302, 301, 500, 0]
    logger.log([make_record(status=status) for status in statuses])
    assert [json.loads(line)["status"] for line in path.read_text().splitlines()] == [200, 404, 302, 500, 0]


def test_routes_can_be_silent(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    logger = AccessLogger(AccessLog(path=str(path), fields=("route",)))
    loud, silent = make_route(0, "loud"), make_route(1, "silent", log=False)
    logger.log([make_record(route=route) for route in (loud, silent, None, loud)])
    assert path.read_text() == '{"route":"loud"}\n{"route":""}\n{"route":"loud"}\n'


def test_reopen(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    logger = AccessLogger(AccessLog(path=str(path), format="combined"))
    logger.log([make_record()])
    path.rename(tmp_path / "a.log.1")
    logger.reopen()
    logger.log([make_record(), make_record()])
    logger.close()
    assert len((tmp_path / "a.log.1").read_text().splitlines()) == 1
    assert len(path.read_text().splitlines()) == 2


def test_open_early_refuses_with_place_and_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LogOpenError, match=r"access_log\.path: cannot open '.*/no/a\.log': No such file.*create"):
        open_early(AccessLog(path=str(tmp_path / "no" / "a.log")))

    def unknown(*_args: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(LogOpenError, match=r"access_log\.path: cannot open 'syslog:no\.such\.invalid:514'"):
        open_early(AccessLog(path="syslog:no.such.invalid:514"))


def test_open_early_of_a_log_that_is_off() -> None:
    assert open_early(AccessLog(path="off")) is None


@pytest.mark.parametrize("where", ["-", "file", "syslog:127.0.0.1:514"])
def test_a_forgotten_sink_leaves_nothing_open(where: str, tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    sink = open_early(AccessLog(path=str(tmp_path / "a.log") if where == "file" else where))
    assert set(os.listdir("/proc/self/fd")) - before
    del sink
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_open_early_gives_a_new_file_to_the_account_that_will_write_it(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    sink = open_early(AccessLog(path=str(path)), (65534, 65534))
    assert sink is not None
    sink.close()
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


def test_processes_that_share_a_file_never_mix_lines(tmp_path: Path) -> None:
    """Four workers with an inherited sink and four that opened the file themselves."""
    path = tmp_path / "a.log"
    config = AccessLog(path=str(path))
    early = open_early(config)
    children = []
    for number in range(8):
        pid = os.fork()
        if pid == 0:
            try:
                logger = AccessLogger(config, early if number % 2 else None)
                for turn in range(50):
                    width = 10 + 997 * turn % 9000
                    logger.log([make_record(port=number, target=b"/" + b"a" * width)] * 8)
                logger.close()
            finally:
                os._exit(0)
        children.append(pid)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert Counter(line["port"] for line in lines) == dict.fromkeys(range(8), 400)
    assert all(set(line["target"]) <= {"/", "a"} for line in lines)
