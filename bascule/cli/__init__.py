"""The command line: one file per command. Start at main.py; app.py puts the program together.

May import every room; nothing imports it.
"""
