"""Logins: who guesses passwords, which new ones are weak, how many sessions an account has.

Start at `guard.py`: what is decided about one login, and what its outcome changes. `credentials.py` reads a login from
a body, `outcome.py` tells how it ended, `devices.py` which devices are known. proxy/login.py gives the answers.
"""
