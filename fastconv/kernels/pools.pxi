# Everything that pools, or brings the gradient of a pooling back to its image.


cdef class Pools(Compiled):
    """A pooling, or its gradient, laid out for a kernel. See isa/baseline.pyi."""

    def __init__(self, description):
        cdef Description given = read_pooling(description)
        self.lay_out(description.kernel, &given)

    def run(
        self, first, x, taps, result, scratch, Py_ssize_t begin, Py_ssize_t end, int threads
    ):
        """Compute the units [begin, end) of the result, with the scratch of so many threads.

        `first` is the image, or the gradient of the output; then `x` is the image if it is needed.
        `taps` are written beside the maxima of an image, and read where they bring a gradient back.
        """
        cdef Operands operands = Operands(
            image=address_of(first if x is None else x), weights=NULL, panels=NULL, bias=NULL,
            gradient=address_of(first), taps=<void*>address_of(taps),
            result=writable_address_of(result),
        )
        self.run_units(&operands, scratch, begin, end, threads)
