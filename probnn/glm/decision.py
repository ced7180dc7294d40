"""The line on which a binary model of two columns is undecided."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from probnn import links
from probnn.glm.results import Results

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras


class DecisionLine(NamedTuple):
    """The line x2 = intercept + slope x1."""

    intercept: float
    slope: float


def decision_line(
    model: Results | keras.Model | Sequence[float],
    x_names: Sequence[str] | None = None,
    level: float = 0.5,
) -> DecisionLine:
    """Return the line in the plane of two columns on which P(Y = 1) is a level.

    Parameters
    ----------
    model : Results, keras.Model, or sequence of 3 numbers
        Of the Bernoulli family on two columns: results of this package; a network that ends in a
        `Head`, whose layers before it are linear; or the coefficients b0, b1 and b2 of log-odds.
    x_names : list of 2 str, optional
        For results: the column on the horizontal axis, and that on the vertical; their own order
        by default.
    level : float
        The probability on the line.

    Returns
    -------
    DecisionLine
        Its `intercept` and `slope`.

    Raises
    ------
    ValueError
        If there are not two columns, a hidden layer is not linear, the second coefficient is 0, or
        the level is not between 0 and 1.

    Notes
    -----
    With g the link, g(P) = b0 + b1 x1 + b2 x2, and P = level where x2 = (g(level) - b0) / b2 -
    (b1 / b2) x1. For log-odds and the level 1/2, g(level) is 0.

    Examples
    --------
    >>> import probnn as pn
    >>> from probnn.glm.decision import decision_line
    >>> decision_line([1.0, 2.0, 0.5])
    DecisionLine(intercept=-2.0, slope=-4.0)
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"Expected a level between 0 and 1. Received: {level}.")
    link = links.get("logit")
    if isinstance(model, Results):
        link, coef = _of_results(model, x_names)
    elif _is_network(model):
        link, coef = _of_network(model)
    else:
        coef = np.asarray(model, dtype="float64")
        if coef.shape != (3,):
            raise ValueError(
                "Expected results, a network, or three coefficients b0, b1, b2. Received: "
                f"{'shape ' + str(coef.shape)}."
            )
    if x_names is not None and not isinstance(model, Results):
        raise ValueError(
            "Expected x_names with results, whose columns have names. Received them with a "
            f"{type(model).__name__}: reorder its two columns."
        )
    b0, b1, b2 = (float(b) for b in coef)
    b0 -= float(link.forward(np.float64(level)))
    if b2 == 0.0:
        where = f"the vertical line x1 = {-b0 / b1:.6g}" if b1 else "no line: both are 0"
        raise ValueError(
            "Expected a coefficient of the second column other than 0. Received: 0, for which "
            f"P = {level} is on {where}."
        )
    return DecisionLine(-b0 / b2, -b1 / b2)


def _is_network(model):
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(model, keras.Model)


def _check_family(family):
    if family.kind != "binary":
        raise ValueError(f"Expected a model of the bernoulli family. Received: {family!r}.")


def _of_results(results, x_names):
    """Return the link, and b0, b1 and b2 in the order of the names."""
    model = results.model
    _check_family(model.family)
    coef = dict(zip(model.x_names, results.coef, strict=True))
    constant = None if model.constant_index is None else model.x_names[model.constant_index]
    b0 = coef.pop(constant) if constant is not None else 0.0
    if len(coef) != 2:
        raise ValueError(f"Expected a model of two columns. Received: {list(coef)}.")
    if model.has_offset:
        raise ValueError("Expected a model without an offset, which moves the line of every row.")
    names = list(coef) if x_names is None else list(x_names)
    if sorted(names) != sorted(coef):
        raise ValueError(f"Expected x_names to be {list(coef)}, in any order. Received: {names}.")
    return model.family.links[model.family.location], [b0, *(coef[name] for name in names)]


def _of_network(model):
    """Return the link, and the intercept and the slopes in the units of the input."""
    import keras

    from probnn.networks.affine import collapse
    from probnn.networks.graph import split

    head, layers, _ = split(model)
    _check_family(head.family)
    shape = model.input_shape if model.built else ()
    if len(shape) != 2 or shape[-1] != 2 or head.responses != 1:
        raise ValueError(
            "Expected a network of two inputs and one response. Received: input of shape "
            f"{shape or 'unknown'}, units={head.units}."
        )
    chain = collapse(layers, 2, 1)
    if chain is None:
        raise ValueError(
            "Expected linear layers before the head. Received others: P is a level on a curve. "
            "Draw it from model.predict on a grid."
        )
    kernel, bias = (
        0.0 if t is None else keras.ops.convert_to_numpy(t).astype("float64")
        for t in head.coefficients()
    )
    slope = (chain.slope @ kernel)[:, 0]
    return head.family.links[head.family.location], [
        float(np.sum(bias + chain.shift @ kernel)),
        *slope,
    ]
