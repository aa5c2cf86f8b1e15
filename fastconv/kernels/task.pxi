# What the two orientations of the matrix product share: the blocks of one problem.
#
# The loops around the register tile, outermost first:
#
#     unit       a group, a block of images or of output rows, a block of filters (for threads)
#     channels   as many as fit the scratch: copy their band of the image (band.pxi)
#     panel      of the unit's filters; packed here unless a plan has done so (panels.pxi)
#     pixels     a tile's at a time
#     taps       in the register tile
#
# Every output is the sum bias + tap 0 + tap 1 + ... in just this order, whatever the blocks, the
# tile and its orientation. So the bits depend on neither threads nor batch.


cdef enum Method:
    GEMM_FILTERS = 0        # gemm_filters.pxi
    GEMM_PIXELS = 1         # gemm_pixels.pxi
    STENCIL = 2             # stencil_rows.pxi
    STENCIL_CHANNELS = 3    # stencil_channels.pxi
    STENCIL_SLIDE = 4       # stencil_slide.pxi
    STENCIL_SPREAD = 5      # stencil_spread.pxi


# Where the outputs of a task lie in y: all of it, or of a strided layer's input gradient the phase
# of every stride_h-th row and stride_w-th column.
cdef struct Target:
    bint dense              # out_height x out_width planes
    Py_ssize_t height
    Py_ssize_t width
    Py_ssize_t row          # the first of the phase
    Py_ssize_t column
    Py_ssize_t stride_h
    Py_ssize_t stride_w


cdef Target as_target(numbers) except *:
    cdef Target target
    target.dense = numbers is None
    if not target.dense:
        (
            target.height, target.width, target.row, target.column, target.stride_h,
            target.stride_w,
        ) = numbers
    return target


cdef struct Task:
    Window win
    Band band
    Weights order
    Target target
    int method
    int activation
    int square              # the extent of a 3x3, 5x5 or 7x7 kernel at stride 1 or 2, else 0
    Py_ssize_t batch
    Py_ssize_t groups
    Py_ssize_t channels         # of a group, as are the filters
    Py_ssize_t filters
    Py_ssize_t height           # of the image
    Py_ssize_t width
    Py_ssize_t padded_height
    Py_ssize_t padded_width
    Py_ssize_t taps             # of a channel
    Py_ssize_t out_height
    Py_ssize_t out_width
    Py_ssize_t block_images     # planes, where a stencil slides
    Py_ssize_t block_filters
    Py_ssize_t image_values     # of the scratch: the band of one image,
    Py_ssize_t sums_values      # the sums that wait for the next block of channels,
    Py_ssize_t panel_values     # the widest panel,
    Py_ssize_t result_values    # and the results that are spread over y


# One unit's share of the result, and what it needs for a block of channels.
cdef struct Unit:
    Py_ssize_t group
    Py_ssize_t image
    Py_ssize_t images
    Py_ssize_t first_row
    Py_ssize_t rows
    Py_ssize_t first_filter
    Py_ssize_t last_filter
    Py_ssize_t channel
    Py_ssize_t channels
    bint begins                 # the first block of channels: sums start from the bias
    bint ends                   # the last one: the activation follows
    Py_ssize_t target           # where the unit begins in y, or in the scratch if not dense,
    Py_ssize_t target_image     # and how far it is from image to image
    Py_ssize_t target_filter    # and from filter to filter


