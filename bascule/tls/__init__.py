"""TLS in front and behind: contexts, SNI, certificates, the record filter. Start at server.py."""
