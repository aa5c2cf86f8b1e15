# The activation of one value. Its number is its place among the names.

from libc.math cimport exp, expf, tanh, tanhf

cdef tuple ACTIVATIONS = (None, "relu", "sigmoid", "tanh")

cdef enum Activation:
    IDENTITY = 0
    RELU = 1
    SIGMOID = 2
    TANH = 3


cdef inline real activate(int activation, real z) noexcept nogil:
    if activation == RELU:
        return 0 if z < 0 else z  # NaN stays NaN
    if activation == SIGMOID:
        if real is float:
            return 1 / (1 + expf(-z))
        else:
            return 1 / (1 + exp(-z))
    if activation == TANH:
        if real is float:
            return tanhf(z)
        else:
            return tanh(z)
    return z
