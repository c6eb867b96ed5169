"""Processes, signals and sockets: supervisor, workers, keeper, reload, upgrade. Start at supervisor.py."""
