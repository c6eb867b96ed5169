"""HTTP without I/O: heads, fields, bodies, paths, limits. Bytes in, events out. Start at message.py."""
