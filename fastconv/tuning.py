"""Every number that was measured rather than derived, in one place.

Sizes are bytes, work is floating-point operations. Where nothing else is said, the number comes
from the Zen 4 of benchmarks/STUDY.md's chapters 7 and 8 (32 KiB of first-level and 1 MiB of
second-level cache a core) and was confirmed on the layers of the benchmark. None of them changes a
result by a bit but those marked so, and those by which winograd is chosen. Tests override them
here, so that small problems cross every one.
"""

import math
from typing import Any

KIB, MIB = 1024, 2**20

# ── threads and calls ──────────────────────────────────────────────────────────────────────────
# Below it a second thread costs more to wake than it saves: about 20 µs of a plain loop's work.
FLOPS_WORTH_A_THREAD = 200_000
# Some ten milliseconds of a compiled kernel, after which Python looks for Ctrl-C.
FLOPS_PER_STEP = 1_000_000_000
# The same of plain loops, a tenth as fast.
LOOP_FLOPS_PER_STEP = 100_000_000
# And of a matrix product of NumPy's, by whatever BLAS it has: a tenth of a second of a good one.
PRODUCT_FLOPS_PER_STEP = 4_000_000_000
# Of what NumPy does else, in bytes of its result: a tenth of a second of what is copied from a
# view whose values lie far apart.
NUMPY_BYTES_PER_STEP = 16 * MIB
# Units of a stencil for every thread, so that they come out even.
UNITS_PER_THREAD = 4
# So many sizes of image does a plan remember.
MOST_IMAGE_SIZES = 64

# ── scratch of a thread ────────────────────────────────────────────────────────────────────────
# What the smallest blocks of a problem may take; results that wait to be spread over the columns
# of a gradient may take as much again. Beyond it a kernel refuses the problem.
MOST_SCRATCH_BYTES = 4 * MIB

# What is kept of it for the next call, at the most; and from where on that is worth while, since an
# allocator keeps less by itself.
KEPT_SCRATCH_BYTES = 10 * MIB
LEAST_KEPT_BYTES = 64 * KIB
# From so many bytes on results begin at a cache line, which takes NumPy a microsecond or two. Of 27
# taps and 6 to 17 MB the kernel then takes about 0.97 of the time; of more taps none is saved (a
# Zen 4 with AVX-512).
RESULTS_AT_LINES_BYTES = 4 * MIB

# ── gemm, gemm_pixels ──────────────────────────────────────────────────────────────────────────
# A unit's band and sums lie in the second-level cache, next to the weights passing through it.
GEMM_BAND_BYTES = 384 * KIB
GEMM_SUMS_BYTES = 448 * KIB
# So many taps per block make the loading and storing of a tile's sums a small part of its work, and
# a panel of 16 float32 fits half the first-level cache. A block has no more channels than leave the
# band room for many pixels, and for a row. These decide how sums are cut, and so their bits.
GEMM_TAPS = 256
GEMM_PIXEL_BYTES = 384
GEMM_ROW_BYTES = 384 * KIB
# Taps summed from zero at a time: the fewer, the smaller the error, and the more additions of whole
# tiles (benchmarks/STUDY.md). They decide about bits as well.
SUM_TAPS = 128
# More pixels or filters to a unit save nothing any more, unless a band is copied for all filters
# of a few pixels: then there are as many as their sums have room for (3x3 of stride 2, 512 -> 512
# at 14x14, takes 0.96 of the time, 1x1 of stride 2, 1024 -> 2048 at 14x14, 0.9).
GEMM_MOST_PIXELS = 896
GEMM_MOST_FILTERS = 256
# With pixels in the lanes sums do not wait in the scratch, and a unit has so many times as many:
# long rows are copied less often for those above and below (3 → 16 channels take 0.93 to 0.96 of
# the time at 416x416, about as long at 320x320; Zen 3).
GEMM_PIXELS_UNIT_TIMES = 2
# Cycles of a vector, of a weight that is brought into a panel, of a value that is copied into a
# band, and of finding a unit.
PACKING_CYCLES = 0.33
BAND_CYCLES = 0.25
UNIT_CYCLES = 1500
# Where taps are so far apart that a band has more values than these for each product made of it, a
# unit is of more rows, as long as the scratch holds them. Where it then has more than those
# all the same, plain loops are ahead (a Zen 3 with AVX2).
FEW_COPIES_OF_A_PRODUCT = 0.05
MOST_COPIES_OF_A_PRODUCT = 2.0

# Columns of 1x1 are packed from so many filters on, by the bytes of a vector (None: not measured),
# of so many pixels of the result and channels: of 784 pixels they are 1.05 to 1.25 times as fast as
# filters in the lanes, of 196 no faster (a Zen 3 with AVX2). Of vectors of 64 bytes they take 0.7
# to 0.95 of the time of 784 pixels and up to 64 channels, of 128 to 256 0.92 to 1.0, and of more
# 1.0 to 1.05: for so many channels at the most, and so many for each filter (a Zen 4 with AVX-512).
COLUMNS_FEWEST_FILTERS: dict[int, int | None] = {16: None, 32: 64, 64: 64}
COLUMNS_MOST_CHANNELS = {16: math.inf, 32: math.inf, 64: 256}
COLUMNS_CHANNELS_OF_A_FILTER = {16: math.inf, 32: math.inf, 64: 4}
COLUMNS_FEWEST_PIXELS = 512
COLUMNS_FEWEST_CHANNELS = 24
# Where an image is its own band, nobody else reads it in place: up to so many filters columns are
# then 1.1 to 1.6 times as fast as what there is, from so many pixels and channels on.
COLUMNS_FEW_FILTERS = {16: 64, 32: 64, 64: 0}
COLUMNS_FEW_PIXELS = 8
COLUMNS_FEW_CHANNELS = 12

