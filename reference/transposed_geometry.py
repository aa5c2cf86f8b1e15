"""The sizes of a transposed convolution, told by the convolution that it runs backwards."""

from __future__ import annotations

from operator import index

from reference.geometry import Axis, IntOrPair, Layer, Padding, explicit_padding, pair


def transposed_output_size(
    size: int, kernel: int, stride: int, dilation: int, padding: int, output_padding: int
) -> int:
    """How far `size` kernels reach that are set down `stride` apart.

    (size - 1) * stride - padding + dilation * (kernel - 1) + output_padding + 1

    where `padding` is both sides together.  Source: ``torch.nn.ConvTranspose2d``.
    """
    return (size - 1) * stride - padding + dilation * (kernel - 1) + output_padding + 1


def transposed_layer_sizes(
    x_shape: tuple[int, int, int, int],
    weight_shape: tuple[int, ...],
    stride: IntOrPair,
    padding: Padding,
    output_padding: IntOrPair,
    dilation: IntOrPair,
    groups: int,
) -> Layer:
    """The convolution layer that leads from the result y of a transposed one to its image x.

    Parameters
    ----------
    x_shape : tuple
        (N, C, H, W).  N may be 0.
    weight_shape : tuple
        (C, K / groups, R, S).
    stride, dilation : int or (int, int)
        At least 1.
    padding : int, (int, int) or ((top, bottom), (left, right))
        At least 0.  So many rows and columns of the result are left out.
    output_padding : int or (int, int)
        At least 0, less than the stride or the dilation of its axis.  So many rows and columns
        more at the bottom and right.
    groups : int

    Returns
    -------
    Layer
        Its `filters` are C, its `channels` K, and each Axis has the extent of y as its `size` and
        that of x as `out`: the kernel is set down on y once for each pixel of x.

    Raises
    ------
    ValueError
        If an argument has another form or is out of range, `weight` does not fit to x, or nothing
        is left of the result.
    TypeError
        If a number is not an integer.

    Notes
    -----
    `transposed_output_size` chooses among the sizes that a convolution with this stride takes to
    the same H: with an output padding of 0 the smallest, whose last window ends at the edge.
    """
    if len(weight_shape) != 4:
        raise ValueError(f"weight must be (C, K/groups, R, S), got shape {weight_shape}")
    if isinstance(padding, str):
        raise ValueError(f"padding must be numbers, got {padding!r}")
    batch, filters, height, width = x_shape
    weight_filters, channels_per_group, kernel_h, kernel_w = weight_shape
    groups = index(groups)
    if groups < 1:
        raise ValueError(f"groups must be at least 1, got {groups}")
    if filters < 1 or filters != weight_filters:
        raise ValueError(f"x has {filters} channels, but weight {weight_shape} {weight_filters}")
    if filters % groups:
        raise ValueError(f"x has {filters} channels, not a multiple of groups={groups}")
    if channels_per_group < 1:
        raise ValueError(f"weight {weight_shape} makes no channels")
    pair("image height and width", (height, width), 1)
    pair("kernel_size", (kernel_h, kernel_w), 1)
    stride_h, stride_w = pair("stride", stride, 1)
    dilation_h, dilation_w = pair("dilation", dilation, 1)
    more_h, more_w = pair("output_padding", output_padding, 0)
    top_bottom, left_right = explicit_padding(padding)
    rows = _axis("rows", height, kernel_h, stride_h, dilation_h, top_bottom, more_h)
    columns = _axis("columns", width, kernel_w, stride_w, dilation_w, left_right, more_w)
    return Layer(
        batch,
        groups * channels_per_group,
        filters,
        channels_per_group,
        filters // groups,
        rows,
        columns,
    )


def _axis(
    name: str,
    size: int,
    kernel: int,
    stride: int,
    dilation: int,
    padding: tuple[int, int],
    output_padding: int,
) -> Axis:
    if output_padding >= max(stride, dilation):
        raise ValueError(
            f"output_padding must be smaller than stride or dilation, got {output_padding} {name} "
            f"with stride {stride} and dilation {dilation}"
        )
    before, after = padding
    reach = transposed_output_size(size, kernel, stride, dilation, before + after, output_padding)
    if reach < 1:
        raise ValueError(
            f"nothing is left of the result: {reach + before + after} {name} less padding "
            f"{before} and {after}"
        )
    return Axis(reach, kernel, stride, dilation, before, after, size)
