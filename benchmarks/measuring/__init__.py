"""A run: a process for each contestant, turns that are timed, errors against float64, the results.

Knows nothing of how results are shown.
"""
