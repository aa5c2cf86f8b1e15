# The three transforms of a minimal filtering algorithm F(m, r): m outputs of a filter of r taps by
# m + r - 1 products instead of m·r, after Toom and Cook; A. Lavin, S. Gray, "Fast Algorithms for
# Convolutional Neural Networks", 2016, brought them to convolution.
#
#     y  =  Aᵀ [ (G g) ⊙ (Bᵀ d) ]          d  m + r - 1 pixels,  g  r taps,  y  m outputs
#
# They are made from points, at which polynomials are taken: 0, infinity, and pairs ±p. With
# M(x) = x·Q(x²), Q(x²) = Π (x² - p²) over the pairs, and q without a pair's own factor:
#
#     point       row of Bᵀ: M without the point        row of G                    column of A
#     0           Q(x²)                                 1, 0, 0 ... / Q(0)          1, 0, 0, ...
#     ±p          x·(x ± p)·q(x²)                       1, ±p, p² ... / 2p²·q(p²)   1, ±p, p², ...
#     infinity    x·Q(x²)                               ..., 0, 0, 1                ..., 0, 0, 1
#
# A row's polynomial is its coefficients, tap by tap. So the two rows of a pair share all their
# products: even ± p·odd. That is all there is: the same lines for every m and r, of which pairs is
# (m + r - 3) / 2. Bᵀ knows only how many points there are, whatever m and r.
#
# Points near 1 whose powers are far from each other keep rounding small, and dyadic ones are exact.

cdef enum:
    MOST_PAIRS = 3
    MOST_POINTS = 2 * MOST_PAIRS + 2
    MOST_OUTPUTS = 6
    MOST_SIDE = 7               # of a kernel: for gradients of weights, a tile of the output's


cdef struct Constants:
    double point[MOST_PAIRS]
    double all[MOST_PAIRS]                          # Q, without its leading 1
    double others[MOST_PAIRS][MOST_PAIRS]           # q of each pair, likewise
    double scale[MOST_PAIRS + 1]                    # of the rows of G: the pairs', then that of 0
    double power[MOST_PAIRS][MOST_SIDE]
    double taps[MOST_PAIRS][MOST_SIDE]              # what is summed of them: scale times power


cdef void multiply_roots(
    const double* points, int pairs, int without, double* polynomial
) noexcept nogil:
    """Multiply out Π (z - p²) over all pairs but one."""
    cdef double square
    cdef int i, k
    cdef int degree = 0
    for k in range(MOST_PAIRS):
        polynomial[k] = 0
    for i in range(pairs):
        if i == without:
            continue
        square = points[i] * points[i]
        if degree > 0:
            for k in range(degree, 0, -1):
                # the leading coefficient is not kept
                polynomial[k] = polynomial[k - 1] - square * (
                    1 if k == degree else polynomial[k]
                )
            polynomial[0] = -square * polynomial[0]
        else:
            polynomial[0] = -square
        degree = degree + 1


cdef double value_at(const double* polynomial, int degree, double z) noexcept nogil:
    cdef double value = 1
    cdef int k
    for k in range(degree - 1, -1, -1):
        value = value * z + polynomial[k]
    return value


cdef Constants find_constants(int pairs) noexcept nogil:
    cdef Constants found
    cdef double p
    cdef int i, k
    if pairs == 1:
        found.point[0] = 1
    elif pairs == 2:
        found.point[0], found.point[1] = 0.625, 1.5
    else:
        found.point[0], found.point[1], found.point[2] = 0.5, 1, 2
    multiply_roots(found.point, pairs, -1, found.all)
    found.scale[pairs] = 1 / value_at(found.all, pairs, 0)
    for i in range(pairs):
        p = found.point[i]
        multiply_roots(found.point, pairs, i, found.others[i])
        found.scale[i] = 1 / (2 * p * p * value_at(found.others[i], pairs - 1, p * p))
        found.power[i][0] = 1
        for k in range(1, MOST_SIDE):
            found.power[i][k] = p * found.power[i][k - 1]
        for k in range(MOST_SIDE):
            found.taps[i][k] = found.scale[i] * found.power[i][k]
    return found


