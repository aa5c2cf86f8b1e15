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
# registers, and a few for the run, where a loop step by step has 26. With 32 of them three vectors
# are the most: of four by seven rows some sums, written out, are on the stack; 256 → 256 at 14x14
# takes 0.95 of the time without, 16 → 64 at 55x55 0.96.

cdef extern from *:
    """
    /* Rows of the smallest tile: 16 of a tile of 7, as images of 14 x 14 have, are 7 + 7 + 2. */
    #define FEWEST_ROWS (REGISTERS == 32 ? 2 : SMALL_PIXELS)
    /* Rows of a large tile of two or three vectors with 32 registers, where these cover all: 16 are
       8 + 8, nine are a single tile (320 → 320 at 10x10 takes 0.93 of the time), 25 as before. */
    #define LARGE_ROWS (REGISTERS == 32 ? 8 : 0)
    #define LARGEST_ROWS 9
    /* Whether a panel may end with half a vector, which a Zen 4 multiplies in half the time:
       24 → 24 at 80x80 takes 0.86 of what it does with whole ones. */
    #define HALF_VECTORS (VECTOR_BYTES == 64)
    /* Steps that are written out. With 32 registers four: of the 16 of a run GCC moves what is
       asked for of all of them to the first one, more lines than are brought at a time. 1024 → 1024
       at 13x13 takes 0.79 of the time, 512 → 512 at 14x14 0.93, what is in the caches the same. */
    #define STEPS_AT_ONCE(run) (REGISTERS == 32 && (run) > 4 ? 4 : (run))
    """
    enum: FEWEST_ROWS
    enum: LARGE_ROWS
    enum: LARGEST_ROWS
    enum: HALF_VECTORS
    const int STEPS_AT_ONCE(const int run) noexcept nogil


# The steps of a product: how many, and from run to run; rows of the sums, and those of them that
# are multiplied.
cdef struct Steps:
    Py_ssize_t count
    Py_ssize_t apart
    Py_ssize_t rows
    Py_ssize_t multiplied


cdef inline bint ends_with_half(Py_ssize_t filters, Py_ssize_t vector) noexcept nogil:
    """Whether the last vector of so many filters is at most half full, and there are halves."""
    return HALF_VECTORS and 0 < filters % vector <= vector // 2


