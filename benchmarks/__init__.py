"""The benchmark of fastconv: named layers, real photographs, every implementation that is here.

    python -m benchmarks                        run, show a table, write a report
    python -m benchmarks compare A.json B.json  two earlier runs side by side
    python -m benchmarks report A.json          an earlier run of any kind, shown again
    python -m benchmarks images                 filters, on a page of their own (images/)
    python -m benchmarks gallery                what each filter does, as a picture
    python -m benchmarks lenet                  a whole network on real digits: lenet/
    python -m benchmarks ladder                 from the definition to the peak: ladder/
    python -m benchmarks study                  all that STUDY.md is made of: study/
    python -m benchmarks pooling                poolings beside PyTorch's: pooling/
    python -m benchmarks sweep                  the model beside the clock: sweep/
    python -m benchmarks stages                 what the time of a call is made of: stages/
    python -m benchmarks maps                   where loops, im2col and others are ahead: maps/
    python -m benchmarks where --x … --weight … a layer's place on these maps
    pytest benchmarks/                          the same layers under pytest-benchmark

The way of a run, room by room; the commands of all others are in their own rooms, which `cli.ROOMS`
lists, and what they share of the command line in arguments.py::

    cli ── problems/     layers, presets         what is convolved, how long that may take
     │                   directions              what of it: the output, gradients
     │                   data, pictures          the same numbers for all, photographs and filters
     │
     ├──── contestants/  ours, definition, …     who convolves: fastconv, the rungs, libraries
     │                   origins                 what all from one place have in common
     │                   internals               what of fastconv its users do not see
     │
     ├──── measuring/    runner ── turns         everyone on every layer
     │       │                  └─ filtering     everyone on every picture
     │       │           starting                a process for everyone who is here
     │       │           process ══ worker       one process for each; only one computes at a time
     │       │                      └─ tasks     what is asked of it: prepare, sample, overhead
     │       │           truth, memory, peak,    what the figures are held against
     │       │           machine, on_paper
     │       ▼
     │     results       as written to results.json; files: how all runs are written and read
     │       │
     └──── reporting/    rivals, summaries,      who is compared with whom, and how
                         noise, fewer            what is no difference; what is not multiplied
                         headline, sentences     what is said of it
                         ways, tradeoff          loops beside im2col: time against memory
                         terminal                rows while it runs, the summary at the end
                         report, charts, album   the HTML file
                         compare                 two result files
"""
