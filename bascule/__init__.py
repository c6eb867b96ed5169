"""Bascule: the drawbridge for the web. Reverse proxy, load balancer and WAF in one program."""

from bascule import compiled

__version__ = "0.1.0"

compiled.begin()
