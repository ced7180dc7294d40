"""Mean scores of several models side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import stdtr

from probnn.data.frames import names_of
from probnn.predictive import Predictive, check_same_responses
from probnn.scores.rules import (
    SCORES,
    brier,
    crps,
    dawid_sebastiani,
    energy,
    log_score,
    ranked_probability,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from probnn._types import ArrayLike, Floats

    Score = Callable[..., Floats]  # of y and a Predictive


def table(
    predictives: Mapping[str, Predictive],
    y: ArrayLike,
    scores: Score | Sequence[Any] | Mapping[str, Score] | None = None,
    *,
    reference: str | None = None,
) -> pd.DataFrame:
    """Return mean scores of several models, and their differences from one of them.

    Parameters
    ----------
    predictives : dict
        Name -> Predictive, all of the same rows.
    y : array_like, shape (n,), or (n, d)
        Responses, which the models have not seen if the scores are to be fair.
    scores : list, or dict of name -> function, optional
        Names of `SCORES`, or functions (y, predictive) -> (n,). Without, the scores in use for the
        families: log score and CRPS of numbers, log score and Brier score of classes (and the
        ranked probability score if they are ordered), log score and energy score of vectors; the
        log score not where one family is continuous and another discrete. Another option of a
        score: {"interval": functools.partial(pn.scores.interval, level=0.5)}.
    reference : str, optional
        The name of the model that the others are compared with; the first one by default.

    Returns
    -------
    pandas.DataFrame
        A row for each score and model. Columns: `mean` and its standard error `se`; `difference`
        from the reference's mean, of the same rows, with its standard error `difference_se` and the
        two-sided `pvalue` of no difference, NaN where there is none; `skill`, 1 - mean /
        reference's mean, NaN for scores that may be negative. Of several responses in a row the log
        and the Dawid-Sebastiani scores are summed, as of a joint distribution, and others averaged.

    Raises
    ------
    ValueError
        If there is no model, a name is unknown, numbers of rows differ, or a score does not apply.

    Notes
    -----
    The test is that of Diebold and Mariano (1995), doi:10.1080/07350015.1995.10524599, for rows
    that are independent, by Student's t with n - 1 degrees of freedom. A density and a
    probability cannot be compared by the log score.

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
    predictives, labels = _named(predictives)
    y = y if labels.rows is None else labels.rows.align(y, "y")
    if names_of(y) is None:
        check_same_responses(predictives.values())
    reference = next(iter(predictives)) if reference is None else reference
    if reference not in predictives:
        raise ValueError(
            f"Expected a reference among {', '.join(map(repr, predictives))}. Received: "
            f"{reference!r}."
        )
    kinds = {_measure(y, d) for d in predictives.values()}
    chosen = _default(predictives, len(kinds) == 1, y) if scores is None else _chosen(scores)
    if log_score in chosen.values() and len(kinds) > 1:
        raise ValueError(
            "Expected densities of y, or probabilities of it, in all models for the log score: the "
            f"one is not the other. Received: {' and '.join(sorted(kinds))}. Use scores=['crps'], "
            "or families.Discretized for the continuous ones."
        )
    rows = {}
    for label, score in chosen.items():
        each = {name: _by_row(score, y, d, label) for name, d in predictives.items()}
        signed = score is dawid_sebastiani or (score is log_score and kinds != {"probabilities"})
        signed = signed or any((values < 0).any() for values in each.values())
        for name, values in each.items():
            rows[label, name] = _row(values, each[reference], not signed)
    frame = pd.DataFrame(rows).T
    frame.index.names = ["score", "model"]
    return frame


def _named(predictives):
    """Return name -> Predictive, all of the same rows in one order, and their `ResponseLabels`."""
    if not isinstance(predictives, dict) or not predictives:
        raise ValueError(
            "Expected at least one Predictive with a name, as {'GLM': d}. Received: "
            f"{predictives!r:.60}."
        )
    for name, d in predictives.items():
        if not isinstance(d, Predictive):
            raise ValueError(
                f"Expected a Predictive, as model.predict_distribution(x) returns. Received: "
                f"{type(d).__name__} for {name!r}."
            )
    sizes = {name: len(d) for name, d in predictives.items()}
    if len({*sizes.values()}) > 1:
        raise ValueError(
            f"Expected Predictives of the same rows. Received numbers of them: {sizes}."
        )
    all_of = [d.labels for d in predictives.values()]
    labels = next((each for each in all_of if each.rows is not None), all_of[0])
    return {name: d.aligned(labels) for name, d in predictives.items()}, labels


def _measure(y, d):
    """Return whether what the log score takes the logarithm of are densities or probabilities."""
    if d.family.discrete:
        return "probabilities"
    mixed = d.family.atom and (d.conditioned(y)[1] == d.family.support.low).any()
    return "densities with probabilities" if mixed else "densities"


def _row(values, reference, skill):
    """Return the statistics of one score of one model."""
    with np.errstate(invalid="ignore"):  # infinite scores have no standard error
        gain = values - reference
        rounding = 1e-12 * np.maximum(np.abs(values), np.abs(reference))
        gain = np.where(np.abs(gain) <= rounding, 0.0, gain)
        (mean, se), (difference, difference_se) = _mean(values), _mean(gain)
        t = difference / difference_se if difference_se > 0 else np.nan
        return {
            "mean": mean,
            "se": se,
            "difference": difference,
            "difference_se": difference_se,
            "pvalue": 2.0 * stdtr(len(values) - 1, -abs(t)),
            "skill": 1.0 - mean / reference.mean() if skill and reference.mean() else np.nan,
        }


def _mean(values):
    """Return the mean, and its standard error."""
    n = len(values)
    return values.mean(), values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan


def _by_row(score, y, d, label):
    """Return one score a row: the mean over its responses or quantiles, of likelihoods the sum."""
    values = np.asarray(score(y, d), dtype="float64")
    if values.shape[:1] != (len(d),):
        raise ValueError(
            f"Expected a score for each of the {len(d)} rows. Received from {label!r}: shape "
            f"{values.shape}."
        )
    values = values.reshape(len(d), -1)
    is_likelihood = score in (log_score, dawid_sebastiani)
    return values.sum(axis=1) if is_likelihood else values.mean(axis=1)


def _default(predictives, comparable, y):
    families = [d.family for d in predictives.values()]
    found = {"log_score": log_score} if comparable else {}
    if any(family.vector for family in families):
        return {**found, "energy": energy}
    if all(family.kind == "binary" for family in families):
        return {**found, "brier": brier}
    if all(family.classes is not None for family in families):
        ordered = any(family.kind == "ordinal" for family in families)
        found |= {"brier": brier}
        return {**found, "ranked_probability": ranked_probability} if ordered else found
    # Of a y that is known by bounds there is the likelihood alone.
    seen = all(d.conditioned(y)[1].shape == d.shape for d in predictives.values())
    return {**found, "crps": crps} if seen or not found else found


def _chosen(scores):
    if isinstance(scores, dict):
        return scores
    scores = [scores] if isinstance(scores, str) or callable(scores) else list(scores)
    own = {getattr(score, "__name__", str(score)): score for score in scores if callable(score)}
    unknown = [name for name in scores if not callable(name) and name not in SCORES]
    if unknown:
        raise ValueError(
            f"Expected names of scores: {', '.join(SCORES)}. Received: {unknown[0]!r}. A score of "
            "your own: scores={'name': function}."
        )
    return {name: SCORES[name] for name in scores if not callable(name)} | own