# ── winograd ───────────────────────────────────────────────────────────────────────────────────
# Tiles of a unit that are tried: with more, weights are read or made for more of them; with fewer,
# the data of all channels stay nearer.
WINOGRAD_TILES = (16, 24, 32, 48, 64)
# And of few channels, as long as their data take no more than so many bytes: fewer rows of the
# image are turned over twice (16 → 16 at 160x160 takes 0.93 of the time; a Zen 4).
WINOGRAD_MANY_TILES = {16: (), 32: (), 64: (96, 160)}
WINOGRAD_MANY_TILES_BYTES = 384 * KIB
# Channels summed from zero: by which sums are ordered, and so their bits.
WINOGRAD_CHANNELS = 128
# And those whose weights are transformed before all units at a time, by one of the threads.
WINOGRAD_CHANNELS_PACKED = 32
# What is reached of the peak in the product, tiles that a unit has beside its own there, since
# tiles of the product hang over; and cycles, of a vector, per value of a tile that is transformed:
# weights into a panel (and per tap, where these are packed first), pixels, and sums back. A cycle
# here has two multiply-adds of vectors; those of 64 bytes take two clock cycles of a Zen 4, which
# does one in each. Here and below by the bytes of a vector: those of 32 on a Zen 3 with AVX2, of 64
# on a Zen 4; of 16 nothing was measured.
WINOGRAD_PRODUCT = {16: 0.85, 32: 0.7, 64: 1.0}
WINOGRAD_TILES_BESIDE = {16: 2.0, 32: 2.0, 64: 2.5}
WINOGRAD_WEIGHT_CYCLES = {16: 5.0, 32: 3.0, 64: 0.9}
WINOGRAD_TAP_CYCLES = {16: 0.0, 32: 0.0, 64: 6.3}
WINOGRAD_PIXEL_CYCLES = {16: 9.0, 32: 5.4, 64: 4.8}
WINOGRAD_SUM_CYCLES = {16: 10.0, 32: 9.0, 64: 4.6}
# Half a vector of 64 bytes is multiplied in half the time; by itself it spares only so much, since
# a value of the data is then loaded for each multiply-add.
WINOGRAD_LONE_HALF_SPARES = 0.3
# Of these cycles for what is transformed, and for the product, tiles of two outputs under five taps
# or seven were measured to take so much: on both axes, along a single one.
WINOGRAD_TWO_TRANSFORM = {16: 1.0, 32: 0.6, 64: 0.6}
WINOGRAD_LINE_TRANSFORM = {16: 1.0, 32: 0.8, 64: 1.0}
WINOGRAD_LINE_PRODUCT = {16: 1.0, 32: 0.82, 64: 1.0}
# What direct sums reach of what their lanes would leave them; and how many vectors of filters one
# counts for that is alone in its panel, and loads about a pixel for every multiply-add.
DIRECT_PRODUCT = {16: 1.0, 32: 0.77, 64: 0.88}
DIRECT_LONE_VECTORS = {16: 1.0, 32: 1.3, 64: 1.0}
# It has to be so much ahead of direct sums.
WINOGRAD_GAIN = 0.95
# Of 3x3 and fewer channels direct sums are ahead, of four by a twentieth to a sixth: transforming
# sums back takes the same time however few channels there are.
WINOGRAD_FEWEST_CHANNELS = {16: 1, 32: 5, 64: 1}
# F(4, 3) down the columns of 3x3 (algorithms/few.py) is for up to so many channels, by the bytes of
# a vector, and from so many filters on; a unit is of so many pixels at the most. Plans take so much
# of the time of the fastest before: 3 → 64 at 224x224 0.63, 4 → 64 at 256x256 0.63, 3 → 32 at
# 112x112 0.69, 3 → 16 at 320x320 0.79, 1 → 64 at 256x256 0.87, 5 → 64 at 112x112 0.84; of eight
# channels squares are ahead (a Zen 4 with AVX-512, one thread).
FEW_MOST_CHANNELS = {16: 0, 32: 0, 64: 5}
FEW_FEWEST_FILTERS = 12
FEW_UNIT_VALUES = 8192
# Up to so many bytes a plan keeps transformed weights. They come from memory in each call, while
# others are multiplied (kernels/ahead.pxi); making them anew from a quarter of the bytes takes
# longer: 512 → 512 at 14x14 and 28x28 take 0.75 of the time with kept ones, at 7x7 0.7, 1024 → 1024
# at 13x13 0.45 (a Zen 4; with vectors of 32 bytes 0.75, 0.9 and 0.7).
WINOGRAD_WEIGHTS_BYTES = 160 * MIB
# If there are more than so many, so many bytes of them come in a cycle.
WINOGRAD_FAR_BYTES = 16 * MIB
WINOGRAD_FAR_BYTES_PER_CYCLE = {16: 7.0, 32: 7.0, 64: 12.0}
# A call transforms weights of up to so many bytes, which its scratch then holds, once before all
# units, where each thread has so many of them that would do it again.
WINOGRAD_SHARED_BYTES = 3 * MIB
WINOGRAD_UNITS_SHARING = 4
# From so many bytes on raw weights come from memory in each call, which takes direct sums so many
# cycles a weight, packed or not.
FAR_WEIGHTS_BYTES = 4 * MIB
FAR_WEIGHT_CYCLES = {16: 2.0, 32: 2.0, 64: 0.3}
# The same of kernels that go through them once for all pixels, or transform them (512 → 512 at 7x7
# and 14x14, a Zen 3 with AVX2; a Zen 4).
FAR_TAP_CYCLES = {16: 1.3, 32: 1.3, 64: 0.3}

# ── gemm_taps (a Zen 3 with AVX2) ──────────────────────────────────────────────────────────────
# Channels summed from zero: by which sums are ordered, and so their bits.
TAPS_CHANNELS = 128
# What the rows take that a unit sees, of a block of channels, where they lie near; and how much
# longer it takes where they, or the sums, do not.
TAPS_DATA_BYTES = MIB
TAPS_FAR_SHARE = 1.1
# What is reached of the peak; cycles of a vector that is added to the sums of the taps before it,
# of a value that is turned over, and of a weight that is packed.
TAPS_PRODUCT = {16: 0.9, 32: 0.8, 64: 0.9}
TAPS_ADD_CYCLES = 2.5
TAPS_TURN_CYCLES = 0.3
TAPS_PACKING_CYCLES = 0.5
# So many channels and filters a group has to have; so much of the work has to be padding; it has to
# be so much ahead of sums that multiply it; and those of pieces, which pack weights of their own,
# reach this part of what whole ones do.
TAPS_FEWEST_CHANNELS = 8
TAPS_FEWEST_FILTERS = 4
TAPS_PADDING_SHARE = 0.1
TAPS_GAIN = 0.9
TAPS_PIECES = 0.75

