# Reading weights that do not lie as a panel's taps follow each other: those of a piece or of an
# input gradient, told by struct Taps (description.pxi).


cdef void gather_piece(
    const real* w, const Taps* view, Py_ssize_t filter_stride, Py_ssize_t filters,
    Py_ssize_t lanes, real* panel, Py_ssize_t width,
) noexcept nogil:
    """Do panel[t·width + k] = w[tap t of filter k], of one channel; zeros from `filters` on."""
    cdef Py_ssize_t i, j, k
    for i in range(view.rows):
        for j in range(view.columns):
            for k in range(filters):
                panel[k] = w[k * filter_stride + i * view.row + j * view.column]
            for k in range(filters, lanes):
                panel[k] = 0
            panel = panel + width


cdef inline void gather_square(
    const real* w, const Taps* view, real* panel, Py_ssize_t width
) noexcept nogil:
    """Do the same for a vector's worth of filters.

    `w` is where the plane of the first filter begins, of which tap `view.first` is the first.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real square[FLOATS * FLOATS]
    cdef Py_ssize_t begin = 0
    cdef Py_ssize_t i, j, tap
    while begin < view.plane:
        if view.rows * view.columns == view.plane and view.column < 0:
            # all of them, from the last to the first
            transpose_square(
                w + begin, view.filter, vector, panel + (view.plane - 1 - begin) * width, -width,
                min(vector, view.plane - begin), IDENTITY,
            )
        else:
            transpose_square(w + begin, view.filter, vector, square, vector, vector, IDENTITY)
            for i in range(view.rows):
                for j in range(view.columns):
                    tap = view.first + i * view.row + j * view.column - begin
                    if 0 <= tap < vector:
                        copy_values(
                            vector, panel + (i * view.columns + j) * width, square + tap * vector
                        )
        begin = begin + vector


# The taps of a piece: whole planes in vectors, and what is needed of them moved together, is faster
# than picking it. Of so many taps at a time at the most, so that a piece of a large kernel needs no
# scratch for all of it; of a plane that is larger, taps are picked one by one.
cdef enum:
    PIECE_TAPS = 1024


cdef inline Py_ssize_t piece_channels(const Taps* view, Py_ssize_t channels) noexcept nogil:
    """Return of how many channels whole planes are packed at once, 0 if none are."""
    cdef Py_ssize_t most = PIECE_TAPS // view.plane
    if most >= FLOATS:  # no square of a vector by a vector is left incomplete
        most = most // FLOATS * FLOATS
    return min(channels, most)


cdef inline Py_ssize_t spare_taps(const Taps* view, Py_ssize_t channels) noexcept nogil:
    """Return how many taps a panel needs room for besides its own."""
    if view.in_order or view.column < 0:
        return 0
    return piece_channels(view, channels) * (view.plane - view.rows * view.columns)


cdef void pack_piece(
    const real* w, const Taps* view, Py_ssize_t filters, Py_ssize_t channels, real* panel,
    Py_ssize_t width,
) noexcept nogil:
    """Pack the panel of a piece; `w` is where the plane of the first filter and channel begins."""
    cdef Py_ssize_t taps = view.rows * view.columns
    cdef Py_ssize_t most = piece_channels(view, channels)
    cdef Py_ssize_t c = 0
    cdef Py_ssize_t count
    while c < channels:
        if most == 0:
            count = 1
            gather_piece(
                w + c * view.plane + view.first, view, view.filter, filters, width,
                panel + c * taps * width, width,
            )
        else:
            count = min(most, channels - c)
            pack_panel(
                w + c * view.plane, view.filter, filters, count * view.plane,
                panel + c * taps * width, width,
            )
            keep_taps(panel + c * taps * width, view, count, width)
        c = c + count


cdef void keep_taps(
    real* panel, const Taps* view, Py_ssize_t channels, Py_ssize_t width
) noexcept nogil:
    """Move the taps of a piece together, in a panel that has all taps of its channels."""
    cdef real* target = panel
    cdef Py_ssize_t c, i, j
    for c in range(channels):
        for i in range(view.rows):
            for j in range(view.columns):
                copy_run(
                    target,
                    panel + (c * view.plane + view.first + i * view.row + j) * width, width,
                )
                target = target + width


cdef inline void turn_nine(const real* w, real* panel, Py_ssize_t width) noexcept nogil:
    """Turn nine taps each of a vector of filters over, which follow each other, the last first.

    What a square has beside the ninth tap is never made.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    transpose_square(w, 9, vector, panel + 8 * width, -width, min(vector, 9), IDENTITY)
    if vector < 9:
        transpose_square(
            w + vector, 9, vector, panel + (8 - vector) * width, -width, min(vector, 9 - vector),
            IDENTITY,
        )
    if vector < 5:
        transpose_square(
            w + 2 * vector, 9, vector, panel + (8 - 2 * vector) * width, -width,
            min(vector, 9 - 2 * vector), IDENTITY,
        )


