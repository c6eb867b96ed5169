"""The forward proxy: the way out. HTTP, CONNECT and SOCKS on one port; who may reach what, by which way, and how much.

Start reading at `exchange.py`, the way of one request. From there: who asks is found out in `login.py`
(`identity.py`, `digest.py`, `directory.py`, `negotiate.py`, `portal.py`), what the rules may say is in `policy.py`,
what may be used in `quotas.py` and `throttle.py`, what is told of the client in `privacy.py`; `direct.py` has
`egress.py` dial, by names of `resolver.py` or `dns.py`, and `chain.py` goes through `parents.py`. Tunnels are looked
into by `peek.py`, and opened by `bumped.py`; datagrams go by `association.py`, those to one destination by `flow.py`,
through parents by `uplinks.py`; clients that know of no proxy come by `transparent.py`. An exchange here is one of
`proxy/` with other first phases, so deadlines, back-pressure, bodies, tunnels and logs are the same in both directions.
May import everything below `server/`.
"""
