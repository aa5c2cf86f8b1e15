# Every kernel body, in the order in which they build on each other; a new one is included here.
# README.md, beside it, says what the words mean and draws the tiles.

include "facts.pxi"
include "openmp.pxi"
include "interrupt.pxi"
include "activation.pxi"
include "buffers.pxi"
include "description.pxi"

# plain loops
include "vectors.pxi"
include "rows.pxi"
include "loops_literal.pxi"
include "loops_units.pxi"
include "loops_rows.pxi"
include "loops_parallel.pxi"

# what the kernels are made of
include "kernel.pxi"
include "transpose.pxi"
include "panels.pxi"
include "units.pxi"
include "taps.pxi"
include "band.pxi"
include "banded.pxi"
include "strip.pxi"
include "phases.pxi"
include "finite.pxi"
include "tiling.pxi"
include "extended.pxi"

# images of an image
include "gemm_filters.pxi"
include "gemm_pixels.pxi"
include "gemm_columns.pxi"
include "gemm_scatter.pxi"
include "gemm_windows.pxi"
include "winograd_transforms.pxi"
include "winograd_lines.pxi"
include "winograd_taps.pxi"
include "winograd_layout.pxi"
include "winograd_product.pxi"
include "winograd_repair.pxi"
include "winograd.pxi"
include "gemm_taps.pxi"
include "stencil_slide.pxi"
include "stencil_phases.pxi"
include "stencil_spread.pxi"
include "stencil_rows.pxi"
include "stencil_large.pxi"
include "stencil_channels.pxi"
include "images.pxi"

# images under filters
include "filters.pxi"
include "spectra.pxi"
include "filter_spectra.pxi"
include "filtered.pxi"

# weights of two images
include "weights_filters.pxi"
include "weights_pixels.pxi"
include "weights_slide.pxi"
include "weights_rows.pxi"
include "weights_winograd.pxi"
include "weights.pxi"

# poolings
include "pool.pxi"
include "pool_literal.pxi"
include "pool_pairs.pxi"
include "pool_max.pxi"
include "pool_max_grad.pxi"
include "pool_taps.pxi"
include "pool_max_taps.pxi"
include "pool_max_taps_grad.pxi"
include "pool_threes.pxi"
include "pool_threes_taps.pxi"
include "pool_threes_grad.pxi"
include "pool_strips.pxi"
include "pool_strips_grad.pxi"
include "pool_strips_taps.pxi"
include "pool_pairs_taps.pxi"
include "pool_avg.pxi"
include "pool_avg_pairs.pxi"
include "pool_avg_threes.pxi"
include "pools.pxi"

# layers of networks, and their training
include "dense.pxi"
include "training.pxi"

include "peak.pxi"
