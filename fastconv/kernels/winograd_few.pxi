# F(4, 3) down the columns of 3x3 kernels, for images of few channels: pixels in the lanes.
#
#     six rows of the band  ─ Bᵀ ─→  data [vector of columns][channel][tap of the row][ξ][lanes]
#     weights               ─ G ──→  panel [channel][tap of the row][ξ][FEW_FILTERS]
#
#     sums [ξ][FEW_FILTERS][lanes]  +=  panel · data      over channels and taps of the row
#     four rows of FEW_FILTERS planes of y  =  Aᵀ sums    from the registers
#
# Rows of the kernel are transformed, its columns summed: half the multiplications of direct sums.
# In squares (winograd.pxi) they would be a quarter, but of few channels transforming sums back
# takes longer than making them, and with filters in the lanes they have to be turned over. Here the
# sums never leave the registers, and what a tile reads lies in a row: of 27 taps, 9 steps of six
# vectors. Pixels are stored once for each tap of the row, so that every load is of one line; they
# are few, and all filters read them.
#
# A tile takes FEW_VALUES·FEW_FILTERS multiply-adds a step: 24 cycles, in which 6 vectors and 24
# weights are loaded, 18 cycles. Transforming back takes 6 multiply-adds a filter.
#
# A NaN, an infinity or an overflow of a transform would spoil all outputs of a tile. Vectors of
# data and panels whose squares sum to more than `is_moderate` allows say so before they are
# multiplied: what they meet is computed as it is defined. (|Σ w·d| ≤ √Σw² · √Σd², far from what
# overflows.)

cdef extern from *:
    """
    #define FEW_FILTERS (REGISTERS == 32 ? 4 : 2)
    """
    enum: FEW_FILTERS

cdef enum:
    FEW_PAIRS = 2       # of points, besides 0 and infinity
    FEW_VALUES = 6
    FEW_ROWS = 4        # outputs of a tile
    FEW_TAPS = 3        # of a row or a column
    # What data take at once, of the second-level cache.
    FEW_DATA_BYTES = 98304


cdef struct WinogradFew:
    Description given
    Band band
    Constants constants
    Py_ssize_t steps            # taps of a row, of all channels
    Py_ssize_t panel_values     # with the sum of squares behind them
    Py_ssize_t vectors          # at once
    Py_ssize_t data             # where in the scratch these are,
    Py_ssize_t squares          # their sums of squares,
    Py_ssize_t panels           # and panels that no plan has made


