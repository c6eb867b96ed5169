"""What all clients of the forward proxy in one worker share: the rules, the users, the ways out."""

from __future__ import annotations

import dataclasses
import secrets
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bascule.config.plan import ForwardPlan
from bascule.config.schema import Forward
from bascule.defence.clients import ClientPrefix
from bascule.forward.client import ForwardClient
from bascule.forward.conditions import is_below
from bascule.forward.dns import EncryptedDns
from bascule.forward.domains import DomainTable
from bascule.forward.egress import Egress
from bascule.forward.fetching import ForwardAsking
from bascule.forward.guard import inside_range
from bascule.forward.identity import Identity, Users
from bascule.forward.intercept import Interception
from bascule.forward.lists import remote_lists
from bascule.forward.outgoing import OutgoingAddresses
from bascule.forward.parents import ParentProxy, Ways
from bascule.forward.pinning import let_go_memory
from bascule.forward.policy import Policy, load_table
from bascule.forward.privacy import PrivacyPlan
from bascule.forward.quotas import QuotaMemory, Quotas, limits_of_rules
from bascule.forward.resolver import Resolver
from bascule.forward.target import Target, proxy_form
from bascule.http.addresses import TrustedNetworks
from bascule.http.fields import Kind, list_tokens
from bascule.lists.remote import fetch_missing
from bascule.proxy.caching import RouteCache
from bascule.state.buckets import Buckets
from bascule.telemetry import causes
from bascule.tls.authority import Authority
from bascule.tls.client import destination_context

if TYPE_CHECKING:
    from bascule.http.message import RequestHead
    from bascule.proxy.app import ProxyApp
    from bascule.tls.filter import TlsFilter

CACHE_LABELS = ("forward", "forward, private")
"""What responses are stored by: those of private addresses are for a proxy that allows these."""
LOCAL_NAMES = frozenset(("localhost",))
_VIA = int(Kind.VIA)  # an Enum is slow to ask and to compare


@dataclass(frozen=True)
class ForwardMaterial:
    """What is made before the fork, and shared by all workers."""

    table: DomainTable | None
    users: Users
    quotas: QuotaMemory | None = None
    authority: Authority | None = None
    """Signs what stands in for servers, where tunnels are opened."""
    let_go: Buckets | None = None
    """Clients whose tunnels stay closed, for they pin (see pinning.py)."""
    name: str = field(default_factory=lambda: f"bascule-{secrets.token_hex(4)}")
    """What this proxy calls itself in Via (RFC 9110 7.6.3): a name of its own, so that it knows itself again."""

    @classmethod
    def load(
        cls,
        forward: Forward,
        complain: Callable[[str], None],
        workers: int,
        folder: str,
        previous: ForwardMaterial | None,
    ) -> ForwardMaterial:
        """Read lists and users, and fetch lists into `folder` that are not there.

        What was used of quotas, and who pins, is known of the generation before.

        Raises OSError and ValueError for what cannot be used.
        """
        fetch_missing(remote_lists(forward, folder))
        table, notes = load_table(forward, folder)
        for note in notes:
            complain(note)
        auth = forward.auth
        users = Users() if auth is None else Users.load(auth, previous.users if previous else None)
        quotas = None
        if forward.quotas or limits_of_rules(forward):
            quotas = QuotaMemory(workers, previous.quotas if previous else None)
        intercept = forward.intercept
        authority = Authority.read(intercept.certificate, intercept.key) if intercept is not None else None
        let_go = None
        if intercept is not None:
            let_go = previous.let_go if previous is not None and previous.let_go is not None else let_go_memory()
        return cls(table, users, quotas, authority, let_go)


