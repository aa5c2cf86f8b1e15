"""The model against the clock: every backend that is able, on problems of all sizes.

    python -m benchmarks sweep     a table, and sweep.json

The way of a run, file by file::

    command ── problems     what is swept: images, channels, filters, kernels, strides, batches
       │
       ├────── tasks        in two processes: who runs on OpenMP's threads, and who on the BLAS's
       │
       ├────── results      as written to sweep.json: predicted and measured seconds
       ├────── summary      how often the model names the winner, and how far off it is
       └────── table        in the terminal

Who is near the fastest takes turns until the least of its times has been met again, and whom the
model names takes part twice, so that it is known what differences are none.

Two questions are asked. Does the model (`fastconv.explain`) name the fastest? And is what "auto"
takes, which asks it too, but whatever the batch and the machine, and nobody on the BLAS, as fast?
"""
