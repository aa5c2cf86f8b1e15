# Few filters of 1x1 whose image is read where it lies: its channels as streams.
#
#     tile of gemm_pixels    c0 → . . .          all channels pass by a tile: short runs, each in
#                            c1 → . . .          a page of its own
#     streams                c0 → . . . . . . .  some channels pass by all pixels of a unit, then
#                            c1 → . . . . . . .  the next ones: long runs, as are fetched ahead
#
# Meanwhile the sums wait in the first-level cache: load, a multiply-add for each channel, store. An
# image that lies in memory takes 0.57 of the time that it takes by tiles, one in the third-level
# cache 0.9 (a Zen 4 with AVX-512; each beside the BLAS in its run). The order of sums is that of
# tiles, to the bit.
#
# They are in slots of a vector. The last one may begin before the one before it has ended, and then
# has some sums that are there twice:
#
#     pixels    0 1 2 3 4 5 6 7 8 9         slots    0 1 2 3 | 4 5 6 7 | 6 7 8 9

cdef extern from *:
    """
    /* The most filters: the weights of STREAMS channels stay in registers, or near. */
    #define STREAM_FILTERS (REGISTERS == 32 ? 4 : 2)
    """
    enum: STREAM_FILTERS

cdef enum:
    STREAMS = 8
    FEWEST_STREAMED = 16    # channels; sums of fewer wait too often for what they are
    MOST_STREAMED = 4096    # pixels, whose sums leave the first-level cache if a row has more


# Of a unit: its pixels, and where they wait.
cdef struct Streams:
    Py_ssize_t channels     # that pass by, STREAMS or the last few
    Py_ssize_t channel      # from one to the next
    Py_ssize_t pixels
    Py_ssize_t slots        # values of a filter's


cdef inline void add_streams(
    const bint all, const int filters, const Streams* streams, const real* panel,
    const real* image, real* held,
) noexcept nogil:
    """Do held[m][n] += sum over c of panel[c][m] · image[c][n], of STREAMS channels if `all`."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t slots = streams.slots
    cdef Py_ssize_t pixels = streams.pixels
    cdef Py_ssize_t channels = streams.channels
    cdef Py_ssize_t slot = 0
    cdef Py_ssize_t c
    cdef real weights[STREAM_FILTERS * STREAMS]
    cdef real sums[STREAM_FILTERS * FLOATS]
    cdef const real* stream[STREAMS]
    cdef const real* pixel
    cdef int i, m, n
    if all:
        for i in range(STREAMS):
            stream[i] = image + i * streams.channel
        for i in range(filters * STREAMS):
            weights[i] = panel[i]
    while True:  # at least once: see README.md
        for m in range(filters):
            for n in range(vector):
                sums[m * vector + n] = held[m * slots + slot + n]
        pixel = image + min(slot, pixels - vector)
        if all:
            for i in range(STREAMS):
                for m in range(filters):
                    for n in range(vector):
                        sums[m * vector + n] += (
                            weights[i * filters + m] * (pixel + (stream[i] - image))[n]
                        )
        else:
            for c in range(channels):
                for m in range(filters):
                    for n in range(vector):
                        sums[m * vector + n] += panel[c * filters + m] * pixel[n]
                pixel = pixel + streams.channel
        for m in range(filters):
            for n in range(vector):
                held[m * slots + slot + n] = sums[m * vector + n]
        slot = slot + vector
        if slot >= pixels:
            break


cdef inline void pass_channels(
    const int filters, Py_ssize_t channels, Streams* streams, const real* panel,
    const real* image, real* held, Watch* watch,
) noexcept nogil:
    """Sum a block of channels from zero.

    It is written before: of sums that begin with a constant the compiler would make a product, and
    of the next one a multiply-add in another order.
    """
    cdef Py_ssize_t c = 0
    fill_row(held, <real>0, filters * streams.slots)
    while c < channels and goes_on(watch, STREAMS * filters * streams.pixels):
        streams.channels = min(<Py_ssize_t>STREAMS, channels - c)
        if streams.channels == STREAMS:
            add_streams(True, filters, streams, panel, image, held)
        else:
            add_streams(False, filters, streams, panel, image, held)
        panel = panel + STREAMS * filters
        image = image + STREAMS * streams.channel
        c = c + STREAMS


cdef void pass_block(
    Py_ssize_t filters, Py_ssize_t channels, Streams* streams, const real* panel,
    const real* image, real* held, Watch* watch,
) noexcept nogil:
    """Do `pass_channels` for so many filters."""
    if filters == 1:
        pass_channels(1, channels, streams, panel, image, held, watch)
    elif filters == 2:
        pass_channels(2, channels, streams, panel, image, held, watch)
    elif STREAM_FILTERS == 4 and filters == 3:
        pass_channels(3, channels, streams, panel, image, held, watch)
    elif STREAM_FILTERS == 4:
        pass_channels(4, channels, streams, panel, image, held, watch)


cdef inline void add_streamed(
    const bint first, const bint last, int activation, const Streams* streams, const real* held,
    real bias, real* totals, real* y,
) noexcept nogil:
    """Add a filter's sums of a block of channels to those before; the last ones go to y."""
    cdef int vector = VECTOR_BYTES // <int>sizeof(real)
    cdef Py_ssize_t slot = 0
    cdef real sums[FLOATS]
    cdef real* target
    cdef int n
    while slot < streams.pixels:
        target = y + min(slot, streams.pixels - vector) if last else totals + slot
        for n in range(vector):
            sums[n] = held[slot + n] + (bias if first else totals[slot + n])
        if last and activation != IDENTITY:
            for n in range(vector):
                sums[n] = activate(activation, sums[n])
        for n in range(vector):
            target[n] = sums[n]
        slot = slot + vector


cdef void add_streamed_block(
    const Unit* unit, const Problem* problem, const Streams* streams, const real* held, real bias,
    real* totals, real* y,
) noexcept nogil:
    """Do `add_streamed` for the unit's present block of channels."""
    cdef int activation = problem.activation
    if begins(unit) and ends(unit, problem):
        add_streamed(True, True, activation, streams, held, bias, totals, y)
    elif begins(unit):
        add_streamed(True, False, activation, streams, held, bias, totals, y)
    elif ends(unit, problem):
        add_streamed(False, True, activation, streams, held, bias, totals, y)
    else:
        add_streamed(False, False, activation, streams, held, bias, totals, y)
