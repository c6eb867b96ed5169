"""The command line: one file per command. Start at main.py. May import every room."""
