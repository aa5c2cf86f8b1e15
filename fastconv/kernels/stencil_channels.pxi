# The stencil of depthwise layers with small images: channels in the lanes.
#
# A plane of 7x7 or 14x14 pixels is too narrow for vectors of pixels. So a vector's worth of planes
# is turned over, channels innermost, with zeros around it; there a tap of a pixel is a whole vector
# wherever it lies, whatever the stride. The results are turned back into the planes of y:
#
#     x [channels][pixels]   →   plane [padded pixels][vector]   →   y [channels][pixels]

cdef enum:
    CHANNEL_PIXELS = 7  # of a tile


cdef struct StencilChannels:
    Description given
    Py_ssize_t padded_height
    Py_ssize_t padded_width
    Py_ssize_t padded           # where in the scratch the planes are, channels innermost,
    Py_ssize_t turned           # where they and the results are turned over,
    Py_ssize_t panel            # the taps,
    Py_ssize_t results          # and the results that are spread
    Py_ssize_t* offsets         # of the taps, in pixels of the padded plane,
    Py_ssize_t* positions       # and of the outputs


cdef int lay_out_stencil_channels(const Description* given, Made* made, list memory) except -1:
    cdef StencilChannels* layout = <StencilChannels*>allot(memory, sizeof(StencilChannels))
    cdef const Problem* problem = &given.problem
    cdef const Axis* down = &problem.rows
    cdef const Axis* across = &problem.columns
    cdef Py_ssize_t vector = VECTOR_BYTES // problem.itemsize
    cdef Py_ssize_t pixels = down.outputs * across.outputs
    cdef Py_ssize_t i, j
    layout.given = given[0]
    layout.padded_height = padded_extent(down)
    layout.padded_width = padded_extent(across)
    layout.padded = book(made, vector * layout.padded_height * layout.padded_width)
    layout.turned = book(
        made, vector * max(down.size * across.size, pixels + CHANNEL_PIXELS)
    )
    layout.panel = book(made, vector * problem.taps)
    layout.results = made.scratch
    if not given.output.dense:
        book(made, vector * pixels)
    layout.offsets = allot_table(memory, problem.taps)
    for i in range(down.kernel):
        for j in range(across.kernel):
            layout.offsets[i * across.kernel + j] = (
                i * down.dilation * layout.padded_width + j * across.dilation
            )
    layout.positions = allot_table(memory, pixels + CHANNEL_PIXELS)
    for i in range(down.outputs):
        for j in range(across.outputs):
            layout.positions[i * across.outputs + j] = (
                i * down.stride * layout.padded_width + j * across.stride
            )
    made.layout = layout
    made.units = problem.batch * ceil_div(problem.groups, vector)
    return 0


cdef Py_ssize_t padded_extent(const Axis* axis) noexcept nogil:
    """Return how far the image reaches, or the last tap of the last output."""
    return max(
        axis.before + axis.size,
        (axis.outputs - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1,
    )


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
    while True:  # at least once: see README.md
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
    const real* x, Py_ssize_t planes, real* turned, real* padded, const StencilChannels* layout
) noexcept nogil:
    """Bring a vector's worth of planes of x into `padded`, its border left as it is."""
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef const Axis* down = &layout.given.problem.rows
    cdef const Axis* across = &layout.given.problem.columns
    cdef Py_ssize_t size = down.size * across.size
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
    for i in range(down.size):
        copy_row(
            padded + ((i + down.before) * layout.padded_width + across.before) * vector,
            turned + i * across.size * vector, 1, across.size * vector,
        )


cdef void stencil_channels(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Compute one unit: number = image·blocks + block of a vector of channels."""
    cdef const StencilChannels* layout = <const StencilChannels*>made
    cdef const Problem* problem = &layout.given.problem
    cdef const Taps* view = &layout.given.taps
    cdef Py_ssize_t vector = VECTOR_BYTES // sizeof(real)
    cdef Py_ssize_t blocks = (problem.groups + vector - 1) // vector
    cdef Py_ssize_t channel = number % blocks * vector
    cdef Py_ssize_t image = number // blocks
    cdef Py_ssize_t planes = min(vector, problem.groups - channel)
    cdef Py_ssize_t pixels = problem.rows.outputs * problem.columns.outputs
    cdef Py_ssize_t plane = problem.rows.size * problem.columns.size
    cdef const real* x = <const real*>operands.image
    cdef const real* w = <const real*>operands.weights
    cdef const real* bias = <const real*>operands.bias
    cdef real* y = <real*>operands.result
    cdef real* padded = scratch + layout.padded
    cdef real* turned = scratch + layout.turned
    cdef real* panel = scratch + layout.panel
    cdef real lane_bias[FLOATS]
    cdef Unit unit
    cdef Py_ssize_t p
    if not goes_on(watch, pixels * vector * problem.taps):
        return
    for p in range(vector):
        lane_bias[p] = bias[channel + p] if bias != NULL and p < planes else 0
    if view.in_order:
        pack_panel(w + channel * problem.taps, problem.taps, planes, problem.taps, panel, vector)
    else:
        gather_piece(
            w + view.first + channel * view.group, view, view.group, planes, vector, panel, vector
        )
    fill_row(padded, <real>0, layout.padded_height * layout.padded_width * vector)
    turn_planes(
        x + (image * problem.groups + channel) * plane, planes, turned, padded, layout
    )
    p = 0
    while p < pixels:
        multiply_channels(
            CHANNEL_PIXELS, problem.taps, panel, padded, layout.offsets, layout.positions + p,
            lane_bias, turned + p * vector,
        )
        p = p + CHANNEL_PIXELS
    if layout.given.output.dense:
        y = y + (image * problem.groups + channel) * pixels
    else:
        y = scratch + layout.results
    if pixels >= vector:
        p = 0
        while p < pixels:
            p = min(p, pixels - vector)
            transpose_square(
                turned + p * vector, vector, vector, y + p, pixels, planes, problem.activation
            )
            p = p + vector
    else:
        transpose_part(turned, vector, y, pixels, pixels, planes, problem.activation)
    if not layout.given.output.dense:
        # every channel is a group of its own, which follow each other as filters of one would
        unit = Unit(
            group=0, image=image, images=1, first_row=0, rows=problem.rows.outputs,
            first_filter=channel, last_filter=channel + planes, channel=0, channels=1,
            taps=problem.taps, begin=0, next_image=0, next_filter=pixels,
        )
        spread_unit(y, <real*>operands.result, &layout.given, &unit)


enter(
    "stencil_channels", lay_out_stencil_channels, stencil_channels[float],
    stencil_channels[double],
)
