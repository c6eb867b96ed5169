"""The configuration: schema, loading with line numbers, checks. Imports no other room. Start at schema.py."""