cdef Unit find_unit(const Task* task, Py_ssize_t number) noexcept nogil:
    """Decode ((images·groups + group)·bands + band)·blocks + block, its innermost number last."""
    cdef Unit unit
    cdef Py_ssize_t blocks = (task.filters + task.block_filters - 1) // task.block_filters
    cdef Py_ssize_t bands = (task.out_height + task.band.rows - 1) // task.band.rows
    unit.first_filter = number % blocks * task.block_filters
    unit.last_filter = min(task.filters, unit.first_filter + task.block_filters)
    number = number // blocks
    unit.first_row = number % bands * task.band.rows
    unit.rows = min(task.band.rows, task.out_height - unit.first_row)
    number = number // bands
    unit.group = number % task.groups
    unit.image = number // task.groups * task.block_images
    unit.images = min(task.block_images, task.batch - unit.image)
    if task.target.dense:
        unit.target_filter = task.out_height * task.out_width
        unit.target_image = task.groups * task.filters * unit.target_filter
        unit.target = (
            unit.image * unit.target_image
            + (unit.group * task.filters + unit.first_filter) * unit.target_filter
            + unit.first_row * task.out_width
        )
    else:
        unit.target_filter = unit.rows * task.out_width
        unit.target_image = (unit.last_filter - unit.first_filter) * unit.target_filter
        unit.target = 0
    return unit


cdef inline Py_ssize_t slide_rows(const Task* task, Py_ssize_t rows) noexcept nogil:
    """Return how many rows of the image so many output rows see at the most, of a square kernel."""
    return min(task.height, (rows - 1) * task.win.stride_h + task.square)


cdef inline Py_ssize_t output_index(
    const Unit* unit, Py_ssize_t image, Py_ssize_t filter
) noexcept nogil:
    """Return where the unit's rows of an image and a filter (of the group) begin."""
    return (
        unit.target + image * unit.target_image
        + (filter - unit.first_filter) * unit.target_filter
    )


cdef void spread_unit(
    const real* results, real* y, const Task* task, const Unit* unit
) noexcept nogil:
    """Bring the results of a unit that is not dense to their rows and columns of y."""
    cdef const Target* to = &task.target
    cdef Py_ssize_t n, k, i
    cdef real* plane
    for n in range(unit.images):
        for k in range(unit.first_filter, unit.last_filter):
            plane = y + (
                ((unit.image + n) * task.groups + unit.group) * task.filters + k
            ) * to.height * to.width
            for i in range(unit.rows):
                spread_run(
                    plane + (to.row + (unit.first_row + i) * to.stride_h) * to.width + to.column,
                    results + output_index(unit, n, k) + i * task.out_width, to.stride_w,
                    task.out_width,
                )


cdef void copy_bands(
    const real* x, real* scratch, const Task* task, const Unit* unit
) noexcept nogil:
    """Copy the unit's block of channels of all its images; zeros where a tile may hang over."""
    cdef Py_ssize_t n, c
    cdef real* target
    for n in range(unit.images):
        target = scratch + n * task.image_values
        for c in range(unit.channels):
            copy_band(
                target, x + (
                    ((unit.image + n) * task.groups + unit.group) * task.channels
                    + unit.channel + c
                ) * task.height * task.width,
                task.height, task.width, &task.band, &task.win, unit.first_row,
            )
            target = target + task.band.channel
        fill_row(target, <real>0, scratch + (n + 1) * task.image_values - target)


cdef const real* find_panel(
    const real* w, const real* panels, real* scratch, const Task* task, const Unit* unit,
    Py_ssize_t filter, Py_ssize_t filters, Py_ssize_t width,
) noexcept nogil:
    """Return the panel of some filters and the unit's channels, packing it if no plan has."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t taps = task.channels * task.taps
    cdef Py_ssize_t first_tap = unit.channel * task.taps
    if panels != NULL:
        filter = filter + unit.group * packed_filters(
            task.filters, vector, task.method == GEMM_PIXELS
        )
        return panels + filter * taps + first_tap * width
    if task.order.plain:
        pack_panel(
            w + (unit.group * task.filters + filter) * taps + first_tap, taps, filters,
            unit.channels * task.taps, scratch, width,
        )
    elif task.order.column > 0:
        pack_part(
            w + unit.group * task.order.group + filter * task.order.filter
            + unit.channel * task.order.channel,
            &task.order, filters, unit.channels, scratch, width,
        )
    else:
        pack_turned_panel(
            w, unit.group * task.order.group + filter * task.order.filter
            + unit.channel * task.order.channel, &task.order, filters, unit.channels, scratch,
            width,
        )
    return scratch
