"""The positive model of a site: what its requests usually look like, learned from them.

Start reading at `traits.py` (what is noted of a value) and `paths.py` (which paths are one place), then `model.py`
(what is learned), `pruning.py` (what goes when that is full), `usual.py` (what of it counts), `deviation.py` (how far a
request is from it) and `inspector.py` (the transaction).
"""
