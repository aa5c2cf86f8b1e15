"""Named convolution layers of published networks.

Only the standard library is used here, so that tests can import this table from anywhere.
"""

from __future__ import annotations

from typing import Any

from benchmarks.problems.layer import Layer, Pair


def _square(
    name: str, network: str, channels: tuple[int, int], image: int, kernel: Pair, **more: Any
) -> Layer:
    """One row of the table: a square image, one image unless told, padding as given."""
    return Layer(
        name=name,
        network=network,
        batch=more.pop("batch", 1),
        in_channels=channels[0],
        height=image,
        width=image,
        out_channels=channels[1],
        kernel=kernel,
        **more,
    )


# What a run measures unless told otherwise: the networks that everyone knows, and one of each odd
# kind. Shapes as published: ResNet-50 with the stride in its 3×3 ("v1.5"), ResNeXt-50 32×4d, the
# 35×35 stage of Inception-v3 for the GoogLeNet family, C3 of LeNet-5 without padding.
USUAL_LAYERS: tuple[Layer, ...] = (
    _square("resnet50.conv1", "ResNet-50", (3, 64), 224, 7, stride=2, padding=3),
    _square("resnet50.res2_1x1", "ResNet-50", (64, 256), 56, 1),
    _square("resnet50.res2_3x3", "ResNet-50", (64, 64), 56, 3, padding=1),
    _square("resnet50.res3_3x3_s2", "ResNet-50", (128, 128), 56, 3, stride=2, padding=1),
    _square("resnet50.res3_1x1", "ResNet-50", (128, 512), 28, 1),
    _square("resnet50.res3_3x3", "ResNet-50", (128, 128), 28, 3, padding=1),
    _square("resnet50.res4_1x1", "ResNet-50", (256, 1024), 14, 1),
    _square("resnet50.res4_3x3", "ResNet-50", (256, 256), 14, 3, padding=1),
    _square("resnet50.res5_1x1", "ResNet-50", (512, 2048), 7, 1),
    _square("resnet50.res5_3x3", "ResNet-50", (512, 512), 7, 3, padding=1),
    _square("vgg16.conv1_1", "VGG-16", (3, 64), 224, 3, padding=1),
    _square("vgg16.conv1_2", "VGG-16", (64, 64), 224, 3, padding=1),
    _square("vgg16.conv2_2", "VGG-16", (128, 128), 112, 3, padding=1),
    _square("vgg16.conv3_2", "VGG-16", (256, 256), 56, 3, padding=1),
    _square("vgg16.conv4_2", "VGG-16", (512, 512), 28, 3, padding=1),
    _square("vgg16.conv5_2", "VGG-16", (512, 512), 14, 3, padding=1),
    _square("mobilenetv2.dw32_112", "MobileNetV2", (32, 32), 112, 3, padding=1, groups=32),
    _square(
        "mobilenetv2.dw96_112_s2", "MobileNetV2", (96, 96), 112, 3, stride=2, padding=1, groups=96
    ),
    _square("mobilenetv2.dw192_28", "MobileNetV2", (192, 192), 28, 3, padding=1, groups=192),
    _square("mobilenetv2.dw576_14", "MobileNetV2", (576, 576), 14, 3, padding=1, groups=576),
    _square("resnext50.g32_128_56", "ResNeXt-50", (128, 128), 56, 3, padding=1, groups=32),
    _square("deeplab.d2_256_28", "DeepLab", (256, 256), 28, 3, padding=2, dilation=2),
    _square("convnext.dw96_56", "ConvNeXt", (96, 96), 56, 7, padding=3, groups=96),
    _square("cifar.32_64_b32", "CIFAR net", (32, 64), 32, 3, padding=1, batch=32),
    _square("lenet5.6_16_b64", "LeNet-5", (6, 16), 14, 5, batch=64),
    _square("googlenet.5x5_35", "GoogLeNet", (48, 64), 35, 5, padding=2),
    _square("unet.64_256", "U-Net", (64, 64), 256, 3, padding=1),
    _square("alexnet.conv1", "AlexNet", (3, 64), 224, 11, stride=4, padding=2),
    _square("inception3.1x7_192_17", "Inception-v3", (192, 192), 17, (1, 7), padding=(0, 3)),
    _square(
        "efficientnet.dw144_56_s2",
        "EfficientNet",
        (144, 144),
        56,
        5,
        stride=2,
        padding=2,
        groups=144,
    ),
    _square("mnist.1_6_b128", "MNIST net", (1, 6), 28, 5, batch=128),
)

# More of the kinds above, for runs with time to spare. AlexNet is torchvision's, EfficientNet B0;
# Darknet-53 on 256×256 images; ShuffleNet-v1 with three groups; of DeepLab's atrous branches a
# narrow one.
FURTHER_LAYERS: tuple[Layer, ...] = (
    _square("alexnet.conv2", "AlexNet", (64, 192), 27, 5, padding=2),
    _square("squeezenet.squeeze_55", "SqueezeNet", (128, 16), 55, 1),
    _square("squeezenet.expand_55", "SqueezeNet", (16, 64), 55, 3, padding=1),
    _square("densenet121.1x1_28", "DenseNet-121", (256, 128), 28, 1),
    _square("densenet121.3x3_28", "DenseNet-121", (128, 32), 28, 3, padding=1),
    _square("efficientnet.1x1_56", "EfficientNet", (24, 144), 56, 1),
    _square("darknet53.3x3_s2_256", "Darknet-53", (32, 64), 256, 3, stride=2, padding=1),
    _square("darknet53.1x1_32", "Darknet-53", (256, 128), 32, 1),
    _square("inception3.7x1_192_17", "Inception-v3", (192, 192), 17, (7, 1), padding=(3, 0)),
    _square("shufflenet.g3_240_60_28", "ShuffleNet-v1", (240, 60), 28, 1, groups=3),
    _square(
        "shufflenet.dw120_28_s2",
        "ShuffleNet-v1",
        (120, 120),
        28,
        3,
        stride=2,
        padding=1,
        groups=120,
    ),
    _square("srcnn.1_64_256", "SRCNN", (1, 64), 256, 9, padding=4),
    _square("srcnn.32_1_256", "SRCNN", (32, 1), 256, 5, padding=2),
    _square("deeplab.d12_256_28", "DeepLab", (256, 256), 28, 3, padding=12, dilation=12),
    _square("convnext.dw384_14", "ConvNeXt", (384, 384), 14, 7, padding=3, groups=384),
)

LAYERS = USUAL_LAYERS + FURTHER_LAYERS
