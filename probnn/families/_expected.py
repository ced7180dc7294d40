"""The expected information of raw values, by sums or quadrature over responses."""

import numpy as np

from probnn.families._frozen.base import parts_of

_FAR, _NODES = 8.25, 40  # normal scores on either side of 0, and their nodes
_REST = 1e-20  # probability beyond either end of a sum over counts
_MOST = 2_000  # counts that are summed one by one


def expected_information(family, raw):
    """Return E[s s'], s the gradient of a row's log-likelihood in its raw values, (n, k, k).

    Parameters
    ----------
    family : Family
        Of one number, or a class, in each row.
    raw : numpy.ndarray, shape (n, k)
        Raw values.

    Raises
    ------
    ValueError
        If a response is several numbers, which have no quantiles.

    Notes
    -----
    Of classes and of counts it is a sum; of numbers Gauss's rule in normal scores t, with
    y = F^-1(Phi(t)), on either side of the median.
    """
    family.check_expected()
    if family.has_classes:
        nodes = _classes(family, raw)
    else:
        frozen = family.frozen(**family.to_params(raw))
        nodes = (_counts if family.discrete else _levels)(family, frozen, raw)
    total = np.zeros((len(raw), family.size, family.size))
    for y, weight in nodes:
        slope = family.derivatives(y, raw, second=False)[1]
        slope = np.where(weight[:, None] > 0.0, slope, 0.0)
        total += weight[:, None, None] * (slope[:, :, None] * slope[:, None, :])
    return total


def _classes(family, raw):
    """Yield each class with its probability."""
    for code in range(family.classes or 2):
        y = np.full(len(raw), float(code))
        yield y, np.exp(family.log_prob(y, raw))


def _counts(family, frozen, raw):
    """Yield counts with their probabilities; after many, those of Gauss's rule for the rest."""
    first, last = frozen.support()
    rest = np.full(len(raw), _REST)
    low, high = np.maximum(frozen.ppf(rest), first), np.minimum(frozen.isf(rest), last)
    width = high - low
    for j in range(int(min(width.max(), _MOST - 1)) + 1):
        y = np.minimum(low + j, high)
        yield y, np.where(low + j <= high, np.exp(family.log_prob(y, raw)), 0.0)
    left = np.maximum(width + 1.0 - _MOST, 0.0)
    if left.any():  # a sum is the integral from half a count before to half a count after
        start = low + _MOST - 0.5
        for node, weight in zip(*_legendre(400), strict=True):
            y = np.where(left > 0.0, start + node * left, low)
            yield y, weight * left * np.exp(family.log_prob(y, raw))


def _levels(family, frozen, raw):
    """Yield responses at levels by Gauss's rule in normal scores, each with its weight."""
    from scipy.special import ndtr

    for share, part in parts_of(frozen):  # of a mixture each component's own
        low = np.broadcast_to(part.support()[0], (len(raw),))
        at_low = part.cdf(low) if family.atom else np.zeros(len(raw))
        if family.atom:
            yield low, share * at_low
        free = 1.0 - at_low
        for node, width in zip(*_legendre(_NODES), strict=True):  # a kink may be at the median
            t = _FAR * node
            weight = share * free * _FAR * width * np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi)
            tail = free * ndtr(-t)
            yield part.isf(tail), weight
            yield part.ppf(at_low + tail), weight


def _legendre(count):
    """Return the nodes and weights of Gauss's rule on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return 0.5 * (nodes + 1.0), 0.5 * weights
