# Everything that makes images of images: a forward pass, an input gradient in one go, or a piece of
# either, which is a convolution as well.


cdef class Images(Compiled):
    """A piece of a problem, laid out for a kernel. See isa/baseline.pyi."""

    def __init__(self, description):
        cdef Description given = read_images(description)
        self.lay_out(description.kernel, &given)

    def run(
        self, x, w, panels, bias, y, scratch, Py_ssize_t first, Py_ssize_t last, int threads
    ):
        """Compute the units [first, last) of y, with the scratch of so many threads."""
        cdef Operands operands = Operands(
            image=address_of(x), weights=address_of(w), panels=address_of(panels),
            bias=address_of(bias), gradient=NULL, taps=NULL, result=writable_address_of(y),
        )
        self.run_units(&operands, scratch, first, last, threads)
