"""HTTP/1.1 (RFC 9112) without I/O: field lines, heads, bodies. Start at head.py."""
