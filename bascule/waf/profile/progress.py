"""How far learning is, for people: by place and method what was seen, and what is missing until it is judged."""

from __future__ import annotations

from typing import Any

from bascule.waf.profile.model import Operation, Parameter, Profile
from bascule.waf.profile.traits import NAMES
from bascule.waf.profile.usual import habit_of, is_ripe


def progress(profile: Profile, clients: int, requests: int) -> list[dict[str, Any]]:
    """Return a row for each place and method."""
    return [
        _row(profile, path, method, operation, clients, requests)
        for path, node in profile.places()
        for method, operation in node.operations.items()
    ]


def _row(profile: Profile, path: str, method: str, operation: Operation, clients: int, requests: int) -> dict[str, Any]:
    habit = habit_of(profile, operation, clients)
    ripe = is_ripe(operation, clients, requests)
    share = min(operation.count / requests, 1.0), min(len(operation.clients) / clients, 1.0)
    return {
        "place": path,
        "method": method,
        "ripe": ripe,
        "progress": round(100 * min(share)),
        "requests": operation.count,
        "clients": len(operation.clients),
        "content_types": list(habit.content_types),
        "before": list(habit.before),
        "entry": habit.entry,
        "open": habit.open,
        "parameters": [
            _parameter(name, parameter, habit.parameters[name])
            for name, parameter in operation.parameters.items()
            if name in habit.parameters
        ],
        "unconfirmed": sum(name not in habit.parameters for name in operation.parameters),
    }


def _parameter(name: str, parameter: Parameter, expected: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kinds": list(expected.kinds),
        "longest": expected.longest,
        "alphabet": [NAMES[n] for n in range(len(NAMES)) if expected.alphabet >> n & 1],
        "required": expected.required,
        "many": expected.many,
        "seen": parameter.count,
    }
