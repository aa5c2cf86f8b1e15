"""Small pictures of kernels, feature maps and digits, as the page embeds them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.lenet.digits import Digits
from benchmarks.lenet.training import predictions
from fastconv import nn

MOST_WRONG = 40
# Of kernels: what they subtract is blue, what they add is orange, on white and on black alike.
NEGATIVE, NEUTRAL, POSITIVE = (47, 127, 214), (245, 245, 243), (232, 89, 12)

Drawn = dict[str, Any]


def draw(network: nn.Sequential, test: Digits) -> dict[str, list[Drawn]]:
    """Return all pictures of a trained network, by what they show."""
    first, second = network.layers[0], network.layers[2]
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)
    sure = predictions(network, test)
    answers = sure.argmax(axis=1)
    example = _example(test, sure)
    drawn = {
        "kernels": [_drawn(_signed(kernel[0])) for kernel in first.weight.value],
        "second kernels": [
            _drawn(_signed(_tiled(kernel, rows=2))) for kernel in second.weight.value
        ],
        "digit": [_drawn(_grey(test.images[example, 0]), f"a {test.labels[example]}")],
    }
    x = test.images[example : example + 1]
    for name, layer in zip(("maps", "pooled", "second maps"), network.layers, strict=False):
        x = layer.predict(x)
        drawn[name] = [_drawn(_grey(plane / (x.max() or 1))) for plane in x[0]]
    wrong = np.flatnonzero(answers != test.labels)
    # those it was surest of first
    for place in wrong[np.argsort(-sure[wrong].max(axis=1), kind="stable")][:MOST_WRONG]:
        caption = f"{test.labels[place]}, taken for {answers[place]}"
        certainty = f"{100 * sure[place, answers[place]]:.0f} % sure"
        picture = _drawn(_grey(test.images[place, 0]), caption, certainty)
        drawn.setdefault("wrong", []).append(picture)
    return drawn


def confusion(network: nn.Sequential, test: Digits) -> list[list[int]]:
    """Return how many of each digit were taken for each."""
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (test.labels, predictions(network, test).argmax(axis=1)), 1)
    return [[int(count) for count in row] for row in counts]


def _example(test: Digits, sure: NDArray[np.float32]) -> int:
    """Return the place of a clear digit with curves and a line: a 5, or the first of all."""
    score = sure[:, 5] * (test.labels == 5)
    return int(score.argmax())


def _grey(plane: NDArray[Any]) -> NDArray[np.uint8]:
    """Return light strokes on dark ground."""
    return (np.clip(plane, 0, 1) * 255).round().astype(np.uint8)


def _signed(plane: NDArray[Any]) -> NDArray[np.uint8]:
    """Return weights in two colours, as strong as the largest of them allows."""
    share = (plane / (np.nanmax(np.abs(plane)) or 1))[..., None]
    ends = np.where(share < 0, NEGATIVE, POSITIVE)
    colours = NEUTRAL + np.abs(share) * (ends - np.array(NEUTRAL))
    solid = np.where(np.isnan(share), 0, 255)  # the gaps between tiles let the page through
    return np.concatenate([np.nan_to_num(colours), solid], axis=-1).round().astype(np.uint8)


def _tiled(planes: NDArray[Any], rows: int) -> NDArray[Any]:
    """Return small planes side by side in some rows, a pixel of nothing between them."""
    count, height, width = planes.shape
    columns = -(-count // rows)
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for place, plane in enumerate(planes):
        down, right = (place // columns) * (height + 1), (place % columns) * (width + 1)
        sheet[down : down + height, right : right + width] = plane
    return sheet


def _drawn(pixels: NDArray[np.uint8], caption: str = "", note: str = "") -> Drawn:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return {"source": source, "caption": caption, "note": note}
