"""The kernels for AVX2 and fused multiply-add: 16 registers of 256 bits."""

# The facts from which the kernels derive their tiles.
cdef extern from *:
    """
    #define VECTOR_BYTES 32
    #define REGISTERS 16
    """
    enum: VECTOR_BYTES

include "../kernels/all.pxi"