# ── depthwise ──────────────────────────────────────────────────────────────────────────────────
# The rows that a stencil's unit reads lie in the first-level cache where that leaves it enough.
STENCIL_ROWS_BYTES = 24 * KIB
STENCIL_FEWEST_ROWS = 8
# Planes so small that these pixels are several together are one unit, or finding units would take a
# part of the time.
SLIDE_UNIT_PIXELS = 4096
# From so many bytes of image and result on, what strips see is brought near row by row before: at
# 13 MB it takes half of the time, at 8 MB it costs a tenth (a Zen 3 with AVX2, whose 32 MiB of
# third-level cache are shared).
SLIDE_FAR_BYTES = 10 * MIB
# Rows that lie in two phases (a Zen 3 with AVX2): from so many columns of the result on, and for
# so many filters; a unit's rows are cut into tiles of so many. Of vectors of 64 bytes a strip deals
# out with two permutations, and takes 0.56 to 0.96 of the time down to four filters that share what
# is dealt out, of which phases are ahead by up to a third (a Zen 4 with AVX-512).
PHASES_FEWEST_COLUMNS = 9
PHASES_FEWEST_FILTERS = {16: 1, 32: 1, 64: 4}
PHASES_MOST_FILTERS = 8
PHASES_TILE_ROWS = 8
# A plane this narrow, in vectors, is turned over, unless it can be slid down and has more columns
# than these, or is so large that a vector of planes leaves the caches.
CHANNELS_NARROW = 1.0
CHANNELS_FEW_COLUMNS = 8
CHANNELS_MOST_PLANE_BYTES = 512 * KIB
# Sliding down the one channel of a group is ahead of the tiles up to so many filters; a stencil
# from bands up to fewer.
SLIDE_MOST_FILTERS = 8
STENCIL_MOST_FILTERS = 2
# Of so many channels the tiles are ahead of a stencil from bands all the same (a Zen 3 with AVX2):
# for each filter, where rows of the output share what is loaded; of a group, where they do not. Of
# rows with no more vectors than these they are not, for kernels of so many rows.
STENCIL_SQUARE_CHANNELS = 16
STENCIL_OTHER_CHANNELS = 3
# Three filters of 3x3 leave a tile of four a quarter idle: up to so many channels the stencil is
# ahead by a twentieth to a fifth (a Zen 3 with AVX2).
STENCIL_THREES_CHANNELS = 16
STENCIL_NARROW = 2.0
STENCIL_NARROW_ROWS = 5
# Large kernels (a Zen 3 with AVX2): from so many taps on a strip is worth its copy, if no more than
# half of its lanes are idle; rows of a unit, if the kernel has no more; the most filters, from
# which on the tiles of products are as good; and those that a copy serves, where it is forced.
LARGE_FEWEST_TAPS = 30
LARGE_LANES_USED = 0.5
LARGE_FEWEST_ROWS = 64
LARGE_MOST_FILTERS = 3
LARGE_FILTERS_AT_ONCE = 4
# A kernel of one row and so many columns shares no pixels between rows: the product reads the image
# through longer tiles.
STENCIL_MOST_COLUMNS = 9

# ── gradients of the weights: these decide how sums are cut, and so their bits ─────────────────
# A unit's band, its panel of the gradient and its sums lie in the second-level cache. With more
# pixels or taps than these at a time, loading and storing of sums is a small part of the work. By
# the bytes of a vector: processors with those of 64 have a second-level cache of 1 MiB or more, and
# for half as many blocks of filters the image is copied half as often. With twice the sums and
# filters 1x1 takes 0.84 to 0.96 of the time, 3x3 at stride 2 0.95, 7x7 of 7x7 pixels 0.92, all else
# as long as before (a Zen 4).
WEIGHTS_BAND_BYTES = 192 * KIB
WEIGHTS_SUMS_BYTES = {16: 256 * KIB, 32: 256 * KIB, 64: 512 * KIB}
WEIGHTS_MOST_PIXELS = 448
WEIGHTS_MOST_TAPS = 576
WEIGHTS_MOST_FILTERS = {16: 128, 32: 128, 64: 256}
# Going through the taps pays where so much of the work is multiplying padding, by the bytes of a
# vector, a tap finds so many outputs of an image, and a block has the channels of a tile: 3x3 of
# dilation 12 at 28x28, half of it padding, takes 0.5 of the time, of dilation 4, a fifth, 0.85, and
# 7x7 pixels, a sixth, 0.9 to 0.98 (a Zen 4 with AVX-512). With AVX2 there 0.57, 0.9 and 0.8 to
# 1.05, but of 65x65 with a sixth of padding 1.18. The image of a block of channels lies in the
# second-level cache, beside its sums.
WEIGHTS_TAPS_PADDING_SHARE = {16: 0.3, 32: 0.3, 64: 0.15}
WEIGHTS_TAPS_FEWEST_OUTPUTS = 20
WEIGHTS_TAPS_FEWEST_CHANNELS = 7
WEIGHTS_TAPS_IMAGE_BYTES = 256 * KIB
# Up to so many filters in a vector of eight lanes: with pixels in the lanes 1→6 5x5 at 28x28
# takes two thirds of the time, 3→6 at 32x32 three quarters (a Zen 3 with AVX2).
WEIGHTS_FEW_FILTERS = 6
# Planes of 1x1 as they lie, of so many on the side that has few, by the bytes of a vector (16: not
# measured). Up to 16 they take 0.27 to 0.99 of the time of our other kernels, the most of 8 at 7x7,
# of 64 at 28x28 and 56x56 0.87 to 0.96; with AVX2 up to 16 0.24 to 0.97 (both on a Zen 4, one
# thread). A stretch of a tile's few stays in the first-level cache; a unit has no more of them than
# so many; and from so many bytes of all on pixels are cut into parts, if there are too few units.
PLANES_MOST = {16: 0, 32: 16, 64: 64}
PLANES_BYTES = 16 * KIB
PLANES_FEW = 64
PLANES_PARTS_BYTES = MIB
# One channel and filter, strips in place or along rows: what a block sees of the image, or copies,
# lies in the first-level cache.
WEIGHTS_ROWS_BYTES = 24 * KIB
# Of 3x3 at stride 2, rows are copied that have so many columns of the result: at 28 they take 0.88
# of the time, at 56 0.65; shorter ones are slid down (a Zen 3 with AVX2). None are, by the bytes of
# a vector, where strips take 0.55 to 0.94 of the time from 7 columns to 112 (a Zen 4 with AVX-512).
WEIGHTS_ROWS_FEWEST_COLUMNS: dict[int, int | None] = {16: 24, 32: 24, 64: None}
# The 25 sums of a kernel of 5x5 stay in registers beside a strip where vectors have so many bytes,
# since there are 32 of them then. In 16 they do not, and rows are ahead by a third to one half.
WEIGHTS_SLIDE_VECTOR_BYTES = 64
# So many units keep a few threads busy; below that pixels are cut into parts, if there are enough
# of them and the copies of dw stay small.
WEIGHTS_FEWEST_UNITS = 8
WEIGHTS_FEWEST_FLOPS = 4_000_000
WEIGHTS_MOST_COPIES_BYTES = MIB

