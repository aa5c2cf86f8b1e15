# Tiles of which some outputs are beyond the image: the last of a row, and of a column.
#
# What pixels beyond the image are taken for does not matter then, as long as only such outputs see
# them. So they are chosen such that values of the tile are zero, as many as outputs are missing,
# and the product leaves these out:
#
#     missing     values that are zero               pixels chosen, counted from 0 (m = 4, r = 3)
#     1           at infinity                        5, which no other value has
#     2           at 0 and infinity                  4, and 5
#     3           at a pair, the first, and infinity 3, 4, and 5
#
# They are zero in what is transformed back, too, so no other transform and no other weights are
# needed. The points that are left are those of F(m - missing, r). Of 14 x 14 outputs, 4 + 4 + 4 + 2
# a side, the product has 22² pairs of a tile and a ξ instead of 24², of 13 x 13 21², of 10 x 10
# 16² instead of 18².
#
# The tiles of a ξ have to follow each other. So the short ones stand before and behind the others:
#
#                      across                 places
#              1  2  2  2 | 1          1      of each image in turn, by rows
#        down  1  2  2  2 | 1          2
#              ───────────┼──          3      a ξ that is left out down: 1 and 2
#              3  3  3  3 | 4          4      across: 2 and 3; both: 2

cdef enum:
    MOST_MISSING = 3


# Tiles by where they are: a row's first one and its last, if that is short; or from the first to
# before the last.
cdef struct Places:
    Py_ssize_t first
    Py_ssize_t last


cdef inline int count_missing(const Line* line, Py_ssize_t outputs) noexcept nogil:
    """Return how many outputs the last of the tiles that cover so many has too few, up to three."""
    if line.pairs == 0 or line.dilation > 1:
        return 0
    return <int>min(<Py_ssize_t>MOST_MISSING, tiles_along(line, outputs) * line.outputs - outputs)


cdef inline bint leaves_out(const Line* line, int missing, Py_ssize_t value) noexcept nogil:
    """Whether a tile with so many outputs too few has zero at a value of the line."""
    if missing == 0:
        return False
    return (
        value == line.values - 1 or (missing == 2 and value == 0)
        or (missing == 3 and 1 <= value <= 2)
    )


cdef void choose_pixels(
    const Line* line, int missing, Py_ssize_t tiles, real* pixels, Py_ssize_t step,
    Py_ssize_t lines, Py_ssize_t apart,
) noexcept nogil:
    """Choose those beyond the image that the last tile sees, of so many lines.

    Values of a line are `step` apart, lines `apart`. What is zero at 0 is Q of the pixels, and at a
    pair q of the even ones and of the odd ones, all without the last of these: so that is it.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef const double* factors = &line.constants.all[0]
    cdef int degree = line.pairs
    cdef real chosen[FLOATS]
    cdef real factor
    cdef real* pixel
    cdef Py_ssize_t j
    cdef int i, k, n
    if missing < 2:
        return
    if missing == 3:
        factors, degree = &line.constants.others[0][0], line.pairs - 1
    for j in range(lines):
        for i in range(line.values - missing, line.values - 1):
            pixel = pixels + (first_of_tile(line, tiles - 1) + i) * step + j * apart
            for n in range(vector):
                chosen[n] = 0
            for k in range(degree):
                factor = <real>factors[k]
                for n in range(vector):
                    chosen[n] -= factor * pixel[2 * (k - degree) * step + n]
            for n in range(vector):
                pixel[n] = chosen[n]


cdef inline Py_ssize_t whole_down(const Tiles* tiles) noexcept nogil:
    """Return how many tiles of a column have all of their outputs."""
    return tiles.down - (tiles.missing_down > 0)


cdef inline Py_ssize_t whole_across(const Tiles* tiles) noexcept nogil:
    """Return how many tiles of a row have all of their outputs."""
    return tiles.across - (tiles.missing_across > 0)


cdef inline Places find_places(const Tiles* tiles, Py_ssize_t image, Py_ssize_t row) noexcept nogil:
    """Return where the tiles of a row of an image of the unit are."""
    cdef Py_ssize_t images = tiles.unit.images
    cdef Py_ssize_t down = whole_down(tiles)
    cdef Py_ssize_t across = whole_across(tiles)
    cdef Places found
    if row < down:
        found.last = image * down + row
        found.first = images * down * (tiles.across - across) + found.last * across
    else:
        found.first = images * down * tiles.across + image * across
        found.last = images * (down * tiles.across + across) + image
    return found


cdef inline Places find_users(
    const Winograd* layout, const Tiles* tiles, Py_ssize_t value
) noexcept nogil:
    """Return from where to where the tiles are that do not leave a ξ out."""
    cdef Py_ssize_t down = tiles.unit.images * whole_down(tiles)
    cdef Py_ssize_t values = layout.across.values
    cdef Places found = Places(first=0, last=tiles.count)
    if leaves_out(&layout.down, tiles.missing_down, value // values):
        found.last = down * tiles.across
    if leaves_out(&layout.across, tiles.missing_across, value % values):
        found.first = down * (tiles.across - whole_across(tiles))
        if found.last == tiles.count:
            found.last -= tiles.unit.images * (tiles.down - whole_down(tiles))
    return found


cdef inline void zero_others(
    const Places* users, Py_ssize_t tiles, Py_ssize_t vectors, real* sums
) noexcept nogil:
    """Write the sums of the other tiles, of a ξ and so many vectors of filters."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t v
    for v in range(vectors):
        zero_vectors(sums, 0, users.first * vector)
        zero_vectors(sums, users.last * vector, tiles * vector)
        sums = sums + padded_pixels(tiles) * vector
