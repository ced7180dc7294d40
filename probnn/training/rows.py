"""How many rows a fit trains on, which layers must know whose weights are distributions."""

import math

import keras
import numpy as np

from probnn import data
from probnn.backend import keras_private
from probnn.data import streams
from probnn.networks.graph import heads_of
from probnn.networks.inputs import masks_of
from probnn.networks.kinds import variational_layers
from probnn.training.trees import count, map_arrays

_flatten = keras.tree.flatten
_MEANS = ("sum_over_batch_size", "mean")


def tell_rows(model, x, y=None, held_out=0.0):
    """Tell the variational layers of a model how many rows it trains on.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    x, y : arrays, or a stream and None
        What it trains on.
    held_out : float
        The part of the rows that does not count, the last ones.

    Raises
    ------
    ValueError
        If the rows of a stream cannot be counted, or a loss is not the mean over rows, and a layer
        does not say `kl_rows`.
    """
    layers = [layer for layer in variational_layers(model) if layer.kl_rows is None]
    if not layers:
        return
    for loss in _flatten(model.loss):
        if getattr(loss, "reduction", "mean") not in _MEANS:
            raise ValueError(
                "Expected a loss that is the mean over rows, for variational layers, whose "
                f"divergence is spread over them. Received: reduction={loss.reduction!r}. Leave it "
                f"out, or say kl_rows= of {layers[0].name!r}: what its divergence is divided by."
            )
    rows = _of_stream(model, x, layers[0]) if streams.is_stream(x) else None
    if rows is None:
        n = math.floor(count(x) * (1.0 - held_out))
        rows = _counted(model, *map_arrays(lambda leaf: leaf[:n], (x, y)))
    for layer in layers:
        layer.know_rows(rows)


def _counted(model, x, y):
    """Return over how many rows, or time steps that are not masked, the mean of a loss is."""
    n, heads = count(x), heads_of(model)
    flat = _flatten(heads)
    ranks = [head.rank if head is not None else 2 for head in flat]
    if max(ranks) == 2:
        return n
    masks = masks_of(model, x, n)
    each = zip(_flatten(data.by_head(y, heads)), ranks, masks, strict=True)
    found = {math.prod(np.shape(y)[: r - 1]) if m is None else int(m.sum()) for y, r, m in each}
    if len(found) > 1:
        raise ValueError(
            "Expected heads on as many time steps each, for variational layers. Received: "
            f"{sorted(found)} of them. Say kl_rows= of the layers."
        )
    return found.pop()


def _of_stream(model, stream, layer):
    """Return the rows of a stream that can be read again, in one pass over it."""
    is_checked = isinstance(stream, streams.CheckedBatches)
    batches = stream if is_checked else keras_private.Batches(stream)
    if batches.num_batches is None:
        raise ValueError(
            "Expected data whose rows can be counted, for variational layers, whose divergence is "
            f"spread over them. Received: a stream of unknown length ({streams.kind(stream)}). Say "
            f"how many rows the training data have: kl_rows= of {layer.name!r}."
        )
    if is_checked:
        read = stream.ahead()
    else:
        read = map(keras.utils.unpack_x_y_sample_weight, streams.ahead(stream)[0]())
    return sum(_counted(model, x, y) for x, y, _ in read)
