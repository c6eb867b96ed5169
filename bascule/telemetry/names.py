"""Every metric: its name, what it counts and its labels. Names are an operators' interface: do not rename.

Units are seconds and bytes (Prometheus, "Metric and label naming"). Counters lack the ``_total`` that the
exposition adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


REQUESTS: Final = Metric("bascule_requests", "Requests answered.", ("site", "route", "method", "status"))
REQUEST_DURATION: Final = Metric(
    "bascule_request_duration_seconds", "From the request's first byte to the end of its answer.", ("site", "route")
)
ORIGIN_WAIT: Final = Metric(
    "bascule_origin_wait_seconds", "From the request sent to the head of the server's response.", ("site", "route")
)
REQUEST_BYTES: Final = Metric("bascule_request_bytes", "Bytes received from clients.", ("site", "route"))
RESPONSE_BYTES: Final = Metric("bascule_response_bytes", "Bytes sent to clients.", ("site", "route"))
RETRIES: Final = Metric("bascule_retries", "Further tries on another server.", ("site", "route"))
CACHE_REQUESTS: Final = Metric(
    "bascule_cache_requests", "Requests of routes with a cache, by what it did.", ("site", "route", "outcome")
)
CACHE_ENTRIES: Final = Metric("bascule_cache_entries", "Responses in the cache.")
CACHE_BYTES: Final = Metric("bascule_cache_bytes", "Bytes in the cache.")
CACHE_LIMIT: Final = Metric("bascule_cache_limit_bytes", "Bytes that the cache may hold.")
CACHE_STORED: Final = Metric("bascule_cache_stored", "Responses put into the cache.")
CACHE_EVICTED: Final = Metric("bascule_cache_evicted", "Responses pushed out of the cache by others.")
CACHE_BROKEN: Final = Metric("bascule_cache_broken", "Responses found broken in the cache, and dropped.")
CAUSES: Final = Metric("bascule_causes", "Exchanges Bascule answered or cut itself, by cause.", ("cause",))

CONNECTIONS_ACCEPTED: Final = Metric(
    "bascule_connections_accepted", "Client connections accepted.", ("transport",)
)  # fmt: skip
CONNECTIONS_OPEN: Final = Metric("bascule_connections_open", "Client connections open now.")
CONNECTIONS_REFUSED: Final = Metric("bascule_connections_refused", "Client connections refused by a limit.")
TLS_FAILURES: Final = Metric("bascule_tls_handshake_failures", "TLS handshakes with clients that failed.")

UPSTREAM_REQUESTS: Final = Metric(
    "bascule_upstream_requests", "Requests whose last try went to the server.", ("pool", "server", "status")
)
UPSTREAM_ERRORS: Final = Metric(
    "bascule_upstream_errors", "Tries that failed at the server, by reason.", ("pool", "server", "reason")
)
UPSTREAM_WAIT: Final = Metric(
    "bascule_upstream_wait_seconds", "From the request sent to the server's response head.", ("pool", "server")
)
UPSTREAM_ACTIVE: Final = Metric("bascule_upstream_active", "Requests in progress at the server.", ("pool", "server"))
UPSTREAM_LIMIT: Final = Metric(
    "bascule_upstream_limit", "Requests that may be in progress at the server, configured or learned.",
    ("pool", "server"),
)  # fmt: skip
UPSTREAM_HEALTHY: Final = Metric(
    "bascule_upstream_healthy", "1 while active checks find the server healthy.", ("pool", "server")
)
UPSTREAM_EJECTED: Final = Metric(
    "bascule_upstream_ejected", "1 while the server is ejected for failing requests.", ("pool", "server")
)
UPSTREAM_DRAINING: Final = Metric(
    "bascule_upstream_draining", "1 while the server takes no new client.", ("pool", "server")
)

LOG_LINES: Final = Metric("bascule_log_lines", "Access log lines written.")
LOG_LINES_DROPPED: Final = Metric("bascule_log_lines_dropped", "Access log lines lost: the log could not be written.")

EVENTS: Final = Metric("bascule_waf_events", "Events of the firewall written to the event log.")
EVENTS_DROPPED: Final = Metric("bascule_waf_events_dropped", "Events lost: the event log could not be written.")

DEFENCE_DECISIONS: Final = Metric(
    "bascule_defence_decisions",
    "Requests and connections that defence did not simply let pass; `detect` is what it would have refused or "
    "challenged, `pass` who passed a challenge.",
    ("defence", "rule", "decision"),
)

SHARE_CONNECTED: Final = Metric(
    "bascule_share_connected", "1 while the server that machines share answers the worker.", ("worker",)
)
SHARE_ANSWERED: Final = Metric("bascule_share_answered", "Questions that the server answered which machines share.")
SHARE_FAILED: Final = Metric("bascule_share_failed", "Questions that it did not answer, or not in time.")

UNDER_ATTACK: Final = Metric("bascule_under_attack", "1 while the site counts as under attack.", ("site",))

BANS: Final = Metric("bascule_bans", "Bans in force, those of the configuration's lists not counted.")

ROOM_ACTIVE: Final = Metric("bascule_waiting_room_active", "Visitors that are in.", ("room",))
ROOM_WAITING: Final = Metric("bascule_waiting_room_waiting", "Visitors that wait to come in.", ("room",))

PROFILE_PLACES: Final = Metric(
    "bascule_profile_places", "Places of a site's profile, by whether enough was learned to judge.", ("site", "state")
)
PROFILE_REQUESTS: Final = Metric(
    "bascule_profile_requests",
    "Requests that a site's profile learned from, ignored, or judged, and of these the deviating ones.",
    ("site", "what"),
)
PROFILE_ALARMS: Final = Metric("bascule_profile_drift_alarms", "Alarms that a place of a site has changed.", ("site",))

WORKERS: Final = Metric("bascule_workers", "Living workers of every generation.")
WORKER_RESTARTS: Final = Metric("bascule_worker_restarts", "Workers started again after they died.")
RENEWALS: Final = Metric(
    "bascule_renewals", "Times that new processes took over since a worker kept memory of a crowd that had gone."
)
GENERATION: Final = Metric("bascule_generation", "Number of the configuration that runs.")
LAST_RELOAD_OK: Final = Metric("bascule_last_reload_successful", "1 unless the last reload failed.")
LAST_RELOAD_TIME: Final = Metric("bascule_last_reload_time_seconds", "When the last reload ended, since the epoch.")
START_TIME: Final = Metric("bascule_start_time_seconds", "When the supervisor started, since the epoch.")
INFO: Final = Metric("bascule", "The program.", ("version",))
WORKER_RSS: Final = Metric("bascule_worker_resident_bytes", "Resident memory of the worker.", ("worker",))
WORKER_CPU: Final = Metric("bascule_worker_cpu_seconds", "CPU time of the worker.", ("worker",))
WORKER_FDS: Final = Metric("bascule_worker_open_fds", "File descriptors the worker has open.", ("worker",))