cdef inline void turn_phase(
    const int rows, const int columns, const int first, const real* w, real* panel,
    Py_ssize_t width,
) noexcept nogil:
    """Turn so many rows and columns of nine taps over, of a vector of filters, every second one.

    From the `first` one back; vectors hold all nine. What is constant is not made if not taken.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real square[FLOATS * FLOATS]
    cdef int i, j
    transpose_square(w, 9, vector, square, vector, vector, IDENTITY)
    for i in range(rows):
        for j in range(columns):
            copy_values(
                vector, panel + (i * columns + j) * width, square + (first - 6 * i - 2 * j) * vector
            )


cdef inline void turn_phase_of_nine(
    const real* w, const Taps* view, real* panel, Py_ssize_t width
) noexcept nogil:
    """Turn a phase of an input gradient of stride 2 over; see is_phase_of_nine."""
    if view.rows == 2 and view.columns == 2:
        turn_phase(2, 2, 8, w, panel, width)
    elif view.rows == 2:
        turn_phase(2, 1, 7, w, panel, width)
    elif view.columns == 2:
        turn_phase(1, 2, 5, w, panel, width)
    else:
        turn_phase(1, 1, 4, w, panel, width)


cdef inline bint is_phase_of_nine(const Taps* view, Py_ssize_t vector) noexcept nogil:
    """Whether the taps are a phase of 3x3 at stride 2, and a vector holds a plane of them."""
    return (
        vector > 8 and view.plane == 9 and view.row == -6 and view.column == -2
        and view.first == (8 if view.rows == 2 else 5) - (0 if view.columns == 2 else 1)
    )


cdef inline void pack_turned_channel(
    const real* w, Py_ssize_t room, const Taps* view, Py_ssize_t filters, real* panel,
    Py_ssize_t width,
) noexcept nogil:
    """Pack a channel; `w` is where its first filter's plane begins, and of it so much can be read.

    A plane is a filter's R·S taps of one channel; vectors of filters are turned over as
    `pack_panel` does. That reads whole vectors of taps, so where there is no room for them they are
    gathered one by one.
    """
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t reach = (
        (vector - 1) * view.filter + (view.plane + vector - 1) // vector * vector
    )
    cdef bint of_nine = view.rows == 3 and view.columns == 3 and view.plane == 9
    cdef bint of_phase = is_phase_of_nine(view, vector)
    cdef Py_ssize_t k = 0
    while k < width:
        if k + vector > filters or k * view.filter + reach > room:
            gather_piece(
                w + k * view.filter + view.first, view, view.filter,
                max(0, min(vector, filters - k)), min(vector, width - k), panel + k, width,
            )
        elif of_nine and view.filter == 9 and view.column < 0 and vector > 2:
            turn_nine(w + k * 9, panel + k, width)
        elif of_phase and view.filter == 9:
            turn_phase_of_nine(w + k * 9, view, panel + k, width)
        else:
            gather_square(w + k * view.filter, view, panel + k, width)
        k = k + vector


# Planes of a channel follow each other, but channels are far apart; and turning a square over takes
# so many instructions that the processor sees only a few lines ahead. So all planes of some
# channels are brought near first, by copies, which wait for many lines at once.
cdef enum:
    NEAR_VALUES = 2304          # 8 channels of 32 filters of 3x3


cdef void pack_turned_panel(
    const real* w, Py_ssize_t start, const Taps* view, Py_ssize_t filters,
    Py_ssize_t channels, real* panel, Py_ssize_t width,
) noexcept nogil:
    """Pack a panel in an order of its own: `start` is its first filter's first plane."""
    cdef Py_ssize_t taps = view.rows * view.columns
    cdef Py_ssize_t run = filters * view.plane
    cdef bint is_run = view.filter == view.plane and 2 * run <= NEAR_VALUES
    cdef real near[NEAR_VALUES + FLOATS]    # and what squares read beyond the last plane
    cdef Py_ssize_t c = 0
    cdef Py_ssize_t count, i, here
    while c < channels:
        here = start + c * view.channel
        if view.plane == 1 and view.filter == 1 and filters == width:
            copy_run(panel, w + here, width)
            count = 1
        elif not is_run:
            pack_turned_channel(w + here, view.end - here, view, filters, panel, width)
            count = 1
        else:
            count = min(NEAR_VALUES // run, channels - c)
            for i in range(count):
                copy_run(<real*>near + i * run, w + here + i * view.channel, run)
            for i in range(count):
                pack_turned_channel(
                    <const real*>near + i * run, NEAR_VALUES + FLOATS - i * run, view, filters,
                    panel + i * taps * width, width,
                )
        panel = panel + count * taps * width
        c = c + count


cdef const real* find_panel(
    const Operands* operands, real* scratch, const Description* given, const Unit* unit,
    Lanes lanes, Py_ssize_t filter, Py_ssize_t width,
) noexcept nogil:
    """Return the panel from a filter on, of the unit's channels; packed here if no plan has."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const real* w = <const real*>operands.weights
    cdef const Problem* problem = &given.problem
    cdef const Taps* view = &given.taps
    cdef Py_ssize_t filters = min(width, unit.last_filter - filter)
    cdef Py_ssize_t taps = problem.channels * problem.taps
    cdef Py_ssize_t first_tap = unit.channel * problem.taps
    cdef Py_ssize_t plane = (
        unit.group * view.group + filter * view.filter + unit.channel * view.channel
    )
    if operands.panels != NULL:
        filter = filter + unit.group * packed_filters(problem.filters, vector, lanes)
        return <const real*>operands.panels + filter * taps + first_tap * width
    if view.in_order:
        pack_panel(
            w + (unit.group * problem.filters + filter) * taps + first_tap, taps, filters,
            unit.taps, scratch, width,
        )
    elif view.column > 0:
        pack_piece(w + plane, view, filters, unit.channels, scratch, width)
    else:
        pack_turned_panel(w, plane, view, filters, unit.channels, scratch, width)
    return scratch


cdef Py_ssize_t panel_values(const Description* given, Lanes lanes) noexcept nogil:
    """Return how many values `find_panel` needs of the scratch."""
    cdef Py_ssize_t channels = given.blocks.channels
    cdef Py_ssize_t vector = VECTOR_BYTES // given.problem.itemsize
    return panel_width(given.problem.filters, vector, lanes) * (
        channels * given.problem.taps + spare_taps(&given.taps, channels)
    )


cdef void pack_all_panels(
    const Description* given, const Operands* operands, real* panels, Lanes lanes, Watch* watch
) noexcept nogil:
    """Make the panels of all groups, of all channels each."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Problem* problem = &given.problem
    cdef Unit unit
    cdef Py_ssize_t k, width
    unit.channel, unit.channels = 0, problem.channels
    unit.taps, unit.last_filter = problem.channels * problem.taps, problem.filters
    for unit.group in range(problem.groups):
        k = 0
        while k < problem.filters:
            width = panel_width(problem.filters - k, vector, lanes)
            if not goes_on(watch, width * unit.taps):
                return
            find_panel(operands, panels, given, &unit, lanes, k, width)
            panels = panels + width * unit.taps
            k = k + width


def packed_values(description):
    """Return how many values the panels of all groups take, and room beyond for the last."""
    cdef Description given = read_images(description)
    cdef const Problem* problem = &given.problem
    cdef Lanes lanes = lanes_of(description.kernel)
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    return (
        packed_filters(problem.filters, vector, lanes) * problem.groups * problem.channels
        * problem.taps
        + panel_width(problem.filters, vector, lanes) * spare_taps(&given.taps, problem.channels)
    )


def pack_weights(description, w, panels):
    """Bring the weights of all groups into panels, which may be gigabytes."""
    cdef Description given = read_images(description)
    cdef Lanes lanes = lanes_of(description.kernel)
    cdef Operands operands = Operands(
        image=NULL, weights=address_of(w), panels=NULL, bias=NULL, gradient=NULL, result=NULL,
        taps=NULL,
    )
    cdef void* target = writable_address_of(panels)
    cdef Call call = begin_call()
    cdef Watch watch = watch_of(&call)
    with nogil:
        if given.problem.itemsize == sizeof(double):
            pack_all_panels(&given, &operands, <double*>target, lanes, &watch)
        else:
            pack_all_panels(&given, &operands, <float*>target, lanes, &watch)
    finish(&call)