# Of direct sums, what is reached of the peak.
WEIGHTS_PRODUCT = 0.75
# Fewer multiplications. Tiles that are summed at a time, and parts, that are tried; and for how
# many threads they shall come out even (how many there are does not change them).
WEIGHTS_WINOGRAD_TILES = (16, 32, 48, 64)
WEIGHTS_WINOGRAD_PARTS = (1, 2, 4, 8)
WEIGHTS_WINOGRAD_THREADS = (1, 2, 4)
# Part of the peak; tiles that beginning a block takes as long as, and adding its sums to those that
# wait; and cycles, of a vector, per value of a tile: of pixels, of gradients, and of sums back.
WEIGHTS_WINOGRAD_PRODUCT = 0.75
WEIGHTS_WINOGRAD_BEGIN = 3
WEIGHTS_WINOGRAD_ADD = 4
WEIGHTS_WINOGRAD_PIXEL_CYCLES = 7.0
WEIGHTS_WINOGRAD_GRADIENT_CYCLES = 6.0
WEIGHTS_WINOGRAD_SUM_CYCLES = 8.0
# It has to be so much ahead of direct sums.
WEIGHTS_WINOGRAD_GAIN = 0.75

# ── cutting into pieces ────────────────────────────────────────────────────────────────────────
# Cutting by padding pays where so much of the work is multiplying it; below, small pieces and
# packing their weights cost more.
PADDING_SHARE = 0.3
# Each piece has some ten microseconds of its own.
MOST_PIECES = 64

# An input gradient whose columns are added into the result: from so many phases on, and as long as
# no more windows overlap, it is ahead of the phases (benchmarks/STUDY.md). Few channels leave the
# lanes of the phases idle: then up to more windows.
SCATTER_FEWEST_PHASES = 16
SCATTER_MOST_OVERLAP = 2
SCATTER_FEW_CHANNELS = 4
SCATTER_MOST_OVERLAP_OF_FEW = 8
# What a unit reads, and its columns and weights; its result; and the taps of its panels, by which
# sums are ordered, and so their bits.
SCATTER_BYTES = 512 * KIB
SCATTER_RESULT_BYTES = 256 * KIB
SCATTER_TAPS = 1024
# Products that several units make, since they reach into the results of all of them: up to so many
# times those that there are.
SCATTER_MOST_AGAIN = 4.0
# An input gradient with a row of the window in the lanes (a Zen 3 with AVX2, 16 filters, 28x28): up
# to so many channels of a group, at stride 1 from so many columns of the window on, since those of
# three are winograd's, for sums of so many products, and where gathering both ways would take so
# many times the products. Of its lanes so much is used with pixels in them, and so many times as
# long takes it by phases.
WINDOWS_MOST_CHANNELS = 12
WINDOWS_FEWEST_COLUMNS = 4
WINDOWS_FEWEST_STEPS = 16
WINDOWS_GAIN = 1.2
WINDOWS_PIXEL_LANES = 0.8
WINDOWS_PHASES = 1.3
# The rows of the gradient that a unit sees lie with its weights in the second-level cache.
WINDOWS_BYTES = 256 * KIB
# An input gradient that gathers multiplies zeros where outputs are few and far between: up to so
# many times the products that it needs, it is still the faster way.
MOST_GATHERED = 4

# ── loops, im2col ──────────────────────────────────────────────────────────────────────────────
# im2col writes every tap of an image once and uses it for K/groups filters; loops read the image
# anew for every filter. Measured over shapes between, loops are ahead up to these counts.
LOOPS_FEW_FILTERS = 2
LOOPS_MOST_FILTERS = 8
LOOPS_FEW_TAPS = 64
# Columns at a time, unless FASTCONV_IM2COL_MIB says otherwise.
IM2COL_BYTES = 64 * MIB

# ── images: convolve2d ─────────────────────────────────────────────────────────────────────────
# Outputs that see beyond the edge are computed twice where they are no larger a share of all, and
# of an image that takes longer to be copied than calls for its edges (a Zen 3 with AVX2). Else what
# is extended, or lies between two passes, at a time: it stays in the caches; and is of so many
# times the kernel's rows at least, since as many as those are made twice.
IMAGE_EDGE_SHARE = 0.04
IMAGE_EDGES_BYTES = 256 * KIB
IMAGE_BAND_BYTES = MIB
IMAGE_BAND_TAPS = 4
# No tile holds more: bands that would are cut into columns, of so many at least.
IMAGE_TILE_BYTES = 32 * MIB
IMAGE_TILE_FEWEST_COLUMNS = 64
# Nanoseconds of an output, and GFLOP/s beyond that, of a core with vectors of 256 bits (a Zen 3
# with AVX2, float32): of a kernel tap by tap, and of a pass with a row or a column. With vectors of
# so many bytes, so many times as long (64: a Zen 4 with AVX-512, 5x5 to 31x31 of 1024x1024), and of
# float64 twice. GFLOP/s of NumPy, where nothing is compiled.
IMAGE_DIRECT_NS, IMAGE_DIRECT_GFLOPS = 0.35, 85.0
IMAGE_PASS_NS, IMAGE_PASS_GFLOPS = 0.13, 46.0
IMAGE_VECTOR_TIMES = {16: 2.0, 32: 1.0, 64: 0.8}
IMAGE_PURE_GFLOPS = 4.0
# In one call (a Zen 3 with AVX2): so much of its tiles has an image to fill; of so many rows is a
# unit, or as many are made by the second of two passes at a time, or of as many as the kernel has;
# its band stays in the second-level cache; and rows that the first of two passes makes are copies
# of others only so many times as often.
FILTER_TILE_USED = 0.5
FILTER_FEWEST_ROWS = 32
FILTER_BAND_BYTES = 384 * KIB
FILTER_MOST_COPIES = 2
# Up to so many pixels, planning takes as long as filtering, and is remembered; and up to so many
# positions beyond an edge, which pixels they copy is found again faster than computed.
IMAGE_SMALL_PIXELS = 2**20
REMEMBERED_POSITIONS = 64
# Kernels of so many bytes, 31x31 of float32, are looked up by their values: of 5x5 of 1024x1024
# what is not the kernel then takes 0.05 ms instead of 0.11 (Zen 4, caches emptied by the image).
FACTORS_REMEMBERED_BYTES = 4 * KIB
# Rows that are copied at a time, so that a copy of many holds none of their size.
IMAGE_ROWS_COPIED = 64
# A call of a convolution, in nanoseconds.
IMAGE_CALL_NS = 10_000
# NumPy 2's transforms, on the same machine, in nanoseconds: of a value, times the logarithm to the
# base of 2 of how many; of a value in a product of spectra, and in what is moved; of a transform
# of any size. And how much longer they take in float64, or by an older NumPy, which has no other.
FFT_STEP_NS = 0.55
FFT_PRODUCT_NS = 1.5
FFT_BLOCK_NS = 40_000
FFT_WIDE = 1.25
# Of a compiled transform, by the side of a square and the bytes of a vector: of a value of a pair
# of squares, there and back under one filter (float32; 32: a Zen 3 with AVX2, and 16 in
# proportion; 64: a Zen 4 with AVX-512, 11x11 to 51x51 of 500x500 and 1024x1024).
SPECTRA_VALUE_NS = {
    32: {16: 8.4, 32: 4.2, 64: 3.0},
    64: {16: 6.4, 32: 3.2, 64: 2.9},
    128: {16: 8.4, 32: 4.2, 64: 3.4},
    256: {16: 17.0, 32: 8.5, 64: 4.2},
}
# Below so many taps none is thought of. With AVX-512 transforms are ahead from 12x12 on: of 13x13
# they take 0.7 of the time; of 11x11 0.85 to 1, at larger errors.
FFT_FEWEST_TAPS = {16: 200, 32: 200, 64: 140}
# Values of a block, unless the kernel wants more; and spectra of filters held at a time.
FFT_BLOCK_VALUES = 2**20
FFT_SPECTRA_BYTES = 64 * MIB

