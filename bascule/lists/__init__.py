"""Lists that live at a URL: fetched, kept in a folder, looked at again now and then. Start at remote.py.

What a list has to say is known to the rooms that use it: domains to the forward proxy, networks to the defence. May
import `telemetry/`.
"""
