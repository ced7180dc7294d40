"""The kernel and the bias of a head as the coefficients of a model of its raw parameters."""

import numpy as np


def flat(head, columns, bias):
    """Return columns of a raw kernel and bias (k,) as coefficients, predictor by predictor."""
    bias, parts = absorbed(head, bias), []
    for a, kind in enumerate(head.kinds):
        if kind == "constant" or head.biased[a]:
            parts.append([bias[a]])
        if kind == "predicted":
            parts.append(columns[a])
    return np.concatenate(parts)


def absorbed(head, bias):
    """Return raw biases with those of parameters without one in what stands for them."""
    names, bias = [name for name, _ in head.family.raw_columns], np.array(bias)
    for name, other in head.family.no_intercept.items():
        a, b = names.index(name), names.index(other)
        bias[b], bias[a] = bias[b] - bias[a], 0.0
    return bias
