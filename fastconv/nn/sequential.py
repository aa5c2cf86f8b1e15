"""A network: layers one after the other, forward in this order, backward in the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from ..planning import check_usable
from ..problem.arguments import shown
from ..problem.operands import Array, check_array
from .layer import Layer
from .parameter import Parameter

__all__ = ["Sequential"]

_REFUSALS = TypeError, ValueError, RuntimeError


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
                raise TypeError(f"every layer must be a Layer, not {shown(layer)}")
        leaves = [id(leaf) for layer in layers for leaf in _leaves(layer)]
        if len(set(leaves)) < len(leaves):
            # it would forget what its first place has kept when it comes to the second
            raise ValueError("a layer is there twice: make one for each place")
        self.layers = layers

    def forward(self, x: Array) -> Array:
        """Return what the last layer returns; every layer keeps what its way back needs."""
        for place, layer in enumerate(self.layers):
            try:
                x = layer.forward(x)
            except _REFUSALS as error:
                _refuse(place, layer, error)
        return x

    def predict(self, x: Array) -> Array:
        """Return the same, and keep nothing."""
        for place, layer in enumerate(self.layers):
            try:
                x = layer.predict(x)
            except _REFUSALS as error:
                _refuse(place, layer, error)
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
        grad = check_array("grad_output", grad_output)
        for place in reversed(range(first, len(self.layers))):
            layer = self.layers[place]
            try:
                found = layer.backward(grad, needs_x=needs_x or place > first)
            except _REFUSALS as error:
                _refuse(place, layer, error)
            if found is None:
                return None
            grad = found
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


def _leaves(layer: Layer) -> Iterator[Layer]:
    """Yield the layers that are no networks themselves."""
    if not isinstance(layer, Sequential):
        yield layer
        return
    for part in layer.layers:
        yield from _leaves(part)


def _refuse(place: int, layer: Layer, error: Exception) -> NoReturn:
    """Raise an error again, saying which layer refused something."""
    if type(error) not in _REFUSALS:
        raise error  # of a subclass, which may be made of more than a message
    name = type(layer).__name__ if isinstance(layer, Sequential) else repr(layer)
    raise type(error)(f"layer {place}, {name}: {error}") from error
