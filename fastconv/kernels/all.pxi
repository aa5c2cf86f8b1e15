# Every kernel body, in the order in which they build on each other.

include "types.pxi"
include "openmp.pxi"
include "activation.pxi"
include "rows.pxi"
include "loops_literal.pxi"
include "loops_planes.pxi"
include "loops_rows.pxi"
include "loops_parallel.pxi"
include "peak.pxi"
