"""Attackers' own tools against an application that would fall to them without the firewall."""
