"""The kernels for AVX-512: 32 registers of 512 bits."""

# The facts from which the kernels derive their tiles.
cdef extern from *:
    """
    #define VECTOR_BYTES 64
    #define REGISTERS 32
    """
    enum: VECTOR_BYTES

include "../kernels/all.pxi"
