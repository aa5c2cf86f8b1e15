# What typed loops of the baseline instruction set do, away from any layer.


cdef float run_chain(const float* x, Py_ssize_t values, Py_ssize_t rounds) noexcept nogil:
    cdef float total = 0
    cdef Py_ssize_t _round, i
    for _round in range(rounds):
        for i in range(values):
            total = total + x[i] * x[i]
    return total


def chain(const float[::1] x, Py_ssize_t rounds):
    """Sum squares one after the other: each addition waits for the one before."""
    cdef float total
    with nogil:
        total = run_chain(&x[0], x.shape[0], rounds)
    return total


cdef void add_scaled(
    float* y, const float* x, Py_ssize_t stride, float factor, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t j
    if stride == 1:
        for j in range(n):
            y[j] += factor * x[j]
    else:
        for j in range(n):
            y[j] += factor * x[j * stride]


def rows(float[::1] y, const float[::1] x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t rounds):
    """Do y[0:n] += w · x[0:n·stride:stride] again and again; two rows of y take turns."""
    cdef Py_ssize_t round_
    if 2 * n > y.shape[0] or n * stride > x.shape[0]:
        raise ValueError(f"rows of {n} values, stride {stride}, do not fit {len(x)} and {len(y)}")
    with nogil:
        for round_ in range(rounds):
            add_scaled(&y[(round_ & 1) * n], &x[0], stride, <float>1e-9, n)


cdef enum:
    VECTOR = 4
    VECTORS = 2
    FILTERS = 2


cdef float sum_tile(
    const float* panel, const float* image, const Py_ssize_t* offsets, Py_ssize_t taps
) noexcept nogil:
    """Sum a small tile as rungs do theirs; all it has lies in the first-level cache."""
    cdef float tile[FILTERS * VECTORS * VECTOR]
    cdef float total = 0
    cdef Py_ssize_t t = 0
    cdef int f, p
    for p in range(FILTERS * VECTORS * VECTOR):
        tile[p] = 0
    while True:
        for f in range(FILTERS):
            for p in range(VECTORS * VECTOR):
                tile[f * VECTORS * VECTOR + p] += panel[t * FILTERS + f] * image[offsets[t] + p]
        t = t + 1
        if t >= taps:
            break
    for p in range(FILTERS * VECTORS * VECTOR):
        total = total + tile[p]
    return total


def tiles(
    const float[::1] panel, const float[::1] image, const Py_ssize_t[::1] offsets,
    Py_ssize_t rounds,
):
    """Sum a tile of 2 filters × 2 vectors over all offsets, again and again."""
    cdef Py_ssize_t taps = offsets.shape[0]
    cdef Py_ssize_t _round
    cdef float total = 0
    if not taps or panel.shape[0] < FILTERS * taps:
        raise ValueError(f"{len(panel)} weights are no panel of {len(offsets)} taps")
    if image.shape[0] < max(offsets) + VECTORS * VECTOR:
        raise ValueError(f"taps reach beyond the {len(image)} values of the image")
    with nogil:
        for _round in range(rounds):
            total = total + sum_tile(&panel[0], &image[0], &offsets[0], taps)
    return total
