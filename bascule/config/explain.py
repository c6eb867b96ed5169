"""pydantic's errors in plain words: what is wrong at which place, and what would be right."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from bascule.config.base import Model
from bascule.config.document import Node, Sources
from bascule.config.errors import KeyPath, Problem, suggest
from bascule.config.observe import AccessLog, EventsLog
from bascule.config.places import elsewhere, keys_of
from bascule.config.references import MASK
from bascule.config.walk import type_at

_ECHO = 60
"""Characters of a wrong value that a message repeats."""

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list, as in [a, b]",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "date_type": "a date such as 2030-12-31",
    "date_parsing": "a date such as 2030-12-31",
    "date_from_datetime_parsing": "a date such as 2030-12-31",
    "date_from_datetime_inexact": "a date such as 2030-12-31",
    "int_parsing_size": "a whole number of sensible size",
}
_NOTHING = "there is no value here"
_GIVE = "give a value or remove the key"
_MAPPING = ("model_type", "dict_type", "model_attributes_type")
_OFF = ("off", "no", "false", "none")
_ON = ("on", "yes", "true", "default", "auto")
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def explain(error: ValidationError, root: Node, sources: Sources, model: type[Model]) -> list[Problem]:
    """Return the problems of a validation, each at its place in the files, in the order they stand there."""
    details = error.errors(include_url=False)
    problems = [_problem(detail, root, sources, model) for detail in details if not follows(detail, details)]
    unique = {(problem.file, problem.line, problem.column, problem.message): problem for problem in problems}
    return sorted(unique.values(), key=lambda problem: (problem.file, problem.line, problem.column))


def follows(detail: Mapping[str, Any], details: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a list is "empty" only because its items are wrong, which is told of them."""
    location = detail["loc"]
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > len(location) and other["loc"][: len(location)] == location for other in details
    )


def _problem(detail: Mapping[str, Any], root: Node, sources: Sources, model: type[Model]) -> Problem:
    location: KeyPath = tuple(detail["loc"])
    kind = detail["type"]
    node = root.find(location)
    path = written_path(root, location)
    if kind == "extra_forbidden":
        message, hint = _unknown_key(str(location[-1]), type_at(model, location[:-1]))
        return sources.problem(node.key, message, path, hint)
    if kind == "missing":
        return sources.problem(node.key, f"the key `{location[-1]}` is missing", path, missing_hint(str(location[-1])))
    message, hint = in_words(detail)
    if kind in _MAPPING:
        message, hint = _with_remedy(message, hint, type_at(model, location), detail.get("input"))
    if not hint and location:
        hint = missing_hint(str(location[-1]))
    if node.outside:
        message = _masked(message, str(node.value))
    # The empty value of a key has no place of its own: YAML finds it where the next thing stands.
    return sources.problem(node.key if node.value is None else node.place, message, path, hint)


def in_words(detail: Mapping[str, Any]) -> tuple[str, str]:
    """Return message and hint for one of pydantic's error details (not for unknown or missing keys)."""
    kind, value = detail["type"], detail.get("input")
    context = detail.get("ctx", {})
    if kind == "value_error":
        message = str(context.get("error", detail["msg"]))
        right = message.partition(": ")[2] if value is None else ""
        return (f"{_NOTHING}: {right}", _GIVE) if right else (message, "")
    if kind in ("literal_error", "enum"):
        allowed = [word.strip("'") for word in re.split(", | or ", str(context.get("expected", "")))]
        return _not_one_of(value, allowed)
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"{_echo(value)} is out of range: it is {words} {context[key]}", ""
    if kind in ("too_short", "string_too_short"):
        return "this cannot be empty", ""
    if kind == "string_pattern_mismatch":
        return f"{_echo(value)} does not have the form {context['pattern']}", ""
    if kind in _EXPECTED:
        return _wrong_kind(_EXPECTED[kind], value)
    return str(detail["msg"]), ""


def written_path(root: Node, location: KeyPath) -> KeyPath:
    """Return the key path as the file has it: without what a short form left unwritten, but with a missing last key."""
    node, path = root, []
    for index, part in enumerate(location):
        child = node.find((part,))
        last_unknown = index == len(location) - 1 and isinstance(part, str) and isinstance(node.value, dict)
        if child is not node or last_unknown:
            path.append(part)
        node = child
    return tuple(path)


