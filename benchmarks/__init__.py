"""The benchmark of fastconv: named layers, real photographs, every implementation that is here.

    python -m benchmarks                        run, show a table, write a report
    python -m benchmarks compare A.json B.json  two earlier runs side by side
    python -m benchmarks report A.json          the report of an earlier run, drawn again
    pytest benchmarks/                          the same layers under pytest-benchmark

The way of a run, file by file::

    cli ── layers       what is convolved: layers of published networks
     │     presets      how long it may take
     │     directions   what of it: the output, gradients
     │     contestants  who convolves: fastconv's backends, the reference, other libraries
     │
    runner ── process ══ worker   one process per contestant; only one computes at a time
     │        data, truth         the same numbers for all, and the float64 answer to them
     │        photos              the same for real pictures
     │        overhead            what a call costs before it computes anything
     │
    results ── terminal           rows while it runs, the summary at the end
               report, charts     the HTML file;  compare reads two result files
               roofline           the chart of what the machine allows
"""
