# What a kernel is told: structs, filled in once from the Python objects of the same attributes, by
# name. Their extents are given; nobody here computes one again.

cdef struct Axis:           # rows or columns:
    Py_ssize_t size         # of the image
    Py_ssize_t kernel       # taps
    Py_ssize_t stride
    Py_ssize_t dilation
    Py_ssize_t before       # padding; negative where the first ones are not read
    Py_ssize_t outputs      # output i and tap r meet at i·stride + r·dilation - before


cdef struct Problem:
    Py_ssize_t batch
    Py_ssize_t groups
    Py_ssize_t channels     # of a group, as are the filters
    Py_ssize_t filters
    Axis rows
    Axis columns
    Py_ssize_t taps         # of a channel
    Py_ssize_t itemsize
    int activation


# Which weight a tap is. A forward pass reads the weights as they lie, all of them, or of a part of
# the image those that do not fall into the padding; the input gradient is a convolution of the
# output's gradient with the same weights seen from the other side,
#
#     forward           w [group][filter][channel][r][s]
#     input gradient    w [group][channel][filter][r][s], r and s backwards, every `stride`-th tap
#                       at most: those that one phase of the image's pixels sees
#
# where "filter" is always what is computed and "channel" what is summed over.
cdef struct Taps:
    bint in_order           # a whole forward pass: a filter's taps follow each other
    Py_ssize_t rows         # of them
    Py_ssize_t columns
    Py_ssize_t first        # where the first tap of everything lies
    Py_ssize_t group        # from one to the next
    Py_ssize_t filter
    Py_ssize_t channel
    Py_ssize_t row
    Py_ssize_t column
    Py_ssize_t plane        # R·S, of which these taps are some
    Py_ssize_t end          # values of all weights


# Where the outputs of a piece lie in the result: all of it, or every row_step-th row and
# column_step-th column.
cdef struct Output:
    bint dense              # planes of rows.outputs x columns.outputs
    Py_ssize_t height
    Py_ssize_t width
    Py_ssize_t first_row
    Py_ssize_t first_column
    Py_ssize_t row_step
    Py_ssize_t column_step


# How much of a problem a unit computes, and of how many channels at a time.
cdef struct Blocks:
    Py_ssize_t images       # planes, where a stencil slides
    Py_ssize_t rows
    Py_ssize_t columns      # where a unit is not of whole rows, else 0
    Py_ssize_t channels
    Py_ssize_t filters
    Py_ssize_t taps         # summed from zero at a time, where sums are cut
    Py_ssize_t parts        # of a weight gradient: what the pixels are cut into
    Py_ssize_t tile         # of winograd: its outputs in a row, else 0
    Py_ssize_t side         # of a square that is transformed, else 0
    Py_ssize_t step         # rows of the second of two passes at a time, else 0
    bint far                # whether rows are brought near before strips are read of them
    bint prepared           # of winograd: whether weights come transformed


# Of the averages of a pooling: the positions that a divisor counts, from the first of these to
# before the second. The image is from 0 to its size.
cdef struct Counted:
    Py_ssize_t first_row
    Py_ssize_t end_row
    Py_ssize_t first_column
    Py_ssize_t end_column


# Of an image that goes on beyond its edge: for each row and column, from the first that is seen on,
# the one of the image that it copies, or OUTSIDE for the value.
cdef struct Beyond:
    const Py_ssize_t* rows
    const Py_ssize_t* columns
    double value


cdef struct Description:
    Problem problem
    Taps taps
    Output output
    Blocks blocks
    Counted counted
    Beyond beyond


cdef Axis read_axis(axis) except *:
    return Axis(
        size=axis.size, kernel=axis.kernel, stride=axis.stride, dilation=axis.dilation,
        before=axis.before, outputs=axis.outputs,
    )


cdef Problem read_problem(problem) except *:
    cdef Problem read
    read.batch, read.groups = problem.batch, problem.groups
    read.channels = problem.in_channels_per_group
    read.filters = problem.out_channels_per_group
    read.rows, read.columns = read_axis(problem.rows), read_axis(problem.columns)
    read.taps = read.rows.kernel * read.columns.kernel
    read.itemsize = problem.dtype.itemsize
    read.activation = ACTIVATIONS.index(problem.activation)
    return read


