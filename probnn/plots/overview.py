"""The four pictures that say most about a model of a kind of response."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn.calibration import checks
from probnn.fitted import adapt
from probnn.plots._axes import COLORS, style
from probnn.plots._inputs import Inputs, fitted_rows
from probnn.plots.checks import coverage, pit, reliability
from probnn.plots.forecasts import predictive
from probnn.plots.residual_plots import residuals

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from probnn._types import AnyModel, ArrayLike, Rows


def report(
    model: AnyModel, x: Rows = None, y: ArrayLike | None = None, *, figure: Figure | None = None
) -> Figure:
    """Draw what a model predicts, and whether it is right: four plots that fit its response.

    Parameters
    ----------
    model : probnn.Model, DeepEnsemble or Results
        Anything with `predict_distribution` and one response.
    x : array_like, shape (n,) or (n, p), optional
        Rows, best such as the model was not fitted to; without x and y, those that results were
        fitted to.
    y : array_like, shape (n,) or (n, 1), optional
        What was observed; two columns of bounds for a censored family, of successes and trials for
        one of proportions.
    figure : matplotlib Figure, optional
        Where to draw; by default a new one, 11 by 8 inches.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        As `predictive` and the functions of `probnn.calibration`, before a figure is made.

    Notes
    -----
    ========================  ==================  =========  ==============  ==================
    y                         first               second     third           fourth
    ========================  ==================  =========  ==============  ==================
    numbers, counts           predictive          pit        coverage        residuals
    the same, several inputs  residuals "fitted"  pit        coverage        residuals
    with censored rows        as above            pit        residuals "qq"  residuals
    yes or no, classes        reliability         forecasts  predictive      residuals "binned"
    the same, two inputs      reliability         forecasts  boundary        residuals "binned"
    the same, more inputs     reliability         forecasts  residuals       residuals "binned"
    ========================  ==================  =========  ==============  ==================

    `residuals` is the worm plot; "forecasts" the histogram, for each class, of P(Y = 1), or of the
    probability of the class that came; "boundary" is `decision_boundary`. Of more than seven
    classes, reliability and forecasts show the seven most frequent in y. Inputs are the columns of
    x that vary; of results with an offset or `designs`, which x does not tell, panels are as of
    several. The rows are predicted once.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> x = np.linspace(0.0, 1.0, 50)[:, None]
    >>> y = 1.0 + x[:, 0] + 0.1 * np.random.default_rng(0).normal(size=50)
    >>> results = pn.glm.OLS(y, np.column_stack([np.ones(50), x])).fit()
    >>> figure = pn.plots.report(results, np.column_stack([np.ones(50), x]), y)
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['y', 'density', 'observed share', 'residual - quantile']
    """
    note, d = adapt(model).left_out(x), None
    if x is None and y is None:
        x, y, d = fitted_rows(model)
    rows = Inputs(model, x, fitted=d is not None)
    if d is None:
        y, d = rows.model.of_trials(rows.response(y), rows.believed(rows.table))
    checks.rows(y, d, censored=True)
    varying = [name for name in rows.table if rows.table[name].nunique() > 1]
    numeric = set(varying) <= set(rows.numeric)
    panels = _of_classes if d.family.has_classes else _of_numbers
    told = not (rows.model.offset or rows.model.designs)  # by x alone, as panels of inputs ask
    plots = panels(model, x, y, d, len(varying) if numeric and told else np.inf)
    if figure is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(11, 8), layout="constrained")
    for ax, plot in zip(figure.subplots(2, 2).flat, plots, strict=True):
        plot(ax)
    figure.suptitle(f"{d.family.label}, {len(d)} rows" + f" ({note})" * bool(note))
    return figure


def _of_numbers(model, x, y, d, inputs):
    """Return the functions that draw on each of the four axes."""
    censored = checks.rows(y, d, censored=True)[1].shape != d.shape
    return [
        (lambda ax: predictive(model, x, y, ax=ax))
        if inputs == 1
        else (lambda ax: residuals(y, d, kind="fitted", ax=ax)),
        lambda ax: pit(y, d, ax=ax),
        (lambda ax: residuals(y, d, kind="qq", ax=ax))
        if censored
        else (lambda ax: coverage(y, d, ax=ax)),
        lambda ax: residuals(y, d, ax=ax),
    ]


def _of_classes(model, x, y, d, inputs):
    """Return the functions that draw on each of the four axes."""

    def surface(ax):
        from probnn.plots.surfaces import decision_boundary

        return decision_boundary(model, x, y, ax=ax)

    shown = None
    if d.family.classes is not None:
        probs, codes = checks.classes(y, d, "a report")
        shown = d.classes[_most_frequent(codes, probs.shape[1])]
    third = {1: lambda ax: predictive(model, x, y, ax=ax), 2: surface}
    return [
        lambda ax: reliability(y, d, classes=shown, ax=ax),
        lambda ax: _forecasts(y, d, ax),
        third.get(inputs, lambda ax: residuals(y, d, ax=ax)),
        lambda ax: residuals(y, d, kind="binned", ax=ax),
    ]


def _most_frequent(codes, count):
    """Return the codes of the classes that are drawn, in order."""
    counts = np.bincount(codes, minlength=count)
    return np.sort(np.argsort(-counts, kind="stable")[: len(COLORS)])


def _forecasts(y, d, ax):
    """Draw, for each class, the histogram of the probabilities that tell it from others."""
    probs, codes = checks.classes(y, d, "their histogram")
    binary = d.family.classes is None
    forecast = probs[:, 1] if binary else probs[np.arange(len(codes)), codes]
    edges = np.linspace(0.0, 1.0, 26)
    seen = [code for code in _most_frequent(codes, probs.shape[1]) if (codes == code).any()]
    for i, code in enumerate(seen):
        here = forecast[codes == code]
        share = np.histogram(here, edges)[0] / len(here)
        line = {**style(i), "linewidth": 1.8, "label": f"y = {d.classes[code]} ({len(here)} rows)"}
        ax.stairs(share, edges, **line)
        ax.stairs(share, edges, fill=True, color=COLORS[i % len(COLORS)], alpha=0.12)
    ax.set_xlim(0.0, 1.0)
    which = d.classes[1] if binary else "the y seen"
    ax.set_xlabel(f"forecast probability of {which}")
    ax.set_ylabel("share of the rows of a class")
    ax.legend(fontsize="small")
