"""The weights of a small network as a diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from probnn.networks.graph import split
from probnn.networks.kinds import activation
from probnn.plots._axes import COLORS, axes, on_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from probnn._types import AnyModel

_SILENT = (keras.layers.Dropout, keras.layers.Normalization, keras.layers.Rescaling)


@on_axes
def network(
    model: AnyModel,
    *,
    names: Sequence[str] | None = None,
    max_units: int = 16,
    ax: Axes | None = None,
) -> Axes:
    """Draw the weights of a small network of Dense layers that ends in a head.

    Parameters
    ----------
    model : keras.Model
        Built; of Dense, Normalization, Rescaling, Activation and Dropout layers, one after the
        other, and a `Head`.
    names : sequence of str, optional
        The inputs; by default x1, x2, ...
    max_units : int
        How many units of a layer are drawn: of a wider one the first, and the number of the rest.
    {axes}
        Without axis lines. Lines are the wider and the darker, the larger the weight is among
        those of its layer, of a head among those of its parameter; dashed where it is negative.

    Raises
    ------
    ValueError
        If the model has other layers, is not built, or names do not fit.

    Notes
    -----
    Biases are not drawn. The head's weights are those of its raw parameters in the units of y;
    constant and fixed parameters have none. The raw values of class probabilities are the log-odds
    of each class to class 0.

    Examples
    --------
    >>> import keras, probnn as pn
    >>> layers = [keras.Input((2,)), keras.layers.Dense(3, "tanh"), pn.Head("normal")]
    >>> ax = pn.plots.network(pn.Sequential(layers), names=["age", "dose"])
    >>> [text.get_text() for text in ax.texts][:3]
    ['age', 'dose', 'inputs']
    """
    if isinstance(max_units, bool) or int(max_units) != max_units or max_units < 1:
        raise ValueError(f"Expected max_units from 1 on. Received: {max_units!r}.")
    head, layers, _ = split(model)
    if not model.built or not head.built:
        raise ValueError("Expected a network that is built. Call it on data, or give an Input.")
    titles, kernels = _columns(head, layers)
    width = int(model.input_shape[-1])
    names = [f"x{j + 1}" for j in range(width)] if names is None else [str(n) for n in names]
    if len(names) != width:
        raise ValueError(f"Expected names of the {width} inputs. Received: {names}.")
    outputs = _outputs(head)
    sizes = [width, *(kernel.shape[1] for kernel in kernels)]
    shown = [min(size, int(max_units)) for size in sizes]
    most = max(shown)
    heights = [min(3.0, most / n) * (0.5 * (n - 1) - np.arange(n)) for n in shown]
    ax = axes(ax)
    for i, kernel in enumerate(kernels):
        # The parameters of a head are in units of their own.
        axis = 0 if i == len(kernels) - 1 else None
        ax.add_collection(_edges(i, kernel, heights[i], heights[i + 1], axis))
    for i, ys in enumerate(heights):
        last = i == len(heights) - 1
        ax.plot(
            np.full(len(ys), i),
            ys,
            linestyle="none",
            marker="o",
            markersize=float(np.clip(130 / most, 6, 18)),
            markerfacecolor="white" if not last else COLORS[1],
            markeredgecolor="black",
            zorder=3,
        )
        if i == 0 or last:
            side = {"ha": "right"} if i == 0 else {"ha": "left"}
            for y, text in zip(ys, names if i == 0 else outputs, strict=False):
                ax.text(i + (-0.12 if i == 0 else 0.12), y, text, va="center", **side)
        top = 0.55 * most + 0.3
        ax.text(i, top, titles[i], ha="center", va="bottom", fontsize="small")
        if sizes[i] > shown[i]:
            below = ys[-1] - 0.05 * most - 0.2
            rest = f"+ {sizes[i] - shown[i]} more"
            ax.text(i, below, rest, ha="center", va="top", fontsize="small")
    ax.set(xlim=(-0.75, len(shown) - 0.25), ylim=(-0.8 * most - 0.4, 0.7 * most + 0.5))
    ax.set_axis_off()
    _legend(ax)
    return ax


def _columns(head, layers):
    """Return the title of each column of units, and the weights between them."""
    titles, kernels = ["inputs"], []
    if layers is None:
        raise ValueError("Expected layers one after the other. Received: a network with branches.")
    for layer in layers:
        if isinstance(layer, keras.layers.Dense):
            titles.append(activation(layer) or "linear")
            kernels.append(keras.ops.convert_to_numpy(layer.kernel))
        elif isinstance(layer, keras.layers.Activation):
            titles[-1] = activation(layer) if kernels else f"{titles[-1]}, {activation(layer)}"
        elif isinstance(layer, _SILENT):
            scaled = not isinstance(layer, keras.layers.Dropout)
            titles[-1] += ",\nscaled" if scaled else ""
        else:
            raise ValueError(
                "Expected Dense, Normalization, Rescaling, Activation and Dropout layers before "
                f"the head. Received: {type(layer).__name__} ({layer.name!r})."
            )
    kernels.append(keras.ops.convert_to_numpy(head.coefficients()[0]))
    return [*titles, f"{head.family.name}\nhead"], kernels


def _outputs(head):
    """Return what the raw outputs are called, of several responses with their number."""
    names = []
    for response in range(head.responses):
        for (name, which), kind in zip(head.family.raw_columns, head.kinds, strict=True):
            called = name
            if head.family.kind == "categorical":
                called, which = "log-odds", which.replace("[", "").replace("]", "")
            note = "" if kind == "predicted" else f" ({kind})"
            number = f" of y{response + 1}" if head.responses > 1 else ""
            names.append(f"{called}{which}{number}{note}")
    return names


def _edges(i, kernel, left, right, axis):
    """Return the lines from one column of units to the next."""
    from matplotlib.collections import LineCollection

    kernel = kernel[: len(left), : len(right)]
    largest = np.abs(kernel).max(axis=axis, initial=0.0)
    size = np.abs(kernel) / np.where(largest > 0, largest, 1.0)
    at = np.argwhere(size > 0)
    at = at[np.argsort(size[tuple(at.T)], kind="stable")]  # the largest on top
    weights = size[tuple(at.T)]
    return LineCollection(
        [[(i, left[a]), (i + 1, right[b])] for a, b in at],
        linewidths=0.3 + 2.7 * weights,
        colors=[(0.0, 0.0, 0.0, 0.12 + 0.78 * weight) for weight in weights],
        linestyles=["-" if kernel[a, b] > 0 else (0, (4, 2)) for a, b in at],
        zorder=1,
    )


def _legend(ax):
    from matplotlib.lines import Line2D

    look = {"color": "black", "linewidth": 1.5}
    handles = [
        Line2D([], [], label="positive weight", **look),
        Line2D([], [], label="negative weight", linestyle=(0, (4, 2)), **look),
    ]
    ax.legend(handles=handles, loc="lower center", ncols=2, frameon=False, fontsize="small")
