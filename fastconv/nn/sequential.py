"""A network: layers one after the other, forward in this order, backward in the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..planning import check_usable
from ..problem.operands import Array
from .layer import Layer, Parameter

__all__ = ["Sequential"]


class Sequential(Layer):
    """Layers whose output is the input of the next: y = fₙ(… f₂(f₁(x))).

    Parameters
    ----------
    *layers : Layer
        At least one. A `Sequential` may be one of them; each layer has one place only.

    Attributes
    ----------
    layers : tuple of Layer
        Their parameters are called by their place: ``"0.weight"``, ``"3.bias"``.

    Notes
    -----
    What a layer refuses is said with its place: ``layer 4, Linear(400, 120): x must be ...``.
    """

    def __init__(self, *layers: Layer) -> None:
        super().__init__()
        if not layers:
            raise ValueError("a Sequential needs at least one layer, not none")
        for layer in layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"every layer must be a Layer, not {layer!r}")
        if len(set(map(id, layers))) < len(layers):
            # it would forget what its first place has kept when it comes to the second
            raise ValueError("a layer is there twice: make one for each place")
        self.layers = layers

    def forward(self, x: Array) -> Array:
        """Return what the last layer returns; every layer keeps what its way back needs."""
        for place, layer in enumerate(self.layers):
            with _said_of(place, layer):
                x = layer.forward(x)
        return x

    def predict(self, x: Array) -> Array:
        """Return the same, and keep nothing."""
        for place, layer in enumerate(self.layers):
            with _said_of(place, layer):
                x = layer.predict(x)
        return x

    def backward(self, grad_output: Array, *, needs_x: bool = False) -> Array | None:
        """Leave the gradients in all parameters, from the last layer to the first.

        Unlike the layers, a network does not compute ∂E/∂x unless it is asked to: nothing below the
        first parameters is trained.
        """
        first = 0
        if not needs_x:
            trained = [bool(layer.named_parameters()) for layer in self.layers]
            first = trained.index(True) if any(trained) else len(self.layers)
        grad: Array | None = grad_output
        for place in reversed(range(first, len(self.layers))):
            layer = self.layers[place]
            with _said_of(place, layer):
                assert grad is not None
                grad = layer.backward(grad, needs_x=needs_x or place > first)
        return grad if needs_x else None

    def named_parameters(self) -> dict[str, Parameter]:
        """Return what is trained, by the place of its layer and its name there."""
        return {
            f"{place}.{name}": parameter
            for place, layer in enumerate(self.layers)
            for name, parameter in layer.named_parameters().items()
        }

    def use_backend(self, backend: str) -> None:
        """Have every layer compute by another backend from now on; see `Layer.use_backend`."""
        check_usable(backend)
        for layer in self.layers:
            layer.use_backend(backend)

    def __repr__(self) -> str:
        """Return the layers, in order."""
        return f"Sequential({', '.join(map(repr, self.layers))})"


@contextmanager
def _said_of(place: int, layer: Layer) -> Iterator[None]:
    """Say which layer has refused something."""
    try:
        yield
    except (TypeError, ValueError, RuntimeError) as error:
        name = type(layer).__name__ if isinstance(layer, Sequential) else repr(layer)
        kind = type(error)
        if kind not in (TypeError, ValueError, RuntimeError):
            raise
        raise kind(f"layer {place}, {name}: {error}") from error
