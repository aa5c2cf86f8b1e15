"""The ladder: one layer, computed in one way after another, from the definition to the peak.

    python -m benchmarks ladder                       a table, ladder.json, ladder.html
    python -m benchmarks ladder --layer vgg16.conv4_2 --direction weight-grad

Each rung is a file that holds its idea, what it should take, and nothing else::

    r01_definition          seven loops in Python           r08_packing
    r02_index_im2col        index arrays, one product       r09_cache_blocks
    r03_sliding_windows     copied windows, one product     r10_pixels_in_lanes    fastconv's, SSE2
    r04_shift_and_add       a product for each tap          r11_filters_in_lanes
    r05_literal_loops       the loops, typed                r12_avx2, r13_avx512   wider vectors
    r06_rows                the inner loop along a row      r14_threads
    r07_register_tile                                       r15_fewer_multiplications

What the package or reference/ has is called, not copied; what only the study needs stands here. Its
typed loops (r07 to r09, *.pyx) are compiled on first use, with the package's own flags, into a
folder of the user's cache. All typed loops up to r11 are of the instruction set that every
processor of the architecture has, so that each step changes one thing; wider vectors are a step of
their own.

The way of a run, file by file::

    command ── rungs         the list of rungs ── rung: what a rung is
       │       climber       a rung as somebody who takes part
       ├────── compiling     the study's own extensions
       ├────── rates         what the machine does, from which rungs are predicted
       │         └─ instructions    of a tile, where they hold it up
       ├────── climb         everyone checked against float64, then timed in turns
       │         └─ tasks    in a process of each one's own (measuring.process)
       ├────── counting      instructions, by valgrind where it is there ── counted: in its process
       ├────── results       as written to ladder.json
       └────── rows          what stands in the table ── table: in the terminal
                             charts, page: ladder.html
"""
