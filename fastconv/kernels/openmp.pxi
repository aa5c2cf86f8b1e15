# OpenMP where the compiler has it; the same names, for one thread, where it has not.

from cython.parallel cimport prange, threadid

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #define FASTCONV_OPENMP 1
    #else
    #define FASTCONV_OPENMP 0
    static int omp_get_max_threads(void) { return 1; }
    static int omp_get_thread_num(void) { return 0; }
    #endif
    """
    const int FASTCONV_OPENMP
    int omp_get_max_threads() noexcept nogil
    int omp_get_thread_num() noexcept nogil


cdef inline Py_ssize_t share(
    Py_ssize_t first, Py_ssize_t last, int thread, int threads
) noexcept nogil:
    """Return where the range of a thread begins, and that of the one before it ends.

    Rounded up, so that the first thread has the most: it is the one that looks for Ctrl-C, and
    would hear of nothing while it waited for the others, or had nothing at all to do.
    """
    return first + ((last - first) * thread + threads - 1) // threads


def has_openmp():
    return bool(FASTCONV_OPENMP)


def max_threads():
    return omp_get_max_threads()
