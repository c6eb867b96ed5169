"""The configuration: schema, loading with line numbers, checks, compilation to the immutable Plan.

Start at schema.py (what may be said), then plan.py (what the other rooms get) and compile.py (the way from one to the
other). Imports no other room.
"""
