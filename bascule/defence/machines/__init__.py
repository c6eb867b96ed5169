"""What several machines share for their defence, through a Valkey or Redis server: limits, bans, attacks.

Start at `sharing.py`: who asks the server, and how often. Nothing here is waited for by a request, and nothing is
loaded where machines share nothing.
"""
