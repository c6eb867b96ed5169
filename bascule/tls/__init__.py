"""TLS in front and behind: contexts, server names, certificates, the record filter without I/O.

Start at server.py, then filter.py. May import telemetry (the names of causes) and config.
"""
