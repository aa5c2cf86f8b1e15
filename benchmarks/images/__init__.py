"""Filtering photographs: fastconv beside OpenCV and SciPy, from 3×3 to 31×31.

    python -m benchmarks images     a table, images.json and a page with curves
    python -m benchmarks gallery    what each filter does to a photograph, as a picture

The way of a run, file by file::

    command ── cases         what is filtered with what: a photograph, kernels of each size
       │       contestants   who filters
       │
       ├────── runner        a process for each contestant (measuring.process), all on every case
       │       │  tasks      the worker's side: prepare a call, sample it
       │       │  truth      float64, and how far from it a result may be
       │       ▼
       │       results       as written to images.json
       │
       └────── table, page   in the terminal; as HTML, with curves over the kernel's size

A result is compared with the truth before any time of its contestant counts.
"""
