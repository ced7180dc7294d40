"""Copies of models, for a change of the weights of their heads."""

import keras

from probnn.fitted import adapt
from probnn.networks.heads import Head
from probnn.training.copies import give_weights, remade


def numpy(weight):
    return keras.ops.convert_to_numpy(weight.value).astype("float64")


def is_wrapped(model):
    """Return whether predictions of a model are recalibrated, in place of its weights."""
    fitted = adapt(model)
    return fitted.predicts and fitted.network is None


def copied(model, check):
    """Return a copy of a model with one head that passes a check, and the copy's head."""
    heads = model.heads if adapt(model).predicts else None
    if not isinstance(heads, Head):
        with_heads = f" with the heads {heads}" if heads else ""
        raise ValueError(
            "Expected a Predictive, or a probnn.Model or Sequential with one head. Received: "
            f"{type(model).__name__}{with_heads}. Call this on model.predict_distribution(x)."
        )
    check(heads)
    if not model.built:
        raise ValueError(
            "Expected a model with weights. Received: one that is not built. Fit it first."
        )
    copy = remade(model)
    give_weights(model, copy)
    if model.compiled:
        copy.compile_from_config(model.get_compile_config())
    return copy, copy.heads
