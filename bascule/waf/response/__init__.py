"""What leaves a site: leaks found and cloaked, numbers and words masked while the content streams.

Start reading at `identifiers.py` (which numbers, and how they are told from others), then `masking.py` and `leaks.py`.
"""
