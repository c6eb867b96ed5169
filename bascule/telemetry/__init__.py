"""What happened: access log and metrics. May import config/ only. Start at recorder.py; the readers at totals.py."""
