"""Maps of the trade-off: where loops, im2col, the packed product, stencils and Winograd are ahead.

    python -m benchmarks maps      eight maps, im2col's memory, cold and warm caches; a page
    python -m benchmarks where     the place of a layer on them, and what is reckoned of it

The way of a run, file by file::

    command ── axes         what a map varies, and between which ends
       │       atlas        the maps: two axes each, and the layer that they vary
       │
       ├────── taking       everyone who may win a cell takes turns, in two processes
       │       └─ tasks     what is asked there: predictions, turns, calls with cold caches
       │
       ├────── results      as written to maps.json; who is ahead in a cell, and by how much
       ├────── regions      who is reckoned to be ahead, on a fine grid
       └────── charts       the maps; page, table and part (of the study) show them

    where ──── crossovers   how far it is along each axis until somebody else is ahead

A cell is coloured by who was measured to be the fastest there; the lines over it are where the
model (`fastconv.explain`) reckons that the fastest changes. Who is reckoned to take many times as
long as the fastest is not timed.
"""
