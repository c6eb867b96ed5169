"""Servers behind the bridge: pools, balancing, health, retries, discovery, connections.

A worker has a `PoolState` for each pool; the keeper process checks and discovers (keeper.py); the two meet on the
board (board.py), in shared memory. Start at pool.py. May import tls, http, lists, telemetry and config.
"""
