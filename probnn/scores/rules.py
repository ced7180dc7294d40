"""Scoring rules: one number for each row of a Predictive, smaller is better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn.predictive import check_predictive

if TYPE_CHECKING:
    from probnn._types import ArrayLike, Floats
    from probnn.predictive import Predictive

_DRAWN = 200_000  # numbers held at once by a score of draws
_MANY = 10_000_000  # draws of all rows, by default, from which on each row has fewer


def log_score(y: ArrayLike, predictive: Predictive) -> Floats:
    """Return minus the log-density, or log-probability, of y: the negative log-likelihood.

    Parameters
    ----------
    y : array_like, shape (n,), or (n, y_columns) of the family
        Responses. Those of censored families may be bounds.
    predictive : Predictive
        The distributions of n rows.

    Returns
    -------
    numpy.ndarray, shape (n,)
        In nats; infinite where y has probability 0.

    Raises
    ------
    ValueError
        If y has another shape, or a value outside the family's support, as NaN is.

    Notes
    -----
    Good (1952), doi:10.1111/j.2517-6161.1952.tb00104.x. The score of a density changes with the
    units of y and may be negative; that of probabilities does not.

    Examples
    --------
    >>> import probnn as pn
    >>> d = pn.Predictive("bernoulli", {"probs": [0.5]})
    >>> pn.scores.log_score([1], d).round(6).tolist()
    [0.693147]
    """
    _seen(y, predictive)
    return -predictive.log_prob(y)


def crps(y: ArrayLike, predictive: Predictive) -> Floats:
    """Return the continuous ranked probability score: `Predictive.crps`.

    Parameters
    ----------
    y : array_like, shape (n,)
        Responses.
    predictive : Predictive
        The distributions of n rows.

    Returns
    -------
    numpy.ndarray, shape (n,)
        In the units of y. For a distribution at one point it is the absolute error.

    Raises
    ------
    ValueError
        If y has another shape, or a value outside the family's support; or is a vector.

    Notes
    -----
    Matheson and Winkler (1976), doi:10.1287/mnsc.22.10.1087: the integral of
    (F(x) - 1{y <= x})^2.

    Examples
    --------
    >>> import probnn as pn
    >>> d = pn.Predictive("normal", {"loc": [0.0], "scale": [1.0]})
    >>> pn.scores.crps([0.0], d).round(6).tolist()
    [0.233695]
    """
    check_predictive(predictive)
    if predictive.family.vector:
        raise ValueError(
            f"Expected a family of one number. Received: {predictive.family!r}. Scores of vectors: "
            "log_score, energy."
        )
    return predictive.crps(y)


def brier(y: ArrayLike, predictive: Predictive) -> Floats:
    """Return the Brier score of probabilities: their squared distance to what happened.

    Parameters
    ----------
    y : array_like, shape (n,)
        0 or 1, or classes: labels where the Predictive knows them, else codes.
    predictive : Predictive
        Of the Bernoulli family, or of one of classes: categorical, ordinal.

    Returns
    -------
    numpy.ndarray, shape (n,)
        (p - y)^2 in [0, 1] for Bernoulli; for classes the sum of that over all classes, in [0, 2],
        which for two of them is twice that of Bernoulli.

    Raises
    ------
    ValueError
        If the family has no probabilities of classes; or as `crps`.

    Notes
    -----
    Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    Examples
    --------
    >>> import probnn as pn
    >>> d = pn.Predictive(pn.families.Categorical(3), {"probs": [[0.2, 0.5, 0.3]]})
    >>> pn.scores.brier([1], d).round(6).tolist()
    [0.38]
    """
    predictive, y = _seen(y, predictive)
    family = predictive.family
    if not family.has_classes:
        raise ValueError(
            "Expected probabilities of classes, as of the bernoulli, categorical and ordinal "
            f"families. Received: {family!r}. scores.crps is the same of numbers."
        )
    p = predictive.mean()
    if family.kind == "binary":
        return (p - y) ** 2
    return ((p - (y[..., None] == np.arange(family.classes))) ** 2).sum(axis=-1)


def ranked_probability(y: ArrayLike, predictive: Predictive) -> Floats:
    """Return the ranked probability score: Brier scores of "at most k", summed over all k.

    Parameters
    ----------
    y : array_like, shape (n,)
        Counts, or classes that have an order: labels where the Predictive knows them, else codes.
    predictive : Predictive
        Of a discrete family. Of the categorical one, the order is that of the codes.

    Returns
    -------
    numpy.ndarray, shape (n,)

    Raises
    ------
    ValueError
        If the family is continuous; or as `crps`.

    Notes
    -----
    Epstein (1969), doi:10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2, without a division by the
    number of classes. It is the CRPS of the codes.

    Examples
    --------
    >>> import probnn as pn
    >>> d = pn.Predictive(pn.families.Categorical(3), {"probs": [[0.2, 0.5, 0.3]]})
    >>> pn.scores.ranked_probability([2], d).round(6).tolist()
    [0.53]
    """
    check_predictive(predictive)
    if not predictive.family.discrete:
        raise ValueError(
            "Expected a family of counts or classes. Received: "
            f"{predictive.family!r}. scores.crps is the same of continuous y."
        )
    return predictive.crps(y)


def interval(y: ArrayLike, predictive: Predictive, *, level: float = 0.9) -> Floats:
    """Return the interval score of the central interval: its width, and a penalty outside it.

    Parameters
    ----------
    y : array_like, shape (n,)
        Responses.
    predictive : Predictive
        The distributions of n rows.
    level : float
        The probability of the interval, in (0, 1).

    Returns
    -------
    numpy.ndarray, shape (n,)
        In the units of y.

    Raises
    ------
    ValueError
        If the level is not in (0, 1), the family is not one of numbers on a line; or as `crps`.

    Notes
    -----
    Winkler (1972), doi:10.1080/01621459.1972.10481224: with a = 1 - level and the interval [l, u],
    (u - l) + 2 / a (l - y) 1{y < l} + 2 / a (y - u) 1{y > u}.

    Examples
    --------
    >>> import probnn as pn
    >>> d = pn.Predictive("normal", {"loc": [0.0, 0.0], "scale": [1.0, 1.0]})
    >>> pn.scores.interval([0.0, 2.0], d).round(4).tolist()
    [3.2897, 10.3926]
    """
    predictive, y = _number(y, predictive)
    lower, upper = predictive.interval(level)
    outside = np.maximum(lower - y, 0.0) + np.maximum(y - upper, 0.0)
    return (upper - lower) + 2.0 / (1.0 - level) * outside


def pinball(y: ArrayLike, predictive: Predictive, *, p: float = 0.5) -> Floats:
    """Return the pinball loss of quantiles: for p = 0.5 half the absolute error of the median.

    Parameters
    ----------
    y : array_like, shape (n,)
        Responses.
    predictive : Predictive
        The distributions of n rows.
    p : float, or array_like of shape (m,)
        Probabilities of the quantiles.

    Returns
    -------
    numpy.ndarray, shape (n,), or (n, m) for m probabilities
        In the units of y.

    Raises
    ------
    ValueError
        If a p is outside [0, 1], the family is not one of numbers on a line; or as `crps`.

    Notes
    -----
    Koenker and Bassett (1978), doi:10.2307/1913643: (p - 1{y < q}) (y - q). Twice its integral
    over p is the CRPS.

    Examples
    --------
    >>> import probnn as pn
    >>> d = pn.Predictive("normal", {"loc": [0.0], "scale": [1.0]})
    >>> pn.scores.pinball([1.0], d, p=[0.5, 0.9]).round(4).tolist()
    [[0.5, 0.0282]]
    """
    predictive, y = _number(y, predictive)
    over = (y if np.ndim(p) == 0 else y[..., None]) - predictive.quantile(p)
    return np.maximum(np.asarray(p) * over, (np.asarray(p) - 1.0) * over)


def dawid_sebastiani(y: ArrayLike, predictive: Predictive) -> Floats:
    """Return the Dawid-Sebastiani score, which sees the mean and the variance alone.

    Parameters
    ----------
    y : array_like, shape (n,)
        Responses.
    predictive : Predictive
        The distributions of n rows.

    Returns
    -------
    numpy.ndarray, shape (n,)
        log(variance) + (y - mean)^2 / variance; NaN where the variance is 0 or not finite.

    Raises
    ------
    ValueError
        If the family is not one of numbers on a line; or as `crps`.

    Notes
    -----
    Dawid and Sebastiani (1999), doi:10.1214/aos/1018031101.

    Examples
    --------
    >>> import probnn as pn
    >>> d = pn.Predictive("poisson", {"rate": [1.0]})
    >>> pn.scores.dawid_sebastiani([3], d).tolist()
    [4.0]
    """
    predictive, y = _number(y, predictive)
    variance = predictive.variance()
    variance = np.where((variance > 0) & np.isfinite(variance), variance, np.nan)
    return np.log(variance) + (y - predictive.mean()) ** 2 / variance


def energy(
    y: ArrayLike,
    predictive: Predictive,
    *,
    draws: int | None = None,
    seed: int | np.random.Generator = 0,
) -> Floats:
    """Return the energy score, the CRPS of vectors.

    Parameters
    ----------
    y : array_like, shape (n, d)
        Responses: of a family of vectors, or several that are independent given x; (n,) for one
        number, whose energy score is the CRPS.
    predictive : Predictive
        The distributions of n rows.
    draws : int, optional
        How many random vectors of each row stand for its distribution, where the family has no
        other way; two or more. By default 1000, and of more than 10,000 rows fewer, 100 from
        100,000 rows on: the error of the mean score is then smaller still.
    seed : int or numpy.random.Generator
        For the same draws again: models are compared on draws with one seed.

    Returns
    -------
    numpy.ndarray, shape (n,)
        In the units of y. Of the multivariate normal family, to 1e-10 of the typical distance; else
        the error is that of the draws, of order 1 / sqrt(draws).

    Raises
    ------
    ValueError
        If `draws` is no whole number from 2 on; or as `crps`.

    Notes
    -----
    E|X - y| - E|X - X'| / 2: Gneiting and Raftery (2007), doi:10.1198/016214506000001437. Of draws,
    X' is the one before X, so that the time is linear in their number.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> family = pn.families.MultivariateNormal(2)
    >>> d = pn.Predictive(family, {"loc": np.zeros((1, 2)), "scale_tril": [[1.0, 0.0, 1.0]]})
    >>> score = pn.scores.energy([[0.0, 0.0]], d)
    >>> bool(abs(score[0] - (1 - 0.5**0.5) * np.sqrt(np.pi / 2)) < 1e-12)
    True
    """
    if draws is None:
        draws = min(max(_MANY // max(len(predictive), 1), 100), 1000)
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 2:
        raise ValueError(f"Expected at least 2 draws. Received: draws={draws!r}.")
    predictive, y = _seen(y, predictive)
    if y.ndim == 1:
        return predictive.crps(y)
    known = predictive.frozen.energy(y) if predictive.family.vector else None
    if known is not None:
        return known
    rng = np.random.default_rng(seed)
    found = np.empty(len(y))
    size = max(1, _DRAWN // (draws * y.shape[-1]))
    for start in range(0, len(y), size):
        rows = slice(start, start + size)
        x = predictive[rows].sample(draws, rng)
        apart = _lengths(np.diff(x, axis=0, prepend=x[-1:])).mean(axis=0)
        found[rows] = _lengths(x - y[rows]).mean(axis=0) - 0.5 * apart
    return found


def _lengths(x):
    return np.sqrt(np.einsum("...d,...d->...", x, x))


def _seen(y, predictive):
    """Return what the Predictive believes given y, and y; or raise if y is none that it can be."""
    check_predictive(predictive)
    return predictive.conditioned(y, check=True)


def _number(y, predictive):
    """Return the distributions and y, of numbers on a line that were seen, or raise."""
    check_predictive(predictive)
    family = predictive.family
    if family.classes is not None or family.vector or family.circular:
        raise ValueError(
            f"Expected a family of numbers on a line. Received: {family!r}. Scores of classes: "
            "log_score, brier; of vectors: log_score, energy; of angles: log_score, crps."
        )
    return predictive.conditioned(y, check=True, exact=True)


SCORES = {
    score.__name__: score
    for score in (
        log_score,
        crps,
        brier,
        ranked_probability,
        interval,
        pinball,
        dawid_sebastiani,
        energy,
    )
}