# ── pooling ────────────────────────────────────────────────────────────────────────────────────
# Planes are one unit together up to so many pixels; a band of a large plane has at least so many
# rows, since those at its edges are read twice.
POOL_UNIT_PIXELS = 8192
POOL_FEWEST_ROWS = 16
# Up to so many taps of a window a pixel asks all windows that see it for theirs; beyond, it is
# window by window: of 7x7 taps at stride 1 either takes about as long.
POOL_GATHERED_TAPS = 49
# From vectors of so many values on 3x3 maxima are handed back in strips: two or four lanes of each
# are lost. On a Zen 4 with AVX-512 (float32: 16 values); of 8 values it would be half of all.
POOL_STRIP_LANES = 16
# What NumPy takes at a time lies in the second-level cache.
POOL_NUMPY_VALUES = 65536

# ── who is reckoned to be the fastest (reckoning.py) ──────────────────────────────────────────
# The model has the last word where it was measured: on vectors of so many bytes, on kernels and
# images of no more taps and pixels a side; on a machine of these rates (a Zen 3 with AVX2, a Zen 4
# with AVX-512, one core), so that the choice is the same everywhere; if another is reckoned to take
# no more than this part of the time. With AVX-512 that is any: of nine sweeps auto takes what is
# within 5 % of the fastest on 92.9 % of the problems, with 0.97 on 93.0, with 0.94 on 92.5.
RECKONED_VECTOR_BYTES: tuple[int, ...] = (32, 64)
RECKONED_MOST_TAPS, RECKONED_MOST_PIXELS = 7, 256
_ZEN_3 = {
    "multiply_adds": {"float32": 9.4e10, "float64": 4.7e10},
    "latency": 1.33e-9,
    "cache": 9.9e10,
    "memory": 2.1e10,
    "product": {"float32": 9.1e10, "float64": 4.4e10},
    "call": 6e-6,
    "operation": 8e-7,
}
_ZEN_4 = {
    "multiply_adds": {"float32": 1.1e11, "float64": 5.6e10},
    "latency": 1.49e-9,
    "cache": 1.14e11,
    "memory": 4.0e10,
    "product": {"float32": 1.04e11, "float64": 5.0e10},
    "call": 4.75e-6,
    "operation": 5.8e-7,
}
RECKONED_RATES: dict[int, dict[str, Any]] = {16: _ZEN_3, 32: _ZEN_3, 64: _ZEN_4}
RECKONED_GAIN = {16: 0.96, 32: 0.96, 64: 1.0}
# Of one image weights may take most of the time, of so many little: the mean of both decides.
RECKONED_IMAGES = 8
# Who takes so many times as long as the fastest of a single image is not asked about more.
RECKONED_NEAR = 3.0
# Of more filters the model does not know how long a stencil from bands takes, which picks the
# weights of each; of vectors of 64 bytes picking was measured.
RECKONED_STENCIL_FILTERS = {16: 4, 32: 4, 64: 16}

# ── the model: what predictions are made of, beside the rates of machine.py ────────────────────
# Fitted to `python -m benchmarks sweep` of all three directions, one thread, float32 (a Zen 3 with
# AVX2); a step is a multiply-add of whole vectors at the measured peak. By them it is chosen who
# computes what (reckoning.py), and so about bits.
# Copies go at the rate of the second-level cache up to so many bytes, from so many on at that of
# memory; of the way between, in logarithms, the part that is behind goes by this power. With AVX2,
# on the Zen 3, 6 MB are read by a core at 60 GB/s, where the second-level cache copies at 99 and
# memory at 21. The Zen 4 has a second-level cache of twice the size, and its third-level one is
# near that: sweeps are met best by these.
MODEL_CACHES = {
    "avx2": (512 * KIB, 32 * MIB, 1.5),
    "avx512": (MIB, 14 * MIB, 8.0),
}

# In the time of the smallest call: a call, and each kernel in it, whose scratch and units are to be
# found; and waking other threads. Steps of finding a unit.
MODEL_CALLS, MODEL_KERNEL_CALLS, MODEL_WAKING_CALLS = 1.3, 0.44, 0.5
MODEL_UNIT_STEPS = 660
# Times that of copies: operands and result through the caches, whatever multiply-adds hide of it.
# What is written is read first.
MODEL_MEMORY_SHARE = 1.4
# Whether it was counted (1) or not (0) what is read once more, for another block of weights, and
# what never is, between the rows of windows.
MODEL_READS_COUNTED = {"avx2": 0.0, "avx512": 1.0}
# The same of operands that plain loops, or the BLAS beside a vector, read in a row as they lie.
MODEL_STREAM_SHARE = 0.6

