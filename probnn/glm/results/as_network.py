"""The way back: the network that results are."""

import keras
import numpy as np

from probnn.data import Columns, Responses
from probnn.models import Sequential
from probnn.networks.heads import Head


def from_results(results):
    """Return the network of results: see `Results.network`."""
    model, family = results.model, results.family
    if model.has_offset:
        raise ValueError(
            "Expected a model without an offset or exposure. Received one with: a network of X "
            "alone cannot know it. Use results.predict(X, offset=...)."
        )
    constant = [*dict.fromkeys(model.constants.values())]
    fixed = dict(model.fixed)
    if model.dispersion is not None:
        constant.append(model.dispersion)
    width = sum(
        {
            name: w
            for name, w in zip(model.raw_names, model.widths, strict=True)
            if w is not None and name not in constant
        }.values()
    )
    head = Head(family, constant=constant, fixed=fixed, use_bias=False)
    network = Sequential([keras.Input((width,)), head])
    kernel, bias = np.zeros((width, family.size)), np.zeros(family.size)
    start = row = 0
    begun, names = {}, []
    for a, (name, w) in enumerate(zip(model.raw_names, model.widths, strict=True)):
        if name == model.dispersion:
            value = family.with_dispersion(results.scale)[name]
            bias[a] = family.links[name].forward(np.float64(value))
        elif w is None:
            continue
        elif name in constant:
            bias[a] = results.coef[start]
            start += w
        else:
            if name not in begun:
                begun[name] = row
                row += w
                names += model.columns_of(name)
            kernel[begun[name] : begun[name] + w, a] = results.coef[start : start + w]
            start += w
    head.assign_coefficients(kernel, bias)
    if model.labelled:
        network.input_columns = Columns([names])
    network.responses = Responses(model.y_columns.names, [model.classes])
    return network
