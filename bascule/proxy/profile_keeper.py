"""The keeper's part of profiles: it learns from what the workers saw, keeps it in files, and tells what is usual."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from bascule.config.plan import Plan
from bascule.config.profile import WafProfile
from bascule.proxy.profiles import SEEN, USUAL
from bascule.state.files import write_whole
from bascule.telemetry.sinks import complain
from bascule.waf.profile.drift import Drift
from bascule.waf.profile.export import openapi
from bascule.waf.profile.model import Learner, Profile, ProfileError
from bascule.waf.profile.observation import Observation
from bascule.waf.profile.progress import progress
from bascule.waf.profile.usual import Usual, is_ripe, usual_of

INTERVAL: Final = 1.0
"""Seconds between looks at what has waited long enough."""
SAVE: Final = 5.0
"""Seconds between writings of the files, and between tellings of what is usual."""
MAX_HELD: Final = 20_000
"""Observations of a site that wait; of more the oldest are learned early."""
TURNS: Final = 3
"""Turns of the loop at the end, in which what workers said last is read."""
MAX_SUSPECTS: Final = 10_000
SUSPECT_FOR: Final = 86_400.0
"""Seconds that nothing is learned from a client after an attack."""


class Bus(Protocol):
    """The keeper's end of the bus."""

    def publish(self, topic: str, payload: Any, *, durable: bool = False) -> None: ...

    def on(self, topic_prefix: str, callback: Callable[[str, Any], None]) -> None: ...


def settings_by_site(plan: Plan) -> dict[str, WafProfile]:
    """Return the settings of each site that has a profile: those of its first route with one."""
    found: dict[str, WafProfile] = {}
    for site in plan.sites:
        for route in site.routes:
            if route.waf.mode != "off" and route.waf.profile.stage != "off":
                found.setdefault(site.name, route.waf.profile)
    return found


def folder_of(configured: str) -> Path:
    """Return where profiles are kept."""
    if configured:
        return Path(configured)
    if os.geteuid() == 0:
        return Path("/var/lib/bascule/profiles")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "bascule" / "profiles"


def file_of(folder: Path, site: str) -> Path:
    """Return the file of a site's profile."""
    return folder / (re.sub(r"[^A-Za-z0-9.-]", "_", site) + ".json")


def open_folders(plan: Plan, owner: tuple[int, int] | None) -> dict[str, Path]:
    """Return the file of each site's profile; their folders are made, before the fork. Raises OSError."""
    files: dict[str, Path] = {}
    for site, settings in settings_by_site(plan).items():
        folder = folder_of(settings.folder)
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            if owner is not None and os.geteuid() == 0 and folder.stat().st_uid != owner[0]:
                os.chown(folder, *owner)
        except OSError as error:
            raise OSError(
                f"the folder {folder} of the profile of {site} cannot be made: {error.strerror}; "
                "name another as waf.profile.folder"
            ) from None
        files[site] = file_of(folder, site)
    return files


def read(file: Path, site: str) -> Profile:
    """Return the profile in a file, or an empty one where there is none. Raises OSError and ProfileError."""
    try:
        return Profile.from_json(file.read_bytes())
    except FileNotFoundError:
        return Profile(site)


def write(file: Path, profile: Profile) -> None:
    """Write a profile, whole or not at all. Raises OSError."""
    write_whole(file, profile.to_json(), 0o640)


def known_before(plan: Plan, files: Mapping[str, Path]) -> dict[str, Usual]:
    """Return what is usual in each site by its file, for workers to begin with. Raises OSError and ProfileError."""
    usual = {}
    for site, settings in settings_by_site(plan).items():
        try:
            profile = read(files[site], site)
        except ProfileError as error:
            raise ProfileError(f"{files[site]}: {error}; move it away to learn anew") from None
        usual[site] = usual_of(profile, settings.clients, settings.requests).prepared()
    return usual


