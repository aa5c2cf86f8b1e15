# Rows of an image that goes on beyond its edge: each position copies a pixel, or is the value
# beyond.
#
#     columns          2 1 | 0 1 2 3 ... | W-2 W-3       of `mirror`, from tables of the rows' and
#     rows   1         . . | . . . . ... |  .   .        columns' sources (problem/extension.py),
#            0         . . | a b c d ... |  .   .        in which OUTSIDE stands for the value
#
# Most columns are the image's own, and are copied as a run.

cdef enum:
    OUTSIDE = -1


cdef inline void extend_columns(
    const Beyond* beyond, const real* line, Py_ssize_t column, Py_ssize_t first, Py_ssize_t last,
    real* target,
) noexcept nogil:
    """Fill in the positions from `first` to before `last`, one by one; `column` is that of 0."""
    cdef Py_ssize_t j, source
    for j in range(first, last):
        source = beyond.columns[column + j]
        target[j] = <real>beyond.value if source == OUTSIDE else line[source]


cdef void extend_row(
    const Problem* problem, const Beyond* beyond, const real* plane, Py_ssize_t row,
    Py_ssize_t column, Py_ssize_t count, real* target,
) noexcept nogil:
    """Copy `count` positions of a row, from a column on; both are counted with what is beyond."""
    cdef Py_ssize_t source = beyond.rows[row]
    cdef Py_ssize_t before = problem.columns.before
    cdef Py_ssize_t begin = max(0, min(count, before - column))
    cdef Py_ssize_t end = max(begin, min(count, before + problem.columns.size - column))
    cdef const real* line
    if source == OUTSIDE:
        fill_row(target, <real>beyond.value, count)
        return
    line = plane + source * problem.columns.size
    extend_columns(beyond, line, column, 0, begin, target)
    copy_run(target + begin, line + column + begin - before, end - begin)
    extend_columns(beyond, line, column, end, count, target)
