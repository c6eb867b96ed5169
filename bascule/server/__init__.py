"""Processes, signals and sockets: supervisor, workers, keeper, reload, upgrade. Nothing of HTTP.

Start at supervisor.py, then generation.py; context.py has what it hands to the applications it runs. May import state
and config.
"""
