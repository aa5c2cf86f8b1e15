# Ctrl-C inside long work. Python hears of a signal only when somebody asks it, and a unit may take
# seconds. So every thread counts the multiply-adds it has done; after some of them it looks whether
# it shall stop, and the thread that came from Python, which is the first of the team, asks.
#
#     every thread      count ──── LOOK_AFTER ────→ stop?
#     the first one                                 SECONDS since the last time → GIL → signals?
#
# Asking needs the GIL, for which another Python thread may let us wait some milliseconds: therefore
# by the clock. Work is counted in blocks that take far less than a second, before each is begun.

cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    struct timespec:
        time_t tv_sec
        long tv_nsec
    int timespec_get(timespec* now, int base)
    int TIME_UTC

cdef extern from "Python.h":
    int PyErr_CheckSignals() noexcept  # where it fails, the exception is left for `finish`

cdef enum:
    LOOK_AFTER = 5_000_000  # multiply-adds: from a tenth of a millisecond to some ten
    UNIT_WORK = 100         # what finding a unit counts for

cdef double SECONDS = 0.05


# Of a call: what its threads share.
cdef struct Call:
    volatile int stop
    double asked            # when the signals were last asked for; 0 for never
    Py_ssize_t left         # of the first thread, between units that are handed out one by one


# Of a thread.
cdef struct Watch:
    Call* call
    Py_ssize_t left         # multiply-adds until it looks again


cdef inline Call begin_call() noexcept:
    cdef Call call
    call.stop, call.asked, call.left = 0, 0, LOOK_AFTER
    return call


cdef inline Watch watch_of(Call* call) noexcept nogil:
    """Go on with the count of the first thread; the others need only see that they shall stop."""
    cdef Watch watch
    watch.call = call
    watch.left = call.left if omp_get_thread_num() == 0 else LOOK_AFTER
    if call.stop:
        watch.left = 0
    return watch


cdef inline void keep_count(const Watch* watch) noexcept nogil:
    """Keep the first thread's count for its next range of units."""
    if omp_get_thread_num() == 0:
        watch.call.left = watch.left


cdef inline bint goes_on(Watch* watch, Py_ssize_t work) noexcept nogil:
    """Count so many multiply-adds, which come next; return whether they are still wanted."""
    watch.left = watch.left - work
    return watch.left > 0 or look(watch)


cdef inline bint stopped(const Watch* watch) noexcept nogil:
    """Whether the thread has seen that it shall stop."""
    return watch.left <= 0


cdef bint look(Watch* watch) noexcept nogil:
    if omp_get_thread_num() == 0 and not watch.call.stop:
        ask(watch.call)
    watch.left = 0 if watch.call.stop else LOOK_AFTER
    return watch.left > 0


cdef void ask(Call* call) noexcept nogil:
    """Ask Python for signals, if the last time is long enough ago."""
    cdef timespec clock
    cdef double now
    timespec_get(&clock, TIME_UTC)
    now = clock.tv_sec + 1e-9 * clock.tv_nsec
    if call.asked == 0:
        call.asked = now
    if 0 <= now - call.asked < SECONDS:  # before 0 if the clock was set back
        return
    call.asked = now
    with gil:
        call.stop = PyErr_CheckSignals() != 0


cdef int finish(const Call* call) except -1:
    """Raise what a signal's handler has raised, KeyboardInterrupt as a rule."""
    return -1 if call.stop else 0