class _Site:
    """The profile of one site."""

    def __init__(self, name: str, settings: WafProfile, file: Path) -> None:
        self.name, self.settings, self.file = name, settings, file
        self.ignored = self.judged = self.deviating = self.alarms = 0
        self.held: deque[tuple[float, Observation]] = deque()
        self.drift = Drift(settings.drift, settings.clients, settings.requests)
        self.usual = b""
        self.changed = False
        """Since the file was written."""
        self.fresh = True
        """Since it was told what is usual."""
        self.stamp = 0
        self._unsaved: deque[tuple[Observation, float]] = deque(maxlen=MAX_HELD)
        self._complained = False
        self._load()

    def _load(self) -> None:
        self.stamp = self._stamp()
        self.learner = Learner(read(self.file, self.name), self.settings.clients)
        self.fresh = True

    def learn(self, seen: Observation, now: float) -> bool:
        """Learn from a request; return whether that could be."""
        if not self.learner.learn(seen, now):
            return False
        self._unsaved.append((seen, now))
        self.changed = self.fresh = True
        return True

    def take_up(self) -> None:
        """Take up the file if somebody else wrote it, and learn again what is not in it: `bascule profile learn` may
        have written it, or at a reload or an upgrade the other generation. Raises OSError and ProfileError."""
        if self._stamp() != self.stamp:
            self._load()
            for seen, when in self._unsaved:
                self.learner.learn(seen, when)

    def _stamp(self) -> int:
        try:
            return self.file.stat().st_mtime_ns
        except OSError:
            return 0

    def save(self) -> None:
        """Write the file, if there is anything new."""
        try:
            self.take_up()
            if self.changed:
                write(self.file, self.learner.profile)
                self.stamp = self._stamp()
                self._unsaved.clear()
            self.changed = False
        except (OSError, ProfileError) as error:
            if not self._complained:
                self._complained = True
                complain(f"the profile of {self.name} is not kept: {self.file}: {error}")

    def counts(self) -> dict[str, int]:
        """Return the numbers of the site."""
        ripe = places = 0
        for _, node in self.learner.profile.places():
            places += len(node.operations)
            for operation in node.operations.values():
                ripe += is_ripe(operation, self.settings.clients, self.settings.requests)
        return {
            "ripe": ripe,
            "learning": places - ripe,
            "learned": self.learner.profile.learned,
            "ignored": self.ignored,
            "judged": self.judged,
            "deviating": self.deviating,
            "alarms": self.alarms,
        }


