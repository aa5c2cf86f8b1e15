# The product between the transforms: at each place ξ of a tile a matrix product, over channels for
# an image, over tiles for weights. Its steps lie in runs, its rows one beside the other:
#
#     sums [vectors][rows][vector]  =  data [runs][rows][run]  ·  panel [steps][vectors·vector]
#
#     winograd            rows: tiles,     steps: channels, a vector of them next to each other
#     weights_winograd    rows: channels,  steps: tiles, each for itself
#
# The tile is that of gemm_filters.pxi, as many rows by as many vectors, a value of the data
# broadcast for each row. But here everything is where it is known to be, so the steps of a run are
# written out, and no table of offsets is read: 20 instructions for 12 multiply-adds with 16
# registers, and a few for the run, where a loop step by step has 26.

# The steps of a product: how many, from run to run, and rows of the data.
cdef struct Steps:
    Py_ssize_t count
    Py_ssize_t apart
    Py_ssize_t rows


cdef inline void multiply_rows(
    const bint added, const bint whole, const int step, const int run, const int rows,
    const int vectors, const Steps* steps, Py_ssize_t here, const real* panel, const real* data,
    real* sums,
) noexcept nogil:
    """Do sums[v][p][n] = Σ data[run][p·step + t] · panel[run][t][v][n], or add it to them."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int lanes = vectors * vector
    cdef Py_ssize_t vector_stride = padded_pixels(steps.rows) * vector
    cdef Py_ssize_t left = steps.count
    cdef Py_ssize_t t, last
    cdef real tile[MOST_TILE_VALUES]
    cdef real taken
    cdef int p, v, n
    data = data + here * step
    sums = sums + here * vector
    for n in range(rows * lanes):
        tile[n] = 0
    while True:  # at least once, both: see multiply_pixels
        last = run if whole else min(<Py_ssize_t>run, left)
        t = 0
        while True:
            for p in range(rows):
                taken = data[p * step + t]
                for n in range(lanes):
                    tile[p * lanes + n] += taken * panel[t * lanes + n]
            t = t + 1
            if t >= last:
                break
        data = data + steps.apart
        panel = panel + run * lanes
        left = left - run
        if left <= 0:
            break
    for p in range(rows):
        for v in range(vectors):
            for n in range(vector):
                if added:
                    sums[v * vector_stride + p * vector + n] += tile[p * lanes + v * vector + n]
                else:
                    sums[v * vector_stride + p * vector + n] = tile[p * lanes + v * vector + n]


cdef inline void multiply_all_rows(
    const bint added, const bint whole, const int step, const int run, const int large,
    const int small, const int vectors, const Steps* steps, const real* panel, const real* data,
    real* sums,
) noexcept nogil:
    """Cover the rows with large tiles and a small one; the last may hang over."""
    cdef Py_ssize_t here = 0
    while here < steps.rows:
        if steps.rows - here > small:
            multiply_rows(added, whole, step, run, large, vectors, steps, here, panel, data, sums)
            here = here + large
        else:
            multiply_rows(added, whole, step, run, small, vectors, steps, here, panel, data, sums)
            here = here + small


cdef inline void multiply_any_rows(
    const bint added, const bint whole, const int step, const int run, const Steps* steps,
    Py_ssize_t vectors, const real* panel, const real* data, real* sums,
) noexcept nogil:
    if PANEL_VECTORS >= 4 and vectors == 4:
        multiply_all_rows(
            added, whole, step, run, PIXELS_4, SMALL_PIXELS, 4, steps, panel, data, sums
        )
    elif PANEL_VECTORS >= 4 and vectors == 3:
        multiply_all_rows(
            added, whole, step, run, PIXELS_3, SMALL_PIXELS, 3, steps, panel, data, sums
        )
    elif vectors == 2:
        multiply_all_rows(
            added, whole, step, run, PIXELS_2, SMALL_PIXELS, 2, steps, panel, data, sums
        )
    else:
        multiply_all_rows(
            added, whole, step, run, PIXELS_1, SMALL_PIXELS, 1, steps, panel, data, sums
        )


cdef inline void multiply_plane(
    const bint added, const int step, const int run, const Steps* steps, Py_ssize_t vectors,
    const real* panel, const real* data, real* sums,
) noexcept nogil:
    """Multiply a panel, as wide as it is, with all rows of a place ξ."""
    if steps.count % run == 0:
        multiply_any_rows(added, True, step, run, steps, vectors, panel, data, sums)
    else:
        multiply_any_rows(added, False, step, run, steps, vectors, panel, data, sums)