cdef inline void transform_pixels(
    const int lanes, const int pairs, const Constants* constants, const real* source,
    Py_ssize_t step, real* target, Py_ssize_t apart,
) noexcept nogil:
    """Do target = Bᵀ source for so many lanes; `step` and `apart` from value to value."""
    cdef real d[MOST_POINTS * FLOATS]
    cdef real v[2 * FLOATS]
    cdef real even, odd, p
    cdef int i, k, n
    for i in range(2 * pairs + 2):
        for n in range(lanes):
            d[i * FLOATS + n] = source[i * step + n]
    for n in range(lanes):
        v[n] = d[2 * pairs * FLOATS + n]
        v[FLOATS + n] = d[(2 * pairs + 1) * FLOATS + n]
    for k in range(pairs):
        p = <real>constants.all[k]
        for n in range(lanes):
            v[n] += p * d[2 * k * FLOATS + n]
            v[FLOATS + n] += p * d[(2 * k + 1) * FLOATS + n]
    for n in range(lanes):
        target[n] = v[n]
    for n in range(lanes):
        target[(2 * pairs + 1) * apart + n] = v[FLOATS + n]
    for i in range(pairs):
        for n in range(lanes):
            v[n] = d[2 * pairs * FLOATS + n]
            v[FLOATS + n] = d[(2 * pairs - 1) * FLOATS + n]
        for k in range(pairs - 1):
            p = <real>constants.others[i][k]
            for n in range(lanes):
                v[n] += p * d[2 * (k + 1) * FLOATS + n]
                v[FLOATS + n] += p * d[(2 * k + 1) * FLOATS + n]
        p = <real>constants.point[i]
        for n in range(lanes):
            even = v[n]
            odd = p * v[FLOATS + n]
            v[n] = even + odd
            v[FLOATS + n] = even - odd
        for n in range(lanes):
            target[(2 * i + 1) * apart + n] = v[n]
        for n in range(lanes):
            target[(2 * i + 2) * apart + n] = v[FLOATS + n]


cdef inline void sum_pair_of_taps(
    const int taps, const Constants* constants, int pair, const real* g, real* plus, real* minus
) noexcept nogil:
    """Make the two rows of G g of a pair of points; `g` is local, so that nothing overlaps."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real v[2 * FLOATS]
    cdef real even, odd, p
    cdef int k, n
    for n in range(vector):
        v[n] = 0
        v[FLOATS + n] = 0
    for k in range(taps):
        p = <real>constants.taps[pair][k]
        for n in range(vector):
            v[k % 2 * FLOATS + n] += p * g[k * FLOATS + n]
    for n in range(vector):
        even = v[n]
        odd = v[FLOATS + n]
        v[n] = even + odd
        v[FLOATS + n] = even - odd
    for n in range(vector):
        plus[n] = v[n]
    for n in range(vector):
        minus[n] = v[FLOATS + n]


cdef inline void transform_taps(
    const int pairs, const int taps, const Constants* constants, const real* source,
    Py_ssize_t step, real* target, Py_ssize_t apart,
) noexcept nogil:
    """Do target = G source for a vector of lanes."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real g[MOST_SIDE * FLOATS]
    cdef real p
    cdef int i, k, n
    for k in range(taps):
        for n in range(vector):
            g[k * FLOATS + n] = source[k * step + n]
    p = <real>constants.scale[pairs]
    for n in range(vector):
        target[n] = p * g[n]
    for n in range(vector):
        target[(2 * pairs + 1) * apart + n] = g[(taps - 1) * FLOATS + n]
    for i in range(pairs):
        sum_pair_of_taps(
            taps, constants, i, <const real*>g, target + (2 * i + 1) * apart,
            target + (2 * i + 2) * apart,
        )


