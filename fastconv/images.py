"""convolve2d and correlate2d: images and kernels as SciPy has them; and what they would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from .call import may_be_key, remembered
from .image import cost, fft, passes, running
from .image.boundary import Boundary, check_boundary, is_zero_beyond
from .image.operands import both_integers, check_fillvalue, check_real, dtype_to_compute
from .image.shapes import Arrangement, Filtering, Mode, arrange
from .problem.arguments import is_sequence, shown
from .problem.convolution import check_size
from .problem.operands import Array, check_dtype, check_out, is_prepared
from .problem.slices import assign
from .threads import threads_for

__all__ = ["FilteringExplanation", "convolve2d", "correlate2d", "explain_convolve2d"]


def convolve2d(
    in1: npt.ArrayLike,
    in2: npt.ArrayLike,
    mode: Mode = "full",
    boundary: Boundary = "fill",
    fillvalue: float = 0,
    *,
    channel_axis: SupportsIndex | None = None,
    backend: str = "auto",
    out: Array | None = None,
) -> Array:
    r"""Convolve an image with a kernel: the kernel is flipped.

    .. math:: Y_{i,j} = \sum_{r,s} K_{r,s}\, X_{i + P - r,\, j + Q - s}

    with (P, Q) by mode: "full" (0, 0), "same" ((R-1)//2, (S-1)//2), "valid" (R-1, S-1).

    Parameters
    ----------
    in1 : array_like, (H, W) or a stack (..., H, W)
        Real; each image of a stack is convolved by itself.
    in2 : array_like, (R, S), or a bank of kernels (K, R, S)
        Real. A bank is computed in one pass.
    mode : {"full", "same", "valid"}
        "full": wherever the kernel touches the image, (H + R - 1, W + S - 1). "same": the middle of
        it, (H, W). "valid": wherever the kernel lies on the image, (H - R + 1, W - S + 1); where
        in2 is the larger in both axes it is the image, and in1 the kernel.
    boundary : str
        What is beyond the edge of the image, of scipy.signal "fill", "wrap", "symm", of
        scipy.ndimage "constant", "reflect", "mirror", "nearest", "wrap" and "grid-..." of these::

            "fill", "constant"    0 0 0 | a b c d | 0 0 0       or fillvalue
            "symm", "reflect"     c b a | a b c d | d c b
            "mirror"              d c b | a b c d | c b a
            "nearest"             a a a | a b c d | d d d
            "wrap"                b c d | a b c d | a b c

        Kernels may be larger than the image: it goes on like that for ever.
    fillvalue : float
        For "fill"; a real number of the image's scale. With other boundaries it changes nothing.
    channel_axis : int, optional
        The axis of in1 that holds channels, as in scikit-image: -1 for (H, W, C). Each channel is
        convolved by itself. What looks like a photograph, a last axis of 1 to 4 after one of more
        than 4, is no stack unless it is said: for any stack ``channel_axis=0`` does, and changes
        nothing else.
    backend : str
        "direct", tap by tap; "separable", two passes, of a kernel that is a column times a row;
        "fft", by spectra; "auto", the one of them that should be fastest; or a backend of `conv2d`
        for the direct way.
    out : ndarray, optional
        Where to write; the shape and dtype of the result, sharing no memory with the operands.

    Returns
    -------
    ndarray, (..., OH, OW), or (..., K, OH, OW) with a bank
        The axes of in1 in their order, so (OH, OW, C) for (H, W, C); K comes right before the rows:
        (K, OH, OW, C). float32 or float64: float64 if an operand is. float16, bool and integers of
        up to 16 bits are computed in float32, wider ones in float64 (a kernel's in float32 if that
        holds its values). Are both integers, it is float64 unless float32 holds any sum exactly. So
        integers give exact floats, up to 2^53, and nothing wraps.

    Raises
    ------
    TypeError
        For complex and other dtypes, options of a wrong type.
    ValueError
        For shapes or options that make no convolution, for an in1 that may be a photograph with
        channels where `channel_axis` is not given, an `out` that cannot take the result, a
        backend that cannot do it. Nothing has been written then.
    MemoryError
        If the result or a buffer cannot be allocated; unlike that of `conv2d`, `out` may be partly
        written then.

    See Also
    --------
    correlate2d : without the flip.
    explain_convolve2d : the way that is taken, and what the others would take.

    Notes
    -----
    Direct and separable results are within (R·S + 2)·u·Σ|K||X| of the exact sum, where u is half
    the spacing of numbers at 1 ("separable" by name, of a kernel of fewer than 16 taps or so,
    within (R + S + 12)·u); integers are exact. By FFT, which is taken for kernels of some 15×15
    taps and more, the error is that of a block: within 12·log2(n)·u·‖K‖·‖block‖ in the 2-norm,
    where a block has n pixels; those of integers are rounded to what is exact, and "fft" is
    refused by name where they are so large that they could not be. Where an image has values of
    wildly different magnitude, "direct" keeps the digits of the small ones. So do all calls
    where `set_accuracy` or `accuracy` says "strict": "auto" then takes no way with a larger error
    than a direct sum's, and by name it is refused.

    A NaN or infinity spoils those pixels whose window holds it, and no other, by every way.

    Of odd kernels, mode "same" is also what ``scipy.ndimage.convolve`` computes, of whose even
    extents the other middle tap is the middle: its result i is the one i + 1 here (and with
    `correlate2d` i - 1).

    References
    ----------
    ``scipy.signal.convolve2d``; ``scipy.ndimage.convolve``. A. V. Oppenheim, R. W. Schafer,
    "Discrete-Time Signal Processing", sections 2.3 and 8.7 (overlap-save).

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> photo = np.zeros((4, 4, 3), np.uint8)
    >>> photo[1, 2] = 9
    >>> blurred = fastconv.convolve2d(photo, np.ones((3, 3), int), "same", channel_axis=-1)
    >>> blurred.dtype, blurred.shape
    (dtype('float32'), (4, 4, 3))
    >>> blurred[..., 0]
    array([[0., 9., 9., 9.],
           [0., 9., 9., 9.],
           [0., 9., 9., 9.],
           [0., 0., 0., 0.]], dtype=float32)
    """
    return _filter(in1, in2, mode, boundary, fillvalue, channel_axis, backend, out, flipped=True)


def correlate2d(
    in1: npt.ArrayLike,
    in2: npt.ArrayLike,
    mode: Mode = "full",
    boundary: Boundary = "fill",
    fillvalue: float = 0,
    *,
    channel_axis: SupportsIndex | None = None,
    backend: str = "auto",
    out: Array | None = None,
) -> Array:
    r"""Correlate an image with a kernel, which is not flipped.

    .. math:: Y_{i,j} = \sum_{r,s} K_{r,s}\, X_{i - P + r,\, j - Q + s}

    with (P, Q) by mode: "full" (R-1, S-1), "same" ((R-1)//2, (S-1)//2), "valid" (0, 0). Where in2
    is the larger and "valid" exchanges the operands, the result is turned by half a turn: it is
    still the correlation of in1 with in2.

    Parameters
    ----------
    in1, in2, mode, boundary, fillvalue, channel_axis, backend, out
        As for `convolve2d`.

    Returns
    -------
    ndarray, (..., OH, OW), or (..., K, OH, OW) with a bank
        As of `convolve2d`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `convolve2d`.

    References
    ----------
    ``scipy.signal.correlate2d``; ``scipy.ndimage.correlate``, of which "same" is the equal for odd
    kernels.

    Examples
    --------
    >>> import numpy as np, fastconv
    >>> fastconv.correlate2d([[1.0, 2.0, 4.0]], [[-1.0, 1.0]], "valid")
    array([[1., 2.]])
    """
    return _filter(in1, in2, mode, boundary, fillvalue, channel_axis, backend, out, flipped=False)


def _filter(
    in1: npt.ArrayLike, in2: npt.ArrayLike, mode: object, boundary: object, fillvalue: object,
    channel_axis: object, backend: str, out: Array | None, *, flipped: bool,
) -> Array:  # fmt: skip
    first, second = check_real("in1", in1), check_real("in2", in2)
    value = _value_beyond(boundary, fillvalue)
    dtype = dtype_to_compute(first, second, value)
    findable = may_be_key((mode, boundary, channel_axis, backend))
    arrangement, filtering = (_remembered if findable else _arranged)(
        first.shape, second.shape, dtype, mode, boundary, value, channel_axis, backend, flipped
    )
    if out is not None:
        check_out(out, arrangement.result_shape, dtype, in1=first, in2=second)
    x, kernels = arrangement.arrange(first, second)
    if flipped:
        kernels = kernels[:, ::-1, ::-1]
    integers = x if both_integers(first, second) and value.is_integer() else None
    result, target = out, None
    if not arrangement.in_order:
        result = np.empty(arrangement.result_shape, dtype) if out is None else out
        target = arrangement.planes_of(result)
    elif out is not None and is_prepared(out):
        target = out.reshape(filtering.output_shape)
    with np.errstate(invalid="ignore"):  # a signalling NaN is one like others
        kernels = np.ascontiguousarray(kernels, dtype)
        choice = cost.choose(filtering, kernels, backend, integers)
        y = _run(filtering, choice, x, kernels, target)
    if result is None:
        return arrangement.result(y, turned=not flipped)
    if target is None:
        assign(result, arrangement.result(y, turned=not flipped))
    return result


def _value_beyond(boundary: object, fillvalue: object) -> float:
    """Return the value beyond the edge; 0 where no such value is beyond it."""
    value = check_fillvalue(fillvalue)
    return value if check_boundary(boundary) == "fill" else 0.0


def _arranged(
    in1_shape: tuple[int, ...], in2_shape: tuple[int, ...], dtype: np.dtype[np.floating],
    mode: object, boundary: object, fillvalue: float, channel_axis: object, backend: str,
    flipped: bool,
) -> tuple[Arrangement, Filtering]:  # fmt: skip
    # in1 need not have the factors that "separable" is about
    by_factors = isinstance(backend, str) and backend == "separable"
    commutes = is_zero_beyond(boundary, fillvalue) and not by_factors
    arrangement = arrange(
        in1_shape, in2_shape, mode, channel_axis, commutes=commutes, flipped=flipped, dtype=dtype
    )
    filtering = _filtering(arrangement, boundary, fillvalue, dtype)
    cost.check_backend(backend)
    return arrangement, filtering


_remembered = remembered(_arranged)


def _filtering(
    arrangement: Arrangement, boundary: object, fillvalue: float, dtype: np.dtype[np.floating]
) -> Filtering:
    kind = check_boundary(boundary)
    if np.isfinite(fillvalue) and abs(fillvalue) > float(np.finfo(dtype).max):
        raise ValueError(f"fillvalue must fit into {dtype}, not {fillvalue!r}")
    images, filters = arrangement.images, arrangement.filters
    if arrangement.exchanged:
        images, filters = filters, images
    return Filtering(images, filters, arrangement.rows, arrangement.columns, kind, fillvalue, dtype)


def _run(
    filtering: Filtering, choice: cost.Choice, x: Array, kernels: Array, y: Array | None
) -> Array:
    """Return y (N, K, OH, OW), the one given if there is one, filled."""
    if 0 in filtering.output_shape:  # no image, or no kernel in its place
        return np.empty(filtering.output_shape, filtering.dtype)
    if choice.way == "direct":
        return running.direct(filtering, x, kernels, choice.backend, y)
    if y is None:
        y = np.empty(filtering.output_shape, filtering.dtype)
    if choice.way == "separable" and choice.factors is not None:
        passes.separable(filtering, x, choice.factors, choice.backend, y)
    else:
        fft.by_fft(filtering, x, kernels, y, threads_for(filtering.flops), choice.digits)
    return y


@dataclass(frozen=True)
class FilteringExplanation:
    """What `explain_convolve2d` found; print it.

    Attributes
    ----------
    image, kernel : tuple of int
        (N, H, W) and (K, R, S), after they are exchanged, where a larger in2 is: by "valid", and
        by "full" if in1 has hardly any values and zeros are beyond the edge.
    output_shape : tuple of int
        (N, K, OH, OW).
    dtype : numpy.dtype
        In which it is computed, and of the result.
    way : {"direct", "separable", "fft"}
        The one taken.
    kernel_name : str
        The compiled kernel of the direct way.
    milliseconds : dict of str to float
        What each way that is possible is estimated to take: one image, one core.
    refusals : dict of str to str
        Why a way is not possible, or not thought of.
    blocks : dict of str to int
        Of the transforms, if it is "fft".
    flops : int
        Of the definition.
    """

    image: tuple[int, int, int]
    kernel: tuple[int, int, int]
    output_shape: tuple[int, int, int, int]
    dtype: np.dtype[np.floating]
    way: str
    kernel_name: str
    milliseconds: dict[str, float]
    refusals: dict[str, str]
    blocks: dict[str, int]
    flops: int

    def __str__(self) -> str:
        """Return a page for reading."""
        taken = {
            "direct": f"direct, by {self.kernel_name}",
            "separable": "separable: each row of the image, then each column",
            "fft": "fft, a block is "
            + ", ".join(f"{count} {name}" for name, count in self.blocks.items()),
        }[self.way]
        image, kernel, output = ("×".join(map(str, shape)) for shape in (
            self.image, self.kernel, self.output_shape
        ))  # fmt: skip
        lines = [
            ("problem", f"{self.dtype} {image} → {output}, kernels {kernel}"),
            ("work", f"{self.flops / 1e6:.1f} MFLOP, tap by tap"),
            ("way", taken),
            *(
                (f"cost {name}", f"{time:.3f} ms estimated, of an image on a core")
                for name, time in self.milliseconds.items()
            ),
            *((f"not {name}", reason) for name, reason in self.refusals.items()),
        ]
        margin = max(len(label) for label, _ in lines) + 2
        return "\n".join(
            fill(text, 100, initial_indent=label.ljust(margin), subsequent_indent=" " * margin)
            for label, text in lines
        )

    __repr__ = __str__


def explain_convolve2d(
    in1: npt.ArrayLike | Sequence[int],
    in2: npt.ArrayLike | Sequence[int],
    mode: Mode = "full",
    boundary: Boundary = "fill",
    fillvalue: float = 0,
    *,
    channel_axis: SupportsIndex | None = None,
    dtype: npt.DTypeLike = np.float32,
    backend: str = "auto",
) -> FilteringExplanation:
    """Explain which way `convolve2d` would take, and what it reckons that each takes.

    Parameters
    ----------
    in1, in2 : tuple of int, or array_like
        Their shapes, or they themselves, arrays or nested lists: of a kernel that is given, it is
        seen whether it is separable.
    mode, boundary, fillvalue, channel_axis, backend
        As for `convolve2d`.
    dtype
        float32 or float64, where only shapes are given.

    Returns
    -------
    FilteringExplanation
        Prints as a page.

    Raises
    ------
    TypeError, ValueError
        As `convolve2d`.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.explain_convolve2d((1024, 1024), (301, 301)).way
    'fft'
    """
    value = _value_beyond(boundary, fillvalue)
    computed = check_dtype("dtype", dtype)
    arrays = [
        check_real(name, given) if _is_array(given) else None
        for name, given in (("in1", in1), ("in2", in2))
    ]
    first, second = (
        np.broadcast_to(computed.type(0), _parse_shape(name, given)) if array is None else array
        for name, given, array in zip(("in1", "in2"), (in1, in2), arrays, strict=True)
    )
    computed = dtype_to_compute(first, second, value)
    arrangement, filtering = _arranged(
        first.shape, second.shape, computed, mode, boundary, value, channel_axis, backend, True
    )
    x, taps = arrangement.arrange(first, second)
    image, kernel = reversed(arrays) if arrangement.exchanged else arrays
    kernels = None if kernel is None else np.ascontiguousarray(taps, computed)
    whole = image is not None and both_integers(first, second) and value.is_integer()
    choice = cost.choose(filtering, kernels, backend, x if whole else None)
    blocks = {}
    if choice.way == "fft":
        blocks = fft.blocks_of(filtering, integers=whole)._asdict()
    return FilteringExplanation(
        filtering.x_shape,
        filtering.kernel_shape,
        filtering.output_shape,
        computed,
        choice.way,
        running.direct_name(filtering, choice.backend),
        {name: time / 1e6 for name, time in choice.nanoseconds.items()},
        choice.refusals,
        blocks,
        filtering.flops,
    )


def _is_array(given: object) -> bool:
    """Whether something is an array, or nested lists of its values, and not its shape."""
    if isinstance(given, (tuple, list)):
        return any(is_sequence(item) for item in given)
    return hasattr(given, "__array__")


def _parse_shape(name: str, given: object) -> tuple[int, ...]:
    if isinstance(given, (tuple, list)) and all(
        isinstance(extent, (int, np.integer)) and not isinstance(extent, bool) for extent in given
    ):
        shape = tuple(int(extent) for extent in given)
        if all(0 <= extent < 2**31 for extent in shape):
            check_size(name, shape, np.dtype(np.float64))
            return shape
    raise ValueError(f"{name} must be an array or a shape, a tuple of ints, not {shown(given)}")
