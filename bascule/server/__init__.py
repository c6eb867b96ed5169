"""Processes, signals and sockets: supervisor, workers, keeper, reload, upgrade. No HTTP. Start at supervisor.py."""
