"""The way of one request: connection, exchange, router, answers. Nothing of processes.

Start at exchange.py (docs/life-of-a-request.md draws it), then attempts.py and client.py. May import upstream,
defence, waf, tls, cache, http, lists, state, telemetry and config.
"""
