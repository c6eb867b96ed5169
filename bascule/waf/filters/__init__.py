"""Named rules that need no learning: methods, extensions, uploads, lengths, access lists, patterns, addresses.

Start reading at `table.json` (which rules there are, readable), then `inspector.py` (how they run). `head.py` and
`uploads.py` hold the checks.
"""
