"""Operators' HTTP interface: metrics, health, status, changes. It runs in the keeper process.

Start at api.py (what each path answers), then guard.py (who may ask). May import every room but cli.
"""
