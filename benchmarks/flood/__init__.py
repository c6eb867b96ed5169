"""`python -m benchmarks.flood`: an honest client beside attacks, and what the server behind the bridge sees of them."""
