"""Poolings beside PyTorch's: the functions and their gradients, on shapes of published networks.

    python -m benchmarks pooling     a table, and pooling.json

The way of a run, file by file::

    command ── problems      what is pooled: shapes, windows, kinds
       │       contestants   who pools
       │
       ├────── tasks         in a process of each one's own (measuring.process)
       ├────── truth         float64, and how far from it a result may be
       │
       ├────── results       as written to pooling.json
       └────── table         in the terminal

A result is compared with the truth before any time of its contestant counts.
"""
