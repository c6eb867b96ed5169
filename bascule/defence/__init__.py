"""Defence: who is kept out, how much anybody may ask for, and how that is told.

Start at `shield.py`: the decisions a worker makes about a request, in their order. `rates.py` has the limits,
`keys.py` what they count by, `challenges/` what clients are asked, `accounts.py` what they did, `crawlers.py` who says
that it is one. Shared memory is made before the fork by `shared.py`. May import `waf/`, `http/`,
`lists/`, `state/`, `telemetry/` and `config/`.
"""