cdef inline void transform_sums(
    const int lanes, const int pairs, const int outputs, const Constants* constants,
    const real* source, Py_ssize_t step, real* target, Py_ssize_t apart,
) noexcept nogil:
    """Do target = Aᵀ source for so many lanes."""
    cdef real pair[2 * MOST_PAIRS * FLOATS]     # m(p) + m(-p) of every pair, then m(p) - m(-p)
    cdef real y[FLOATS]
    cdef real one, other, p
    cdef int i, k, n
    for i in range(pairs):
        for n in range(lanes):
            one = source[(2 * i + 1) * step + n]
            other = source[(2 * i + 2) * step + n]
            pair[i * FLOATS + n] = one + other
            pair[(MOST_PAIRS + i) * FLOATS + n] = one - other
    for k in range(outputs):
        for n in range(lanes):
            y[n] = 0
        if k == 0:
            for n in range(lanes):
                y[n] = source[n]
        elif k == outputs - 1:
            for n in range(lanes):
                y[n] = source[(2 * pairs + 1) * step + n]
        for i in range(pairs):
            p = <real>constants.power[i][k]
            for n in range(lanes):
                y[n] += p * pair[(k % 2 * MOST_PAIRS + i) * FLOATS + n]
        for n in range(lanes):
            target[k * apart + n] = y[n]


cdef inline void transform_square_of_sums(
    const int lanes, const int pairs, const int outputs, const Constants* constants,
    const real* source, Py_ssize_t plane, real* target,
) noexcept nogil:
    """Do target = Aᵀ source A for so many lanes, with nothing in between in memory.

    The ξ lie `plane` apart, up to four by four outputs follow each other. What a column of ξ has
    come to is added to all of these, which stay in registers: of 0, of infinity, and of pairs.
    (24 loads and as many stores fewer for 36 ξ: 16 → 64 at 55x55 takes 0.92 of the time.)
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int values = 2 * pairs + 2
    cdef real y[4 * 4 * FLOATS]
    cdef real both[2 * 4 * FLOATS]      # m(p) and m(-p) of a pair, then their sum and difference
    cdef real one, other, p
    cdef int i, j, k, n
    transform_sums(
        lanes, pairs, outputs, constants, source, values * plane, both, FLOATS
    )
    transform_sums(
        lanes, pairs, outputs, constants, source + (values - 1) * plane,
        values * plane, both + outputs * FLOATS, FLOATS,
    )
    for k in range(outputs):
        for j in range(outputs):
            for n in range(lanes):
                y[(k * outputs + j) * FLOATS + n] = 0
        for n in range(lanes):
            y[k * outputs * FLOATS + n] = both[k * FLOATS + n]
        for n in range(lanes):
            y[(k * outputs + outputs - 1) * FLOATS + n] = both[(outputs + k) * FLOATS + n]
    for i in range(pairs):
        for j in range(2):
            transform_sums(
                lanes, pairs, outputs, constants, source + (2 * i + 1 + j) * plane,
                values * plane, both + j * outputs * FLOATS, FLOATS,
            )
        for k in range(outputs):
            for n in range(lanes):
                one = both[k * FLOATS + n]
                other = both[(outputs + k) * FLOATS + n]
                both[k * FLOATS + n] = one + other
                both[(outputs + k) * FLOATS + n] = one - other
        for j in range(outputs):
            p = <real>constants.power[i][j]
            for k in range(outputs):
                for n in range(lanes):
                    y[(k * outputs + j) * FLOATS + n] += (
                        p * both[(j % 2 * outputs + k) * FLOATS + n]
                    )
    for k in range(outputs * outputs):
        for n in range(lanes):
            target[k * vector + n] = y[k * FLOATS + n]


def transform_constants(int pairs):
    """Return points, Q, q of each pair and the scales of G for so many pairs of points."""
    cdef Constants found = find_constants(pairs)
    return (
        [found.point[i] for i in range(pairs)],
        [found.all[i] for i in range(pairs)],
        [[found.others[i][k] for k in range(pairs - 1)] for i in range(pairs)],
        [found.scale[i] for i in range(pairs + 1)],
    )
