"""Which layers stand in the study's tables, and who in their columns."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.problems.layer import Layer, Pair
from benchmarks.problems.layers import LAYERS
from benchmarks.study.columns import Column
from benchmarks.study.errors import ErrorColumn

__all__ = [
    "DEPTHWISE",
    "ERRORS",
    "ERRORS_OF_TILES",
    "ERRORS_OF_WEIGHTS",
    "GRADIENTS",
    "KERNELS_OF_DEPTHWISE",
    "LANES",
    "LONG_SUMS",
    "OF_GRADIENTS",
    "OF_LANES",
    "OF_TILES",
    "OF_WEIGHT_TILES",
    "OTHER_LAYERS",
    "PATCHES",
    "STAGES",
    "TILES",
    "TILE_SUMS",
    "WEIGHT_SUMS",
    "WEIGHT_TILES",
]


def _named(*names: str) -> tuple[Layer, ...]:
    by_name = {layer.name: layer for layer in LAYERS}
    return tuple(by_name[name] for name in names)


PYTORCH = ("torch", "torch-channels-last")

# ── filters or pixels in the lanes ─────────────────────────────────────────────────────────────
LANES = _named(
    "resnet50.res2_3x3", "resnet50.res2_1x1", "resnet50.res3_1x1", "resnet50.res5_1x1",
    "efficientnet.1x1_56", "resnet50.res3_3x3_s2", "resnet50.res5_3x3", "vgg16.conv1_1",
    "resnet50.conv1", "squeezenet.squeeze_55", "lenet5.6_16_b64", "srcnn.32_1_256",
)  # fmt: skip
OF_LANES = (
    Column("taken", "`strict` takes", ("auto-strict",)),
    Column("filters", "filters in lanes", ("gemm_filters",)),
    Column("pixels", "pixels in lanes", ("gemm_pixels",)),
    Column("columns", "columns packed", ("gemm_columns",)),
    Column("pytorch", "PyTorch", PYTORCH),
)

# ── gradients ──────────────────────────────────────────────────────────────────────────────────
# Dense and small, strided, with large windows, in groups, by planes, dilated.
GRADIENTS = _named(
    "resnet50.res2_3x3", "resnet50.res3_3x3", "resnet50.res4_3x3", "resnet50.res5_3x3",
    "vgg16.conv4_2", "resnet50.res3_1x1", "resnet50.res3_3x3_s2", "resnet50.conv1",
    "alexnet.conv1", "googlenet.5x5_35", "srcnn.1_64_256", "deeplab.d12_256_28",
    "resnext50.g32_128_56", "mobilenetv2.dw96_112_s2", "mobilenetv2.dw192_28", "convnext.dw96_56",
)  # fmt: skip
# Windows that lie side by side: how a transformer cuts an image up.
PATCHES = (
    Layer("vit.patch16_768", "ViT-B", 1, 3, 224, 224, 768, 16, stride=16),
    Layer("swin.patch4_96", "Swin-T", 1, 3, 224, 224, 96, 4, stride=4),
)
OF_GRADIENTS = (
    Column("auto", "ours", ("auto",)),
    Column("direct", "direct sums", ("gemm", "gemm_pixels", "depthwise")),
    Column("im2col", "im2col", ("im2col",), compared=True),
    Column("pytorch", "PyTorch", PYTORCH, compared=True),
)

# ── depthwise ──────────────────────────────────────────────────────────────────────────────────
DEPTHWISE = (
    *(layer for layer in LAYERS if layer.groups == layer.in_channels > 1),
    Layer("mobilenetv2.dw960_7", "MobileNetV2", 1, 960, 7, 7, 960, 3, padding=1, groups=960),
)
KERNELS_OF_DEPTHWISE = (
    Column("auto", "ours", ("auto",)),
    Column("slide", "strips in place", ("stencil_slide",)),
    Column("phases", "in phases", ("stencil_phases",)),
    Column("band", "from a band", ("stencil_rows",)),
    Column("channels", "channels in lanes", ("stencil_channels",)),
    Column("product", "product", ("gemm", "gemm_pixels")),
    Column("loops", "loops", ("loops",)),
    Column("im2col", "im2col", ("im2col",), compared=True),
    Column("pytorch", "PyTorch", PYTORCH, compared=True),
    Column("others", "best other", ("torch-prepacked", "onnxruntime", "openvino", "ncnn")),
)

# ── tiles ──────────────────────────────────────────────────────────────────────────────────────
TILES = (
    *_named(
        "resnet50.res2_3x3", "resnet50.res3_3x3", "resnet50.res4_3x3", "resnet50.res5_3x3",
        "vgg16.conv1_2", "vgg16.conv3_2", "vgg16.conv4_2", "densenet121.3x3_28",
        "deeplab.d2_256_28", "alexnet.conv2", "googlenet.5x5_35",
    ),
    Layer("64_64_28_7x7", "", 1, 64, 28, 28, 64, 7, padding=3),
    *_named("inception3.1x7_192_17", "inception3.7x1_192_17"),
    Layer("64_64_56_3x1", "", 1, 64, 56, 56, 64, (3, 1), padding=(1, 0)),
)  # fmt: skip
OF_TILES = (
    Column("auto", "ours", ("auto",)),
    Column("direct", "direct sums", ("gemm",), compared=True),
    *(
        Column(f"m{side}", f"m = {side}", (f"winograd_{side}x*", f"winograd_line_{side}x*"))
        for side in (2, 4, 6)
    ),
    Column("pytorch", "PyTorch", PYTORCH, compared=True),
    Column("ncnn", "ncnn, packed", ("ncnn",)),
)
WEIGHT_TILES = _named(
    "resnet50.res2_3x3", "resnet50.res3_3x3", "resnet50.res4_3x3", "resnet50.res5_3x3",
    "cifar.32_64_b32", "vgg16.conv1_2", "vgg16.conv2_2", "vgg16.conv3_2", "vgg16.conv4_2",
    "vgg16.conv5_2",
)  # fmt: skip
OF_WEIGHT_TILES = (
    Column("auto", "ours", ("auto",)),
    Column("direct", "direct sums", ("gemm",), compared=True),
    *(Column(f"m{side}", f"m = {side}", (f"weights_winograd_{side}",)) for side in (2, 4, 6)),
    Column("pytorch", "PyTorch", PYTORCH, compared=True),
)


# ── few taps, on layers that are in no list of the benchmark ────────────────────────────────────
def _layer(
    batch: int, channels: int, side: int, filters: int, kernel: Pair, dilation: int = 1
) -> Layer:
    """Return a layer whose output is as large as its image, named by its numbers."""
    rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    name = f"{channels}_{filters}_{side}_{rows}x{columns}"
    name += (f"_d{dilation}" if dilation > 1 else "") + (f"_b{batch}" if batch > 1 else "")
    return Layer(
        name, "", batch, channels, side, side, filters, (rows, columns),
        padding=(rows // 2 * dilation, columns // 2 * dilation), dilation=dilation,
    )  # fmt: skip


OTHER_LAYERS = (
    *(
        _layer(batch, channels, side, filters, 3)
        for batch, channels, side, filters in (
            (1, 1, 256, 64), (1, 3, 112, 32), (1, 3, 320, 16), (1, 4, 256, 64), (1, 8, 128, 8),
            (1, 16, 160, 16), (1, 24, 80, 24), (1, 32, 112, 32), (1, 32, 208, 64), (1, 48, 56, 48),
            (1, 64, 35, 96), (1, 64, 128, 64), (1, 64, 128, 1), (1, 64, 224, 3), (1, 80, 73, 192),
            (1, 96, 48, 96), (1, 128, 17, 128), (1, 128, 64, 128), (1, 160, 14, 224),
            (1, 192, 12, 384), (1, 192, 27, 192), (1, 256, 13, 384), (1, 256, 40, 256),
            (1, 320, 10, 320), (1, 384, 13, 256), (1, 512, 13, 1024), (1, 1024, 13, 1024),
            (4, 64, 28, 64), (8, 32, 16, 32),
        )
    ),
    *(
        _layer(1, channels, side, filters, 5)
        for channels, side, filters in (
            (16, 56, 32), (24, 28, 64), (32, 14, 64), (48, 27, 128), (96, 27, 256),
        )
    ),
    *(
        _layer(1, channels, side, filters, 3, dilation)
        for channels, side, filters, dilation in (
            (64, 56, 64, 2), (128, 28, 128, 2), (256, 64, 256, 4), (512, 33, 256, 6),
        )
    ),
    *(
        _layer(1, channels, side, filters, kernel)
        for channels, side, filters, kernel in (
            (32, 64, 32, (1, 5)), (64, 56, 64, (1, 3)), (64, 56, 64, (3, 1)),
            (128, 17, 128, (1, 7)), (160, 17, 160, (7, 1)), (448, 8, 384, (1, 3)),
        )
    ),
)  # fmt: skip


# ── stages ─────────────────────────────────────────────────────────────────────────────────────
STAGES = _named(
    "resnet50.res2_3x3", "resnet50.res3_1x1", "resnet50.conv1", "mobilenetv2.dw192_28",
)  # fmt: skip


# ── errors ─────────────────────────────────────────────────────────────────────────────────────
def _sums(kernel: Pair, channels: Iterable[int], filters: int = 32) -> list[Layer]:
    """Return layers of one small image and ever more channels, named as the table's rows."""
    rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    side = max(14, 2 * max(rows, columns) + 2)
    return [
        Layer(
            f"{rows}×{columns}, {count}", "", 1, count, side, side, filters, (rows, columns),
            padding=(rows // 2, columns // 2),
        )
        for count in channels
    ]  # fmt: skip


LONG_SUMS = (
    *_sums(3, (16, 64, 256, 512, 1024, 2048)),
    *_sums(1, (64, 256, 1024, 4096), 64),
    *_sums(7, (3, 64, 256)),
)
ERRORS = (
    ErrorColumn("in-order", "in the definition's order", ("loops_literal",)),
    ErrorColumn("strict", "strict", ("auto-strict",)),
    ErrorColumn("default", "default", ("auto",)),
    ErrorColumn("fast", "fast", ("auto-fast",)),
    ErrorColumn("im2col", "im2col", ("im2col",)),
    ErrorColumn("pytorch", "PyTorch", ("torch",)),
    ErrorColumn("channels-last", "channels-last", ("torch-channels-last",)),
    ErrorColumn("onnxruntime", "ONNX Runtime", ("onnxruntime",)),
    ErrorColumn("ncnn", "ncnn", ("ncnn",)),
)
TILE_SUMS = (
    *_sums(3, (16, 32, 64, 128, 256, 512, 1024)),
    *_sums(5, (256,)),
    *_sums(7, (256,)),
    *_sums((1, 3), (256,)),
    *_sums((1, 5), (256,)),
    *_sums((1, 7), (256,)),
)
ERRORS_OF_TILES = (
    ErrorColumn("direct", "direct sums", ("gemm",)),
    *(
        ErrorColumn(f"m{side}", f"m = {side}", (f"winograd_{side}x*", f"winograd_line_{side}x*"))
        for side in (2, 4, 6)
    ),
    ErrorColumn("pytorch", "PyTorch", ("torch",)),
    ErrorColumn("ncnn", "ncnn", ("ncnn",)),
)
WEIGHT_SUMS = (
    *(
        Layer(f"1 × 8, {side}×{side}", "", 1, 8, side, side, 8, 3, padding=1)
        for side in (7, 14, 28, 56, 112, 224)
    ),
    Layer("8 × 64, 56×56", "", 8, 64, 56, 56, 64, 3, padding=1),
)
ERRORS_OF_WEIGHTS = (
    ErrorColumn("direct", "direct sums", ("gemm",)),
    *(ErrorColumn(f"m{side}", f"m = {side}", (f"weights_winograd_{side}",)) for side in (2, 4, 6)),
    ErrorColumn("im2col", "im2col", ("im2col",)),
    ErrorColumn("pytorch", "PyTorch", ("torch",)),
    ErrorColumn("channels-last", "channels-last", ("torch-channels-last",)),
)
