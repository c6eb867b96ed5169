"""The web application firewall: transaction in, verdict out. No I/O, no event loop.

Start at engine.py, then transaction.py. May import http, state, telemetry (the names of causes) and config.
"""
