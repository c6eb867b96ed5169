"""Renewal: new processes take over from those that keep memory of a crowd, and nobody notices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.harness import Load, Program, ask, running, wait_for


@pytest.fixture
def program() -> Iterator[Program]:
    with running() as found:
        yield found


def test_new_processes_take_over_and_no_answer_is_lost(program: Program) -> None:
    before = {process["pid"] for process in program.call("status")["processes"]}
    with Load(program) as load:
        program.ask("swell 9000000")
        program.wait_said("keeps 8.6 MiB of a crowd that has gone; new processes take over")
        program.wait_said("renewed: generation 2 serves")
        wait_for(lambda: len(program.call("status")["processes"]) == 3, "the old ones to go")
        load.more()
    assert load.losses == []
    status = program.call("status")
    assert not before & {process["pid"] for process in status["processes"]}
    assert (status["renewals"], status["restarts"], status["last_reload"]) == (1, 0, None)


def test_the_configuration_is_that_which_served_whatever_the_file_says_now(program: Program) -> None:
    program.write(workers=1, test={"load": "fail"})
    program.ask("swell 9000000")
    program.wait_said("renewed: generation 2 serves")
    assert len(wait_for(lambda: program.processes("worker"), "workers")) == 2
    assert not program.said("failed")


def test_who_is_connected_is_served_on_and_until_then_there_is_no_other_renewal(program: Program) -> None:
    with program.connect() as sock:
        assert ask(sock, "who").startswith("1 ")
        ask(sock, "swell 9000000")
        program.wait_said("renewed: generation 2 serves")
        assert ask(sock, "who").startswith("1 ")
        assert program.ask("swell 9000000") == "swollen"
        assert program.ask("who").startswith("2 ")
        assert program.call("reload")["generation"] == 3, "a reload does not wait, and took this number"
        assert program.call("status")["renewals"] == 1


def test_a_changed_configuration_gives_those_before_it_no_more_than_their_time_to_drain(program: Program) -> None:
    program.write(timeouts={"drain": "200ms"})
    assert program.call("reload")["generation"] == 2
    wait_for(lambda: len(program.call("status")["processes"]) == 3, "the first generation to go")
    with program.connect() as sock:
        ask(sock, "swell 9000000")
        program.wait_said("renewed: generation 3 serves")
        assert ask(sock, "who").startswith("2 ")
        assert program.call("reload")["generation"] == 4
        wait_for(lambda: len(program.call("status")["processes"]) == 3, "both to go")


def test_a_renewal_that_fails_changes_nothing(program: Program) -> None:
    gate = program.folder / "gate"
    gate.touch()
    program.write(test={"gate": str(gate)})
    assert program.call("reload")["ok"]
    wait_for(lambda: len(program.call("status")["processes"]) == 3, "the first generation to go")
    gate.unlink()
    program.ask("swell 9000000")
    program.wait_said("new processes take over")
    new = wait_for(lambda: program.processes("worker", "starting"), "the new workers")
    program.kill(new[0]["pid"])
    program.wait_said("renewal failed, nothing was changed: worker")
    assert program.ask("who").startswith("2 ")
    assert program.call("status")["last_reload"]["ok"] is True
