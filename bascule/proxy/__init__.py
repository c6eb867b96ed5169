"""The way of one request: connection, exchange, router, answers. Start at exchange.py."""
