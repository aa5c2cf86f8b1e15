# Everything that makes images of images: a forward pass, an input gradient in one go, or a phase of
# one, which is a convolution as well. Its units, by the method that was chosen for the problem.


cdef void run_unit(
    const real* x, const real* w, const real* panels, const real* bias, real* y,
    const Task* task, const Py_ssize_t* offsets, const Py_ssize_t* positions, real* scratch,
    Py_ssize_t number, Watch* watch,
) noexcept nogil:
    if task.method == STENCIL_CHANNELS:
        stencil_channels(x, w, bias, y, task, scratch, offsets, positions, number, watch)
        return
    if task.method == STENCIL_SLIDE:
        stencil_slide(x, w, bias, y, task, scratch, number, watch)
        return
    if task.method == STENCIL_SPREAD:
        stencil_spread(x, w, bias, y, task, scratch, number, watch)
        return
    cdef Unit unit = find_unit(task, number)
    cdef real* sums = scratch + task.block_images * task.image_values
    cdef real* panel_scratch = sums + task.sums_values
    cdef real* results = y
    if not task.target.dense:
        results = panel_scratch + task.panel_values
    unit.channel = 0
    while unit.channel < task.channels and not stopped(watch):
        unit.channels = min(task.band.channels, task.channels - unit.channel)
        unit.begins = unit.channel == 0
        unit.ends = unit.channel + unit.channels == task.channels
        copy_bands(x, scratch, task, &unit)
        if task.method == STENCIL:
            stencil_rows(
                w, bias, results, task, &unit, scratch, offsets, panel_scratch, watch
            )
        elif task.method == GEMM_PIXELS:
            multiply_pixel_lanes(
                w, panels, bias, results, task, &unit, scratch, offsets, panel_scratch, watch
            )
        else:
            multiply_filter_lanes(
                w, panels, bias, results, task, &unit, scratch, offsets, positions, sums,
                panel_scratch, watch,
            )
        unit.channel = unit.channel + unit.channels
    if not task.target.dense and not stopped(watch):
        spread_unit(results, y, task, &unit)


cdef void run_range(
    const real* x, const real* w, const real* panels, const real* bias, real* y,
    const Task* task, const Py_ssize_t* offsets, const Py_ssize_t* positions, real* scratch,
    Py_ssize_t first, Py_ssize_t last, Call* call,
) noexcept nogil:
    """Compute the units of one thread."""
    cdef Watch watch = watch_of(call)
    cdef Py_ssize_t number
    for number in range(first, last):
        if not goes_on(&watch, UNIT_WORK):
            return
        run_unit(x, w, panels, bias, y, task, offsets, positions, scratch, number, &watch)


cdef void run_units(
    const real* x, const real* w, const real* panels, const real* bias, real* y,
    const Task* task, const Py_ssize_t* offsets, const Py_ssize_t* positions, real* scratch,
    Py_ssize_t scratch_values, Py_ssize_t first, Py_ssize_t last, int threads, Call* call,
) noexcept nogil:
    cdef int part
    if threads == 1:
        run_range(
            x, w, panels, bias, y, task, offsets, positions, scratch, first, last, call
        )
    else:
        # A range for each: it finds again what it had in its cache the last time. Handing units out
        # one by one was slower by a fifth for depthwise layers, and no faster for any.
        for part in prange(threads, num_threads=threads, schedule="static"):
            run_range(
                x, w, panels, bias, y, task, offsets, positions, scratch + part * scratch_values,
                share(first, last, part, threads), share(first, last, part + 1, threads), call,
            )


