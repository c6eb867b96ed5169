"""The shared HTTP cache (RFC 9111): what may be stored and reused, and where it is kept.

`directives`, `dates`, `keys`, `storing`, `reuse` and `conditions` are the rules: bytes in, decisions out, no I/O.
`index`, `folder`, `body`, `hot` and `store` keep responses: files in a folder that all workers share, and in each
worker what is asked for most. How an exchange is answered from it is told in proxy/caching.py. Imports http, telemetry
and config. Start reading at `storing.py`, then `store.py`.
"""
