"""Lists that live elsewhere: at a URL, fetched, kept in a folder and looked at again now and then, or in the DNS.

Start at remote.py; resolver.py says who is asked in the DNS.

What a list has to say is known to the rooms that use it: domains to the forward proxy, networks to the defence. May
import `telemetry/` and `config/`.
"""