class ForwardService:
    """The forward proxy of one worker: see `Front` of proxy/app.py. `sockets` are those it listens on."""

    def __init__(
        self,
        plan: ForwardPlan,
        material: ForwardMaterial,
        app: ProxyApp,
        sockets: Iterable[socket.socket],
        announce: Callable[[str, str], Any] = lambda quota, who: None,
    ) -> None:
        config = self.config = plan.config
        self.app = app
        self.policy = Policy(config, material.table)
        self.identity = None if config.auth is None else Identity(config.auth, material.users, time.monotonic)
        self.quotas: Quotas | None = None
        if material.quotas is not None:
            defence = app.plan.config.defence
            prefix = ClientPrefix(defence.ipv4_prefix, defence.ipv6_prefix)
            self.quotas = Quotas(config, material.quotas, prefix, announce)
            self.policy.used_up = self.quotas.used
        self.name = material.name.encode()
        self.route, self.site = app.front_runtime(plan.site, self.name)
        self.privacy = None if (privacy := PrivacyPlan(config.privacy)).changes_nothing else privacy
        self.no_log = frozenset() if config.auth is None else config.auth.known_as(config.privacy.no_log)
        self.unlogged = app.front_route(dataclasses.replace(plan.route, log=False), plan.site, self.name)
        """The route of those whose requests are not logged."""
        self.clients = TrustedNetworks(config.clients)
        tls = destination_context(config.authorities)
        self.ways = Ways(config) if config.ways else None
        self.parents = {name: ParentProxy(name, plan, app, self.name, tls) for name in plan.parents}
        self._give_cache()
        self.parser = app.request_parser(proxy_form)
        self._dns = EncryptedDns(config.dns, time.monotonic) if config.dns is not None else None
        self.outgoing = OutgoingAddresses(config.outgoing) if config.outgoing is not None else None
        self.egress = Egress(
            app.response_parser(),
            Resolver(app.loop, time.monotonic, self._dns.addresses if self._dns is not None else None),
            app.loop,
            config.keep_alive,
            plan.route.timeouts.keep_alive,
            tls,
        )
        self.associations = 0
        """Relays of datagrams that are open."""
        self.interception: Interception | None = None
        if config.intercept is not None and material.authority is not None and material.let_go is not None:
            self.interception = Interception(config.intercept, config.auth, material.authority, material.let_go)
        self.socks = tuple(version for version in (4, 5) if f"socks{version}" in config.protocols)
        self.http = "http" in config.protocols
        self._own = [name[:2] for sock in sockets if isinstance(name := sock.getsockname(), tuple)]

    def _give_cache(self) -> None:
        """Let plain HTTP be answered from the cache. Destinations no longer allowed must not be found there."""
        caching, policy = self.app.caching, self.route.plan.cache
        if caching is None or not policy.enabled:
            return
        label = CACHE_LABELS[self.config.allow_private]
        self.route.cache = cache = RouteCache(caching, policy, label, forward=True, asking=ForwardAsking)
        for parent in self.parents.values():
            parent.route.cache = parent.tunnels.cache = cache

    def client(self, tls: TlsFilter | None) -> ForwardClient:
        """Return the protocol of a new client."""
        return ForwardClient(self, tls)

    def every_second(self, now: float) -> None:
        """Let go of what has been idle for too long."""
        self.egress.prune(now)

    def close(self) -> None:
        """Let go of everything."""
        self.egress.close()
        if self._dns is not None:
            self._dns.close()
        if self.identity is not None:
            self.identity.close()

    def port_fault(self, target: Target, tunnel: bool) -> str:
        """Return the cause for which a port is not reached, or empty."""
        for first, last in self.config.ports.connect if tunnel else self.config.ports.http:
            if first <= target.port <= last:
                return ""
        return causes.EGRESS_PORT

    def has_passed(self, head: RequestHead) -> bool:
        """Tell whether a request has come through this proxy before (`Via`, RFC 9110 7.6.3)."""
        for _, value, kind, _ in head.block.asks:
            if kind == _VIA and any(self.name in member.split() for member in list_tokens(value)):
                return True
        return False

    def address_fault(self, address: str, port: int) -> str:
        """Return the cause for which an address must not be dialled, or empty."""
        if not self.config.allow_private and inside_range(address):
            return causes.EGRESS_PRIVATE
        return causes.EGRESS_LOOP if self.is_own(address, port) else ""

    def parent_fault(self, target: Target) -> str:
        """Return the cause for which a parent is not asked for a target, or empty.

        What a name leads to is the parent's to resolve, and to guard; addresses, and names that lead nowhere but to
        the parent's own machine (RFC 6761 6.3), are not.
        """
        if self.config.allow_private:
            return ""
        inside = inside_range(target.address) if target.address else is_below(target.host, LOCAL_NAMES)
        return causes.EGRESS_PRIVATE if inside else ""

    def is_own(self, address: str, port: int) -> bool:
        """Tell whether an address is one this very proxy listens on."""
        for host, own in self._own:
            if own == port and (host == address or (host in ("0.0.0.0", "::") and _is_local(address))):  # noqa: S104
                return True
        return False


def _is_local(address: str) -> bool:
    """Tell whether an address is one of this machine: only those can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
