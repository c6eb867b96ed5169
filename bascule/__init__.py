"""Bascule: the drawbridge for the web. Reverse proxy, load balancer and WAF in one program."""

__version__ = "0.1.0"