# Steps of a value: into a band, of stride 1 or dealt out, with beginning a row of it, padded or
# not; the same in whole vectors; of a weight into a panel, as it lies or from planes, of filters or
# value by value; of a gradient, square by square.
MODEL_BAND_STEPS, MODEL_BAND_APART_STEPS = 0.5, 0.85
MODEL_BAND_ROW_STEPS, MODEL_BAND_BARE_ROW_STEPS, MODEL_BAND_EDGE_STEPS = 22.0, 12.0, 0.22
MODEL_LINED_STEPS = {16: (0.45, 0.9, 10.0), 32: (0.45, 0.9, 10.0)}
# With vectors of 64 bytes, whichever band: of beginning a channel; at stride 1, or dealt out, of
# a value, a row, and a value of padding in it; of values dealt out one by one, from short rows, and
# of those of a phase alone.
MODEL_WIDE_CHANNEL_STEPS = 80.0
MODEL_WIDE_STEPS, MODEL_WIDE_APART_STEPS = (0.02, 0.0, 1.15), (0.1, 5.0, 1.5)
MODEL_WIDE_SINGLE_STEPS, MODEL_WIDE_PHASE_STEPS = 0.6, 0.2
MODEL_PACK_STEPS, MODEL_PACK_FAR_STEPS = 0.5, {16: 3.6, 32: 3.6, 64: 1.5}
# A line of which a phase takes a few weights, for all of them.
MODEL_PACK_LINE_STEPS = {16: 0.0, 32: 0.0, 64: 30.0}
MODEL_PACK_PIXELS_STEPS, MODEL_PACK_PIXELS_FAR_STEPS = 2.5, 7.5
MODEL_PACK_GRADIENT_STEPS = 0.2
# Of a value that is spread, and of a row.
MODEL_SPREAD_STEPS = {16: (2.0, 25.0), 32: (2.0, 25.0), 64: (0.3, 5.0)}
# What the lines of other phases take of a copy's time: in a result that the caches hold, and in a
# larger one, of which more is read ahead, to no use, for each phase.
MODEL_BETWEEN_SHARES = {"avx2": (1.0, 1.0), "avx512": (0.6, 1.6)}
# How often weights whose taps lie apart seem to come from memory for each panel of them: they are
# read a plane at a time, which the processor does not expect.
MODEL_FAR_WEIGHT_READS = 4.0

# gemm: pixels that tiles hang over, what is reached of the peak with filters in the lanes and with
# columns packed, steps of adding a tile's part of the taps to the others, vectors that so few count
# for which do not fill a panel, and steps of turning a sum over.
MODEL_TILE_PIXELS = {16: 7.5, 32: 7.5, 64: 2.4}
MODEL_FILTERS_PRODUCT, MODEL_COLUMNS_PRODUCT = 1.0, 0.9
MODEL_PART_STEPS = 9.0
MODEL_LONE_VECTORS = {
    16: {"images": {1: 1.45}, "weights": {1: 1.3}},
    32: {"images": {1: 1.45}, "weights": {1: 1.3}},
    64: {"images": {1: 1.0}, "weights": {1: 1.05, 2: 2.5, 3: 3.3}},
}
MODEL_TURN_STEPS = 0.077
# gemm_taps: what is reached of the peak, steps of adding a tile to the sums of the taps before it,
# and of a weight that is brought into a panel tap by tap.
MODEL_TAPS_PRODUCT, MODEL_TAPS_ADD_STEPS = 1.0, 4.0
MODEL_ORDER_STEPS = 1.5
# gemm_pixels: whether vectors are counted as whole ones, and how many beside them a band's tiles
# take; steps of what is left of a tile's filters, of a single one of a single channel, whose sums
# are over after a few taps, and of a vector that is stored, or moved value by value where rows end.
MODEL_TILE_VECTORS = {16: (False, 1.5), 32: (False, 1.5), 64: (True, 0.3)}
MODEL_FEW_FILTERS_STEPS = {
    16: {1: 1.5, 2: 3.6, 3: 5.3},
    32: {1: 1.5, 2: 3.6, 3: 5.3},
    64: {1: 1.85, 2: 2.3, 3: 3.6},
}
MODEL_LONE_PLANE_STEPS = {16: 1.5, 32: 1.5, 64: 2.25}
MODEL_PIXELS_PRODUCT = 0.85
# Of an image that is read where it lies, the part of what comes through the caches that is waited
# for (a Zen 4 with AVX-512).
MODEL_IN_PLACE_WAITED = {16: 1.0, 32: 1.0, 64: 0.2}
MODEL_STORE_STEPS, MODEL_MOVE_STEPS = 2.0, {16: 4.4, 32: 4.4, 64: 0.0}
# Of a run of such a row, for each filter and for a tile: vectors of 64 bytes move in a few steps,
# but how many is found anew for each run.
MODEL_MOVE_RUN_STEPS = {16: (0.0, 0.0), 32: (0.0, 0.0), 64: (6.0, 21.0)}

# Stencils: what is reached of the peak, by stride; steps of a row of a strip, of beginning one, of
# storing a vector.
MODEL_SLIDE_PRODUCT = {
    16: {1: 1.18, 2: 0.35}, 32: {1: 1.18, 2: 0.35}, 64: {1: 1.0, 2: 1.5},
}  # fmt: skip
# Steps of loading a row of a strip, at stride 2 of dealing it out, for each of its taps: every row
# of the kernel multiplies what was loaded once, so that large kernels come nearer to the peak.
MODEL_SLIDE_LOAD_STEPS = {
    16: {1: 2.5, 2: 0.0}, 32: {1: 2.5, 2: 0.0}, 64: {1: 0.0, 2: 5.0},
}  # fmt: skip
# Of what strips in place read and write, by stride, so much is not hidden by multiply-adds.
MODEL_SLIDE_MEMORY = {
    16: {1: 0.5, 2: 1.0}, 32: {1: 0.5, 2: 1.0}, 64: {1: 0.5, 2: 0.75},
}  # fmt: skip
MODEL_SLIDE_ROW_STEPS = {1: 0.77, 2: 8.6}
# Times more that the image takes through the caches for each further strip of a row, unless rows
# of it are brought near before.
MODEL_STRIP_PASSES = 0.05
MODEL_STRIP_STEPS = 33.0
MODEL_SPREAD_PRODUCT, MODEL_SPREAD_PAIR_STEPS = 0.75, 11.0
MODEL_SQUARE_PRODUCT = {16: 0.46, 32: 0.46, 64: 0.6}
MODEL_ROW_PRODUCT = {16: 0.23, 32: 0.23, 64: 0.56}
MODEL_ANY_PRODUCT = {16: 0.23, 32: 0.23, 64: 0.5}
MODEL_STENCIL_VECTOR_STEPS = 0.58
# Rows of a tile, where those that hang over are counted; taps that beginning one takes as long as,
# whose pixels are found through offsets; and steps of a weight that is gathered.
MODEL_STENCIL_TILE_ROWS = {16: 1, 32: 1, 64: 4}
MODEL_STENCIL_BEGUN_TAPS = {16: 0, 32: 0, 64: 1}
MODEL_GATHER_STEPS = {16: 0.0, 32: 0.0, 64: 10.0}
# Of a band of no more bytes than these, how many times as long its tiles take: it leaves the first-
# level cache, and with all channels of a group the second.
_STENCIL_BANDS_ZEN_3 = ((96 * KIB, 1.0), (512 * KIB, 1.2), (math.inf, 1.5))
MODEL_STENCIL_BANDS = {
    16: _STENCIL_BANDS_ZEN_3,
    32: _STENCIL_BANDS_ZEN_3,
    64: ((28 * KIB, 1.0), (900 * KIB, 1.1), (math.inf, 1.25)),
}
MODEL_DEALT_STEPS, MODEL_DEALT_ROW_STEPS, MODEL_PHASES_PRODUCT = 11.0, 14.0, 0.46
MODEL_PLANE_STEPS, MODEL_CHANNELS_PRODUCT, MODEL_PLANE_BACK_STEPS = 0.26, 0.92, 36.0
MODEL_STRIP_VALUE_STEPS, MODEL_PACK_SHIFTED_STEPS = 0.069, 2.0
MODEL_LARGE_PRODUCT, MODEL_LARGE_TILE_STEPS = 0.64, 3.3

