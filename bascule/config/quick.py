"""The configurations that ``bascule reverse`` and ``bascule forward`` mean: one listener, no file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from bascule.config.errors import ConfigError, KeyPath, Problem
from bascule.config.explain import follows, in_words
from bascule.config.schema import Config

_OPTIONS: tuple[tuple[KeyPath, str], ...] = (
    (("listen", 0, "tls", "certificates", 0, "cert"), "--tls-cert"),
    (("listen", 0, "tls", "certificates", 0, "key"), "--tls-key"),
    (("listen",), "--listen"),
    (("forward", "listen"), "--listen"),
    (("forward", "parents"), "--through"),
    (("forward", "dns"), "--dns"),
    (("forward", "privacy"), "--privacy"),
    (("sites", "*"), "--to"),
    (("waf", "mode"), "--waf"),
    (("waf",), "--"),
    (("workers",), "--workers"),
    (("limit",), "--limit"),
    (("access_log",), "--access-log"),
)
"""From key path to the option that sets it; the first that fits counts."""


def reverse_config(
    *,
    listen: str,
    to: Sequence[str],
    workers: int = 0,
    waf: str = "off",
    rules: str = "",
    preset: str = "standard",
    crs: str = "",
    paranoia: int = 1,
    tls_cert: str = "",
    tls_key: str = "",
    access_log: str = "off",
    log_format: str = "json",
    limit: Sequence[str] = (),
) -> Config:
    """Return the configuration of a quick reverse proxy that accepts any host and limits nobody.

    Servers that are ``https://`` are verified; several are balanced. Without `rules` the firewall goes by the
    Core Rule Set where its folder is given, else by the logic rules. Raises ConfigError in terms of the options.
    """
    if bool(tls_cert) != bool(tls_key):
        raise _error("--tls-key" if tls_cert else "--tls-cert", "--tls-cert and --tls-key belong together")
    if not to:
        raise _error("--to", "at least one server is needed, as in --to http://127.0.0.1:9001")
    listener: dict[str, Any] = {"address": listen}
    if tls_cert:
        listener["tls"] = {"certificates": [{"cert": tls_cert, "key": tls_key}]}
    data = {
        "listen": [listener],
        "workers": workers,
        "sites": {"*": {"routes": {"/": {"servers": list(to), "balance": "least-connections"}}}},
        "waf": {
            "mode": waf,
            "rules": rules or ("crs" if crs else "logic"),
            "preset": preset,
            "crs": os.path.abspath(crs) if crs else "",
            "paranoia": paranoia,
        },
        "limit": list(limit),
        "access_log": {"path": access_log, "format": log_format},
    }
    return _config(data)


def forward_config(
    *,
    listen: str,
    allow_private: bool = False,
    through: str = "",
    dns: str = "",
    privacy: str = "standard",
    workers: int = 0,
    access_log: str = "off",
    log_format: str = "json",
) -> Config:
    """Return the configuration of a quick forward proxy: no users, no rules, clients of private networks only.

    Raises ConfigError in terms of the options.
    """
    forward: dict[str, Any] = {"listen": [{"address": listen}], "allow_private": allow_private, "privacy": privacy}
    if through:
        forward |= {"parents": {"parent": through}, "ways": [{"through": "parent"}]}
    if dns:
        forward["dns"] = dns
    data = {
        "forward": forward,
        "workers": workers,
        "access_log": {"path": access_log, "format": log_format},
    }
    return _config(data)


def _problem(detail: Any) -> Problem:
    message, hint = in_words(detail)
    location: KeyPath = tuple(detail["loc"])
    return Problem(message, hint=hint, file=option_of(location))


def option_of(path: KeyPath) -> str:
    """Return the command-line option that sets a key, or nothing."""
    for prefix, option in _OPTIONS:
        if path[: len(prefix)] == prefix:
            return f"--{path[len(prefix)]}" if option == "--" and len(path) > len(prefix) else option
    return ""


def _config(data: dict[str, Any]) -> Config:
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise ConfigError([_problem(detail) for detail in details if not follows(detail, details)]) from None


def _error(option: str, message: str) -> ConfigError:
    return ConfigError([Problem(message, file=option)])
