"""The forward proxy: the way out. HTTP, CONNECT and SOCKS on one port; who may reach what, and how.

Start reading at `exchange.py`, the way of one request; what the rules may say is in `policy.py`. An exchange here is
one of `proxy/` with other first phases, so deadlines, back-pressure, bodies, tunnels and logs are the same in both
directions. May import everything below `server/`.
"""
