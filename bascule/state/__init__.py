"""What processes share: one shared-memory arena made before the fork. Start at arena.py. Imports no other room."""
