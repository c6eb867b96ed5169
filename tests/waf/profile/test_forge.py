"""A site that takes programs: once the profile has learned that, rules refuse there only what reaches out."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from tests.waf.profile.forge import ONE_LINE, REACHING, commit, commits, refused, taught
from tests.waf.profile.world import World


@pytest.fixture(scope="module", params=["standard", "advanced"])
def forge(request: pytest.FixtureRequest) -> World:
    return taught(40, 10, request.param)


def test_programs_are_refused_much_less_once_they_are_usual(forge: World) -> None:
    honest = list(islice(commits(random.Random(2026), 0.8), 200))
    before, after = refused(forge, honest, "learning"), refused(forge, honest, "enforced")
    assert before > 60
    assert after <= before * 0.1


def test_what_reaches_out_is_refused_there_too(forge: World) -> None:
    program = "#!/bin/bash\nset -eu\nls -la build/\n"
    assert refused(forge, [commit(program + line) for line in REACHING], "enforced") == len(REACHING)


def test_what_is_no_program_is_refused_there_too(forge: World) -> None:
    assert refused(forge, [commit(line) for line in ONE_LINE], "enforced") == len(ONE_LINE)


def test_it_holds_for_the_parameter_that_learned_it_only(forge: World) -> None:
    dense = "#!/bin/bash\nset -eu\nls -la build/ | grep x\nrm -rf build; mkdir build\n"
    assert refused(forge, [commit(dense)], "enforced") == 0
    assert refused(forge, [commit("x = 1\n", message=dense)], "enforced") == 1
