"""Mean scores of several models side by side."""

import numpy as np
import pandas as pd

from probnn.scores.rules import (
    SCORES,
    brier,
    crps,
    dawid_sebastiani,
    energy,
    log_score,
    ranked_probability,
)


def table(predictives, y, scores=None, *, reference=None):
    """Return mean scores of several models, and their differences from one of them.

    Parameters
    ----------
    predictives : dict
        Name -> Predictive, all of the same rows.
    y : array_like, shape (n,)
        Responses, which the models have not seen if the scores are to be fair.
    scores : list of str, or dict of name -> function, optional
        Names of `SCORES`, or functions (y, predictive) -> (n,). Without, the scores in use for the
        families: log score and CRPS of numbers, log score and Brier score of classes (and the
        ranked probability score if they are ordered), log score and energy score of vectors; the
        log score not where one family is continuous and another discrete.
    reference : str, optional
        The name of the model that the others are compared with; the first one by default.

    Returns
    -------
    pandas.DataFrame
        A row for each score and model. Columns: `mean` and its standard error `se`; `difference`
        from the reference's mean, of the same rows, with its standard error `difference_se` and the
        two-sided `pvalue` of no difference; `skill`, 1 - mean / reference's mean, NaN for scores
        that may be negative.

    Raises
    ------
    ValueError
        If there is no model, a name is unknown, numbers of rows differ, or a score does not apply.

    Notes
    -----
    The test is that of Diebold and Mariano (1995), doi:10.1080/07350015.1995.10524599, for rows
    that are independent. A density and a probability cannot be compared by the log score.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> y = np.array([0.1, -1.2, 0.4, 0.8])
    >>> models = {
    ...     "narrow": pn.Predictive("normal", {"loc": np.zeros(4), "scale": 0.5}),
    ...     "wide": pn.Predictive("normal", {"loc": np.zeros(4), "scale": 1.0}),
    ... }
    >>> pn.scores.table(models, y, ["crps"])[["mean", "difference", "skill"]].round(3)
                   mean  difference  skill
    score model
    crps  narrow  0.456       0.000  0.000
          wide    0.440      -0.017  0.036
    """
    predictives = dict(predictives)
    if not predictives:
        raise ValueError("Expected at least one Predictive, as {'name': d}. Received: none.")
    reference = next(iter(predictives)) if reference is None else reference
    if reference not in predictives:
        raise ValueError(
            f"Expected a reference among {', '.join(map(repr, predictives))}. Received: "
            f"{reference!r}."
        )
    kinds = {d.family.discrete for d in predictives.values()}
    chosen = _default(predictives) if scores is None else _chosen(scores)
    if log_score in chosen.values() and len(kinds) > 1:
        raise ValueError(
            "Expected families that are all continuous or all discrete for the log score: a "
            "density is no probability. Received both. Use scores=['crps'], or "
            "families.Discretized for the continuous ones."
        )
    rows = {}
    for label, score in chosen.items():
        each = {name: _by_row(score(y, d)) for name, d in predictives.items()}
        signed = score is dawid_sebastiani or (score is log_score and kinds == {False})
        known = score in SCORES.values()
        for name, values in each.items():
            rows[label, name] = _row(values, each[reference], known and not signed)
    frame = pd.DataFrame(rows).T
    frame.index.names = ["score", "model"]
    return frame


def _row(values, reference, skill):
    with np.errstate(invalid="ignore"):  # infinite scores have no standard error
        (mean, se), (difference, difference_se) = _mean(values), _mean(values - reference)
        z = difference / difference_se if difference_se > 0 else np.nan
        return {
            "mean": mean,
            "se": se,
            "difference": difference,
            "difference_se": difference_se,
            "pvalue": _two_sided(z),
            "skill": 1.0 - mean / reference.mean() if skill and reference.mean() else np.nan,
        }


def _mean(values):
    """Return the mean, and its standard error."""
    n = len(values)
    return values.mean(), values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan


def _two_sided(z):
    from scipy.special import ndtr

    return 2.0 * ndtr(-abs(z))


def _by_row(values):
    """Return one score a row: the mean over responses, or over quantiles."""
    return values.reshape(len(values), -1).mean(axis=1)


def _default(predictives):
    families = [d.family for d in predictives.values()]
    if all(family.vector for family in families):
        return {"log_score": log_score, "energy": energy}
    found = {"log_score": log_score} if len({f.discrete for f in families}) == 1 else {}
    if all(family.name == "bernoulli" for family in families):
        return {**found, "brier": brier}
    if all(family.classes is not None for family in families):
        ordered = all(family.name == "ordinal" for family in families)
        found |= {"brier": brier}
        return {**found, "ranked_probability": ranked_probability} if ordered else found
    return {**found, "crps": crps}


def _chosen(scores):
    if isinstance(scores, dict):
        return scores
    scores = [scores] if isinstance(scores, str) else list(scores)
    unknown = [name for name in scores if name not in SCORES]
    if unknown:
        raise ValueError(
            f"Expected names of scores: {', '.join(SCORES)}. Received: {unknown[0]!r}. A score of "
            "your own: scores={'name': function}."
        )
    return {name: SCORES[name] for name in scores}
