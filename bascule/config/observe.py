"""What operators see: access log, admin listener."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bascule.config.base import Model
from bascule.config.types import AddressField, LogTarget, Share

LOG_FIELDS = (
    "time", "client", "port", "site", "route", "method", "host", "target", "version", "status", "bytes_in",
    "bytes_out", "duration", "wait", "server", "tries", "cause", "ref", "user_agent", "referer", "tls", "request_id",
)  # fmt: skip


class AccessLog(Model):
    """The access log. Lines are batched; the file is reopened on SIGUSR1."""

    path: LogTarget = "-"
    """``-`` for stdout, ``off``, a file, ``syslog:`` (local) or ``syslog:host:port`` (UDP)."""
    format: Literal["json", "combined"] = "json"
    """One JSON object a line, or Apache's combined format."""
    fields: tuple[str, ...] = LOG_FIELDS
    """Fields of the JSON format, in this order."""
    sample: Share = 1.0
    """Share of answers below 400 that are logged; errors always are."""


class Admin(Model):
    """The operators' listener: /metrics, /healthz, /readyz, /status, and reload. Keep it private."""

    listen: AddressField | None = None
    """An address beside the UNIX socket that is always there in `run_dir`."""
    token: Annotated[str, Field(repr=False)] = ""
    """Bearer token asked for on TCP for anything but health and readiness."""