# Times the cycles by which winograd is chosen, which are those of the slower kernels that it was
# chosen by first: of the product, of transforming weights, pixels, and sums back; of a square, and
# of a line. The weights of 5x5 and 7x7 have more taps for each value that is made of them.
MODEL_WINOGRAD_SQUARE = {16: (0.8, 1.15, 1.2, 0.75), 32: (0.8, 1.15, 1.2, 0.75), 64: (1, 1, 1, 1)}
MODEL_WINOGRAD_LINE = {16: (0.94, 1.3, 0.75, 0.85), 32: (0.94, 1.3, 0.75, 0.85), 64: (1, 1, 1, 1)}
MODEL_WINOGRAD_LARGE_WEIGHTS = {16: 4.0, 32: 4.0, 64: 2.0}
# Tiles of few channels: what is reached of the peak, steps of a sum that is transformed back, of
# what a vector of columns sees, and of a weight.
MODEL_FEW_PRODUCT, MODEL_FEW_SUM_STEPS = 0.85, 1.5
MODEL_FEW_SEEN_STEPS, MODEL_FEW_WEIGHT_STEPS = 4.0, 4.0
MODEL_WEIGHTS_WINOGRAD_PRODUCT = 0.73

# Gradients of weights: parts of the peak; steps of a tile's sums loaded and stored, of a run of
# pixels begun, of a sum turned over, and of one whose lanes are added up.
MODEL_WEIGHTS_FILTERS_PRODUCT, MODEL_WEIGHTS_PIXELS_PRODUCT = 0.94, 0.88
MODEL_FEW_WEIGHTS_STEPS = {
    16: {1: 1.7, 2: 2.9, 3: 3.5},
    32: {1: 1.7, 2: 2.9, 3: 3.5},
    64: {1: 1.8, 2: 3.2, 3: 3.5},
}
MODEL_WEIGHT_TILE_STEPS, MODEL_WEIGHT_RUN_STEPS = 1.9, 2.2
MODEL_WEIGHT_STEPS, MODEL_WEIGHT_LANES_STEPS = 1.8, 20.0
# Planes of 1x1: vectors that a stretch takes as long as beside its own, and steps of a sum whose
# lanes are added up.
MODEL_PLANES_STRETCH_STEPS, MODEL_PLANES_SUM_STEPS = 4.5, 20.0
MODEL_SLIDE_WEIGHTS_PRODUCT = {1: 0.47, 2: 0.26}
# Along rows: part of the peak, and steps of a vector that is copied.
MODEL_WEIGHTS_ROWS_PRODUCT, MODEL_WEIGHT_ROW_STEPS = 0.8, 2.0

# gemm_windows: what is reached of the peak, steps of a vector of sums of a row of the result that
# are held, and of a value that is added up and brought into its plane.
MODEL_WINDOWS_PRODUCT, MODEL_WINDOWS_HELD_STEPS, MODEL_WINDOWS_TURN_STEPS = 0.85, 4.0, 3.0

# gemm_scatter: what is reached of the peak, steps of a run of columns added to the result.
MODEL_SCATTER_PRODUCT, MODEL_SCATTER_STEPS = 0.9, 4.0

# Plain loops: steps of a row of the result, or a weight; latencies of an addition for each run of a
# row that is begun, and value of it that is no whole vector, or row of a kernel, or product in a
# chain of them; steps of a vector of a run, or of a value where a stride lies between.
MODEL_RUN_UNIT_STEPS = 60.0
MODEL_RUN_LATENCIES = {"forward": 4.6, "input-grad": 4.6, "weight-grad": 1.75}
MODEL_RUN_VECTOR_STEPS = {"forward": 3.3, "input-grad": 3.4, "weight-grad": 5.3}
MODEL_RUN_TAIL_LATENCIES = {"forward": 0.1, "input-grad": 0.1, "weight-grad": 0.6}
MODEL_RUN_VALUE_STEPS = {
    "avx2": {"forward": 1.3, "input-grad": 2.2, "weight-grad": 3.6},
    "avx512": {"forward": 1.3, "input-grad": 1.5, "weight-grad": 2.7},
}
MODEL_AGAIN_SHARE = 0.58
# What part of all that hides what comes from afar: for gradients of weights, whose chains of
# additions wait for each other, and where an output is one pixel times one weight.
MODEL_RUNS_HIDE = {
    "avx2": {"weight-grad": 1.0, "scales": 0.0},
    "avx512": {"weight-grad": 0.0, "scales": 0.3},
}
MODEL_LITERAL_ROW_LATENCIES = 1.5
MODEL_LITERAL_LATENCIES = {"forward": 0.83, "input-grad": 1.9, "weight-grad": 0.68}

