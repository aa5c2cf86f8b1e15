# Images under large kernels, by spectra: the image is cut into squares that overlap by the kernel
# less one pixel, two of which are a unit, the real and the imaginary part of one transform
# (spectra.pxi).
#
#     ┌─ square ─────────┐
#     │ ................ │     R-1 rows and S-1 columns, of windows that go round
#     │ . ┌────────────┐ │
#     │ . │ outputs    │ │     blocks.rows x blocks.columns
#     │ . └────────────┘ │
#     └──────────────────┘
#
# A value that is not finite would spoil both squares of a unit: image/fft.py takes all of them out
# before, and puts in what they make afterwards. Squares of very large or small values are scaled by
# a power of two.


cdef enum:
    MODERATE = 30           # exponents of two within which a product of spectra is far from any end
    TRANSFORM_WORK = 30     # multiply-adds that a value of a transform counts for


cdef struct Spectral:
    Description given
    Py_ssize_t side         # of a square
    Py_ssize_t pitch        # from row to row of it
    Py_ssize_t plane        # values of real parts; the imaginary ones follow
    Py_ssize_t stretches    # squares beside each other,
    Py_ssize_t squares      # and of an image
    Py_ssize_t pairs
    void* turns
    Py_ssize_t image        # where in the scratch the two squares begin,
    Py_ssize_t product      # and the products; in the same place for a single kernel


cdef int lay_out_filter_spectra(const Description* given, Made* made, list memory) except -1:
    cdef Spectral* layout = <Spectral*>allot(memory, sizeof(Spectral))
    cdef const Problem* problem = &given.problem
    layout.given = given[0]
    layout.side = given.blocks.side
    layout.pitch = odd_lines(layout.side)
    layout.plane = layout.side * layout.pitch
    layout.stretches = ceil_div(problem.columns.outputs, given.blocks.columns)
    layout.squares = layout.stretches * ceil_div(problem.rows.outputs, given.blocks.rows)
    layout.pairs = (layout.squares + 1) // 2
    layout.turns = allot(memory, (turns_values(layout.side) + 1) * problem.itemsize)
    find_turns(layout.side, problem.itemsize, layout.turns)
    layout.image = book(made, 2 * layout.plane)
    layout.product = layout.image
    if problem.filters > 1:
        layout.product = book(made, 2 * layout.plane)
    made.layout = layout
    made.units = problem.batch * layout.pairs
    return 0


cdef void transform_kernels(
    const Spectral* layout, const real* w, real* spectra
) noexcept nogil:
    """Fill in the spectra of the kernels, flipped, over side·side: of each two planes."""
    cdef Py_ssize_t taps = layout.given.problem.rows.kernel
    cdef Py_ssize_t across = layout.given.problem.columns.kernel
    cdef Py_ssize_t k, r, s
    cdef real share = <real>1 / (layout.side * layout.side)     # a power of two
    for k in range(layout.given.problem.filters):
        fill_row(spectra, <real>0, 2 * layout.plane)
        for r in range(taps):
            for s in range(across):
                spectra[(taps - 1 - r) * layout.pitch + across - 1 - s] = share * w[s]
            w = w + across
        transform_square(
            layout.side, layout.pitch, <const real*>layout.turns, spectra, spectra + layout.plane
        )
        spectra = spectra + 2 * layout.plane


cdef FilteredUnit find_square(const Spectral* layout, Py_ssize_t number) noexcept nogil:
    """Decode image·(2·pairs) + square; of one that there is not, no rows."""
    cdef const Problem* problem = &layout.given.problem
    cdef const Blocks* blocks = &layout.given.blocks
    cdef FilteredUnit unit
    unit.image = number // (2 * layout.pairs)
    number = number % (2 * layout.pairs)
    unit.first_row = number // layout.stretches * blocks.rows
    unit.first_column = number % layout.stretches * blocks.columns
    unit.rows = min(blocks.rows, problem.rows.outputs - unit.first_row)
    unit.columns = min(blocks.columns, problem.columns.outputs - unit.first_column)
    if number >= layout.squares:
        unit.rows = unit.columns = 0
    return unit


