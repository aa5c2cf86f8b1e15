# Taps into panels: G g Gᵀ, of one point of the columns after the other.
#
#     packed [channel][r·r][filters]   →   panel [its rows of ξ][channel][filters]
#
# Rows of G g are that of 0, two of each pair ±p, and that of infinity, and each is made of the taps
# alone. So they are made when they are about to be multiplied: two rows of ξ of two panels, and the
# taps, stay in the second-level cache, where whole tiles, four times as much, would not. And what a
# point makes of a channel's columns is transformed along rows at once, with nothing in between.
#
# Predicted for a vector of filters of 3x3 and m = 4 (AVX2): 36 values to be stored, one a cycle,
# and 99 multiplications and additions, two a cycle: 50 cycles; and 18 cache lines that come from
# the second level and go back to it, 4 cycles each: 72. Measured are 110, of the 290 that the
# product of 16 tiles takes; all rows at once, by way of the third level, took 180.

cdef enum Point:
    AT_ZERO = 0
    AT_PAIR = 1
    AT_INFINITY = 2
    ALL_OF_LINE = 3         # of a kernel of one row or column: all points at once


cdef inline int points_of(const Line* down, const Line* across) noexcept nogil:
    """Return of how many points panels are made one after the other."""
    return 1 if down.pairs == 0 or across.pairs == 0 else down.pairs + 2


cdef inline int values_of_point(
    const Line* down, const Line* across, int point
) noexcept nogil:
    """Return how many ξ a point has."""
    if points_of(down, across) == 1:
        return down.values * across.values
    return across.values if point == 0 or point > down.pairs else 2 * across.values


cdef inline void walk_taps(
    const Point kind, const int pairs, const int taps, const Constants* constants, int pair,
    const real* packed, Py_ssize_t lanes, Py_ssize_t channels, Py_ssize_t width, real* panel,
    Py_ssize_t plane,
) noexcept nogil:
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int values = 2 * pairs + 2
    cdef int columns = 1 if kind == ALL_OF_LINE else taps
    cdef real g[MOST_SIDE * FLOATS]
    cdef real half[2 * MOST_SIDE * FLOATS]
    cdef real* minus = half + MOST_SIDE * FLOATS
    cdef const real* tap
    cdef real p = <real>constants.scale[pairs]
    cdef Py_ssize_t c, v
    cdef int s, t, n
    for c in range(channels):
        for v in range(width // vector):
            if kind == ALL_OF_LINE:
                transform_taps(
                    pairs, taps, constants, packed + v * vector, lanes, panel + v * vector, plane
                )
                continue
            for s in range(taps):
                tap = packed + s * lanes + v * vector
                if kind == AT_ZERO:
                    for n in range(vector):
                        half[s * FLOATS + n] = p * tap[n]
                elif kind == AT_INFINITY:
                    for n in range(vector):
                        half[s * FLOATS + n] = tap[(taps - 1) * taps * lanes + n]
                else:
                    for t in range(taps):
                        for n in range(vector):
                            g[t * FLOATS + n] = tap[t * taps * lanes + n]
                    sum_pair_of_taps(
                        taps, constants, pair, <const real*>g, half + s * FLOATS,
                        minus + s * FLOATS,
                    )
            transform_taps(
                pairs, taps, constants, <const real*>half, FLOATS, panel + v * vector, plane
            )
            if kind == AT_PAIR:
                transform_taps(
                    pairs, taps, constants, <const real*>minus, FLOATS,
                    panel + values * plane + v * vector, plane,
                )
        packed = packed + columns * taps * lanes
        panel = panel + width


cdef inline void walk_any_taps(
    const Point kind, const Line* line, int pair, const real* packed, Py_ssize_t lanes,
    Py_ssize_t channels, Py_ssize_t width, real* panel, Py_ssize_t plane,
) noexcept nogil:
    cdef const Constants* constants = &line.constants
    if line.pairs == 1:
        walk_taps(kind, 1, 3, constants, pair, packed, lanes, channels, width, panel, plane)
    elif line.pairs == 2:
        if line.taps == 3:
            walk_taps(kind, 2, 3, constants, pair, packed, lanes, channels, width, panel, plane)
        else:
            walk_taps(kind, 2, 5, constants, pair, packed, lanes, channels, width, panel, plane)
    elif line.taps == 3:
        walk_taps(kind, 3, 3, constants, pair, packed, lanes, channels, width, panel, plane)
    elif line.taps == 5:
        walk_taps(kind, 3, 5, constants, pair, packed, lanes, channels, width, panel, plane)
    else:
        walk_taps(kind, 3, 7, constants, pair, packed, lanes, channels, width, panel, plane)


cdef void transform_taps_of_point(
    const Line* down, const Line* across, int point, const real* packed, Py_ssize_t lanes,
    Py_ssize_t channels, Py_ssize_t width, real* panel, Py_ssize_t plane,
) noexcept nogil:
    """Transform so many channels' taps for a point of the columns, of `width` filters.

    They are packed [channel][r·r][lanes], of which these filters are some; of the panel, `plane` is
    from one ξ to the next.
    """
    if down.pairs == 0:
        walk_any_taps(ALL_OF_LINE, across, 0, packed, lanes, channels, width, panel, plane)
    elif across.pairs == 0:
        walk_any_taps(ALL_OF_LINE, down, 0, packed, lanes, channels, width, panel, plane)
    elif point == 0:
        walk_any_taps(AT_ZERO, down, 0, packed, lanes, channels, width, panel, plane)
    elif point <= down.pairs:
        walk_any_taps(AT_PAIR, down, point - 1, packed, lanes, channels, width, panel, plane)
    else:
        walk_any_taps(AT_INFINITY, down, 0, packed, lanes, channels, width, panel, plane)
