# The poolings as they are defined, one window after the other: for windows so large, or rows so
# long, that the other kernels would need more scratch than a thread may take.


cdef int lay_out_pool_rows(const Description* given, Made* made, list memory) except -1:
    """Lay out units of rows of y."""
    cdef Pool* pool = <Pool*>allot(memory, sizeof(Pool))
    lay_out_pool(given, made, memory, pool, given.problem.rows.outputs)
    made.layout = pool
    return 0


cdef int lay_out_pool_grad_rows(const Description* given, Made* made, list memory) except -1:
    """Lay out units of rows of dx."""
    cdef Pool* pool = <Pool*>allot(memory, sizeof(Pool))
    lay_out_pool(given, made, memory, pool, given.problem.rows.size)
    made.layout = pool
    return 0


cdef inline real larger(real value, real best) noexcept nogil:
    """Return the value if it is larger or NaN: a comparison and two selections."""
    cdef real found = value if value > best else best
    return value if value != value else found


cdef inline Py_ssize_t counted_taps(
    const Axis* axis, Py_ssize_t output, Py_ssize_t first, Py_ssize_t end
) noexcept nogil:
    """Return how many taps of a window are at positions from the first to before the end."""
    cdef Py_ssize_t begin = output * axis.stride - axis.before
    cdef Py_ssize_t low = 0 if begin >= first else ceil_div(first - begin, axis.dilation)
    return last_tap(axis, output, end) - low


cdef struct Window:             # its taps inside the image, and the pixel of the first
    Py_ssize_t row
    Py_ssize_t rows
    Py_ssize_t column
    Py_ssize_t columns
    double divisor


