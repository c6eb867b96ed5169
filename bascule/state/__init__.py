"""What processes share: one shared-memory arena made before the fork, a server of machines, files that are kept.

Start at arena.py; valkey.py has the server, files.py the files. Imports no other room.
"""
