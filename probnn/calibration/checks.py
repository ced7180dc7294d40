"""What every function of this package asks of y and of a Predictive."""

from numbers import Real

import numpy as np

from probnn.predictive import check_predictive


def predictive(d):
    """Return d if it is a Predictive of rows of single numbers or classes, or raise."""
    check_predictive(d)
    if d.family.vector:
        raise ValueError(
            f"Expected a distribution of one number or class. Received: {d!r}, of vectors. Check "
            "each of their numbers with a Predictive of its marginal distribution."
        )
    return d


def rows(y, d, censored=False, several=False):
    """Return what d believes given y, and y; raise if y is not a possible value for each row.

    `censored` says whether bounds of y will do, `several` whether more than one response will.
    """
    given_d, given = predictive(d).conditioned(y, check=True)
    if not several and np.prod(d.shape[1:]) > 1:  # of one row they depend on each other
        raise ValueError(
            f"Expected one response in each row. Received: {d!r}, of shape {d.shape}. Take one "
            "at a time, as y[:, 0] with d[:, 0]; or pool them, as y.ravel() with d.flatten(), and "
            "time steps that are not masked as y[mask] with d.flatten(mask)."
        )
    if given.shape != d.shape and not censored:
        raise ValueError(
            "Expected a y that was seen in every row. Received: bounds that differ. Of a censored "
            "y, report, pit and uniformity_test can be asked; take the rows that were seen for the "
            "others."
        )
    return given_d, given


def numbers(y, d, what):
    """Return what `rows` does, of numbers on a line; raise if y is a class or an angle."""
    d, y = rows(y, d)
    if d.family.has_classes or d.family.circular:
        raise ValueError(
            f"Expected a distribution of numbers on a line, for {what}. Received: {d!r}."
        )
    return d, y


def classes(y, d, what):
    """Return the class probabilities (n, C), and the codes y (n,); raise if y is no class."""
    if not predictive(d).family.has_classes:
        raise ValueError(
            f"Expected the probabilities of classes, for {what}: the bernoulli, categorical or "
            f"ordinal family. Received: {d!r}."
        )
    d, y = rows(y, d)
    return class_probs(d), y.ravel().astype(int)


def class_probs(d):
    """Return the class probabilities, shape (n, C): of 0 and 1 if Bernoulli."""
    probs = d.mean()
    if d.family.kind == "binary":
        return np.column_stack([1.0 - probs.ravel(), probs.ravel()])
    return probs.reshape(-1, probs.shape[-1])


def cdf(values, d):
    """Return values of the cdf of d, or raise if it has none."""
    if np.isnan(values).any():
        row = int(np.nonzero(np.isnan(values))[0][0])
        raise ValueError(
            f"Expected distributions with a cdf. Received: {d!r}, where that of row {row} is NaN, "
            "as with a scale of 0."
        )
    return values


def fraction(value, name="level"):
    """Return a number between 0 and 1, without these, or raise."""
    if not (isinstance(value, Real) and 0 < value < 1):
        raise ValueError(f"Expected {name} between 0 and 1, as 0.9. Received: {value!r}.")
    return float(value)


def fractions(values, name="levels"):
    """Return such numbers as a list, or raise."""
    values = list(values) if np.iterable(values) else [values]
    if not values:
        raise ValueError(f"Expected at least one number in {name}. Received: none.")
    return [fraction(value, f"every number in {name}") for value in values]


def count(value, name, least=1):
    """Return a whole number from `least` on, or raise."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and value >= least and value % 1 == 0):
        raise ValueError(
            f"Expected {name} to be a whole number from {least} on. Received: {value!r}."
        )
    return int(value)


def positive(value, name):
    """Return a finite number above 0, or raise."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and 0 < value < np.inf):
        raise ValueError(f"Expected a finite {name} above 0. Received: {value!r}.")
    return float(value)


def known(name, value, values):
    """Return a name, or raise if it is none of these."""
    if value not in values:
        raise ValueError(f"Expected {name} to be one of {', '.join(values)}. Received: {value!r}.")
    return value
