"""The logic engine: values are read as the languages attackers write; a small set of learned rules judges them.

Start reading at `facts/` (what a value does), then `decode.py` (how it hides it) and `screen.py` (why most values
cost nothing).
"""