cdef int lay_out_winograd_few(const Description* given, Made* made, list memory) except -1:
    cdef WinogradFew* layout = <WinogradFew*>allot(memory, sizeof(WinogradFew))
    cdef const Problem* problem = &given.problem
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t each
    layout.given = given[0]
    # whole tiles: of the last one, rows beyond the image are zeros
    layout.band = plan_band(
        problem, ceil_div(given.blocks.rows, FEW_ROWS) * FEW_ROWS, vector
    )
    layout.constants = find_constants(FEW_PAIRS)
    layout.steps = problem.channels * FEW_TAPS
    layout.panel_values = layout.steps * FEW_VALUES * FEW_FILTERS + 1
    each = layout.steps * FEW_VALUES
    layout.vectors = min(
        ceil_div(problem.columns.outputs, vector),
        max(1, FEW_DATA_BYTES // (each * VECTOR_BYTES)),
    )
    book(made, problem.channels * layout.band.channel)
    layout.data = book(made, layout.vectors * each * vector)
    layout.squares = book(made, layout.vectors)
    layout.panels = book(made, layout.panel_values * ceil_div(given.blocks.filters, FEW_FILTERS))
    made.layout = layout
    made.units = count_units(given)
    return 0


cdef inline bint is_moderate(real squares) noexcept nogil:
    """Whether nothing overflows: up to 2 to the 100th, of double to the 900th. A NaN is not."""
    if real is float:
        return squares < <real>1.2676506e30
    else:
        return squares < <real>8.452712498170644e270


cdef real sum_of_squares(const real* values, Py_ssize_t n) noexcept nogil:
    cdef real total = 0
    cdef real lanes[FLOATS]
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t i = 0
    cdef int lane
    for lane in range(vector):
        lanes[lane] = 0
    while i + vector <= n:
        for lane in range(vector):
            lanes[lane] += values[i + lane] * values[i + lane]
        i = i + vector
    for lane in range(vector):
        total += lanes[lane]
    while i < n:
        total += values[i] * values[i]
        i = i + 1
    return total


cdef void make_few_panel(
    const WinogradFew* layout, const real* w, Py_ssize_t group, Py_ssize_t filter, real* panel
) noexcept nogil:
    """Do G w for the columns of FEW_FILTERS filters, zeros for those that are missing."""
    cdef const Problem* problem = &layout.given.problem
    cdef const Constants* constants = &layout.constants
    cdef Taps view = layout.given.taps
    cdef Py_ssize_t values = layout.panel_values - 1
    cdef Py_ssize_t c, s, m
    cdef const real* taps
    cdef real* target
    cdef real even, odd
    cdef int i
    if view.in_order:
        view.first, view.column, view.row = 0, 1, FEW_TAPS
        view.channel = FEW_TAPS * FEW_TAPS
        view.filter = problem.channels * view.channel
        view.group = problem.filters * view.filter
    fill_row(panel, <real>0, values)
    for m in range(min(<Py_ssize_t>FEW_FILTERS, problem.filters - filter)):
        for c in range(problem.channels):
            for s in range(FEW_TAPS):
                taps = w + (
                    view.first + group * view.group + (filter + m) * view.filter
                    + c * view.channel + s * view.column
                )
                target = panel + (c * FEW_TAPS + s) * FEW_VALUES * FEW_FILTERS + m
                target[0] = <real>constants.scale[FEW_PAIRS] * taps[0]
                for i in range(FEW_PAIRS):
                    even = (
                        <real>constants.taps[i][0] * taps[0]
                        + <real>constants.taps[i][2] * taps[2 * view.row]
                    )
                    odd = <real>constants.taps[i][1] * taps[view.row]
                    target[(2 * i + 1) * FEW_FILTERS] = even + odd
                    target[(2 * i + 2) * FEW_FILTERS] = even - odd
                target[(FEW_VALUES - 1) * FEW_FILTERS] = taps[2 * view.row]
    panel[values] = sum_of_squares(<const real*>panel, values)


cdef inline void see_vectors(
    const WinogradFew* layout, const real* image, Py_ssize_t first, Py_ssize_t count, real* data,
    real* squares,
) noexcept nogil:
    """Do Bᵀ for what so many vectors of outputs see, the last of a row moved back to its end.

    And sum the squares, for which the first and the last tap of a row are enough.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t outputs = layout.given.problem.columns.outputs
    cdef real lanes[FEW_VALUES * FLOATS]
    cdef Py_ssize_t v, c, s
    cdef const real* seen
    cdef int n
    for v in range(count):
        seen = image + min((first + v) * vector, outputs - vector)
        for n in range(FEW_VALUES * vector):
            lanes[n] = 0
        for c in range(layout.given.problem.channels):
            for s in range(FEW_TAPS):
                transform_pixels(
                    vector, FEW_PAIRS, &layout.constants, seen + c * layout.band.channel + s,
                    layout.band.width, data, vector,
                )
                if s != 1:
                    for n in range(FEW_VALUES * vector):
                        lanes[n] += data[n] * data[n]
                data = data + FEW_VALUES * vector
        squares[v] = 0
        for n in range(FEW_VALUES * vector):
            squares[v] += lanes[n]


cdef inline void few_tile(
    Py_ssize_t steps, const real* powers, const real* panel, const real* data, const real* bias,
    real* y, Py_ssize_t plane, Py_ssize_t row,
) noexcept nogil:
    """Do y = bias + Aᵀ Σ panel·data for FEW_ROWS rows of FEW_FILTERS planes, a vector of each."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real sums[FEW_VALUES * FEW_FILTERS * FLOATS]
    cdef real pair[2 * FEW_PAIRS * FLOATS]      # m(p) + m(-p) of both, then m(p) - m(-p)
    cdef real out[FLOATS]
    cdef Py_ssize_t t = 0
    cdef real one, other, p
    cdef int v, m, i, k, n
    for n in range(FEW_VALUES * FEW_FILTERS * vector):
        sums[n] = 0
    while True:  # at least once: see README.md
        for v in range(FEW_VALUES):
            for m in range(FEW_FILTERS):
                for n in range(vector):
                    sums[(v * FEW_FILTERS + m) * vector + n] += (
                        panel[v * FEW_FILTERS + m] * data[v * vector + n]
                    )
        panel = panel + FEW_VALUES * FEW_FILTERS
        data = data + FEW_VALUES * vector
        t = t + 1
        if t >= steps:
            break
    for m in range(FEW_FILTERS):
        for i in range(FEW_PAIRS):
            for n in range(vector):
                one = sums[((2 * i + 1) * FEW_FILTERS + m) * vector + n]
                other = sums[((2 * i + 2) * FEW_FILTERS + m) * vector + n]
                pair[i * FLOATS + n] = one + other
                pair[(FEW_PAIRS + i) * FLOATS + n] = one - other
        for k in range(FEW_ROWS):
            for n in range(vector):
                out[n] = bias[m]
            if k == 0:
                for n in range(vector):
                    out[n] += sums[m * vector + n]
                for i in range(FEW_PAIRS):
                    for n in range(vector):
                        out[n] += pair[i * FLOATS + n]
            else:
                if k == FEW_ROWS - 1:
                    for n in range(vector):
                        out[n] += sums[((FEW_VALUES - 1) * FEW_FILTERS + m) * vector + n]
                for i in range(FEW_PAIRS):
                    p = powers[i * FEW_ROWS + k]
                    for n in range(vector):
                        out[n] += p * pair[(k % 2 * FEW_PAIRS + i) * FLOATS + n]
            for n in range(vector):
                y[m * plane + k * row + n] = out[n]


cdef void few_directly(
    const WinogradFew* layout, const real* w, Py_ssize_t group, Py_ssize_t filter,
    Py_ssize_t filters, const real* image, const real* bias, real* y, Py_ssize_t plane,
    Py_ssize_t row,
) noexcept nogil:
    """Do the same as it is defined, from the band."""
    cdef const Problem* problem = &layout.given.problem
    cdef Taps view = layout.given.taps
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t c, r, s, m, k, n
    cdef const real* seen
    cdef const real* taps
    cdef real* target
    if view.in_order:
        view.first, view.column, view.row = 0, 1, FEW_TAPS
        view.channel = FEW_TAPS * FEW_TAPS
        view.filter = problem.channels * view.channel
        view.group = problem.filters * view.filter
    for m in range(filters):
        taps = w + view.first + group * view.group + (filter + m) * view.filter
        for k in range(FEW_ROWS):
            target = y + m * plane + k * row
            fill_row(target, bias[m], vector)
            for c in range(problem.channels):
                for r in range(FEW_TAPS):
                    for s in range(FEW_TAPS):
                        seen = image + c * layout.band.channel + (k + r) * layout.band.width + s
                        for n in range(vector):
                            target[n] += (
                                taps[c * view.channel + r * view.row + s * view.column] * seen[n]
                            )


cdef inline void few_vector(
    const WinogradFew* layout, const Operands* operands, const Unit* unit, Py_ssize_t filter,
    Py_ssize_t kept, bint doubted, const real* powers, const real* panel, const real* data,
    const real* image, const real* bias, real* y,
) noexcept nogil:
    """Compute a vector of columns of a tile, of which so many rows and planes are kept."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int activation = layout.given.problem.activation
    cdef Py_ssize_t row = layout.given.problem.columns.outputs
    cdef Py_ssize_t plane = unit.next_filter
    cdef Py_ssize_t filters = min(<Py_ssize_t>FEW_FILTERS, unit.last_filter - filter)
    cdef real tile[FEW_FILTERS * FEW_ROWS * FLOATS]
    cdef Py_ssize_t m, k
    cdef int n
    if not doubted and kept == FEW_ROWS and filters == FEW_FILTERS:
        few_tile(layout.steps, powers, panel, data, bias, y, plane, row)
    else:
        if doubted:
            few_directly(
                layout, <const real*>operands.weights, unit.group, filter, filters, image, bias,
                tile, FEW_ROWS * vector, vector,
            )
        else:
            few_tile(
                layout.steps, powers, panel, data, bias, tile, FEW_ROWS * vector, vector
            )
        for m in range(filters):
            for k in range(kept):
                for n in range(vector):
                    y[m * plane + k * row + n] = tile[(m * FEW_ROWS + k) * vector + n]
    if activation != IDENTITY:
        for m in range(filters):
            for k in range(kept):
                for n in range(vector):
                    y[m * plane + k * row + n] = activate(activation, y[m * plane + k * row + n])


cdef inline void expect_tile(const real* y, Py_ssize_t plane, Py_ssize_t row) noexcept nogil:
    """Ask for the lines that a tile writes."""
    cdef int m, k
    for m in range(FEW_FILTERS):
        for k in range(FEW_ROWS):
            EXPECT_LINE(y + m * plane + k * row)


cdef void few_rows(
    const WinogradFew* layout, const Operands* operands, const Unit* unit, const real* panels,
    const real* band, Py_ssize_t kept, real* scratch, real* y, Watch* watch,
) noexcept nogil:
    """Compute a row of tiles of all filters of a unit, some vectors of columns at a time."""
    cdef const Problem* problem = &layout.given.problem
    cdef const real* bias = <const real*>operands.bias
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t outputs = problem.columns.outputs
    cdef Py_ssize_t vectors = ceil_div(outputs, vector)
    cdef Py_ssize_t values = layout.steps * FEW_VALUES * vector
    cdef real* data = scratch + layout.data
    cdef real* squares = scratch + layout.squares
    cdef real powers[FEW_PAIRS * FEW_ROWS]
    cdef real panel_bias[FEW_FILTERS]
    cdef const real* panel
    cdef real* planes
    cdef const real* ahead
    cdef Py_ssize_t first = 0
    cdef Py_ssize_t filter, v, count, column, m
    cdef bint doubted
    for m in range(FEW_PAIRS * FEW_ROWS):
        powers[m] = <real>layout.constants.power[m // FEW_ROWS][m % FEW_ROWS]
    while first < vectors:
        count = min(layout.vectors, vectors - first)
        see_vectors(layout, band, first, count, data, squares)
        panel, filter = panels, unit.first_filter
        while filter < unit.last_filter:
            if not goes_on(watch, count * values * FEW_FILTERS):
                return
            for m in range(FEW_FILTERS):
                panel_bias[m] = 0
                if bias != NULL and filter + m < unit.last_filter:
                    panel_bias[m] = bias[unit.group * problem.filters + filter + m]
            doubted = not is_moderate(panel[layout.panel_values - 1])
            planes = y + (filter - unit.first_filter) * unit.next_filter
            ahead = planes + FEW_FILTERS * unit.next_filter
            if filter + FEW_FILTERS >= unit.last_filter:
                ahead = y + count * vector
            for v in range(count):
                column = min((first + v) * vector, outputs - vector)
                expect_tile(ahead + column, unit.next_filter, outputs)
                few_vector(
                    layout, operands, unit, filter, kept, doubted or not is_moderate(squares[v]),
                    <const real*>powers, panel, <const real*>data + v * values, band + column,
                    <const real*>panel_bias, planes + column,
                )
            panel, filter = panel + layout.panel_values, filter + FEW_FILTERS
        first = first + count


cdef void winograd_few_unit(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const WinogradFew* layout = <const WinogradFew*>made
    cdef const Problem* problem = &layout.given.problem
    cdef const real* panels = <const real*>operands.panels
    cdef Unit unit = find_unit(&layout.given, number)
    cdef Py_ssize_t plane = problem.rows.size * problem.columns.size
    cdef Py_ssize_t p, n, c, i
    cdef const real* image
    if panels != NULL:
        panels = panels + layout.panel_values * (
            unit.group * ceil_div(problem.filters, FEW_FILTERS) + unit.first_filter // FEW_FILTERS
        )
    else:
        panels = scratch + layout.panels
        for p in range(ceil_div(unit.last_filter - unit.first_filter, FEW_FILTERS)):
            make_few_panel(
                layout, <const real*>operands.weights, unit.group,
                unit.first_filter + p * FEW_FILTERS,
                scratch + layout.panels + p * layout.panel_values,
            )
    for n in range(unit.images):
        image = <const real*>operands.image + (
            ((unit.image + n) * problem.groups + unit.group) * problem.channels * plane
        )
        for c in range(problem.channels):
            copy_band(
                scratch + c * layout.band.channel, image + c * plane, &layout.band, problem,
                unit.first_row,
            )
        i = 0
        while i < unit.rows and not stopped(watch):
            few_rows(
                layout, operands, &unit, panels,
                <const real*>scratch + layout.band.shift + i * layout.band.width,
                min(<Py_ssize_t>FEW_ROWS, unit.rows - i), scratch,
                <real*>operands.result + output_index(&unit, n, unit.first_filter)
                + i * problem.columns.outputs, watch,
            )
            i = i + FEW_ROWS


def few_panels_values(description):
    """Return how many values the transformed weights of all groups take."""
    cdef Problem problem = read_problem(description.piece.problem)
    return problem.groups * ceil_div(problem.filters, FEW_FILTERS) * (
        problem.channels * FEW_TAPS * FEW_VALUES * FEW_FILTERS + 1
    )


cdef void make_few_panels(const WinogradFew* layout, const real* w, real* panels) noexcept nogil:
    cdef const Problem* problem = &layout.given.problem
    cdef Py_ssize_t g, k
    for g in range(problem.groups):
        for k in range(ceil_div(problem.filters, FEW_FILTERS)):
            make_few_panel(layout, w, g, k * FEW_FILTERS, panels)
            panels = panels + layout.panel_values


def make_few_weights(description, w, panels):
    """Transform the weights of all groups into panels."""
    cdef Description given = read_images(description)
    cdef Made made = Made(layout=NULL, units=0, scratch=0)
    cdef list memory = []
    cdef const void* weights = address_of(w)
    cdef void* target = writable_address_of(panels)
    lay_out_winograd_few(&given, &made, memory)
    with nogil:
        if given.problem.itemsize == sizeof(double):
            make_few_panels(
                <const WinogradFew*>made.layout, <const double*>weights, <double*>target
            )
        else:
            make_few_panels(<const WinogradFew*>made.layout, <const float*>weights, <float*>target)


def few_filters():
    """Return how many filters a tile has."""
    return FEW_FILTERS


enter("winograd_few", lay_out_winograd_few, winograd_few_unit[float], winograd_few_unit[double])
