"""What the estimators of networks choose by the data: units, heads, rows held out, temperature."""

import warnings

import numpy as np
from scipy import optimize, special

from probnn import families

# Family -> options of its head, the heaviest tails first. Those are compared that hold all of y.
_NUMBERS = {"student_t": {"fixed": {"df": 4.0}}, "normal": {}, "gamma": {}, "log_normal": {}}
_COUNTS = {"negative_binomial": {}, "poisson": {}}
_MOST_COUNTS = 100  # distinct values, from which on whole numbers are taken for any numbers
_FEW = 10  # distinct values that may be ratings


def units_of(n, p):
    """Return the units of the one hidden layer for n rows of p columns.

    50, from 10,000 rows on 100; as many as columns, up to 200, if those are more; but no more than
    half as many as rows.
    """
    units = 50 if n < 10_000 else 100
    return max(2, min(max(units, min(p, 200)), n // 2))


def batch_of(n):
    """Return the size of batches: 32, and from 10,000 rows on more, up to 512."""
    return 32 if n < 10_000 else int(np.clip(1 << (n // 320).bit_length(), 32, 512))


def held_out(n, fraction):
    """Return how many of n rows to hold out: a fraction, but 20 or a quarter if that is less."""
    least = min(20, n // 4)
    return min(max(round(fraction * n), least, 1), n - 1)


def heads_for(y):
    """Return [(family, options of its head), ...] to compare by the log score of rows held out.

    Parameters
    ----------
    y : numpy.ndarray, shape (n,)
    """
    values = np.unique(y)
    whole = values[0] >= 0.0 and np.array_equal(values, np.round(values))
    counts = whole and len(values) < _MOST_COUNTS
    rating = 1 < len(values) <= _FEW and len(y) >= 5 * len(values)
    if rating and not (counts and values[0] == 0.0):
        warnings.warn(
            f"Expected y of numbers. Received: {len(values)} distinct values, {values[0]:g} to "
            f"{values[-1]:g}, which are taken for {'counts' if counts else 'a continuum'}. If they "
            "are ratings or classes, take NetworkClassifier, with 'ordinal' where they have an "
            "order; or say which family they are of, as family='normal'.",
            stacklevel=6,
        )
    table = _COUNTS if counts else _NUMBERS
    found = [(families.get(name), options) for name, options in table.items()]
    return [(family, options) for family, options in found if family.support.contains(y).all()]


def log_scores(networks, x, y):
    """Return the log-density of each row by the mixture of networks, shape (n,)."""
    return _mixed(networks[0].heads.family, y, _raws(networks, x))


def _raws(networks, x):
    import keras

    return [keras.ops.convert_to_numpy(network(x)).astype("float64") for network in networks]


def _mixed(family, y, raws):
    each = [family.log_prob(y, raw) for raw in raws]
    return special.logsumexp(each, axis=0) - np.log(len(each))


def best_of(scores, weight):
    """Return which scores (n,) are best; others than the first, if clearly.

    That is by more than a standard error of the mean difference: one row far out costs a family
    with light tails more than it gains on all others, and few held-out rows are far out.
    """
    share, best, most = weight / weight.sum(), 0, 0.0
    for i, score in enumerate(scores):
        gain = score - scores[0]
        mean = np.sum(share * gain)
        if mean > max(most, np.sqrt(np.sum((share * (gain - mean)) ** 2))):
            best, most = i, mean
    return best


def and_any_class(x, y, weight, classes):
    """Return rows held out, and one more, in weight, of any class: nothing is ever quite certain.

    Where all held-out rows are right, more certainty would look better without an end.
    """
    few = x[: max(1, 1000 // classes)]
    y = np.concatenate([y, np.tile(np.arange(float(classes)), len(few))])
    part = np.full(len(few) * classes, weight.mean() / (len(few) * classes))
    return np.concatenate([x, few.repeat(classes, axis=0)]), y, np.concatenate([weight, part])


def temper(networks, x, y, weight):
    """Divide the logits of networks by the temperature that is best for held-out rows.

    Parameters
    ----------
    networks : list of probnn.Model
        Whose probabilities are averaged.
    x : numpy.ndarray, shape (m, p)
    y, weight : numpy.ndarray, shape (m,)
    """
    import keras

    family, raws = networks[0].heads.family, _raws(networks, x)

    def loss(log):
        return -np.sum(weight * _mixed(family, y, [raw * np.exp(-log) for raw in raws]))

    temperature = np.exp(optimize.minimize_scalar(loss, bounds=(-2.0, 4.0), method="bounded").x)
    for network in networks:
        kernel, bias = map(keras.ops.convert_to_numpy, network.heads.coefficients())
        network.heads.assign_coefficients(kernel / temperature, bias / temperature)
