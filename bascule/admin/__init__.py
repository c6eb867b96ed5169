"""Operators' HTTP interface: metrics, health, status, changes. Runs in the keeper. May import every room but cli.

Start at api.py.
"""
