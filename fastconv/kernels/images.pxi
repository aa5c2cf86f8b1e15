# Everything that makes images of images: a forward pass, an input gradient in one go, or a piece of
# either, which is a convolution as well.


cdef class Images(Compiled):
    """A piece of a problem, laid out for a kernel. See isa/baseline.pyi."""

    cdef Py_ssize_t weight_values       # of the arrays, as the first call finds them
    cdef Py_ssize_t result_values

    def __init__(self, description):
        cdef Description given = read_images(description)
        self.lay_out(description.kernel, &given)

    def run(
        self, x, w, panels, bias, y, scratch, Py_ssize_t first, Py_ssize_t last, int threads
    ):
        """Compute the units [first, last) of y, with the scratch of so many threads.

        Return, after the last one, whether all weights, or all results, are finite, whichever are
        fewer; False before.
        """
        cdef Operands operands = Operands(
            image=address_of(x), weights=address_of(w), panels=address_of(panels),
            bias=address_of(bias), gradient=NULL, taps=NULL, result=writable_address_of(y),
        )
        self.run_units(&operands, scratch, first, last, threads)
        if last < self.units:
            return False
        if self.result_values == 0:
            self.weight_values = values_of(w, self.is_double)
            self.result_values = values_of(y, self.is_double)
        if self.weight_values < self.result_values:
            return are_finite(operands.weights, self.weight_values, self.is_double)
        return are_finite(operands.result, self.result_values, self.is_double)
