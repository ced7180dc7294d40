"""Copies of models, for a change of the weights of their heads."""

import keras

from probnn.heads import Head
from probnn.models import Model, Sequential
from probnn.training.copies import give_weights, remade


def numpy(weight):
    return keras.ops.convert_to_numpy(weight.value).astype("float64")


def is_wrapped(model):
    """Return whether predictions of a model are recalibrated, in place of its weights."""
    return hasattr(model, "predict_distribution") and not isinstance(model, (Model, Sequential))


def copied(model, check):
    """Return a copy of a model with one head that passes a check, and the copy's head."""
    if not isinstance(model, (Model, Sequential)) or not isinstance(model.heads, Head):
        heads = ""
        if isinstance(model, (Model, Sequential)):
            heads = f" with the heads {model.heads}"
        raise ValueError(
            "Expected a Predictive, or a probnn.Model or Sequential with one head. Received: "
            f"{type(model).__name__}{heads}. Call this on model.predict_distribution(x)."
        )
    check(model.heads)
    if not model.built:
        raise ValueError(
            "Expected a model with weights. Received: one that is not built. Fit it first."
        )
    copy = remade(model)
    give_weights(model, copy)
    if model.compiled:
        copy.compile_from_config(model.get_compile_config())
    return copy, copy.heads
