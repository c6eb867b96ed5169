"""Fuzz targets, one a file: ``python -m fuzz.h1_head -max_total_time=60`` (options are libFuzzer's).

Each has ``one_input(data)``, which raises on a finding, and ``seeds()``. They need atheris (``pip install -e
.[fuzz]``) only to be driven by coverage: tests/http/test_fuzz_targets.py runs them on generated input without it.
"""
