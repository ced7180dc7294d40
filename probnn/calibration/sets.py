"""Intervals and sets of classes that hold y with a probability that no assumption enters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from probnn.calibration import checks

if TYPE_CHECKING:
    from typing import Literal

    from probnn._types import ArrayLike, Floats, NDArray
    from probnn.predictive import Predictive

_METHODS = ("cqr", "absolute", "normalised")


@dataclass(frozen=True)
class Conformal:
    """Conformal intervals of numbers, or sets of classes, as `conformal` makes them.

    Parameters
    ----------
    level : float
        The probability with which they hold y.
    margin : float
        How far beyond what the model says they reach, in the units of the method's score.
    method : str
        "cqr", "absolute" or "normalised" of numbers; "classes".

    Raises
    ------
    ValueError
        For a level out of range, a margin that is not finite or an unknown method.

    Examples
    --------
    >>> import probnn as pn
    >>> from probnn.calibration import Conformal
    >>> d = pn.Predictive("normal", {"loc": [0.0], "scale": [2.0]})
    >>> lower, upper = Conformal(0.9, 1.5, "normalised").interval(d)
    >>> lower.tolist(), upper.tolist()
    ([-3.0], [3.0])
    """

    level: float
    margin: float
    method: str

    def __post_init__(self):
        checks.fraction(self.level)
        checks.known("`method`", self.method, (*_METHODS, "classes"))
        if not (isinstance(self.margin, Real) and np.isfinite(self.margin)):
            raise ValueError(f"Expected a finite margin. Received: {self.margin!r}.")

    def interval(self, d: Predictive) -> tuple[Floats, Floats]:
        """Return the intervals of new rows.

        Parameters
        ----------
        d : Predictive
            What the same model believes about them.

        Returns
        -------
        lower, upper : numpy.ndarray, shape (n,)
            Within the support. Where a negative margin would turn an interval round, both are its
            middle.

        Raises
        ------
        ValueError
            If this is of classes, or d is of another kind.
        """
        if self.method == "classes" or checks.predictive(d).family.has_classes:
            raise ValueError(
                f"Expected numbers, for an interval. Received: {d!r}, and a margin of the method "
                f"{self.method!r}. Of classes, ask for the set."
            )
        lower, upper, unit = _reach(d, self.level, self.method)
        lower, upper = lower - self.margin * unit, upper + self.margin * unit
        middle = 0.5 * (lower + upper)
        lowest, highest = d.frozen.support()
        lower, upper = np.minimum(lower, middle), np.maximum(upper, middle)
        return np.maximum(lower, lowest), np.minimum(upper, highest)

    def set(self, d: Predictive) -> NDArray[np.bool_]:
        """Return the sets of classes of new rows.

        Parameters
        ----------
        d : Predictive
            What the same model believes about them.

        Returns
        -------
        numpy.ndarray of bool, shape (n, classes)
            Which classes are in each row's set, in the order of `d.classes`; some may be empty.

        Raises
        ------
        ValueError
            If this is of numbers, or d is of another kind.
        """
        if self.method != "classes" or not checks.predictive(d).family.has_classes:
            raise ValueError(
                f"Expected classes, for a set. Received: {d!r}, and a margin of the method "
                f"{self.method!r}. Of numbers, ask for the interval."
            )
        return 1.0 - checks.class_probs(d) <= self.margin


def conformal(
    y: ArrayLike,
    d: Predictive,
    *,
    level: float = 0.9,
    method: Literal["cqr", "absolute", "normalised"] = "cqr",
) -> Conformal:
    """Find the margin with which intervals or sets hold the y of new rows as often as they say.

    Parameters
    ----------
    y : array_like, shape (n,)
        Responses of rows that the model was not fitted on.
    d : Predictive
        What the model believes about them.
    level : float
        The probability with which the intervals of new rows hold y.
    method : {"cqr", "absolute", "normalised"}
        Of the intervals of numbers: `d.interval(level)` with a margin at both ends; the mean with
        one margin for all rows; or the mean with a margin that is a multiple of the standard
        deviation. Classes have one method, whatever is given.

    Returns
    -------
    Conformal
        With `interval(d)` for numbers and `set(d)` for classes, of new rows.

    Raises
    ------
    ValueError
        For a y of another shape, outside the support or known by bounds; several responses, of
        which one row's are not exchangeable; a level out of range, an unknown method, scores that
        are not finite, or fewer rows than the level needs.

    Notes
    -----
    The margin is the k-th smallest score of the n rows, with k = ceil((n + 1) level). If these and
    the new row are exchangeable, the probability of holding y is at least the level, whatever is
    wrong with the model; and at most level + 1 / (n + 1), if no scores are equal. It is that of a
    new row and new held-out rows, on average over x, not for each x. Scores: "cqr" max(lower - y,
    y - upper), Romano et al. (2019), arXiv:1905.03222; "absolute" abs(y - mean), Lei et
    al. (2018), doi:10.1080/01621459.2017.1307116, and "normalised" abs(y - mean) / stddev there; of
    classes 1 - P(Y = y), Sadinle, Lei and Wasserman (2019), doi:10.1080/01621459.2017.1395341.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> from probnn import calibration
    >>> y = np.random.default_rng(0).normal(size=999)
    >>> narrow = pn.Predictive("normal", {"loc": np.zeros(999), "scale": 0.1})
    >>> lower, upper = calibration.conformal(y, narrow, level=0.9).interval(narrow[:1])
    >>> upper.round(1).tolist()
    [1.6]
    """
    level = checks.fraction(level)
    checks.known("`method`", method, _METHODS)
    if checks.predictive(d).family.has_classes:
        probs, y = checks.classes(y, d, "conformal sets")
        method = "classes"
        scores = 1.0 - np.take_along_axis(probs, y[:, None], axis=1)[:, 0]
    else:
        d, y = checks.numbers(y, d, "conformal intervals")
        lower, upper, unit = _reach(d, level, method)
        scores = (np.maximum(lower - y, y - upper) / unit).ravel()
    if not np.isfinite(scores).all():
        raise ValueError(
            f"Expected finite scores of the method {method!r}. Received: {d!r}, where some are "
            "not, as with a mean or a standard deviation that is infinite, NaN or 0. Choose "
            "another method: cqr needs quantiles alone."
        )
    n = len(scores)
    k = math.ceil((n + 1) * level - 1e-9)  # a product that is whole must not be rounded up
    if k > n:
        needed = math.ceil(level / (1.0 - level) - 1e-9)
        raise ValueError(
            f"Expected at least {needed} rows, for the level {level}. Received: {n} rows."
        )
    return Conformal(level, float(np.partition(scores, k - 1)[k - 1]), method)


def _reach(d, level, method):
    """Return the ends from which a margin is counted, and its unit in each row."""
    if method == "cqr":
        return *d.interval(level), 1.0
    mean = d.mean()
    return mean, mean, d.stddev() if method == "normalised" else 1.0
