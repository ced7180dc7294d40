"""Pictures of models, of what they believe, and of whether they are right.

Every function draws on the axes given as `ax`, or on those of a new figure, and returns them; none
calls `show`. What is drawn is computed first: `loss_grid`, `descent`, `coefficient_table` and
`partial_dependence` are here, the tables of checks in `probnn.calibration`. `report` makes a figure
of the four pictures that suit a model.

>>> import matplotlib.pyplot as plt, numpy as np, probnn as pn
>>> y = np.random.default_rng(0).normal(size=200)
>>> d = pn.Predictive("normal", {"loc": np.zeros(200), "scale": 1.0})
>>> figure, (left, right) = plt.subplots(1, 2)
>>> pn.plots.pit(y, d, ax=left) is left, pn.plots.residuals(y, d, ax=right) is right
(True, True)
"""

from probnn.plots.checks import coverage, pit, reliability
from probnn.plots.diagrams import network
from probnn.plots.effects import effect, partial_dependence
from probnn.plots.forecasts import distribution, predictive
from probnn.plots.losses import loss_grid, loss_surface
from probnn.plots.models import coefficient_table, coefficients
from probnn.plots.overview import report
from probnn.plots.posteriors import posterior, posterior_predictive
from probnn.plots.residual_plots import residuals
from probnn.plots.steps import descent, gradient_descent
from probnn.plots.surfaces import decision_boundary
from probnn.plots.training import history

__all__ = [
    "coefficient_table",
    "coefficients",
    "coverage",
    "decision_boundary",
    "descent",
    "distribution",
    "effect",
    "gradient_descent",
    "history",
    "loss_grid",
    "loss_surface",
    "network",
    "partial_dependence",
    "pit",
    "posterior",
    "posterior_predictive",
    "predictive",
    "reliability",
    "report",
    "residuals",
]