cdef void extend_square(
    const Spectral* layout, const real* image, const FilteredUnit* unit, real* square
) noexcept nogil:
    """Copy what a square's outputs see, and zeros."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t rows = unit.rows + problem.rows.kernel - 1
    cdef Py_ssize_t columns = unit.columns + problem.columns.kernel - 1
    cdef Py_ssize_t i
    if unit.rows == 0:
        rows = 0
    image = image + unit.image * problem.rows.size * problem.columns.size
    for i in range(rows):
        extend_row(
            problem, &layout.given.beyond, image, unit.first_row + i, unit.first_column, columns,
            square,
        )
        fill_row(square + columns, <real>0, layout.pitch - columns)
        square = square + layout.pitch
    fill_row(square, <real>0, (layout.side - rows) * layout.pitch)


cdef real largest_of(Py_ssize_t values, const real* squares) noexcept nogil:
    """Return the largest absolute value."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real most[FLOATS]
    cdef real value
    cdef Py_ssize_t at = 0
    cdef int n
    for n in range(vector):
        most[n] = 0
    while at < values:
        for n in range(vector):
            value = squares[at + n] if squares[at + n] > 0 else -squares[at + n]
            most[n] = value if value > most[n] else most[n]
        at = at + vector
    for n in range(vector):
        most[0] = max(most[0], most[n])
    return most[0]


cdef int exponent_to_scale(real largest, int most) noexcept nogil:
    """Return by which power of two values are far from 1, `most` at the most; 0 if not far."""
    cdef int exponent = 0
    if largest > 0:
        frexp(largest, &exponent)
    if -MODERATE <= exponent <= MODERATE:
        return 0
    return max(-most, min(most, exponent))


cdef void scale_values(Py_ssize_t values, real scale, real* squares) noexcept nogil:
    cdef Py_ssize_t n
    for n in range(values):
        squares[n] = squares[n] * scale


cdef void store_square(
    const Spectral* layout, const FilteredUnit* unit, Py_ssize_t filter, real scale, real* square,
    real* y,
) noexcept nogil:
    """Bring the outputs of a square to their place."""
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t i
    y = y + filtered_index(problem, unit, filter)
    square = square + (problem.rows.kernel - 1) * layout.pitch + problem.columns.kernel - 1
    for i in range(unit.rows):
        if scale != 1:
            scale_values(unit.columns, scale, square)
        copy_run(y, square, unit.columns)
        square = square + layout.pitch
        y = y + problem.columns.outputs


cdef void filter_spectra(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Compute one unit: two squares for all filters.

    The weights are kernels, and the panels what `transform_kernels` makes of them.
    """
    cdef const Spectral* layout = <const Spectral*>made
    cdef const real* turns = <const real*>layout.turns
    cdef Py_ssize_t plane = layout.plane
    cdef real* image = scratch + layout.image
    cdef real* product = scratch + layout.product
    cdef real* y = <real*>operands.result
    cdef FilteredUnit units[2]
    cdef real largest
    cdef int exponent
    cdef Py_ssize_t k
    cdef int part
    for part in range(2):
        units[part] = find_square(layout, 2 * number + part)
        extend_square(
            layout, <const real*>operands.image, &units[part], image + part * plane
        )
    largest = largest_of(2 * plane, image)
    exponent = exponent_to_scale(largest, 120 if sizeof(real) == sizeof(float) else 1000)
    if exponent != 0:
        scale_values(2 * plane, <real>ldexp(1, -exponent), image)
    if not goes_on(watch, TRANSFORM_WORK * plane):
        return
    transform_square(layout.side, layout.pitch, turns, image, image + plane)
    for k in range(layout.given.problem.filters):
        if not goes_on(watch, TRANSFORM_WORK * plane):
            return
        multiply_spectra(
            plane, <const real*>operands.panels + 2 * k * plane, image, product, plane
        )
        restore_square(layout.side, layout.pitch, turns, product, product + plane)
        for part in range(2):
            if units[part].rows > 0:
                store_square(
                    layout, &units[part], k, <real>ldexp(1, exponent), product + part * plane, y
                )


enter("filter_spectra", lay_out_filter_spectra, filter_spectra[float], filter_spectra[double])
