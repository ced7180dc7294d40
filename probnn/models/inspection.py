"""Looks inside a network: what layers put out, which of them are one, whether gradients hold."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import keras
import numpy as np

from probnn import backend, data
from probnn.backend import keras_private
from probnn.fitting.objective import Objective
from probnn.networks.affine import compose
from probnn.networks.heads import Head
from probnn.networks.inputs import (
    columns_of,
    know_columns,
    read_inputs,
    responses_of,
)
from probnn.networks.losses import NegativeLogLikelihood
from probnn.training.copies import give_weights

if TYPE_CHECKING:
    from typing import Any

    import pandas as pd

    from probnn._types import NDArray, Rows

ops, _tree = keras.ops, keras.tree


def layer_outputs(model: keras.Model, x: Rows) -> dict[str, NDArray[Any]]:
    """Return what each layer of a network puts out: the forward pass, layer by layer.

    Parameters
    ----------
    model : keras.Sequential or functional keras.Model
        With or without a head.
    x : array_like, shape (n, p), or what the model takes
        The rows that pass through it.

    Returns
    -------
    dict
        Name of the layer -> array, rows first, in the order of the layers, as at prediction:
        Dropout does nothing. Of a head it is the raw output. A model inside of the model is one
        layer; a layer that is used again has its later outputs under "name (2)", "name (3)".

    Raises
    ------
    ValueError
        If x has zero rows or a value that is not finite, or the model is of a class with a `call`
        of its own, whose order of layers only it knows.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> model = pn.Sequential([keras.Input((2,)), pn.Head("bernoulli", name="neuron")])
    >>> model.set_weights([np.array([[0.3], [0.1]]), np.array([1.0])])
    >>> print(pn.layer_outputs(model, np.array([[1.0, 2.2]]))["neuron"])
    [[1.52]]
    """
    x = read_inputs(model, x)
    nodes = [node for node in _nodes(model, x) if isinstance(node.operation, keras.Layer)]
    uses, names = Counter(), []
    for node in nodes:
        name = node.operation.name
        uses[name] += 1
        names.append(name if uses[name] == 1 else f"{name} ({uses[name]})")
    outputs = [node.outputs[0] if len(node.outputs) == 1 else node.outputs for node in nodes]
    inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    found = keras.Model(inputs, dict(zip(names, outputs, strict=True)))(x, training=False)
    return {name: _tree.map_structure(ops.convert_to_numpy, found[name]) for name in names}


def collapse_linear(model: keras.Model) -> keras.Model:
    """Return the network with linear layers that follow each other made one layer.

    Parameters
    ----------
    model : keras.Sequential or functional keras.Model
        With or without a head, built; one layer follows the other. It does not change.

    Returns
    -------
    keras.Sequential or keras.Model
        A new model of the same class with the same predictions, up to rounding. Linear layers
        (`Dense` without activation, `Normalization`, `Rescaling`, `BatchNormalization`) that follow
        each other are one layer, together with a `Dense` with an activation or a `Head` after
        them; it has the name of the last. `Dropout` among them goes, as do their penalties and
        constraints. It is compiled if the model was. Without such layers it is a copy.

    Raises
    ------
    ValueError
        If the model is not built, or its layers are no chain.

    Notes
    -----
    With h = x A + a and z = h B + b, z = x (A B) + (a B + b): a network gains nothing from a hidden
    layer without a non-linear activation, but the constraint that A B has no more rank than the
    layer has units. Layers are one where their inputs are rows of numbers, (n, p). A head whose
    predicted parameters have no intercepts stays by itself if a B is not zero.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> layers = [keras.layers.Dense(5), keras.layers.Dense(4), pn.Head("bernoulli")]
    >>> model = pn.Sequential([keras.Input((2,)), *layers])
    >>> [layer.name for layer in pn.collapse_linear(model).layers] == [model.layers[-1].name]
    True
    """
    nodes = _nodes(model)
    if not _is_chain(model, nodes):
        raise ValueError(
            "Expected a model with one input, one output and layers that follow each other, each "
            f"used once. Received: {model.name!r}, whose layers branch or repeat. Make a model of "
            "the part that is a chain."
        )
    made, run = [], []
    for node in nodes:
        layer, shape = node.operation, node.input_tensors[0].shape
        is_flat = len(shape) == 2
        if is_flat and compose([layer], shape[-1]) is not None:
            run.append((layer, shape[-1]))
            continue
        if is_flat and isinstance(layer, (keras.layers.Dense, Head)):
            made += _merged([*run, (layer, shape[-1])])
        else:
            made += [*_merged(run), _copied(layer)]
        run = []
    return _rebuilt(model, [*made, *_merged(run)])


def check_gradients(
    model: keras.Model,
    x: Rows,
    y: Rows,
    *,
    step: float | None = None,
    sample: int | None = 200,
    seed: int | np.random.Generator = 0,
) -> pd.DataFrame:
    """Compare the gradients of back-propagation with finite differences of the likelihood.

    Parameters
    ----------
    model : pn.Model or pn.Sequential
        A network that ends in one head, of layers that can be made again from their
        configurations. It does not change.
    x : array_like, shape (n, p), or what the model takes
        The features.
    y : array_like, shape (n,), or (n, units)
        The responses.
    step : float, optional
        By how much a weight is moved to either side; (machine epsilon)^(1/3) * max(1, abs(weight))
        unless told, 6e-6 for weights up to 1.
    sample : int or None
        The number of weights to check, drawn at random; None for all.
    seed : int
        For that draw.

    Returns
    -------
    pandas.DataFrame
        A row for each weight: `weight`, the name of its array, and `index` in it; `backprop`, the
        derivative of the mean negative log-likelihood by automatic differentiation, in the
        model's own precision; `numeric`, that by central differences, always in float64;
        `relative`, the distance of the two, over the largest derivative in that array.

    Raises
    ------
    ValueError
        For a model, x or y as described above that is not so, a step that is not positive, or a
        sample that is no whole number from 1 on.

    Notes
    -----
    (L(w + h) - L(w - h)) / 2h is wrong by h^2 L'''(w) / 6, and by rounding: epsilon L / h. In
    float32 that would leave three digits, so a copy of the network in float64 gives L; about 1e-9
    of `relative` is then left for a float64 model, and for a float32 model 1e-6, of its own
    rounding. More is an error in a layer's gradient; or a step across the kink of a ReLU; or, near
    an optimum, rounding of gradients that are all nearly zero. The likelihood is that of
    prediction, where Dropout does nothing, without penalties. Baydin et al. (2018), "Automatic
    differentiation in machine learning: a survey", JMLR 18(153).

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> model = pn.Sequential([keras.Input((1,)), pn.Head("normal", fixed={"scale": 1.0})])
    >>> table = pn.check_gradients(model, np.array([[1.0], [2.0]]), np.array([1.0, 3.0]))
    >>> table["backprop"].tolist()  # of the slope and the intercept: -mean(x y) and -mean(y)
    [-3.5, -2.0]
    >>> bool(table["relative"].max() < 1e-6)
    True
    """
    import pandas as pd

    head = getattr(model, "heads", None)
    if not isinstance(head, Head):
        raise ValueError(
            "Expected a probnn.Sequential or probnn.Model with one head. Received: a "
            f"{type(model).__name__}{'' if head is None else ' with several'}. Make one of the "
            "part that ends in one head."
        )
    if step is not None and not (_is_number(step) and 0 < step < np.inf):
        raise ValueError(f"Expected `step` above 0. Received: {step!r}. Leave it out.")
    if sample is not None and not (_is_number(sample) and sample % 1 == 0 and sample > 0):
        raise ValueError(
            f"Expected `sample` to be a whole number from 1 on, or None for all weights. Received: "
            f"{sample!r}."
        )
    x, y, _ = data.align_all(x, y)
    x, y = read_inputs(model, x), responses_of(model).coded(y)
    _nodes(model, x)
    x, y, _ = data.arrays(x, y, None, head)

    with backend.float64(), keras_private.float64_kept():
        own = _NetworkLikelihood(model, x, y)
        _, backprop, _ = own(own.at)
        chosen = np.arange(len(backprop))
        if sample is not None and sample < len(chosen):
            chosen = np.random.default_rng(seed).choice(chosen, int(sample), replace=False)
            chosen.sort()
        numeric = _differences(_NetworkLikelihood(_in_float64(model), x, y), chosen, step)

    places = [(v.path, i) for v in model.trainable_variables for i in np.ndindex(*v.shape)]
    table = pd.DataFrame(places, columns=["weight", "index"]).assign(backprop=backprop)
    largest = table["backprop"].abs().groupby(table["weight"]).transform("max")
    table = table.iloc[chosen].assign(numeric=numeric)
    size = np.maximum(largest.iloc[chosen], np.abs(numeric))
    distance = (table["backprop"] - table["numeric"]).abs()
    return table.assign(relative=distance / size.where(size > 0.0, 1.0)).reset_index(drop=True)


def _is_number(value):
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


# ---- the graph of a model ----------------------------------------------------------------------


def _nodes(model, x=None):
    """Return the calls of layers that a model consists of, each after those it needs."""
    if isinstance(model, keras.Sequential) and not model.built and x is not None:
        model(x[:1])
    if not getattr(model, "inputs", None):
        raise ValueError(
            "Expected a Sequential that is built, or a functional model. Received: a "
            f"{type(model).__name__} without symbolic inputs. Begin with keras.Input, or make it "
            "of inputs and outputs."
        )
    found = []

    def visit(tensor):
        if any(tensor is given for given in model.inputs):
            return
        node = keras_private.node_of(tensor)
        if not any(node is other for other in found):
            for before in node.input_tensors:
                visit(before)
            found.append(node)

    for tensor in model.outputs:
        visit(tensor)
    return found


def _is_chain(model, nodes):
    """Return whether the nodes are layers, each used once, with one input and one output."""
    sides = [model.inputs, model.outputs]
    sides += [side for node in nodes for side in (node.input_tensors, node.outputs)]
    operations = [node.operation for node in nodes]
    return (
        all(len(side) == 1 for side in sides)
        and all(isinstance(operation, keras.Layer) for operation in operations)
        and len(set(map(id, operations))) == len(operations)
    )


# ---- layers that are one -----------------------------------------------------------------------


def _merged(run):
    """Return the new layers that stand for (layer, width) pairs, with those they are copies of.

    All of them are linear, but for what the last one does after its own linear map.
    """
    changing = [i for i, (layer, width) in enumerate(run) if not _is_identity(layer, width)]
    if len(changing) < 2:
        return [_copied(layer) for layer, _ in run]
    last, width = run[changing[-1]][0], run[0][1]
    before = compose([layer for layer, _ in run[: changing[-1]]], width)
    if isinstance(last, Head):
        kernel, bias = (None if t is None else _host(t) for t in last.coefficients())
        bias = np.zeros(kernel.shape[1]) if bias is None else bias
        shift = before.shift @ kernel
        if shift[~np.tile(last.biased, last.responses)].any():
            return [*_merged(run[:-1]), _copied(last)]
        head = type(last).from_config(last.get_config())
        head.build((None, width))
        if last.standardised:
            head.raw_shift.assign(_host(last.raw_shift.value))
            head.raw_scale.assign(_host(last.raw_scale.value))
        head.assign_coefficients(before.slope @ kernel, bias + shift)
        return [(head, None)]
    if isinstance(last, keras.layers.Dense):
        kernel, activation = _host(last.kernel.value), last.activation
        bias = 0.0 if last.bias is None else _host(last.bias.value)
    else:
        own, activation = compose([last], before.slope.shape[1]), None
        kernel, bias = own.slope, own.shift
    dense = keras.layers.Dense(kernel.shape[1], activation, name=last.name, dtype=last.dtype_policy)
    dense.build((None, width))
    dense.set_weights([before.slope @ kernel, before.shift @ kernel + bias])
    return [(dense, None)]


def _is_identity(layer, width):
    """Return whether a layer does nothing at prediction."""
    chain = compose([layer], width)
    if chain is None or chain.slope.shape != (width, width):
        return False
    return np.array_equal(chain.slope, np.eye(width)) and not chain.shift.any()


def _copied(layer):
    return type(layer).from_config(layer.get_config()), layer


def _rebuilt(model, made):
    """Return a model of the class of another, of new layers and what they are copies of."""
    (given,) = model.inputs
    tensor = keras.Input(batch_shape=given.shape, dtype=given.dtype, name=given.name)
    layers = [layer for layer, _ in made]
    if isinstance(model, keras.Sequential):
        new = type(model)([tensor, *layers], name=model.name)
    else:
        inputs = _tree.pack_sequence_as(model.input, [tensor])
        for layer in layers:
            tensor = layer(tensor)
        outputs = _tree.pack_sequence_as(model.output, [tensor])
        new = type(model)(inputs, outputs, name=model.name)
    know_columns(new, columns_of(model), responses_of(model))
    for layer, old in made:
        if old is not None:
            give_weights(old, layer)
    if model.compiled:
        new.compile_from_config(model.get_compile_config())
    return new


def _host(tensor):
    return ops.convert_to_numpy(tensor).astype("float64")


# ---- the likelihood as a function of the weights -----------------------------------------------


class _NetworkLikelihood(Objective):
    """The mean NLL of a network as a function of its trainable weights; without a Hessian.

    Attributes
    ----------
    at : tensor, shape (size,)
        The weights, in one vector.
    """

    def __init__(self, model, x, y):
        (head,), weights = _tree.flatten(model.heads), model.trainable_variables
        loss = NegativeLogLikelihood(head.family, check=False, dtype=head.variable_dtype)
        rest = [variable.value for variable in model.non_trainable_variables]
        sizes = [int(np.prod(variable.shape)) for variable in weights]
        ends = [*itertools.pairwise(itertools.accumulate(sizes, initial=0))]

        def likelihood(flat):
            parts = [
                ops.reshape(flat[begin:end], variable.shape)
                for (begin, end), variable in zip(ends, weights, strict=True)
            ]
            raw, _ = model.stateless_call(parts, rest, x, training=False)
            return loss(y, *_tree.flatten(raw))

        self.size, self._rows = sum(sizes), len(y)
        self.at = ops.concatenate([ops.reshape(v.value, (-1,)) for v in weights])
        self._likelihood = backend.compiled(likelihood)
        self._derive = backend.compiled(backend.value_and_grad(likelihood))

    def __len__(self):
        return self._rows

    def __call__(self, coef, second=False):
        """Return the value, the gradient (size,), and None."""
        value, gradient = self._derive(coef)
        return float(ops.convert_to_numpy(value)), _host(gradient), None

    def value(self, coef):
        """Return the value alone."""
        return float(ops.convert_to_numpy(self._likelihood(coef)))


def _differences(objective, chosen, step):
    """Return central differences of an objective at its own weights, in the chosen entries."""
    at, found = _host(objective.at), []
    for i in chosen:
        size = step or np.cbrt(np.finfo("float64").eps) * max(1.0, abs(at[i]))
        ends = np.stack([at, at])
        ends[:, i] += [size, -size]
        above, below = map(objective.value, ends)
        found.append((above - below) / (ends[0, i] - ends[1, i]))
    return np.array(found)


def _in_float64(model):
    """Return a copy of a model in float64."""

    def changed(config):
        if isinstance(config, dict):
            return {k: "float64" if k == "dtype" else changed(v) for k, v in config.items()}
        return [changed(v) for v in config] if isinstance(config, (list, tuple)) else config

    try:
        copy = type(model).from_config(changed(model.get_config()))
    except (NotImplementedError, TypeError) as error:
        raise ValueError(
            "Expected layers that can be made again from their configurations. Received: a "
            f"{type(model).__name__} where that fails: {error}. Give its layers a get_config."
        ) from error
    give_weights(model, copy)
    return copy
