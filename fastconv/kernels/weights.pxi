# Weights of two images: the weight gradient.


cdef class Weights(Compiled):
    """The weight gradient of a problem, laid out for a kernel. See isa/baseline.pyi."""

    cdef Py_ssize_t result_values       # of the arrays, as the first call finds them
    cdef Py_ssize_t operand_values

    def __init__(self, description):
        cdef Description given = read_weights(description)
        self.lay_out(description.kernel, &given)

    def run(self, grad, x, dw, scratch, Py_ssize_t first, Py_ssize_t last, int threads):
        """Compute the units [first, last) of dw, with the scratch of so many threads.

        Return, after the last one, whether all of dw is finite; False before, and where dw is
        larger than what it is made of.
        """
        cdef Operands operands = Operands(
            image=address_of(x), weights=NULL, panels=NULL, bias=NULL, gradient=address_of(grad),
            taps=NULL, result=writable_address_of(dw),
        )
        self.run_units(&operands, scratch, first, last, threads)
        if last < self.units:
            return False
        if self.result_values == 0:
            self.operand_values = values_of(x, self.is_double) + values_of(grad, self.is_double)
            self.result_values = values_of(dw, self.is_double)
        if self.result_values > self.operand_values:
            return False
        return are_finite(operands.result, self.result_values, self.is_double)
