"""Curves of training and validation over epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn.plots._axes import COLORS, MARKERS, axes, on_axes

if TYPE_CHECKING:
    from typing import Any

    from matplotlib.axes import Axes


@on_axes
def history(
    histories: Any, *, metric: str = "loss", log: bool = False, ax: Axes | None = None
) -> Axes:
    """Draw what a metric was after each epoch, dashed where it is that of the validation data.

    Parameters
    ----------
    histories : keras.callbacks.History, dict of arrays, list of them, or dict of them by name
        What `fit` returned: one, or several to compare; the list of a `DeepEnsemble`.
    metric : str
        The name of the metric; its validation is `val_` and that name.
    log : bool
        Whether the vertical axis is logarithmic.
    {axes}

    Raises
    ------
    ValueError
        If there is no history, the metric is in none, or log=True meets values that are not
        positive.

    Examples
    --------
    >>> import probnn as pn
    >>> ax = pn.plots.history({"loss": [0.9, 0.7, 0.6], "val_loss": [1.0, 0.8, 0.8]})
    >>> [line.get_label() for line in ax.lines]
    ['training', 'validation']
    """
    named = _named(histories)
    curves = []
    for i, (name, (logs, epochs)) in enumerate(named.items()):
        if metric not in logs:
            raise ValueError(
                f"Expected one of the metrics {', '.join(logs)}. Received: metric={metric!r}"
                f"{f', for {name!r}' if name else ''}."
            )
        values = np.asarray(logs[metric], dtype="float64")
        if not len(values):
            raise ValueError(f"Expected at least one epoch. Received: no values of {metric}.")
        epochs = np.arange(len(values)) if epochs is None else np.asarray(epochs)
        look = {"color": COLORS[i % len(COLORS)]}
        if len(named) > 1:
            every = max(1, len(values) // 8)
            look |= {"marker": MARKERS[i % len(MARKERS)], "markersize": 5, "markevery": every}
        curves.append((epochs + 1, values, {**look, "label": name or "training"}))
        held_out = np.asarray(logs.get(f"val_{metric}", []), dtype="float64")
        if len(held_out):
            every = max(1, len(values) // len(held_out))  # validation_freq
            look |= {"linestyle": "--", "label": f"{name}, validation" if name else "validation"}
            curves.append((epochs[every - 1 :: every][: len(held_out)] + 1, held_out, look))
    least = min(np.min(values) for _, values, _ in curves)
    if log and least <= 0.0:
        raise ValueError(
            f"Expected positive values of {metric} for log=True. Received: {least:.4g}. The "
            "negative logarithm of a density may be any number."
        )
    ax = axes(ax)
    for epochs, values, look in curves:
        ax.plot(epochs, values, **look)
    ax.xaxis.get_major_locator().set_params(integer=True)
    if log:
        ax.set_yscale("log")
    ax.set(xlabel="epoch", ylabel=metric.replace("_", " "))
    if len(curves) > 1:
        ax.legend(loc="best", ncols=1 + (len(curves) > 6))
    return ax


def _named(histories):
    """Return name -> (metric -> values, epochs or None); the name of a single one is ""."""
    if isinstance(histories, (list, tuple)):
        named = {f"member {i + 1}": each for i, each in enumerate(histories)}
    elif isinstance(histories, dict) and all(_is_history(each) for each in histories.values()):
        named = dict(histories)
    else:
        named = {"": histories}
    if not named or not all(_is_history(each) and _logs(each) for each in named.values()):
        raise ValueError(
            "Expected what fit returned: a History, the dict of its arrays, "
            f"or several of them in a list or by name. Received: {histories!r}."
        )
    return {str(k): (_logs(each), getattr(each, "epoch", None)) for k, each in named.items()}


def _is_history(each):
    return isinstance(each, dict) or isinstance(getattr(each, "history", None), dict)


def _logs(each):
    return each if isinstance(each, dict) else each.history