# im2col: copies that a value of the columns takes, of stride 1 and apart; NumPy's operations for a
# row that it copies, for a tap of a tile, a product, and all else; the filters, taps and pixels
# with which a product reaches half of what the BLAS does at its best, by which of its matrices is
# transposed; and the copies that reading a matrix takes for a product with a vector, along its rows
# or across them, or writing it, for one of two vectors.
MODEL_COLUMN_COPIES = {"forward": 1.6, "input-grad": 3.3, "weight-grad": 1.5}
MODEL_COLUMN_STRIDED = 2.2
MODEL_COLUMN_ROW_OPERATIONS = 0.013
MODEL_COLUMN_OPERATIONS = {
    "avx2": {"forward": 13.0, "input-grad": 13.0, "weight-grad": 13.0},
    "avx512": {"forward": 10.0, "input-grad": 5.0, "weight-grad": 12.0},
}
MODEL_PRODUCT_OPERATIONS = 0.18
MODEL_IM2COL_OPERATIONS = 82.0
# Beside them of each image whose gradient of weights is added to that of the others.
MODEL_IMAGE_OPERATIONS = {"avx2": 0.0, "avx512": 27.0}
MODEL_PRODUCT_HALVES = {
    "avx2": {
        "forward": (3.0, 10.0, 20.0),
        "input-grad": (9.0, 8.0, 20.0),
        "weight-grad": (6.0, 25.0, 35.0),
    },
    "avx512": {
        "forward": (6.0, 4.0, 8.0),
        "input-grad": (9.0, 7.0, 20.0),
        "weight-grad": (30.0, 5.0, 24.0),
    },
}
# With AVX-512 OpenBLAS multiplies up to so many products as the matrices lie, without packing them,
# which loses less where there are few filters, taps or pixels; of two matrices that are summed
# over their rows, as for gradients of weights, only up to so many weights. Of what goes through the
# caches it waits for so much of what packing would.
MODEL_SMALL_PRODUCTS = {"avx2": 0, "avx512": 1_000_000}
MODEL_SMALL_WEIGHTS = 1200
MODEL_SMALL_PRODUCT_HALVES = {
    "forward": (0.7, 2.0, 6.0), "input-grad": (2.2, 1.0, 3.0), "weight-grad": (0.5, 2.2, 40.0),
}  # fmt: skip
MODEL_SMALL_MEMORY = 0.65
# Times that of copies, of zeros that columns are added to.
MODEL_ZEROED_SHARE = {"avx2": 0.0, "avx512": 1.0}
MODEL_VECTOR_READS = {
    "avx2": {"forward": 0.5, "input-grad": 1.2, "weight-grad": 1.15},
    "avx512": {"forward": 1.6, "input-grad": 2.0, "weight-grad": 1.9},
}
MODEL_VECTOR_WRITES = {"avx2": 21.0, "avx512": 42.0}

# What a Zen 4 with AVX-512 takes of the seconds above, by stage, of all kernels and of each: it
# multiplies a vector of 64 bytes in each clock cycle, a Zen 3 two of 32, so that a step is twice as
# many cycles, and what is no product takes half as many of them. Fitted to sweeps of all three
# directions and several seeds, one thread, float32: of three others predictions are off by 10 % in
# the median, by 8 % of who is near the fastest.
MODEL_STAGES: dict[str, dict[str, dict[str, dict[str, float]]]] = {
    "avx512": {
        "images": {
            "": {"band": 0.5, "pack": 0.5, "turn": 0.45, "call": 0.1},
            "gemm_filters": {
                "pack": 0.32,
                "product": 1.01,
                "turn": 0.28,
                "spread": 1.4,
                "memory": 1.4,
                "result": 1.25,
                "band": 1.15,
            },
            "gemm_pixels": {
                "pack": 0.3,
                "product": 0.88,
                "turn": 1.05,
                "spread": 1.3,
                "memory": 2.4,
                "result": 0.18,
                "band": 1.0,
            },
            "gemm_columns": {
                "pack": 2.0,
                "product": 0.8,
                "turn": 0.2,
                "memory": 2.1,
                "result": 1.2,
                "spread": 2.1,
                "band": 1.0,
                "call": 0.04,
            },
            "gemm_scatter": {"pack": 0.2, "product": 1.15},
            "gemm_taps": {"product": 1.03, "pack": 0.4},
            "gemm_windows": {"pack": 3.0, "product": 0.87, "turn": 0.7, "band": 1.0, "memory": 2.2},
            "stencil_channels": {"product": 1.2},
            "stencil_large": {"product": 0.83},
            "stencil_phases": {"product": 0.66},
            "stencil_rows": {
                "band": 1.0,
                "turn": 0.2,
                "spread": 1.2,
                "memory": 2.0,
                "pack": 0.35,
                "call": 0.04,
            },
            "stencil_slide": {"turn": 0.3, "memory": 2.0, "result": 2.0},
            "stencil_spread": {"product": 0.7},
            "winograd_few": {"product": 0.82, "transform": 2.0, "pack": 0.75, "result": 0.6},
            "winograd_2x5": {"product": 1.05, "memory": 0.6},
            "winograd_2x3": {"transform": 0.85, "memory": 1.0},
            "winograd_line_2x7": {"product": 1.0, "transform": 0.75, "memory": 2.0},
            "winograd_4x3": {"transform": 0.93, "memory": 1.0},
            "loops": {"product": 0.59, "rows": 0.87, "call": 0.7, "memory": 1.6},
            "loops_rows": {"product": 0.59, "rows": 0.87, "call": 0.7, "memory": 1.6},
            "loops_literal": {"product": 0.93, "rows": 0.57, "memory": 4.0},
            "im2col": {"columns": 1.05, "product": 1.03, "call": 0.2, "memory": 1.1},
        },
        "weights": {
            "": {"band": 0.45, "pack": 1.2, "turn": 0.6, "call": 0.15},
            "weights_filters": {
                "product": 0.93,
                "pack": 0.5,
                "turn": 0.2,
                "memory": 1.4,
                "band": 1.05,
            },
            "weights_pixels": {
                "product": 0.93,
                "pack": 0.15,
                "turn": 0.6,
                "memory": 1.95,
                "band": 1.0,
            },
            "weights_planes": {"product": 0.9, "memory": 0.35},
            "weights_rows": {"product": 1.76},
            "weights_slide": {"product": 0.6},
            "weights_winograd_2": {"product": 1.05, "transform": 0.3, "call": 0.3, "memory": 1.3},
            "weights_winograd_4": {"product": 0.92, "transform": 0.6, "call": 0.3, "memory": 1.3},
            "weights_winograd_6": {"product": 0.92, "transform": 0.6, "call": 0.3, "memory": 1.3},
            "loops": {"product": 0.57, "rows": 0.66, "call": 1.0, "memory": 0.72},
            "loops_rows": {"product": 0.57, "rows": 0.66, "call": 1.0, "memory": 0.72},
            "loops_literal": {"product": 0.72, "rows": 0.5, "call": 1.0, "memory": 0.25},
            "im2col": {"columns": 1.2, "call": 0.24, "memory": 0.9},
        },
    },
}
