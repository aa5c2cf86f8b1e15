# The weight gradient, a matrix product summed over the pixels of all images:
#
#     dw [filters x taps]  =  grad [filters x pixels]  ·  columns' [pixels x taps]
#
# by one of two methods, as in a forward pass, the roles of taps and pixels exchanged:
#
#     WEIGHTS_FILTERS     filters in the lanes: a step is a pixel; the gradient is turned over into
#                         panels [pixels][filters], and the tile's rows are taps
#     WEIGHTS_PIXELS      pixels in the lanes, for few filters: a sum of products along the pixels
#                         for every filter and tap, its lanes added up at the very end. The gradient
#                         is laid out in rows as long as the band's, zeros in between, so that one
#                         run of vectors goes through all rows. With one filter, one channel and a
#                         usual kernel neither is copied: weight_slide.pxi.
#
# A unit is a part of the pixels and a block of weights. It takes its blocks of rows one after the
# other, and adds each one's sums to those before: the same order for any number of threads. Where
# there are too few weights for every thread, the pixels are cut into `parts`, however many threads
# there are; each has a copy of dw to fill, and the copies are added up afterwards.


cdef enum WeightMethod:
    WEIGHTS_FILTERS = 0
    WEIGHTS_PIXELS = 1


cdef struct WeightTask:
    Task conv               # of which it is the gradient
    int method
    Py_ssize_t parts
    Py_ssize_t grad_values  # of the scratch: the gradient of a block of rows
    Py_ssize_t sums_values


cdef struct WeightUnit:
    Unit conv               # rows and image change from block to block
    Py_ssize_t first_block
    Py_ssize_t last_block
    Py_ssize_t target       # where its weights begin


cdef WeightUnit find_weight_unit(const WeightTask* task, Py_ssize_t number) noexcept nogil:
    """Decode ((part·groups + group)·filter blocks + block)·channel blocks + block."""
    cdef WeightUnit unit
    cdef const Task* conv = &task.conv
    cdef Py_ssize_t channel_blocks = (conv.channels + conv.band.channels - 1) // conv.band.channels
    cdef Py_ssize_t filter_blocks = (conv.filters + conv.block_filters - 1) // conv.block_filters
    cdef Py_ssize_t blocks = conv.batch * (
        (conv.out_height + conv.band.rows - 1) // conv.band.rows
    )
    cdef Py_ssize_t part
    unit.conv.channel = number % channel_blocks * conv.band.channels
    unit.conv.channels = min(conv.band.channels, conv.channels - unit.conv.channel)
    number = number // channel_blocks
    unit.conv.first_filter = number % filter_blocks * conv.block_filters
    unit.conv.last_filter = min(conv.filters, unit.conv.first_filter + conv.block_filters)
    number = number // filter_blocks
    unit.conv.group = number % conv.groups
    unit.conv.images = 1
    part = number // conv.groups
    unit.first_block = part * blocks // task.parts
    unit.last_block = (part + 1) * blocks // task.parts
    unit.target = (
        (part * conv.groups + unit.conv.group) * conv.filters + unit.conv.first_filter
    ) * conv.channels * conv.taps + unit.conv.channel * conv.taps
    return unit


cdef void add_filter_lanes(
    const real* grad, const WeightTask* task, const Unit* unit, const real* image,
    const Py_ssize_t* offsets, const Py_ssize_t* positions, real* panel, real* sums, Watch* watch,
) noexcept nogil:
    """Add a block of rows to the unit's sums, [panel][vectors][taps][vector]."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Task* conv = &task.conv
    cdef Py_ssize_t plane = conv.out_height * conv.out_width
    cdef Py_ssize_t pixels = unit.rows * conv.out_width
    cdef Py_ssize_t taps = unit.channels * conv.taps
    cdef Py_ssize_t k = unit.first_filter
    cdef Py_ssize_t width
    while k < unit.last_filter:
        width = panel_width(unit.last_filter - k, vector, False)
        if not goes_on(watch, pixels * taps * width):
            return
        pack_panel(
            grad + ((unit.image * conv.groups + unit.group) * conv.filters + k) * plane
            + unit.first_row * conv.out_width,
            plane, min(width, unit.last_filter - k), pixels, panel, width,
        )
        multiply_panel(
            True, True, width // vector, taps, taps, pixels, panel, image, positions, offsets, sums,
            panel,
        )
        sums = sums + width * padded_pixels(taps)
        k = k + width


cdef void finish_filter_lanes(
    const real* sums, real* dw, const WeightTask* task, const Unit* unit
) noexcept nogil:
    """Turn the sums over into dw[filters][taps]."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t stride = task.conv.channels * task.conv.taps
    cdef Py_ssize_t taps = unit.channels * task.conv.taps
    cdef Py_ssize_t filters = unit.last_filter - unit.first_filter
    cdef Py_ssize_t k = 0
    cdef Py_ssize_t t, rows
    while k < filters:
        rows = min(vector, filters - k)
        t = 0
        while t + vector <= taps:
            transpose_square(
                sums + t * vector, vector, vector, dw + k * stride + t, stride, rows, IDENTITY
            )
            t = t + vector
        transpose_part(
            sums + t * vector, vector, dw + k * stride + t, stride, taps - t, rows, IDENTITY
        )
        sums = sums + padded_pixels(taps) * vector
        k = k + vector


