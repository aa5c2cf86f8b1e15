# Weights of two images: the weight gradient.


cdef class Weights(Compiled):
    """The weight gradient of a problem, laid out for a kernel. See isa/baseline.pyi."""

    def __init__(self, description):
        cdef Description given = read_weights(description)
        self.lay_out(description.kernel, &given)

    def run(self, grad, x, dw, scratch, Py_ssize_t first, Py_ssize_t last, int threads):
        """Compute the units [first, last) of dw, with the scratch of so many threads."""
        cdef Operands operands = Operands(
            image=address_of(x), weights=NULL, panels=NULL, bias=NULL, gradient=address_of(grad),
            taps=NULL, result=writable_address_of(dw),
        )
        self.run_units(&operands, scratch, first, last, threads)
