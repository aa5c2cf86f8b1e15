"""The kernels for AVX2 and fused multiply-add: 16 registers of 256 bits."""

cdef enum:
    VECTOR_BYTES = 32

include "../kernels/all.pxi"
