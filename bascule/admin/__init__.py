"""Operators' HTTP interface: metrics, health, status, reload. Runs in the keeper. May import every room but cli."""