cdef Taps read_taps(weights, const Problem* problem) except *:
    cdef Taps taps = Taps(
        in_order=weights is None, rows=problem.rows.kernel, columns=problem.columns.kernel,
        first=0, group=0, filter=0, channel=0, row=0, column=0, plane=problem.taps, end=0,
    )
    if not taps.in_order:
        taps.first, taps.group, taps.filter = weights.first, weights.group, weights.filter
        taps.channel, taps.row, taps.column = weights.channel, weights.row, weights.column
        taps.plane, taps.end = weights.plane, weights.end
    return taps


cdef Output read_output(output) except *:
    if output is None:
        return Output(
            dense=True, height=0, width=0, first_row=0, first_column=0, row_step=1, column_step=1
        )
    return Output(
        dense=False, height=output.height, width=output.width, first_row=output.first_row,
        first_column=output.first_column, row_step=output.row_step, column_step=output.column_step,
    )


cdef Description read_images(description) except *:
    """Read the description of images made from an image."""
    cdef Description read
    piece, blocks = description.piece, description.blocks
    read.problem = read_problem(piece.problem)
    read.taps = read_taps(piece.weights, &read.problem)
    read.output = read_output(piece.output)
    read.blocks = Blocks(
        images=blocks.images, rows=blocks.rows, columns=getattr(blocks, "columns", 0),
        channels=blocks.channels, filters=blocks.filters, taps=getattr(blocks, "taps", 0), parts=1,
        tile=getattr(blocks, "tile", 0), side=0, step=0, far=getattr(blocks, "far", False),
        prepared=getattr(blocks, "prepared", False),
    )
    return read


cdef Description read_weights(description) except *:
    """Read the description of weights made from two images."""
    cdef Description read
    blocks = description.blocks
    read.problem = read_problem(description.problem)
    read.taps = read_taps(None, &read.problem)
    read.output = read_output(None)
    read.blocks = Blocks(
        images=getattr(blocks, "images", 1), rows=blocks.rows,
        columns=getattr(blocks, "columns", 0), channels=blocks.channels, filters=blocks.filters,
        taps=0, parts=blocks.parts, tile=0, side=0, step=0, far=getattr(blocks, "far", False),
        prepared=False,
    )
    return read


cdef Description read_pooling(description) except *:
    """Read the description of a pooling: its planes are a batch of one channel."""
    cdef Description read
    problem, blocks = description.problem, description.blocks
    read.problem.batch = problem.planes
    read.problem.groups = read.problem.channels = read.problem.filters = 1
    read.problem.rows, read.problem.columns = read_axis(problem.rows), read_axis(problem.columns)
    read.problem.taps = read.problem.rows.kernel * read.problem.columns.kernel
    read.problem.itemsize = problem.dtype.itemsize
    read.problem.activation = IDENTITY
    read.taps = read_taps(None, &read.problem)
    read.output = read_output(None)
    read.blocks = Blocks(
        images=blocks.planes, rows=blocks.rows, columns=0, channels=1, filters=1, taps=0,
        parts=1, tile=0, side=0, step=0, far=False, prepared=False,
    )
    (
        (read.counted.first_row, read.counted.end_row),
        (read.counted.first_column, read.counted.end_column),
    ) = problem.counted
    return read


cdef Description read_filtering(description) except *:
    """Read the description of filtered images, which keeps the tables alive."""
    cdef Description read
    blocks = description.blocks
    read.problem = read_problem(description.problem)
    read.taps = read_taps(None, &read.problem)
    read.output = read_output(None)
    read.blocks = Blocks(
        images=1, rows=blocks.rows, columns=blocks.columns, channels=1,
        filters=read.problem.filters, taps=0, parts=1, tile=0, side=blocks.side, step=blocks.step,
        far=False, prepared=False,
    )
    read.beyond.rows = <const Py_ssize_t*>address_of(description.row_sources)
    read.beyond.columns = <const Py_ssize_t*>address_of(description.column_sources)
    read.beyond.value = description.fillvalue
    return read
