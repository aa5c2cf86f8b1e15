# What every kernel brings, and how its units are run. A kernel's file has, from top to bottom:
#
#     a struct       its layout: the description, tables, and where things lie in a thread's scratch
#     lay_out_...    fills one in, and says of how many units and how much scratch
#     ..._unit       computes one of them
#     enter(...)     puts both into the table, under the name that descriptions give

from cpython.bytearray cimport PyByteArray_AS_STRING


# Where the arrays of a call begin, whatever they hold; NULL for those that a call has not.
cdef struct Operands:
    const void* image       # or what takes its place: the output's gradient, for the input's
    const void* weights
    const void* panels      # the weights as `pack_weights` arranged them
    const void* bias
    const void* gradient    # of the output, for that of the weights
    void* taps              # of a pooling: at which tap of its window each maximum is
    void* result


# What laying out a problem comes to.
cdef struct Made:
    void* layout            # the kernel's own struct
    Py_ssize_t units
    Py_ssize_t scratch      # values of a thread


# `memory` keeps the layout and its tables alive: see `allot`.
ctypedef int (*LayOut)(const Description* given, Made* made, list memory) except -1
ctypedef void (*FloatUnit)(
    const void* layout, const Operands* operands, float* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil
ctypedef void (*DoubleUnit)(
    const void* layout, const Operands* operands, double* scratch, Py_ssize_t number, Watch* watch
) noexcept nogil


cdef class Kernel:
    cdef LayOut lay_out
    cdef FloatUnit float_unit
    cdef DoubleUnit double_unit
    cdef bint one_by_one    # few units, and not all of the same size


cdef dict KERNELS = {}


cdef enter(
    str name, LayOut lay_out, FloatUnit float_unit, DoubleUnit double_unit, bint one_by_one=False
):
    cdef Kernel kernel = Kernel.__new__(Kernel)
    kernel.lay_out, kernel.one_by_one = lay_out, one_by_one
    kernel.float_unit, kernel.double_unit = float_unit, double_unit
    KERNELS[name] = kernel


cdef void* allot(list memory, Py_ssize_t bytes) except NULL:
    """Return so many bytes, zero, which live as long as the list."""
    cdef object owner = bytearray(bytes)
    memory.append(owner)
    return PyByteArray_AS_STRING(owner)


cdef Py_ssize_t* allot_table(list memory, Py_ssize_t length) except NULL:
    return <Py_ssize_t*>allot(memory, length * sizeof(Py_ssize_t))


cdef inline Py_ssize_t book(Made* made, Py_ssize_t values) noexcept nogil:
    """Return where in a thread's scratch so many more values begin, at a cache line."""
    cdef Py_ssize_t begin = made.scratch
    made.scratch = begin + whole_lines(values)
    return begin


# A call, as all its threads know it.
cdef struct Task:
    FloatUnit float_unit
    DoubleUnit double_unit
    const void* layout
    const Operands* operands
    Call* call
    Py_ssize_t scratch_values   # from one thread's to the next


cdef void run_range(
    const Task* task, real* scratch, Py_ssize_t first, Py_ssize_t last
) noexcept nogil:
    """Compute some units by one thread."""
    cdef Watch watch = watch_of(task.call)
    cdef Py_ssize_t number
    for number in range(first, last):
        if not goes_on(&watch, UNIT_WORK):
            break
        if real is float:
            task.float_unit(task.layout, task.operands, scratch, number, &watch)
        else:
            task.double_unit(task.layout, task.operands, scratch, number, &watch)
    keep_count(&watch)


cdef void run_team(
    const Task* task, real* scratch, Py_ssize_t first, Py_ssize_t last, int threads, bint one_by_one
) noexcept nogil:
    cdef Py_ssize_t number
    cdef int thread
    if threads == 1:
        run_range(task, scratch, first, last)
    elif one_by_one:
        for number in prange(first, last, num_threads=threads, schedule="dynamic"):
            run_range(task, scratch + threadid() * task.scratch_values, number, number + 1)
    else:
        # A range for each: it finds again what it had in its cache the last time. Handing units out
        # one by one was slower by a fifth for depthwise layers, and no faster for any.
        for thread in prange(threads, num_threads=threads, schedule="static"):
            run_range(
                task, scratch + thread * task.scratch_values, share(first, last, thread, threads),
                share(first, last, thread + 1, threads),
            )


cdef class Compiled:
    """One problem, laid out for a kernel, to be run again and again."""

    cdef Kernel kernel
    cdef Made made
    cdef list memory
    cdef bint is_double
    cdef readonly Py_ssize_t units
    cdef readonly Py_ssize_t scratch_bytes      # of one thread

    cdef int lay_out(self, str name, const Description* given) except -1:
        self.kernel = KERNELS[name]
        self.memory = []
        self.made = Made(layout=NULL, units=0, scratch=0)
        self.is_double = given.problem.itemsize == sizeof(double)
        self.kernel.lay_out(given, &self.made, self.memory)
        self.units = self.made.units
        # and a line, since scratch need not begin at one
        self.scratch_bytes = self.made.scratch * given.problem.itemsize + LINE_BYTES
        return 0

    cdef int run_units(
        self, const Operands* operands, scratch, Py_ssize_t first, Py_ssize_t last, int threads
    ) except -1:
        """Compute the units [first, last); `scratch` has scratch_bytes for every thread."""
        cdef size_t begin = <size_t>writable_address_of(scratch)
        cdef void* within = <void*>((begin + LINE_BYTES - 1) // LINE_BYTES * LINE_BYTES)
        cdef bint one_by_one = self.kernel.one_by_one
        cdef Call call = begin_call()
        cdef Task task = Task(
            float_unit=self.kernel.float_unit, double_unit=self.kernel.double_unit,
            layout=self.made.layout, operands=operands, call=&call,
            scratch_values=self.made.scratch,
        )
        with nogil:
            if self.is_double:
                run_team(&task, <double*>within, first, last, threads, one_by_one)
            else:
                run_team(&task, <float*>within, first, last, threads, one_by_one)
        return finish(&call)
