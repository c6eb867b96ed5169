"""HTTP without I/O: heads, fields, bodies, paths, error answers. Bytes in, decisions out; no event loop, no sockets.

Start at message.py, then h1/head.py. May import telemetry (the names of causes) and config.
"""