cdef inline Window find_window(const Pool* pool, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    cdef const Axis* down = &pool.rows
    cdef const Axis* across = &pool.columns
    cdef const Counted* counted = &pool.counted
    cdef Py_ssize_t r = first_tap(down, i)
    cdef Py_ssize_t s = first_tap(across, j)
    cdef Window window
    window.row = i * down.stride + r * down.dilation - down.before
    window.rows = last_tap(down, i, down.size) - r
    window.column = j * across.stride + s * across.dilation - across.before
    window.columns = last_tap(across, j, across.size) - s
    window.divisor = (
        <double>counted_taps(down, i, counted.first_row, counted.end_row)
        * <double>counted_taps(across, j, counted.first_column, counted.end_column)
    )
    return window


cdef inline Py_ssize_t place_of_maximum(
    const Pool* pool, const Window* window, const real* image, Watch* watch
) noexcept nogil:
    """Return which pixel of a plane is the largest of a window."""
    cdef Py_ssize_t width = pool.columns.size
    cdef Py_ssize_t place = window.row * width + window.column
    cdef real best = image[place]
    cdef real value
    cdef Py_ssize_t r, s, end, at
    for r in range(window.rows):
        at = (window.row + r * pool.rows.dilation) * width + window.column
        end = 0
        while end < window.columns:
            s, end = end, min(window.columns, end + STRETCH_WORK)
            if not goes_on(watch, WINDOW_WORK + end - s):
                return place
            while s < end:
                value = image[at]
                if value > best or value != value:
                    best, place = value, at
                at = at + pool.columns.dilation
                s = s + 1
    return place


cdef void max_pool_literal(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const Pool* pool = <const Pool*>made
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef const real* image
    cdef real* y
    cdef Window window
    cdef Py_ssize_t plane, i, j
    for plane in range(unit.plane, unit.last_plane):
        image = <const real*>operands.image + plane * pool.rows.size * pool.columns.size
        for i in range(unit.row, unit.last_row):
            y = <real*>operands.result + (plane * pool.rows.outputs + i) * pool.columns.outputs
            for j in range(pool.columns.outputs):
                window = find_window(pool, i, j)
                y[j] = image[place_of_maximum(pool, &window, image, watch)]
                if stopped(watch):
                    return


cdef void max_pool_grad_literal(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const Pool* pool = <const Pool*>made
    cdef Py_ssize_t width = pool.columns.size
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.size)
    cdef const real* image
    cdef const real* grad
    cdef real* dx
    cdef Window window
    cdef Py_ssize_t plane, i, j, place
    for plane in range(unit.plane, unit.last_plane):
        image = <const real*>operands.image + plane * pool.rows.size * width
        dx = <real*>operands.result + plane * pool.rows.size * width
        if not fill_in_stretches(
            dx + unit.row * width, <real>0, (unit.last_row - unit.row) * width, watch
        ):
            return
        for i in range(
            first_window(&pool.rows, unit.row), last_window(&pool.rows, unit.last_row - 1)
        ):
            grad = (
                <const real*>operands.gradient
                + (plane * pool.rows.outputs + i) * pool.columns.outputs
            )
            for j in range(pool.columns.outputs):
                window = find_window(pool, i, j)
                place = place_of_maximum(pool, &window, image, watch)
                if unit.row * width <= place < unit.last_row * width:
                    dx[place] += grad[j]
                if stopped(watch):
                    return


cdef void max_pool_taps_literal(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const Pool* pool = <const Pool*>made
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef const Axis* down = &pool.rows
    cdef const Axis* across = &pool.columns
    cdef const real* image
    cdef Window window
    cdef Py_ssize_t plane, i, j, place, tap, at
    for plane in range(unit.plane, unit.last_plane):
        image = <const real*>operands.image + plane * down.size * across.size
        for i in range(unit.row, unit.last_row):
            at = (plane * down.outputs + i) * across.outputs
            for j in range(across.outputs):
                window = find_window(pool, i, j)
                place = place_of_maximum(pool, &window, image, watch)
                if stopped(watch):
                    return
                tap = (place // across.size + down.before - i * down.stride) // down.dilation
                tap = tap * across.kernel + (
                    (place % across.size + across.before - j * across.stride) // across.dilation
                )
                (<real*>operands.result)[at + j] = image[place]
                if pool.wide:
                    (<long long*>operands.taps)[at + j] = tap
                else:
                    (<unsigned char*>operands.taps)[at + j] = <unsigned char>tap


cdef inline Py_ssize_t place_of_tap(
    const Pool* pool, Py_ssize_t i, Py_ssize_t j, Py_ssize_t tap
) noexcept nogil:
    """Return which pixel of a plane a tap of a window sees, or -1 where it is outside."""
    cdef const Axis* down = &pool.rows
    cdef const Axis* across = &pool.columns
    cdef Py_ssize_t r, s, h, w
    if tap < BYTE_TAPS:         # a division by far fewer bits
        r = <unsigned int>tap // <unsigned int>across.kernel
    else:
        r = tap // across.kernel
    s = tap - r * across.kernel
    h = i * down.stride + r * down.dilation - down.before
    w = j * across.stride + s * across.dilation - across.before
    return h * across.size + w if 0 <= h < down.size and 0 <= w < across.size else -1


cdef void max_pool_taps_grad_literal(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Window by window, each to the pixel of its tap: at the same cost for any size of a window."""
    cdef const Pool* pool = <const Pool*>made
    cdef Py_ssize_t width = pool.columns.size
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.size)
    cdef const real* grad
    cdef real* dx
    cdef Py_ssize_t plane, i, j, at, tap, place
    for plane in range(unit.plane, unit.last_plane):
        dx = <real*>operands.result + plane * pool.rows.size * width
        if not fill_in_stretches(
            dx + unit.row * width, <real>0, (unit.last_row - unit.row) * width, watch
        ):
            return
        for i in range(
            first_window(&pool.rows, unit.row), last_window(&pool.rows, unit.last_row - 1)
        ):
            at = (plane * pool.rows.outputs + i) * pool.columns.outputs
            grad = <const real*>operands.gradient + at
            for j in range(pool.columns.outputs):
                if not goes_on(watch, WINDOW_WORK):
                    return
                if pool.wide:
                    tap = (<const long long*>operands.taps)[at + j]
                else:
                    tap = (<const unsigned char*>operands.taps)[at + j]
                place = place_of_tap(pool, i, j, tap)
                if unit.row * width <= place < unit.last_row * width:
                    dx[place] += grad[j]


cdef void avg_pool_literal(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    cdef const Pool* pool = <const Pool*>made
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.outputs)
    cdef const real* image
    cdef const real* row
    cdef real* y
    cdef Window window
    cdef Py_ssize_t plane, i, j, r, s, end
    cdef double total
    for plane in range(unit.plane, unit.last_plane):
        image = <const real*>operands.image + plane * pool.rows.size * pool.columns.size
        for i in range(unit.row, unit.last_row):
            y = <real*>operands.result + (plane * pool.rows.outputs + i) * pool.columns.outputs
            for j in range(pool.columns.outputs):
                window = find_window(pool, i, j)
                total = 0
                for r in range(window.rows):
                    row = image + window.column + (
                        window.row + r * pool.rows.dilation
                    ) * pool.columns.size
                    end = 0
                    while end < window.columns:
                        s, end = end, min(window.columns, end + STRETCH_WORK)
                        if not goes_on(watch, WINDOW_WORK + end - s):
                            return
                        while s < end:
                            total = total + row[s * pool.columns.dilation]
                            s = s + 1
                y[j] = <real>(total / window.divisor)


cdef void avg_pool_grad_literal(
    const void* made, const Operands* operands, real* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil:
    """Gather: of each pixel, from the windows that see it."""
    cdef const Pool* pool = <const Pool*>made
    cdef PoolUnit unit = find_planes(pool, number, pool.rows.size)
    cdef const real* grad
    cdef real* dx
    cdef Window window
    cdef Py_ssize_t plane, h, w, i, j
    cdef double total
    for plane in range(unit.plane, unit.last_plane):
        grad = <const real*>operands.gradient + plane * pool.rows.outputs * pool.columns.outputs
        for h in range(unit.row, unit.last_row):
            dx = <real*>operands.result + (plane * pool.rows.size + h) * pool.columns.size
            for w in range(pool.columns.size):
                if not goes_on(watch, WINDOW_WORK):
                    return
                total = 0
                for i in range(first_window(&pool.rows, h), last_window(&pool.rows, h)):
                    if not goes_on(watch, WINDOW_WORK):
                        return
                    if tap_of(&pool.rows, i, h) < 0:
                        continue
                    for j in range(first_window(&pool.columns, w), last_window(&pool.columns, w)):
                        if not goes_on(watch, WINDOW_WORK):
                            return
                        if tap_of(&pool.columns, j, w) >= 0:
                            window = find_window(pool, i, j)
                            total = total + grad[i * pool.columns.outputs + j] / window.divisor
                dx[w] = <real>total


enter("max_pool_literal", lay_out_pool_rows, max_pool_literal[float], max_pool_literal[double])
enter(
    "max_pool_grad_literal", lay_out_pool_grad_rows, max_pool_grad_literal[float],
    max_pool_grad_literal[double],
)
enter(
    "max_pool_taps_literal", lay_out_pool_rows, max_pool_taps_literal[float],
    max_pool_taps_literal[double],
)
enter(
    "max_pool_taps_grad_literal", lay_out_pool_grad_rows, max_pool_taps_grad_literal[float],
    max_pool_taps_grad_literal[double],
)
enter("avg_pool_literal", lay_out_pool_rows, avg_pool_literal[float], avg_pool_literal[double])
enter(
    "avg_pool_grad_literal", lay_out_pool_grad_rows, avg_pool_grad_literal[float],
    avg_pool_grad_literal[double],
)
