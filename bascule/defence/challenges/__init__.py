"""Challenges: what a client has to pass before it is served, without any state here but the key.

Start at `ladder.py`: what is asked of a request. `tokens.py` signs what was asked and passed, `keys.py` has the key,
`proof.py` the work, `pages.py` what people see, `captcha.py` the provider. The answers are given by
proxy/challenge.py. See docs/bots.md.
"""
