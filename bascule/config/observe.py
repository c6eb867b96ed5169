"""What operators see: access log, event log, admin listener."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from bascule.config.base import Model
from bascule.config.types import AddressField, LogTarget, Share, Size, parse_log_target

LOG_FIELDS = (
    "time", "client", "port", "site", "route", "method", "host", "target", "version", "status", "bytes_in",
    "bytes_out", "duration", "wait", "server", "tries", "cause", "ref", "user_agent", "referer", "tls", "user", "rule",
    "cache",
)  # fmt: skip
FORWARD_FIELDS = ("user", "rule")
"""Those that only the forward proxy knows; without one they are not logged unless asked for."""
CACHE_FIELDS = ("cache",)
"""Those that only a cache knows."""


class AccessLog(Model):
    """The access log. Lines are batched; the file is reopened on SIGUSR1."""

    path: LogTarget = "-"
    """``-`` for stdout, ``off``, a file, ``syslog:`` (local) or ``syslog:host:port`` (UDP)."""
    format: Literal["json", "combined", "squid"] = "json"
    """One JSON object a line, Apache's combined format, or Squid's native one, which fits the forward proxy."""
    fields: tuple[str, ...] = tuple(name for name in LOG_FIELDS if name not in FORWARD_FIELDS + CACHE_FIELDS)
    """Fields of the JSON format, in this order. With a forward proxy, `user` and `rule` are among them by default, and
    `cache` where anything has one."""
    sample: Share = 1.0
    """Share of answers below 400 that are logged; errors always are."""


class EventsLog(Model):
    """The event log: one JSON line for each request that a rule of the firewall fired on, with secrets masked.

    It is what `bascule explain`, `bascule events` and `bascule replay` read.
    """

    path: Annotated[str, BeforeValidator(lambda value: value if value == "" else parse_log_target(value))] = ""
    """A file, ``-`` for stdout, ``off``, ``syslog:`` (local) or ``syslog:host:port`` (UDP). Empty means
    ``/var/log/bascule/events.jsonl`` for root and ``$XDG_STATE_HOME/bascule/events.jsonl`` (``~/.local/state``) for
    others; where that cannot be written, Bascule says so once and runs without an event log."""
    format: Literal["json", "modsecurity"] = "json"
    """Bascule's own events, or the JSON audit log of ModSecurity 3, which tells less."""
    max_bytes: Annotated[Size, Field(ge=65536)] = 64 << 20
    """Size at which the file becomes ``events.jsonl.1``, the one before ``.2``, and so on."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 4
    """Old files that are kept."""


class Admin(Model):
    """The operators' listener: /metrics, /healthz, /readyz, /status, and reload. Keep it private."""

    listen: AddressField | None = None
    """An address beside the UNIX socket that is always there in `run_dir`."""
    token: Annotated[str, Field(repr=False)] = ""
    """Bearer token asked for on TCP for anything but health and readiness."""
