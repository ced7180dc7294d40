"""The mean log-density of rows, under what one network or several believe."""

import keras
import numpy as np

from probnn.data import for_each
from probnn.networks.inputs import masks_of
from probnn.training.trees import count

_flatten = keras.tree.flatten


def mean_log_probs(model, believed, x, y, sample_weight):
    """Return the weighted mean log-density of each head's y, of steps not masked, in a list.

    Parameters
    ----------
    model : probnn.Model or probnn.Sequential
        Whose heads and masks they are.
    believed : Predictive, or a list or dict of them
        In codes.
    x, y, sample_weight
        Checked: y may be anything where the weight is 0.
    """
    heads = _flatten(model.heads)
    steps = any(head.rank > 2 for head in heads)
    masks = masks_of(model, x, count(y)) if steps else [None] * len(heads)
    weights = for_each(sample_weight, model.heads)
    found = zip(*map(_flatten, (believed, y, weights)), masks, strict=True)
    return [_mean_log_prob(*each) for each in found]


def _mean_log_prob(d, y, *weights):
    """Return the mean log-density, given (n,) or (n, t) weights, or None for equal ones."""
    found = d.log_prob(y)
    total = np.ones(found.shape)
    for weight in weights:
        if weight is not None:
            total *= weight.reshape(weight.shape + (1,) * (found.ndim - weight.ndim))
    counts = total != 0
    return float(np.average(found[counts], weights=total[counts]))
