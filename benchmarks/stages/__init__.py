"""Where the time of a call goes: its stages, on layers of one's choice, beside what is predicted.

    python -m benchmarks stages     a table, and stages.json; the next report has a section of it

The way of a run, file by file::

    command ── counting ══ one_call     instructions by function, where valgrind is here
       │       naming                   what stage a function of a kernel belongs to
       │
       ├────── results                  as written to stages.json
       ├────── table                    in the terminal
       └────── chart                    bars, in the report of layers

The times are those of calls and of plans, which take turns; a call's stages are told apart by their
instructions, one thread, which a busy machine does not change. What packing costs can also be seen
from outside, as the difference between the two, and stands beside it.
"""
