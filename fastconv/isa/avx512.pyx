"""The kernels for AVX-512: 32 registers of 512 bits."""

cdef enum:
    VECTOR_BYTES = 64

include "../kernels/all.pxi"
