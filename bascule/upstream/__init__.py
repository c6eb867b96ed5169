"""Servers behind the bridge: pools, balancing, health, retries, discovery. Start at pool.py."""
