# What the kernels share that read the image from a band: gemm_filters, gemm_columns, gemm_pixels,
# stencil_rows, weights_filters and weights_pixels. The loops of one that makes images, outermost
# first:
#
#     unit       a group, a block of images or of output rows, a block of filters (for threads)
#     channels   as many as fit the scratch: copy their band of the image (band.pxi)
#     panel      of the unit's filters; packed here unless a plan has done so (panels.pxi)
#     pixels     a tile's at a time
#     taps       in the register tile
#
# Every output of a product is summed in one order, whatever the units, the tile and its way round:
# the channels in blocks, the taps of a block in parts, each from zero and added as a whole,
#
#     bias + ((part + part + ...) of block 0) + ((part + part + ...) of block 1) + ...
#
# where blocks and parts follow from the problem alone. So the bits depend on neither threads nor
# batch, and errors grow with the root of a part, not of all taps. (Stencils, whose taps are few,
# sum them in a row.)


# Behind a band and its taps, what the last tile reads and throws away: more than any tile has.
cdef enum:
    HANGING_VECTORS = 7
    HANGING_TAPS = 9


cdef struct Banded:
    Description given
    Band band
    bint in_place               # whether the band is the image itself, where that is possible
    Py_ssize_t image_values     # of the scratch, which begins with them: the band of one image
    Py_ssize_t results          # where in the scratch the results of a unit that is not dense are
    Py_ssize_t* offsets         # of the taps of a block of channels


cdef bint is_its_own_band(const Problem* problem) noexcept nogil:
    """Whether an image is what its band would be: kernels of 1x1, neither padding nor stride."""
    cdef const Axis* down = &problem.rows
    cdef const Axis* across = &problem.columns
    return (
        problem.taps == 1 and down.stride == 1 and across.stride == 1
        and down.before == 0 and across.before == 0
        and down.outputs == down.size and across.outputs == across.size
    )


cdef int lay_out_places(
    Banded* banded, const Description* given, Made* made, list memory
) except -1:
    """Lay out where results are, and where taps are found in the band."""
    banded.results = made.scratch
    if not given.output.dense:
        book(made, (
            given.blocks.images * given.blocks.rows * given.problem.columns.outputs
            * given.blocks.filters
        ))
    banded.offsets = allot_table(
        memory, given.blocks.channels * given.problem.taps + HANGING_TAPS
    )
    find_offsets(banded.offsets, &banded.band, &given.problem, given.blocks.channels)
    return 0


cdef int lay_out_band(
    Banded* banded, const Description* given, Made* made, list memory, Py_ssize_t vector
) except -1:
    """Lay out the band of a unit; `vector` as in `plan_band`."""
    cdef Py_ssize_t lanes = VECTOR_BYTES // given.problem.itemsize
    banded.given = given[0]
    banded.band = plan_band(&given.problem, given.blocks.rows, vector)
    banded.in_place = False
    # behind it, what a tile reads that hangs over
    banded.image_values = (
        given.blocks.channels * banded.band.channel + HANGING_VECTORS * lanes
    ) // lanes * lanes
    book(made, given.blocks.images * banded.image_values)
    return lay_out_places(banded, given, made, memory)


cdef int lay_out_image(
    Banded* banded, const Description* given, Made* made, list memory, bint in_place
) except -1:
    """Lay out an image that is its own band, if it may be read in place; else the band of a unit.

    Nothing is copied then, and channels lie as in the image.
    """
    cdef const Problem* problem = &given.problem
    if not (in_place and is_its_own_band(problem)):
        return lay_out_band(banded, given, made, memory, 1)
    banded.given = given[0]
    banded.band = plan_band(problem, problem.rows.outputs, 1)
    banded.in_place = True
    banded.image_values = problem.groups * problem.channels * banded.band.channel
    return lay_out_places(banded, given, made, memory)


cdef void copy_bands(
    const real* x, real* scratch, const Banded* banded, const Unit* unit
) noexcept nogil:
    """Copy the unit's block of channels of all its images; zeros where a tile may hang over."""
    cdef const Problem* problem = &banded.given.problem
    cdef Py_ssize_t n, c, channel
    cdef real* target
    for n in range(unit.images):
        target = scratch + n * banded.image_values
        channel = (
            ((unit.image + n) * problem.groups + unit.group) * problem.channels + unit.channel
        )
        for c in range(unit.channels):
            copy_band(
                target, x + (channel + c) * problem.rows.size * problem.columns.size,
                &banded.band, problem, unit.first_row,
            )
            target = target + banded.band.channel
        fill_row(target, <real>0, scratch + (n + 1) * banded.image_values - target)


cdef inline const real* band_of(
    const Operands* operands, real* scratch, const Banded* banded, const Unit* unit
) noexcept nogil:
    """Return the band of a unit's block of channels: copied into the scratch, if not in place."""
    cdef const Problem* problem = &banded.given.problem
    if not banded.in_place:
        copy_bands(<const real*>operands.image, scratch, banded, unit)
        return scratch
    return <const real*>operands.image + (
        (unit.image * problem.groups + unit.group) * problem.channels + unit.channel
    ) * banded.band.channel + unit.first_row * banded.band.width


cdef inline real* results_of(
    const Operands* operands, real* scratch, const Banded* banded
) noexcept nogil:
    """Return what the places of a unit are counted from: the result, or scratch if not dense."""
    return <real*>operands.result if banded.given.output.dense else scratch + banded.results


cdef inline void bring_results(
    const Operands* operands, const real* scratch, const Banded* banded, const Unit* unit
) noexcept nogil:
    """Bring the results of a unit from the scratch to where they belong, if they are not there."""
    if not banded.given.output.dense:
        spread_unit(scratch + banded.results, <real*>operands.result, &banded.given, unit)