cdef class Forward:
    """One problem, cut into blocks, to be run again and again.

    The numbers are chosen in fastconv/algorithms/blocks.py; `is_double` and `method` are those of
    the arrays and of task.pxi. `order` and `target` are the numbers of struct Weights and struct
    Target for a phase of an input gradient, else None. `empty` makes the tables: it
    returns an array of so many intp.
    """

    cdef Task task
    cdef bint is_double
    cdef Py_ssize_t[::1] offsets
    cdef Py_ssize_t[::1] positions
    cdef readonly Py_ssize_t units
    cdef readonly Py_ssize_t scratch_values     # of one thread

    def __init__(
        self, bint is_double, int method, Py_ssize_t batch, Py_ssize_t groups, Py_ssize_t channels,
        Py_ssize_t filters, Py_ssize_t height, Py_ssize_t width, Py_ssize_t kernel_h,
        Py_ssize_t kernel_w, Py_ssize_t out_height, Py_ssize_t out_width, tuple window,
        int activation, Py_ssize_t block_images, Py_ssize_t rows, Py_ssize_t block_channels,
        Py_ssize_t block_filters, order, target, empty,
    ):
        cdef Task* task = &self.task
        self.is_double = is_double
        task.method = method
        task.win = as_window(window)
        task.order = as_weights(order)
        task.target = as_target(target)
        task.activation = activation
        task.square = 0
        if (
            window[:4] in ((1, 1, 1, 1), (2, 2, 1, 1))
            and kernel_h == kernel_w and kernel_h in (3, 5, 7)
        ):
            task.square = kernel_h
        task.batch, task.groups, task.channels, task.filters = batch, groups, channels, filters
        task.height, task.width, task.taps = height, width, kernel_h * kernel_w
        task.out_height, task.out_width = out_height, out_width
        task.block_images, task.block_filters = block_images, block_filters
        task.band = plan_band(
            &task.win, kernel_h, kernel_w, out_width, rows, block_channels,
            VECTOR_BYTES // (8 if is_double else 4) if method == STENCIL else 1,
        )
        if method == STENCIL_CHANNELS:
            self._lay_out_planes(kernel_h, kernel_w, empty)
        elif method == STENCIL_SLIDE or method == STENCIL_SPREAD:
            self._lay_out_strips()
        else:
            self._lay_out_bands(kernel_h, kernel_w, empty)

    cdef _lay_out_bands(self, Py_ssize_t kernel_h, Py_ssize_t kernel_w, empty):
        """Count units and scratch, and fill in the tables, of what works on bands of the image."""
        cdef Task* task = &self.task
        cdef Py_ssize_t vector = VECTOR_BYTES // (8 if self.is_double else 4)
        cdef Py_ssize_t pixels = task.block_images * task.band.rows * task.out_width
        cdef Py_ssize_t n, i, j, pixel = 0
        task.image_values = task.band.channels * task.band.channel + LONG_VECTORS * vector
        task.image_values = task.image_values // vector * vector
        task.sums_values = task.panel_values = task.result_values = 0
        if task.method == GEMM_FILTERS:
            task.sums_values = padded_pixels(pixels) * packed_filters(
                task.block_filters, vector, False
            )
        if task.method == GEMM_FILTERS or task.method == GEMM_PIXELS:
            task.panel_values = panel_width(
                task.filters, vector, task.method == GEMM_PIXELS
            ) * (task.band.channels * task.taps + spare_taps(&task.order, task.band.channels))
        elif not task.order.plain:
            task.panel_values = task.channels * task.taps
        task.panel_values = (task.panel_values + vector - 1) // vector * vector
        if not task.target.dense:
            task.result_values = (pixels * task.block_filters + vector - 1) // vector * vector
        self.units = (
            (task.batch + task.block_images - 1) // task.block_images * task.groups
            * ((task.out_height + task.band.rows - 1) // task.band.rows)
            * ((task.filters + task.block_filters - 1) // task.block_filters)
        )
        self.scratch_values = whole_lines(
            task.block_images * task.image_values + task.sums_values + task.panel_values
            + task.result_values
        )
        self.offsets = empty(task.band.channels * task.taps)
        find_offsets(&self.offsets[0], &task.band, &task.win, kernel_h, kernel_w)
        if task.method != GEMM_FILTERS:
            return
        self.positions = empty(padded_pixels(pixels))
        self.positions[:] = 0
        for n in range(task.block_images):
            for i in range(task.band.rows):
                for j in range(task.out_width):
                    self.positions[pixel] = n * task.image_values + i * task.band.width + j
                    pixel = pixel + 1

    cdef _lay_out_planes(self, Py_ssize_t kernel_h, Py_ssize_t kernel_w, empty):
        """Do the same for stencil_channels.pxi, whose tables count pixels of the padded plane."""
        cdef Task* task = &self.task
        cdef Py_ssize_t vector = VECTOR_BYTES // (8 if self.is_double else 4)
        cdef Py_ssize_t pixels = task.out_height * task.out_width
        cdef Py_ssize_t i, j
        task.padded_height = max(
            task.win.top + task.height,
            (task.out_height - 1) * task.win.stride_h + (kernel_h - 1) * task.win.dilation_h + 1,
        )
        task.padded_width = max(
            task.win.left + task.width,
            (task.out_width - 1) * task.win.stride_w + (kernel_w - 1) * task.win.dilation_w + 1,
        )
        self.units = task.batch * ((task.groups + vector - 1) // vector)
        self.scratch_values = vector * (
            task.padded_height * task.padded_width + task.taps
            + max(task.height * task.width, pixels + CHANNEL_PIXELS)
            + (0 if task.target.dense else pixels)
        )
        self.offsets = empty(task.taps)
        for i in range(kernel_h):
            for j in range(kernel_w):
                self.offsets[i * kernel_w + j] = (
                    i * task.win.dilation_h * task.padded_width + j * task.win.dilation_w
                )
        self.positions = empty(pixels + CHANNEL_PIXELS)
        self.positions[:] = 0
        for i in range(task.out_height):
            for j in range(task.out_width):
                self.positions[i * task.out_width + j] = (
                    i * task.win.stride_h * task.padded_width + j * task.win.stride_w
                )

    cdef _lay_out_strips(self):
        """Do the same for the stencils that slide, which need no tables."""
        cdef Task* task = &self.task
        cdef Py_ssize_t planes = task.batch * task.groups
        self.units = (
            (planes + task.block_images - 1) // task.block_images
            * ((task.out_height + task.band.rows - 1) // task.band.rows)
        )
        cdef Py_ssize_t rows = slide_rows(task, task.band.rows)
        if task.method == STENCIL_SPREAD:
            rows = min(task.height, (task.band.rows + 1) // 2 + (task.square - 1) // 2)
        self.scratch_values = 4 * STRIP_VALUES + whole_lines(rows * task.width)

    def run(
        self, x, w, panels, bias, y, scratch, Py_ssize_t first, Py_ssize_t last, int threads
    ):
        """Compute the units [first, last) of y, with the scratch of so many threads.

        `panels` is what `pack_weights` made of w, or None; `bias` may be None.
        """
        cdef const void* from_x = address_of(x)
        cdef const void* from_w = address_of(w)
        cdef const void* from_panels = address_of(panels)
        cdef const void* from_bias = address_of(bias)
        cdef void* to_y = writable_address_of(y)
        cdef void* within = <void*>((<size_t>writable_address_of(scratch) + 63) // 64 * 64)
        cdef const Task* task = &self.task
        cdef const Py_ssize_t* offsets = NULL
        cdef const Py_ssize_t* positions = NULL
        cdef Py_ssize_t values = self.scratch_values
        cdef Call call = begin()
        if self.offsets is not None:
            offsets = &self.offsets[0]
        if self.positions is not None:
            positions = &self.positions[0]
        with nogil:
            if self.is_double:
                run_units[double](
                    <const double*>from_x, <const double*>from_w, <const double*>from_panels,
                    <const double*>from_bias, <double*>to_y, task, offsets, positions,
                    <double*>within, values, first, last, threads, &call,
                )
            else:
                run_units[float](
                    <const float*>from_x, <const float*>from_w, <const float*>from_panels,
                    <const float*>from_bias, <float*>to_y, task, offsets, positions,
                    <float*>within, values, first, last, threads, &call,
                )
        finish(&call)