class ProfileKeeper:
    """Holds the profiles of all sites. `write_event` takes lines of the event log."""

    def __init__(
        self,
        plan: Plan,
        files: Mapping[str, Path],
        bus: Bus,
        write_event: Callable[[bytes], None] | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sites = {name: _Site(name, found, files[name]) for name, found in settings_by_site(plan).items()}
        self._stages = {
            site.name: {route.name: route.waf.profile.stage for route in site.routes if route.waf.mode != "off"}
            for site in plan.sites
        }
        self._bus = bus
        self._write_event = write_event
        self._clock = clock
        self._suspects: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, if there is any profile."""
        if self._sites:
            self._publish()
            self._bus.on(SEEN, self.hear)
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Learn what waits, write the files and end."""
        if self._task is not None:
            self._task.cancel()
            for _ in range(TURNS):
                await asyncio.sleep(0)
            self.settle(early=True)

    async def _run(self) -> None:
        saved = 0.0
        while True:
            await asyncio.sleep(INTERVAL)
            now = time.monotonic()
            self._release(early=False)
            if now - saved >= SAVE:
                saved = now
                self.settle(early=False)

    def settle(self, early: bool) -> None:
        """Learn what has waited long enough (`early`: all of it), write the files, and tell what is usual."""
        self._release(early)
        for site in self._sites.values():
            site.save()
        self._publish()

    # What workers tell -----------------------------------------------------------------------------

    def hear(self, topic: str, payload: Any) -> None:
        """Take what a worker saw."""
        now = self._clock()
        for site, client in payload["alerts"]:
            self._suspect(site, client, now)
        for seen in msgspec.convert(payload["seen"], list[Observation]):
            if (found := self._sites.get(seen.site)) is None:
                continue
            found.held.append((now + found.settings.hold, seen))
            if len(found.held) > MAX_HELD:
                self._learn(found, found.held.popleft()[1], now)
        for site, *tally in payload["tallies"]:
            if site in self._sites:
                self._tally(self._sites[site], tally, now)

    def _suspect(self, site: str, client: str, now: float) -> None:
        self._suspects[site, client] = now + SUSPECT_FOR
        self._suspects.move_to_end((site, client))
        if len(self._suspects) > MAX_SUSPECTS:
            self._suspects.popitem(last=False)

    def _release(self, early: bool) -> None:
        now = self._clock()
        for site in self._sites.values():
            while site.held and (early or site.held[0][0] <= now):
                self._learn(site, site.held.popleft()[1], now)

    def _learn(self, site: _Site, seen: Observation, now: float) -> None:
        if self._suspects.get((site.name, seen.client), 0.0) > now or not site.learn(seen, now):
            site.ignored += 1

    def _tally(self, site: _Site, tally: Any, now: float) -> None:
        place, judged, deviating, clients, words = tally
        site.judged += judged
        site.deviating += deviating
        alarm = site.drift.add(place, judged, deviating, clients, words, now)
        if alarm is not None:
            site.alarms += 1
            self._tell(site, alarm.text(), alarm.place, now)

    def _tell(self, site: _Site, text: str, place: str, now: float) -> None:
        complain(f"profile of {site.name} drifts: {text}")
        if self._write_event is None:
            return
        method, _, template = place.partition(" ")
        event = {
            "reference": secrets.token_hex(12),
            "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"), "client": "",
            "method": method, "target": template, "host": site.name, "status": 0, "mode": "DetectionOnly",
            "verdict": None, "rules": [],
            "notes": [f"profile drifts: {text}", f"if that is right: bascule profile forget {site.name} {template}"],
        }  # fmt: skip
        self._write_event(msgspec.json.encode(event))

    def _publish(self) -> None:
        """Tell the workers what is usual, where that changed."""
        for site in self._sites.values():
            if not site.fresh:
                continue
            site.fresh = False
            usual = usual_of(site.learner.profile, site.settings.clients, site.settings.requests)
            text = msgspec.json.encode(usual)
            if text != site.usual:
                site.usual = text
                self._bus.publish(USUAL + site.name, msgspec.json.decode(text))

    # What operators ask for ------------------------------------------------------------------------

    def overview(self) -> list[dict[str, Any]]:
        """Return how far learning is, by site."""
        return [self._told(site) for site in self._sites.values()]

    def _told(self, site: _Site) -> dict[str, Any]:
        settings = site.settings
        return {
            "site": site.name,
            "stages": self._stages[site.name],
            "file": str(site.file),
            "waiting": len(site.held),
            **site.counts(),
            "places": progress(site.learner.profile, settings.clients, settings.requests),
        }

    def profile(self, name: str) -> Profile | None:
        """Return a site's profile, or None."""
        site = self._sites.get(name)
        return None if site is None else site.learner.profile

    def openapi(self, name: str) -> dict[str, Any]:
        """Return a site's profile as an OpenAPI document."""
        site = self._sites[name]
        return openapi(site.learner.profile, site.settings.clients, site.settings.requests)

    def forget(self, name: str, template: str) -> int:
        """Forget a place of a site and all below it, which is then learned anew. Return how many places that were."""
        site = self._sites.get(name)
        if site is not None:
            with contextlib.suppress(OSError, ProfileError):  # which the next writing tells
                site.take_up()
        count = site.learner.forget(template) if site is not None else 0
        if site is not None and count:
            site.changed = site.fresh = True
            site.save()
            self._publish()
        return count

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the numbers of each site, for metrics: places ripe and learning, requests by what became of them."""
        return {site.name: site.counts() for site in self._sites.values()}
