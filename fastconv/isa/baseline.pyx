"""The kernels for every processor of the architecture: registers of 128 bits."""

# The facts from which the kernels derive their tiles.
cdef extern from *:
    """
    #define VECTOR_BYTES 16
    #define REGISTERS 16
    """
    enum: VECTOR_BYTES

include "../kernels/all.pxi"
