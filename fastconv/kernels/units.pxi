# A unit: what a thread computes at a time, a block of images or of rows and a block of filters of a
# group (of weights: a part of all pixels, and a block of channels and filters).


cdef struct Unit:
    Py_ssize_t group
    Py_ssize_t image
    Py_ssize_t images
    Py_ssize_t first_row
    Py_ssize_t rows
    Py_ssize_t first_filter
    Py_ssize_t last_filter
    Py_ssize_t channel          # the present block of channels,
    Py_ssize_t channels
    Py_ssize_t taps             # and the taps of all of them
    Py_ssize_t begin            # where it begins in the result, or in the scratch if not dense,
    Py_ssize_t next_image       # and how far it is from image to image
    Py_ssize_t next_filter      # and from filter to filter


cdef Unit find_unit(const Description* given, Py_ssize_t number) noexcept nogil:
    """Decode ((images·groups + group)·bands + band)·blocks + block, its innermost number last."""
    cdef const Problem* problem = &given.problem
    cdef const Blocks* blocks = &given.blocks
    cdef Py_ssize_t width = problem.columns.outputs
    cdef Py_ssize_t filter_blocks = ceil_div(problem.filters, blocks.filters)
    cdef Py_ssize_t bands = ceil_div(problem.rows.outputs, blocks.rows)
    cdef Unit unit
    unit.channel = unit.channels = unit.taps = 0
    unit.first_filter = number % filter_blocks * blocks.filters
    unit.last_filter = min(problem.filters, unit.first_filter + blocks.filters)
    number = number // filter_blocks
    unit.first_row = number % bands * blocks.rows
    unit.rows = min(blocks.rows, problem.rows.outputs - unit.first_row)
    number = number // bands
    unit.group = number % problem.groups
    unit.image = number // problem.groups * blocks.images
    unit.images = min(blocks.images, problem.batch - unit.image)
    if given.output.dense:
        unit.next_filter = problem.rows.outputs * width
        unit.next_image = problem.groups * problem.filters * unit.next_filter
        unit.begin = (
            unit.image * unit.next_image
            + (unit.group * problem.filters + unit.first_filter) * unit.next_filter
            + unit.first_row * width
        )
    else:
        unit.next_filter = unit.rows * width
        unit.next_image = (unit.last_filter - unit.first_filter) * unit.next_filter
        unit.begin = 0
    return unit


cdef Py_ssize_t count_units(const Description* given) noexcept nogil:
    """Return how many of these units there are."""
    cdef const Problem* problem = &given.problem
    cdef const Blocks* blocks = &given.blocks
    return (
        ceil_div(problem.batch, blocks.images) * problem.groups
        * ceil_div(problem.rows.outputs, blocks.rows) * ceil_div(problem.filters, blocks.filters)
    )


cdef inline Py_ssize_t output_index(
    const Unit* unit, Py_ssize_t image, Py_ssize_t filter
) noexcept nogil:
    """Return where the unit's rows of an image and a filter (of the group) begin."""
    return (
        unit.begin + image * unit.next_image + (filter - unit.first_filter) * unit.next_filter
    )


cdef inline bint next_channels(const Description* given, Unit* unit) noexcept nogil:
    """Go on to the next block of channels; return whether there is one."""
    unit.channel = unit.channel + unit.channels
    unit.channels = min(given.blocks.channels, given.problem.channels - unit.channel)
    unit.taps = unit.channels * given.problem.taps
    return unit.channels > 0


cdef inline bint begins(const Unit* unit) noexcept nogil:
    """Whether this is the first block of channels: sums start from the bias."""
    return unit.channel == 0


cdef inline bint ends(const Unit* unit, const Problem* problem) noexcept nogil:
    """Whether it is the last one: the activation follows."""
    return unit.channel + unit.channels == problem.channels


cdef inline Py_ssize_t even_part(Py_ssize_t taps, Py_ssize_t most) noexcept nogil:
    """Return of how many taps a part is, no more than `most`, all of them nearly as long."""
    return ceil_div(taps, ceil_div(taps, most))


cdef void spread_unit(
    const real* results, real* y, const Description* given, const Unit* unit
) noexcept nogil:
    """Bring the results of a unit that is not dense to their rows and columns of y."""
    cdef const Output* to = &given.output
    cdef Py_ssize_t width = given.problem.columns.outputs
    cdef Py_ssize_t n, k, i, filter
    cdef real* plane
    for n in range(unit.images):
        for k in range(unit.first_filter, unit.last_filter):
            filter = (
                ((unit.image + n) * given.problem.groups + unit.group) * given.problem.filters + k
            )
            plane = y + (filter * to.height + to.first_row) * to.width + to.first_column
            for i in range(unit.rows):
                spread_run(
                    plane + (unit.first_row + i) * to.row_step * to.width,
                    results + output_index(unit, n, k) + i * width, to.column_step, width,
                )


# Of a weight gradient. Rows and image of its `unit` change from block to block.
cdef struct WeightUnit:
    Unit unit
    Py_ssize_t bands        # blocks of rows of an image
    Py_ssize_t block        # the present block of rows of all images
    Py_ssize_t last_block
    Py_ssize_t begin        # where its weights begin


cdef WeightUnit find_weight_unit(const Description* given, Py_ssize_t number) noexcept nogil:
    """Decode ((part·groups + group)·filter blocks + block)·channel blocks + block."""
    cdef const Problem* problem = &given.problem
    cdef const Blocks* blocks = &given.blocks
    cdef Py_ssize_t channel_blocks = ceil_div(problem.channels, blocks.channels)
    cdef Py_ssize_t filter_blocks = ceil_div(problem.filters, blocks.filters)
    cdef WeightUnit found
    cdef Unit* unit = &found.unit
    cdef Py_ssize_t all_blocks, part
    found.bands = ceil_div(problem.rows.outputs, blocks.rows)
    all_blocks = problem.batch * found.bands
    unit.image = unit.first_row = unit.rows = unit.begin = unit.next_image = unit.next_filter = 0
    unit.images = 1
    unit.channel = number % channel_blocks * blocks.channels
    unit.channels = min(blocks.channels, problem.channels - unit.channel)
    unit.taps = unit.channels * problem.taps
    number = number // channel_blocks
    unit.first_filter = number % filter_blocks * blocks.filters
    unit.last_filter = min(problem.filters, unit.first_filter + blocks.filters)
    number = number // filter_blocks
    unit.group = number % problem.groups
    part = number // problem.groups
    found.block = part * all_blocks // blocks.parts - 1
    found.last_block = (part + 1) * all_blocks // blocks.parts
    found.begin = (
        (part * problem.groups + unit.group) * problem.filters + unit.first_filter
    ) * problem.channels * problem.taps + unit.channel * problem.taps
    return found


cdef Py_ssize_t count_weight_units(const Description* given) noexcept nogil:
    cdef const Problem* problem = &given.problem
    cdef const Blocks* blocks = &given.blocks
    return (
        blocks.parts * problem.groups * ceil_div(problem.filters, blocks.filters)
        * ceil_div(problem.channels, blocks.channels)
    )


cdef inline bint next_rows(const Description* given, WeightUnit* found) noexcept nogil:
    """Go on to the next block of rows; return whether there is one."""
    cdef Unit* unit = &found.unit
    found.block = found.block + 1
    unit.image = found.block // found.bands
    unit.first_row = found.block % found.bands * given.blocks.rows
    unit.rows = min(given.blocks.rows, given.problem.rows.outputs - unit.first_row)
    return found.block < found.last_block