cdef inline void multiply_rows(
    const bint added, const bint half, const bint whole, const bint asks, const int step,
    const int run, const int rows, const int vectors, const Steps* steps, Py_ssize_t here,
    const real* panel, const real* ahead, const real* data, real* sums,
) noexcept nogil:
    """Do sums[v][p][n] = Σ data[run][p·step + t] · panel[run][t][v][n], or add it to them.

    If it `asks`, the panel `ahead` is asked for meanwhile. Of the last vector only `half` may be
    multiplied; the other one's sums are zero.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int lanes = vectors * vector
    cdef int whole_lanes = lanes - (vector if half else 0)
    cdef int used = lanes - (vector // 2 if half else 0)
    cdef int at_once = STEPS_AT_ONCE(run) if whole else 1
    cdef Py_ssize_t vector_stride = padded_pixels(steps.rows) * vector
    cdef Py_ssize_t left = steps.count
    cdef Py_ssize_t t, last
    cdef const real* row
    cdef const real* pixels
    cdef real tile[MOST_TILE_VALUES]
    cdef real taken
    cdef int i, p, v, n
    data = data + here * step
    sums = sums + here * vector
    for n in range(rows * lanes):
        tile[n] = 0
    while True:  # at least once, both: see multiply_pixels
        last = run if at_once == run else min(<Py_ssize_t>run, left)
        pixels = data
        t = 0
        while True:
            for i in range(at_once):
                row = panel + i * lanes
                if asks:
                    expect_values(lanes, ahead + i * lanes)
                for p in range(rows):
                    taken = pixels[p * step + i]
                    for n in range(whole_lanes):
                        tile[p * lanes + n] += taken * row[n]
                    if half:
                        for n in range(whole_lanes, used):
                            tile[p * lanes + n] += taken * row[n]
            pixels = pixels + at_once
            panel = panel + at_once * lanes
            if asks:
                ahead = ahead + at_once * lanes
            t = t + at_once
            if t >= last:
                break
        data = data + steps.apart
        left = left - run
        if left <= 0:
            break
    for p in range(rows):
        for v in range(whole_lanes // vector):
            for n in range(vector):
                if added:
                    sums[v * vector_stride + p * vector + n] += tile[p * lanes + v * vector + n]
                else:
                    sums[v * vector_stride + p * vector + n] = tile[p * lanes + v * vector + n]
    if half:
        sums = sums + (vectors - 1) * vector_stride
        for p in range(rows):
            for n in range(vector // 2):
                if added:
                    sums[p * vector + n] += tile[p * lanes + whole_lanes + n]
                else:
                    sums[p * vector + n] = tile[p * lanes + whole_lanes + n]
            for n in range(vector // 2, vector):
                sums[p * vector + n] = 0


cdef inline void multiply_all_rows(
    const bint added, const bint half, const bint whole, const bint asks, const int step,
    const int run, const int large, const int vectors, const Steps* steps, const real* panel,
    const real* ahead, const real* data, real* sums,
) noexcept nogil:
    """Cover the rows with large tiles and a smaller one; the last may hang over.

    The first of them meet a panel that may be on its way still: they ask for nothing else, unless
    there are hardly any others.
    """
    cdef Py_ssize_t here = 0
    cdef Py_ssize_t left
    cdef bint few = LARGE_ROWS > 0 and steps.multiplied <= large + SMALL_PIXELS
    cdef const real* asked = ahead if few else panel
    while here < steps.multiplied:
        left = steps.multiplied - here
        if left > SMALL_PIXELS:
            multiply_rows(
                added, half, whole, asks, step, run, large, vectors, steps, here, panel, asked,
                data, sums,
            )
            here = here + large
        elif FEWEST_ROWS < SMALL_PIXELS and left <= FEWEST_ROWS:
            multiply_rows(
                added, half, whole, asks, step, run, FEWEST_ROWS, vectors, steps, here, panel,
                asked, data, sums,
            )
            here = here + FEWEST_ROWS
        else:
            multiply_rows(
                added, half, whole, asks, step, run, SMALL_PIXELS, vectors, steps, here, panel,
                asked, data, sums,
            )
            here = here + SMALL_PIXELS
        asked = ahead


cdef inline bint is_covered(int large, Py_ssize_t rows) noexcept nogil:
    """Whether large tiles, and a smaller one, cover so many rows with hardly any hanging over."""
    cdef Py_ssize_t left = rows % large
    return left == 0 or left == FEWEST_ROWS or left == SMALL_PIXELS or left == large - 1


cdef inline void multiply_any_rows(
    const bint added, const bint half, const bint whole, const bint asks, const int step,
    const int run, const Steps* steps, Py_ssize_t vectors, const real* panel, const real* ahead,
    const real* data, real* sums,
) noexcept nogil:
    cdef bint in_eights = asks and LARGE_ROWS > 0 and is_covered(LARGE_ROWS, steps.multiplied)
    cdef bint in_nines = asks and LARGE_ROWS > 0 and is_covered(LARGEST_ROWS, steps.multiplied)
    if PANEL_VECTORS >= 4 and (WINOGRAD_VECTORS >= 4 or not asks) and vectors == 4:
        multiply_all_rows(
            added, half, whole, asks, step, run, PIXELS_4, 4, steps, panel, ahead, data, sums
        )
    elif asks and LARGE_ROWS > 0 and vectors == 3 and in_eights:
        multiply_all_rows(
            added, half, whole, asks, step, run, LARGE_ROWS, 3, steps, panel, ahead, data, sums
        )
    elif asks and LARGE_ROWS > 0 and vectors == 3 and in_nines:
        multiply_all_rows(
            added, half, whole, asks, step, run, LARGEST_ROWS, 3, steps, panel, ahead, data, sums
        )
    elif PANEL_VECTORS >= 4 and vectors == 3:
        multiply_all_rows(
            added, half, whole, asks, step, run, PIXELS_3, 3, steps, panel, ahead, data, sums
        )
    elif asks and LARGE_ROWS > 0 and vectors == 2 and in_eights:
        multiply_all_rows(
            added, half, whole, asks, step, run, LARGE_ROWS, 2, steps, panel, ahead, data, sums
        )
    elif asks and LARGE_ROWS > 0 and vectors == 2 and in_nines:
        multiply_all_rows(
            added, half, whole, asks, step, run, LARGEST_ROWS, 2, steps, panel, ahead, data, sums
        )
    elif vectors == 2:
        multiply_all_rows(
            added, half, whole, asks, step, run, PIXELS_2, 2, steps, panel, ahead, data, sums
        )
    else:
        multiply_all_rows(
            added, half, whole, asks, step, run, PIXELS_1, 1, steps, panel, ahead, data, sums
        )


cdef inline void multiply_plane(
    const bint added, const bint half, const bint asks, const int step, const int run,
    const Steps* steps, Py_ssize_t vectors, const real* panel, const real* ahead,
    const real* data, real* sums,
) noexcept nogil:
    """Multiply a panel, as wide as it is, with all rows of a place ξ.

    If it `asks`, `ahead` is the panel that comes next.
    """
    if steps.count % STEPS_AT_ONCE(run) == 0:
        multiply_any_rows(
            added, half, True, asks, step, run, steps, vectors, panel, ahead, data, sums
        )
    else:
        multiply_any_rows(
            added, half, False, asks, step, run, steps, vectors, panel, ahead, data, sums
        )
