"""What is shared with other machines, if anything is: its library is loaded only then, for it takes 5 MiB a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.config.plan import Plan
from bascule.defence.attack import AttackWatch
from bascule.defence.ban_keeper import BanKeeper

if TYPE_CHECKING:
    from bascule.defence.machines.sharing import SharedKeeper, SharedRates


def rates_of(plan: Plan) -> SharedRates | None:
    """Return the limits of a worker that machines share."""
    if plan.config.defence.share is None:
        return None
    from bascule.defence.machines.sharing import SharedRates

    return SharedRates(plan.config.defence.share)


def keeper_of(plan: Plan, bans: BanKeeper, attacks: AttackWatch) -> SharedKeeper | None:
    """Return the part of the keeper that shares bans and attacks."""
    if plan.config.defence.share is None:
        return None
    from bascule.defence.machines.sharing import SharedKeeper

    return SharedKeeper(plan.config.defence.share, bans, attacks)