cdef inline void multiply_runs(
    const int filters, const int taps, Py_ssize_t values, const real* grad,
    Py_ssize_t grad_stride, const real* image, const Py_ssize_t* offsets, real* sums,
) noexcept nogil:
    """Do sums[m][t][n] += sum over p of grad[m][p + n] · image[offsets[t] + p + n].

    p goes in steps of a vector.
    """
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real tile[MOST_TILE_VALUES]
    cdef const real* tap[RUN_TAPS_1]
    cdef Py_ssize_t p = 0
    cdef int m, t, n
    for t in range(taps):
        tap[t] = image + offsets[t]
    for n in range(filters * taps * vector):
        tile[n] = 0
    while True:  # at least once, as in tile.pxi
        for t in range(taps):
            for m in range(filters):
                for n in range(vector):
                    tile[(m * taps + t) * vector + n] += (
                        grad[m * grad_stride + p + n] * tap[t][p + n]
                    )
        p = p + vector
        if p >= values:
            break
    for n in range(filters * taps * vector):
        sums[n] += tile[n]


cdef inline void multiply_tap_tiles(
    const int filters, const int tile, Py_ssize_t taps, Py_ssize_t values, const real* grad,
    Py_ssize_t grad_stride, const real* image, const Py_ssize_t* offsets, real* sums,
) noexcept nogil:
    """Cover the taps by tiles; the last may hang over, into taps that the table has at offset 0."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t t = 0
    while t < taps:
        multiply_runs(
            filters, tile, values, grad, grad_stride, image, offsets + t,
            sums + t * filters * vector,
        )
        t = t + tile


cdef void add_pixel_lanes(
    const real* grad, const WeightTask* task, const Unit* unit, const real* image,
    const Py_ssize_t* offsets, real* rows, real* sums, Watch* watch,
) noexcept nogil:
    """Add a block of rows to the unit's sums, [filters' tile][taps' tile][filter][tap][vector]."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Task* conv = &task.conv
    cdef Py_ssize_t width = conv.band.width
    cdef Py_ssize_t values = (unit.rows - 1) * width + conv.out_width
    cdef Py_ssize_t padded = (values + vector - 1) // vector * vector
    cdef Py_ssize_t taps = unit.channels * conv.taps
    cdef Py_ssize_t k = unit.first_filter
    cdef Py_ssize_t filters, m, i
    cdef const real* plane
    cdef real* row
    while k < unit.last_filter:
        filters = run_filters(unit.last_filter - k)
        if not goes_on(watch, padded * taps * filters):
            return
        for m in range(filters):
            plane = grad + (
                ((unit.image * conv.groups + unit.group) * conv.filters + k + m)
                * conv.out_height + unit.first_row
            ) * conv.out_width
            row = rows + m * padded
            for i in range(unit.rows):
                copy_run(row, plane + i * conv.out_width, conv.out_width)
                row = row + conv.out_width
                if i < unit.rows - 1:
                    zero(row, width - conv.out_width)
                    row = row + (width - conv.out_width)
            zero(row, padded - values)
        if filters == RUN_FILTERS:
            multiply_tap_tiles(
                RUN_FILTERS, RUN_TAPS, taps, padded, rows, padded, image, offsets, sums
            )
        elif filters == 2:
            multiply_tap_tiles(2, RUN_TAPS_2, taps, padded, rows, padded, image, offsets, sums)
        else:
            multiply_tap_tiles(1, RUN_TAPS_1, taps, padded, rows, padded, image, offsets, sums)
        sums = sums + filters * padded_taps(taps) * vector
        k = k + filters


cdef inline Py_ssize_t run_filters(Py_ssize_t filters) noexcept nogil:
    """Return how many filters the next tile has where so many are left."""
    if filters >= RUN_FILTERS:
        return RUN_FILTERS
    return min(filters, 2)


cdef inline Py_ssize_t padded_taps(Py_ssize_t taps) noexcept nogil:
    """Return how many taps the tiles of a unit reach at the most."""
    return taps + RUN_TAPS_1


cdef void finish_pixel_lanes(
    const real* sums, real* dw, const WeightTask* task, const Unit* unit
) noexcept nogil:
    """Add up the lanes of each sum."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t stride = task.conv.channels * task.conv.taps
    cdef Py_ssize_t taps = unit.channels * task.conv.taps
    cdef Py_ssize_t k = unit.first_filter
    cdef Py_ssize_t filters, tile, m, t, i, n
    cdef real square[FLOATS * FLOATS]
    cdef real total[FLOATS]
    while k < unit.last_filter:
        filters = run_filters(unit.last_filter - k)
        tile = RUN_TAPS if filters == RUN_FILTERS else RUN_TAPS_2 if filters == 2 else RUN_TAPS_1
        t = 0
        while t < taps:
            for m in range(filters):
                i = 0
                while i < min(tile, taps - t):
                    # a vector of sums at a time: turned over, their lanes are rows to be added
                    transpose_square(
                        sums + ((t * filters) + m * tile + i) * vector, vector,
                        min(vector, min(tile, taps - t) - i), square, vector, vector, IDENTITY,
                    )
                    for n in range(vector):
                        total[n] = square[n]
                    add_rows(square, total)
                    copy_run(
                        dw + (k - unit.first_filter + m) * stride + t + i, total,
                        min(vector, min(tile, taps - t) - i),
                    )
                    i = i + vector
            t = t + tile
        sums = sums + filters * padded_taps(taps) * vector
        k = k + filters


cdef inline void add_rows(const real* square, real* total) noexcept nogil:
    """Do total[n] += square[1][n] + square[2][n] + ..., a vector by a vector."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef int i, n
    for i in range(1, vector):
        for n in range(vector):
            total[n] += square[i * vector + n]


cdef void run_weight_unit(
    const real* grad, const real* x, real* dw, const WeightTask* task, const Py_ssize_t* offsets,
    const Py_ssize_t* positions, real* scratch, Py_ssize_t number, Watch* watch,
) noexcept nogil:
    cdef const Task* conv = &task.conv
    cdef WeightUnit unit = find_weight_unit(task, number)
    cdef Py_ssize_t bands = (conv.out_height + conv.band.rows - 1) // conv.band.rows
    cdef real* rows = scratch + conv.image_values
    cdef real* sums = rows + task.grad_values
    cdef Py_ssize_t block
    zero(sums, task.sums_values)
    if conv.square != 0:
        zero(scratch, STRIP_VALUES)
    for block in range(unit.first_block, unit.last_block):
        if stopped(watch):
            return
        unit.conv.image = block // bands
        unit.conv.first_row = block % bands * conv.band.rows
        unit.conv.rows = min(conv.band.rows, conv.out_height - unit.conv.first_row)
        if conv.square != 0:
            if goes_on(watch, unit.conv.rows * conv.out_width * conv.taps):
                add_slides(grad, x, conv, &unit.conv, scratch, rows, sums)
            continue
        copy_bands(x, scratch, conv, &unit.conv)
        if task.method == WEIGHTS_FILTERS:
            add_filter_lanes(grad, task, &unit.conv, scratch, offsets, positions, rows, sums, watch)
        else:
            add_pixel_lanes(grad, task, &unit.conv, scratch, offsets, rows, sums, watch)
    if task.method == WEIGHTS_FILTERS:
        finish_filter_lanes(sums, dw + unit.target, task, &unit.conv)
    else:
        finish_pixel_lanes(sums, dw + unit.target, task, &unit.conv)


cdef void run_weight_range(
    const real* grad, const real* x, real* dw, const WeightTask* task, const Py_ssize_t* offsets,
    const Py_ssize_t* positions, real* scratch, Py_ssize_t first, Py_ssize_t last, Call* call,
) noexcept nogil:
    """Compute units by one thread."""
    cdef Watch watch = watch_of(call)
    cdef Py_ssize_t number
    look(&watch)  # handed out one by one, units of little work would never come to it
    for number in range(first, last):
        if not goes_on(&watch, UNIT_WORK):
            return
        run_weight_unit(grad, x, dw, task, offsets, positions, scratch, number, &watch)


cdef void run_weight_units(
    const real* grad, const real* x, real* dw, const WeightTask* task, const Py_ssize_t* offsets,
    const Py_ssize_t* positions, real* scratch, Py_ssize_t scratch_values, Py_ssize_t first,
    Py_ssize_t last, int threads, Call* call,
) noexcept nogil:
    cdef Py_ssize_t number
    cdef int part
    if threads == 1:
        run_weight_range(grad, x, dw, task, offsets, positions, scratch, first, last, call)
    elif task.conv.square != 0:
        # many units that are alike: each thread finds again what it had in its cache the last time
        for part in prange(threads, num_threads=threads, schedule="static"):
            run_weight_range(
                grad, x, dw, task, offsets, positions, scratch + part * scratch_values,
                share(first, last, part, threads), share(first, last, part + 1, threads), call,
            )
    else:
        # few, and not all of the same size
        for number in prange(first, last, num_threads=threads, schedule="dynamic"):
            run_weight_range(
                grad, x, dw, task, offsets, positions, scratch + threadid() * scratch_values,
                number, number + 1, call,
            )


cdef class WeightGrad:
    """The weight gradient of one problem, cut into blocks; arguments as those of `Forward`.

    `slides` says that it is one for weight_slide.pxi.
    """

    cdef WeightTask task
    cdef bint is_double
    cdef Py_ssize_t[::1] offsets
    cdef Py_ssize_t[::1] positions
    cdef readonly Py_ssize_t units
    cdef readonly Py_ssize_t scratch_values     # of one thread

    def __init__(
        self, bint is_double, int method, Py_ssize_t batch, Py_ssize_t groups, Py_ssize_t channels,
        Py_ssize_t filters, Py_ssize_t height, Py_ssize_t width, Py_ssize_t kernel_h,
        Py_ssize_t kernel_w, Py_ssize_t out_height, Py_ssize_t out_width, tuple window,
        Py_ssize_t rows, Py_ssize_t block_channels, Py_ssize_t block_filters, Py_ssize_t parts,
        bint slides, empty,
    ):
        cdef WeightTask* task = &self.task
        cdef Task* conv = &task.conv
        cdef Py_ssize_t vector = VECTOR_BYTES // (8 if is_double else 4)
        cdef Py_ssize_t taps = block_channels * kernel_h * kernel_w
        cdef Py_ssize_t pixels = rows * out_width
        cdef Py_ssize_t i, j
        self.is_double = is_double
        task.method = method
        task.parts = parts
        conv.win = as_window(window)
        conv.batch, conv.groups, conv.channels, conv.filters = batch, groups, channels, filters
        conv.height, conv.width, conv.taps = height, width, kernel_h * kernel_w
        conv.out_height, conv.out_width = out_height, out_width
        conv.block_images, conv.block_filters = 1, block_filters
        conv.square = 0
        if slides:
            conv.square = kernel_h
        conv.band = plan_band(
            &conv.win, kernel_h, kernel_w, out_width, rows, block_channels, 1
        )
        conv.image_values = conv.band.channels * conv.band.channel + (LONG_VECTORS + 1) * vector
        conv.image_values = conv.image_values // vector * vector
        if method == WEIGHTS_FILTERS:
            task.grad_values = pixels * panel_width(filters, vector, False)
            task.sums_values = packed_filters(block_filters, vector, False) * padded_pixels(taps)
        else:
            task.grad_values = min(filters, RUN_FILTERS) * (rows * conv.band.width + vector)
            task.sums_values = block_filters * padded_taps(taps) * vector
        if slides:
            conv.image_values = 3 * STRIP_VALUES + whole_lines(slide_rows(conv, rows) * width)
            task.grad_values = 2 * STRIP_VALUES + pixels
        task.grad_values = whole_lines(task.grad_values)
        self.units = (
            parts * groups * ((filters + block_filters - 1) // block_filters)
            * ((channels + block_channels - 1) // block_channels)
        )
        self.scratch_values = whole_lines(
            conv.image_values + task.grad_values + task.sums_values
        )
        self.offsets = empty(max(padded_pixels(taps), padded_taps(taps)))
        self.offsets[:] = 0
        find_offsets(&self.offsets[0], &conv.band, &conv.win, kernel_h, kernel_w)
        if method != WEIGHTS_FILTERS:
            return
        self.positions = empty(pixels)
        for i in range(rows):
            for j in range(out_width):
                self.positions[i * out_width + j] = i * conv.band.width + j

    def run(self, grad, x, dw, scratch, Py_ssize_t first, Py_ssize_t last, int threads):
        """Compute the units [first, last) of dw, with the scratch of so many threads."""
        cdef const void* from_grad = address_of(grad)
        cdef const void* from_x = address_of(x)
        cdef void* to_dw = writable_address_of(dw)
        cdef void* within = <void*>((<size_t>writable_address_of(scratch) + 63) // 64 * 64)
        cdef const WeightTask* task = &self.task
        cdef const Py_ssize_t* offsets = &self.offsets[0]
        cdef const Py_ssize_t* positions = NULL
        cdef Py_ssize_t values = self.scratch_values
        cdef Call call = begin()
        if self.positions is not None:
            positions = &self.positions[0]
        with nogil:
            if self.is_double:
                run_weight_units[double](
                    <const double*>from_grad, <const double*>from_x, <double*>to_dw, task,
                    offsets, positions, <double*>within, values, first, last, threads,
                    &call,
                )
            else:
                run_weight_units[float](
                    <const float*>from_grad, <const float*>from_x, <float*>to_dw, task,
                    offsets, positions, <float*>within, values, first, last, threads,
                    &call,
                )
        finish(&call)
