"""The study, written by its data: what stands in STUDY.md between markers comes from JSON.

    python -m benchmarks study            run what has not been run here, then write STUDY.md
    python -m benchmarks study --again    run all of it again
    python -m benchmarks study --again --parts 'errors*,tiles'    run some of it again
    python -m benchmarks study --render   only write STUDY.md, from the files that there are

    command ── parts       what is run: each a name, a file, a run, and texts made of its results
       │         ├── parts.LadderPart, maps/part       climbs, maps
       │         ├── layers_part                       layers, and who takes turns at them:
       │         │     comparison, columns, traffic    ours and the best other; each in a column
       │         ├── errors                            how far from float64, by what is summed
       │         ├── call_stages, model                what a call is made of; what is predicted
       │         └── tables                            which layers, and who, in all of these
       │
       └────── markers     the texts put between the markers of STUDY.md

To add a part, enter it into `parts.PARTS` and put its marker where its table should stand. Results
are benchmarks/results/study/<part>.json, with charts beside, and belong to the repository.
"""
