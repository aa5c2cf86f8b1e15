# Everything that filters images, which may go on beyond their edge.


cdef class Filters(Compiled):
    """Images under filters, laid out for a kernel. See isa/baseline.pyi."""

    def __init__(self, description):
        cdef Description given = read_filtering(description)
        self.lay_out(description.kernel, &given)
        self.memory.append(description)     # its tables

    def run(
        self, x, w, spectra, levels, y, scratch, Py_ssize_t first, Py_ssize_t last, int threads
    ):
        """Compute the units [first, last) of y, with the scratch of so many threads."""
        cdef Operands operands = Operands(
            image=address_of(x), weights=address_of(w), panels=address_of(spectra),
            bias=address_of(levels), gradient=NULL, taps=NULL, result=writable_address_of(y),
        )
        self.run_units(&operands, scratch, first, last, threads)


def spectra_values(Filters made):
    """Return how many values the spectra of the kernels are, of "filter_spectra"."""
    cdef const Spectral* layout = <const Spectral*>made.made.layout
    return 2 * layout.plane * layout.given.problem.filters


def transform_filters(Filters made, w, spectra):
    """Fill in the spectra of the kernels as `run` reads them."""
    cdef const Spectral* layout = <const Spectral*>made.made.layout
    cdef const void* weights = address_of(w)
    cdef void* target = writable_address_of(spectra)
    with nogil:
        if made.is_double:
            transform_kernels(layout, <const double*>weights, <double*>target)
        else:
            transform_kernels(layout, <const float*>weights, <float*>target)
