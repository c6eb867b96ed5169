"""Measures Bascule beside the proxies people use, on one machine, in interleaved rounds.

Run it with `python -m benchmarks`; `docs/benchmarks.md` tells the method and how to read the numbers.
Start reading at `runner.py` (the order of things), then `workloads.py` (what is driven) and `peers/` (one file per
proxy). Imports nothing of `bascule`: it starts the program the way a user does and looks at it from outside.
"""
