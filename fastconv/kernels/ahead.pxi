# What is read next, asked for while something else is multiplied.
#
# The one hint to the processor that the package gives: it computes nothing, and no result depends
# on it. Weights of a whole layer come from memory in every call, a panel of some 32 KiB after the
# other, and the first rows that meet a panel wait for it, all others not at all:
#
#     panel      | memory, 1st rows | 2nd rows | 3rd rows | memory, 1st rows | 2nd rows | ...
#     with hints | 1st rows | 2nd rows | 3rd rows | 1st rows | 2nd rows | 3rd rows | ...
#                              └── the next panel comes into the second-level cache
#
# A processor that fetches ahead by itself does so within a stream that is being read, and nobody
# reads one during the second and third rows; plain loads in place of hints would wait for what they
# load. Measured, with 36 planes of 512 x 512 weights (38 MB) and 16 tiles: 0.82 of the time, 0.96
# of the arithmetic peak; of 256 x 256 0.95 of the time (a Zen 4 with AVX-512). Into the second-
# level cache, since the first has no room for two panels: hints for that one gained nothing.
#
# gemm_filters.pxi asks for the next panel that a plan has packed: of 4 MB of 1x1 weights and 7x7
# pixels, where six others that convolve had used the caches between two calls, that takes 0.9 of
# the time, at 14x14 0.96 to 1; nothing changes where the third-level cache still holds them (a
# Zen 4 with AVX-512). Asking for the weights that are packed next gained nothing.
#
# band.pxi asks for the rows of the channel that is copied next, a row with each: 1x1 at stride 2
# takes 0.95 of the time forward and 0.86 to 0.99 for gradients of weights, 3x3 at stride 2 0.93 to
# 0.97, others as long as before (the same processor). Two channels ahead gained no more. Behind the
# last channel it asks for what is nobody's: a hint for an address that is not there does nothing.

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define EXPECT_LINE(place) __builtin_prefetch((place), 0, 2)
    #else
    #define EXPECT_LINE(place) ((void)(place))
    #endif
    """
    void EXPECT_LINE(const void* place) noexcept nogil


cdef inline void expect_values(const int values, const real* place) noexcept nogil:
    """Ask for the cache lines of so many values, which begin at a line."""
    cdef int i
    for i in range((values * <int>sizeof(real) + LINE_BYTES - 1) // LINE_BYTES):
        EXPECT_LINE(place + i * (LINE_BYTES // <int>sizeof(real)))


cdef inline void expect_run(Py_ssize_t values, const real* place) noexcept nogil:
    """Ask for the cache lines of so many values, which begin anywhere: all but perhaps the last."""
    cdef Py_ssize_t line = LINE_BYTES // <Py_ssize_t>sizeof(real)
    cdef Py_ssize_t j = 0
    while j < values:
        EXPECT_LINE(place + j)
        j = j + line
