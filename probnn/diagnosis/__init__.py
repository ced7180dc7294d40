"""What is wrong with a fitted model, in words: `diagnose`, its checks and their thresholds.

A new check is one function, of an `Evidence`, in one of the modules here, and one row of `CHECKS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from probnn.diagnosis import fit, inside, shape
from probnn.diagnosis.evidence import Evidence, Skip, Unable
from probnn.diagnosis.report import Diagnosis, Finding
from probnn.diagnosis.thresholds import THRESHOLDS

if TYPE_CHECKING:
    from probnn._types import AnyModel, Rows

__all__ = ["CHECKS", "THRESHOLDS", "Diagnosis", "Finding", "diagnose"]

CHECKS = {  # causes come before what follows from them
    "not converged": fit.not_converged,
    "worse than the marginal distribution": fit.worse_than_marginal,
    "scale collapsed": fit.scale_collapsed,
    "over-fitting": fit.over_fitting,
    "unscaled inputs": inside.unscaled,
    "dead units": inside.dead_units,
    "separable classes": fit.separable,
    "overdispersed counts": shape.overdispersed,
    "excess zeros": shape.excess_zeros,
    "heteroscedasticity left": shape.heteroscedastic,
    "heavy tails": shape.heavy_tails,
    "mis-calibration": shape.miscalibrated,
}


def diagnose(
    model: AnyModel, x: Rows = None, y: Rows = None, *, validation_data: Rows = None
) -> Diagnosis:
    """Say what is wrong with a fitted model, each time with a number and a remedy.

    Parameters
    ----------
    model : probnn.Sequential, probnn.Model, DeepEnsemble or Results
        Trained; with one head.
    x : array_like, shape (n, p), optional
        The training rows, as the model takes them: for `Results` as `results.predict` does, or
        None for the rows that it was fitted to. It must be None for `Results` with an offset, an
        exposure or `designs`, which x does not hold.
    y : array_like, shape (n,), optional
        Their responses; None, as x, for those that `Results` were fitted to.
    validation_data : tuple, optional
        (x, y) of rows that the model has not seen; not for `Results` that need x=None. The spread,
        zeros, tails and calibration are then judged by these, and over-fitting is looked for.

    Returns
    -------
    Diagnosis
        Its findings, as text when printed, with what could not be looked at; the checks that do not
        apply are in `skipped`.

    Raises
    ------
    ValueError
        If the model predicts no distribution, or several; if its weights diverged, so that what it
        predicts is infinite; or if x and y do not fit it.

    Notes
    -----
    A check speaks where a test has p < 0.001 and the effect is of a size that matters:
    `probnn.diagnosis.THRESHOLDS` has the numbers and their reasons. With one fault others may be
    named that follow from it: mend the first, and ask again. No finding is no proof that a model
    is right. Each row counts once: sample weights, which a network does not keep, are unknown here.
    Responses and time steps are pooled, but for masked steps; where the residuals of a row are
    alike, which no test allows for, one of each row, drawn at random, is looked at.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> rng = np.random.default_rng(0)
    >>> x = np.column_stack([np.ones(500), rng.normal(size=500)])
    >>> mean = np.exp(1.0 + 0.3 * x[:, 1])
    >>> y = rng.poisson(mean * rng.gamma(2.0, 0.5, size=500))
    >>> diagnosis = pn.diagnose(pn.glm.GLM(y, x, "poisson").fit())
    >>> "overdispersed counts" in diagnosis
    True
    >>> print(diagnosis["overdispersed counts"].remedy)
    the family "negative_binomial".
    >>> y = rng.poisson(mean)
    >>> pn.diagnose(pn.glm.GLM(y, x, "poisson").fit(), x, y).findings
    []
    """
    evidence = Evidence(model, x, y, validation_data)
    findings, checked, skipped, unable = [], [], {}, []
    for name, check in CHECKS.items():
        try:
            found = check(evidence)
        except Skip as reason:
            skipped[name] = str(reason)
            unable += [name] * isinstance(reason, Unable)
            continue
        checked.append(name)
        if found is not None:
            findings.append(Finding(name, *found))
    return Diagnosis(evidence.subject, findings, checked, skipped, unable)
