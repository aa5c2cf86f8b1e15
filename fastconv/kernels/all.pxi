# Every kernel body, in the order in which they build on each other. A new one is included here.

include "types.pxi"
include "openmp.pxi"
include "activation.pxi"
include "rows.pxi"
include "loops_literal.pxi"
include "loops_units.pxi"
include "loops_rows.pxi"
include "loops_parallel.pxi"
include "tile.pxi"
include "band.pxi"
include "gemm.pxi"
include "peak.pxi"
