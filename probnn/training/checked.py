"""What a model is given to train on, checked."""

import functools

import keras

from probnn import data
from probnn.data import streams
from probnn.networks.inputs import columns_of, masks_of, read_inputs, responses_of
from probnn.training.new_heads import build_heads

_flatten = keras.tree.flatten


def checked_arrays(model, x, y, sample_weight, prefix="", columns=None):
    """Return (x, y, sample_weight) as arrays that the heads of a model can be fitted to.

    `columns` are those that x and y are aligned with; by default the model's.
    """
    if y is None:
        raise ValueError(
            f"Expected {prefix}y, or {prefix}x as a stream of batches (x, y): a tf.data "
            "dataset, a torch DataLoader, a keras.utils.PyDataset or a generator. Received: "
            f"{prefix}y=None and {prefix}x of type {type(x).__name__}."
        )
    _check_float64(model)
    x, y, sample_weight = data.align_all(x, y, sample_weight, prefix)
    of_x, of_y = columns or (columns_of(model), responses_of(model))
    x = read_inputs(model, x, f"{prefix}x", of_x)
    y = data.coded_by_head(of_y, y, model.heads, f"{prefix}y")
    build_heads(model, model.heads, x)
    masks = functools.partial(masks_of, model)
    return data.arrays(x, y, sample_weight, model.heads, prefix, masks, soft=True)


def _check_float64(model):
    """Raise if Keras would round float64 heads' data to float32 on the way."""
    floatx = keras.config.floatx()
    if floatx != "float64" and any(h.variable_dtype == "float64" for h in _flatten(model.heads)):
        raise ValueError(
            f"Expected keras.config.floatx() to be 'float64', for a float64 head: Keras casts "
            f"arrays to floatx before a step. Received: {floatx!r}. Call "
            "keras.config.set_floatx('float64') before making the model."
        )


def checked_stream(model, x, y, prefix="", columns=None, **options):
    """Return a stream of batches whose every batch is checked before a step sees it.

    `columns` are as for `checked_arrays`.
    """
    if y is not None:
        raise ValueError(
            f"Expected no {prefix}y beside a {type(x).__name__}, whose batches hold it. "
            f"Received: {prefix}y of type {type(y).__name__}."
        )
    _check_float64(model)
    columns = columns or (columns_of(model), responses_of(model))
    masks = functools.partial(masks_of, model)
    return streams.CheckedBatches(x, model.heads, prefix, columns, masks, **options)


def checked_validation(model, validation_data, columns=None):
    """Return the validation data of a fit, checked: arrays, a stream or None."""
    if validation_data is None:
        return None
    if streams.is_stream(validation_data):
        return checked_stream(model, validation_data, None, "validation ", columns)
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(validation_data)
    x, y, sample_weight = checked_arrays(model, x, y, sample_weight, "validation ", columns)
    data.check_some_count(sample_weight, "validation sample_weight")
    return (x, y) if sample_weight is None else (x, y, sample_weight)
