"""Filtering images: what lies between `convolve2d` and the convolution that computes it.

    in1 (..., H, W)    in2 (R, S) or (K, R, S)

operands.py     which arrays are taken, and in which dtype they are computed
shapes.py       Filtering: sizes, where the kernel stands, which axis is which
boundary.py     what lies beyond the image, by name
separable.py    kernels that are a column times a row
fft.py          blocks of the image by way of their spectra
lengths.py      how long they may be
digits.py       integers that are exact nevertheless
spoilt.py       and what is not finite
squares.py      small ones of them, in a compiled kernel
cost.py         what each way would take; the choice
tiles.py        parts of the output, so that what they see stays in the caches
banded.py       an image as it lies, in one call of a compiled kernel
running.py      the direct way on arrays
passes.py       the separable way on arrays
"""
