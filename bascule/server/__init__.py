"""Processes, signals and sockets: supervisor, workers, keeper, reload, upgrade. Knows nothing of HTTP. Start at supervisor.py."""
