"""The kernels for the instructions every processor of the architecture has."""

cdef enum:
    VECTOR_BYTES = 16

include "../kernels/all.pxi"
