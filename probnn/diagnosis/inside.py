"""Checks inside a network: what reaches its first layer, and which units do anything.

Each check takes an `Evidence`, and returns None or (value, threshold, message, remedy).
"""

import numpy as np

from probnn import backend, data
from probnn.data.frames import names_of
from probnn.diagnosis.evidence import Unable, able, need
from probnn.diagnosis.thresholds import limit

_MOST = 10_000  # rows that tell whether a unit is ever active
_SATURATING = {"tanh": 1.0, "sigmoid": 2.0}  # name -> the slope that makes a tanh of its range


def unscaled(e):
    """Look at the means and standard deviations of the columns that reach the first weights."""
    network = e.need_network()
    from probnn.networks import kinds

    able(e.layers is not None, "the layers do not follow one another")
    x = e.model.columns(e.train.x)
    able(x is not None, "x is not one table")
    first, start = e.head, None
    for layer in [*e.layers, e.head]:
        need(not kinds.normalises(layer), f"{layer.name} normalises x")
        if kinds.has_weights(layer):
            first = layer
            break
        start = layer
    able(kinds.is_linear_map(first), f"x goes into {first.name}")
    if start is not None:
        (x,) = _outputs(network, [start], x)
    mean, sd = x.mean(axis=0), x.std(axis=0)
    names = names_of(e.train.x)
    varying = sd > 1e-12 * np.abs(x).max(axis=0)
    need(varying.any(), "no column of x varies")
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = np.abs(mean) / sd
        excess = np.stack([sd / limit("sd"), 1 / (limit("sd") * sd), offset / limit("offset")])
    excess[:, ~varying] = 0.0
    if np.median(sd[varying]) >= 1 / limit("sd"):  # in the units of the others, few are harmless
        excess[1] = 0.0
    if excess.max() <= 1.0:
        return None
    which, j = np.unravel_index(np.argmax(excess), excess.shape)
    name = f"x{j + 1}" if names is None or len(names) != x.shape[1] else names[j]
    value, threshold = [
        (sd[j], limit("sd")),
        (sd[j], 1 / limit("sd")),
        (offset[j], limit("offset")),
    ][which]
    count = int(np.sum(excess.max(axis=0) > 1.0))
    return (
        float(value),
        threshold,
        f"{count} column{'s' * (count != 1)} of x, above all {name} with mean {mean[j]:.3g} and "
        f"standard deviation {sd[j]:.3g}, reach the first layer far from mean 0 and spread 1.",
        "a keras.layers.Normalization, adapted to x, as the first layer.",
    )


def dead_units(e):
    """Count the units that are 0 in all rows, or at the limit of their range in nearly all."""
    network = e.need_network()
    e.need_rows(e.train)
    found = [layer for layer in network.layers if _kind(layer)]
    need(found, "no layer has a relu, tanh or sigmoid activation")
    import keras

    x = keras.tree.map_structure(_some, data.features(e.train.x))
    values = _outputs(network, found, x)
    worst, described = 0.0, []
    for layer, a in zip(found, values, strict=True):
        idle = _idle(_kind(layer), a.reshape(-1, a.shape[-1]))
        share = float(np.mean(idle))
        worst = max(worst, share)
        if share > limit("idle units"):
            word = "dead" if _kind(layer) == "relu" else "saturated"
            described.append(f"{int(idle.sum())} of {len(idle)} units of {layer.name} are {word}")
    if not described:
        return None
    return (
        worst,
        limit("idle units"),
        f"{'; '.join(described)}.",
        "a smaller learning rate, scaled x, another initialisation, or leaky_relu.",
    )


def _kind(layer):
    """Return "relu", "tanh" or "sigmoid" for a layer with such units, else None."""
    from probnn.networks import kinds

    kind = kinds.kind_of_units(layer)
    return kind if kind in ("relu", *_SATURATING) else None


def _idle(kind, a):
    """Return which units, columns of activations, do nothing."""
    if kind == "relu":
        return np.all(a == 0.0, axis=0)
    spread = a if kind == "tanh" else 2.0 * a - 1.0
    return np.mean(np.abs(spread) > limit("limit"), axis=0) > limit("saturation")


def _some(leaf):
    """Return at most so many rows, from all parts."""
    return leaf[:: max(1, -(-len(leaf) // _MOST))]


def _outputs(network, chosen, x):
    """Return what layers make of x."""
    import keras

    from probnn.networks.entered import entered

    try:
        model = keras.Model(network.inputs, {layer.name: layer.output for layer in chosen})
    except ValueError:  # Keras knows their outputs in another model
        raise Unable("its layers belong to several models") from None
    with backend.many_programs(), entered(model):
        values = model.predict(x, verbose=0)
    return [np.asarray(values[layer.name]) for layer in chosen]
