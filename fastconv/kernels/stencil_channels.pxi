# The stencil of depthwise layers with small images: channels in the lanes.
#
# A plane of 7x7 or 14x14 pixels is too narrow for vectors of pixels. So a vector's worth of planes
# is turned over, channels innermost, with zeros around it; there a tap of a pixel is a whole vector
# wherever it lies, whatever the stride. The results are turned back into the planes of y:
#
#     x [channels][pixels]   →   plane [padded pixels][vector]   →   y [channels][pixels]


cdef inline void multiply_channels(
    const int pixels, Py_ssize_t taps, const real* panel, const real* plane,
    const Py_ssize_t* offsets, const Py_ssize_t* positions, const real* bias, real* result,
) noexcept nogil:
    """Do result[p] = bias + sum over t of plane[positions[p] + offsets[t]] · panel[t], n by n."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef real sums[CHANNEL_PIXELS * FLOATS]
    cdef const real* pixel[CHANNEL_PIXELS]
    cdef Py_ssize_t t = 0
    cdef int p, n
    for p in range(pixels):
        pixel[p] = plane + positions[p] * vector
        for n in range(vector):
            sums[p * vector + n] = bias[n]
    while True:  # at least once, as in tile.pxi
        for p in range(pixels):
            for n in range(vector):
                sums[p * vector + n] += (
                    pixel[p][offsets[t] * vector + n] * panel[t * vector + n]
                )
        t = t + 1
        if t >= taps:
            break
    for n in range(pixels * vector):
        result[n] = sums[n]


cdef void turn_planes(
    const real* x, Py_ssize_t planes, real* turned, real* padded, const Task* task
) noexcept nogil:
    """Bring a vector's worth of planes of x into `padded`, its border left as it is."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t size = task.height * task.width
    cdef Py_ssize_t i = 0, n
    if size >= vector:
        while i < size:
            i = min(i, size - vector)
            transpose_square(
                x + i, size, planes, turned + i * vector, vector, vector, IDENTITY
            )
            i = i + vector
    else:
        transpose_part(x, size, turned, vector, planes, size, IDENTITY)
    for i in range(task.height):
        copy_row(
            padded + ((i + task.win.top) * task.padded_width + task.win.left) * vector,
            turned + i * task.width * vector, 1, task.width * vector,
        )


cdef void stencil_channels(
    const real* x, const real* w, const real* bias, real* y, const Task* task, real* scratch,
    const Py_ssize_t* offsets, const Py_ssize_t* positions, Py_ssize_t number, Watch* watch,
) noexcept nogil:
    """Compute one unit: number = image·blocks + block of a vector of channels."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t blocks = (task.groups + vector - 1) // vector
    cdef Py_ssize_t channel = number % blocks * vector
    cdef Py_ssize_t image = number // blocks
    cdef Py_ssize_t planes = min(vector, task.groups - channel)
    cdef Py_ssize_t pixels = task.out_height * task.out_width
    cdef Py_ssize_t padded_values = task.padded_height * task.padded_width * vector
    cdef Py_ssize_t turned_values = max(
        task.height * task.width, pixels + CHANNEL_PIXELS
    ) * vector
    cdef real* padded = scratch
    cdef real* turned = padded + padded_values
    cdef real* panel = turned + turned_values
    cdef real lane_bias[FLOATS]
    cdef real* to_y = y
    cdef Unit unit
    cdef Py_ssize_t p
    if not goes_on(watch, pixels * vector * task.taps):
        return
    for p in range(vector):
        lane_bias[p] = bias[channel + p] if bias != NULL and p < planes else 0
    if task.order.plain:
        pack_panel(w + channel * task.taps, task.taps, planes, task.taps, panel, vector)
    else:
        gather_part(
            w + task.order.first + channel * task.order.group, &task.order, task.order.group,
            planes, vector, panel, vector,
        )
    fill_row(padded, <real>0, padded_values)
    turn_planes(
        x + (image * task.groups + channel) * task.height * task.width, planes, turned, padded,
        task,
    )
    p = 0
    while p < pixels:
        multiply_channels(
            CHANNEL_PIXELS, task.taps, panel, padded, offsets, positions + p, lane_bias,
            turned + p * vector,
        )
        p = p + CHANNEL_PIXELS
    if task.target.dense:
        y = y + (image * task.groups + channel) * pixels
    else:
        y = panel + vector * task.taps
    if pixels >= vector:
        p = 0
        while p < pixels:
            p = min(p, pixels - vector)
            transpose_square(
                turned + p * vector, vector, vector, y + p, pixels, planes, task.activation
            )
            p = p + vector
    else:
        transpose_part(turned, vector, y, pixels, pixels, planes, task.activation)
    if not task.target.dense:
        unit.image, unit.images = image, 1
        unit.group, unit.first_filter, unit.last_filter = 0, channel, channel + planes
        unit.first_row, unit.rows = 0, task.out_height
        unit.target, unit.target_image, unit.target_filter = 0, 0, pixels
        spread_unit(y, to_y, task, &unit)