def _unknown_key(key: str, model: Any) -> tuple[str, str]:
    message = f"unknown key `{key[:_ECHO]}`"
    if not (isinstance(model, type) and issubclass(model, Model)):
        return message, ""
    names, places = keys_of(model), elsewhere(key, model)
    near = suggest(key, names, 0.85 if places else 0.6)
    if places and not near:
        near = f"`{key}` is a key of {', '.join(places)}"
    return message, "; ".join(hint for hint in (near, f"keys allowed here: {', '.join(names)}") if hint)


def _with_remedy(message: str, hint: str, model: Any, value: Any) -> tuple[str, str]:
    """Return what to say where a mapping is expected: also its short form, how it is turned off, and its keys."""
    if not isinstance(model, type) or not issubclass(model, Model):
        return message, hint
    hints = [hint] if hint else []
    if model.short_forms:
        message = message.replace("expected a mapping of keys", "expected a mapping of keys or its short form")
        hints += [f"short forms: {_short_forms(model)}"]
    fields = model.model_fields
    if value is False or (isinstance(value, str) and value.lower() in _OFF):
        offs = {"mode": "off", "enabled": "false"} | (
            {"path": "off"} if issubclass(model, AccessLog | EventsLog) else {}
        )
        hints += [f"write {{{key}: {word}}}" for key, word in offs.items() if key in fields][:1]
    if needed := model.short_keys or [name for name, field in fields.items() if field.is_required()]:
        hints.append(f"it needs {' and '.join(f'`{name}`' for name in needed)}")
    elif (value is None or str(value).lower() in _ON) and _may_be_empty(model):
        hints.append("{} gives the defaults")
    if value is not None:
        hints.append(f"keys allowed here: {', '.join(keys_of(model))}")
    return message, "; ".join(hints)


def _may_be_empty(model: type[Model]) -> bool:
    try:
        model.model_validate({})
    except ValidationError:
        return False
    return True


def _short_forms(model: type[Model]) -> str:
    """Return in words what may stand in place of a mapping."""
    words = {"string": "a text", "integer": "a whole number", "boolean": "true, false", "array": "a list"}
    found: list[str] = []
    for form in model.short_forms:
        kinds = form["type"] if isinstance(form.get("type"), list) else [form.get("type", "")]
        found += [_as_written(word) for word in form["enum"]] if "enum" in form else [words[kind] for kind in kinds]
    return ", ".join(dict.fromkeys(found))


def _as_written(word: Any) -> str:
    return str(word).lower() if isinstance(word, bool) else str(word)


def missing_hint(key: str) -> str:
    """Return an example for a key that has to be there, or has something else."""
    return {
        "limit": "for example limit: 50/s per client",
        "listen": 'for example listen: ["0.0.0.0:80"]',
        "sites": "for example sites: {shop.example.com: {routes: {/: [10.0.0.11:8000]}}}",
        "routes": "for example routes: {/: [10.0.0.11:8000]}",
        "certificates": "give cert and key, PEM files",
    }.get(key, "")


def _not_one_of(value: Any, allowed: list[str]) -> tuple[str, str]:
    shown = ", ".join(name or '""' for name in allowed)
    if value is None:
        return f"{_NOTHING}: expected one of {shown}", _GIVE
    return f"{_echo(value)} is not one of: {shown}", suggest(value, allowed) if isinstance(value, str) else ""


def _wrong_kind(expected: str, value: Any) -> tuple[str, str]:
    if value is None:
        return f"{_NOTHING}: expected {expected}", _GIVE
    hint = ""
    if expected == "text" and isinstance(value, int | float):
        hint = "put it in quotes"
    elif expected.startswith("a list") and isinstance(value, str):
        hint = f"write [{value}]" if len(value) < _ECHO and value.isprintable() else ""
    return f"expected {expected}, not {_echo(value)}", hint


def _echo(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if not isinstance(value, str) else repr(str(value))
    return text if len(text) <= _ECHO else text[: _ECHO - 4] + "...'"


def _masked(message: str, value: str) -> str:
    """Return a message without the value it is about; where a piece of it would be left, without any detail."""
    for shown in (repr(value), value):
        message = message.replace(shown, MASK)
    size = min(4, len(value))
    if any(value[start : start + size] in message for start in range(len(value) - size + 1)):
        return f"the value {MASK} (from outside the file, and not shown) is not valid here"
    return message
