"""Measuring the named rules: what each finds of what it is for, how often it fires in harmless traffic, what it costs.

Start reading at `measure.py`. `requests.py`, `responses.py` and `positive.py` make what each rule is for, from a seed,
and say by which configuration it is measured.
"""
