"""What happened: access log, event log, metrics.

Start at recorder.py (what a worker notes); the readers start at totals.py; the names are in names.py and causes.py.
May import config only.
"""
