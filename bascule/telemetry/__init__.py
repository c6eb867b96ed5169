"""What happened: access log, metrics. Start at metrics.py."""
