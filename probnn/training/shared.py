"""Compiled programs that equal models share.

A program takes seconds to compile, and TensorFlow never gives its memory back. Models of the same
layers, optimizer and batches therefore have a twin, which is compiled once: they lend it their
values, and take back what its steps made of them.
"""

import json
import threading
from collections import OrderedDict

import keras

from probnn import backend, families, links
from probnn.backend import keras_private
from probnn.networks.heads import Head
from probnn.training import copies
from probnn.training.epochs import Program
from probnn.training.members import ELEMENTWISE

_MOST = 16  # twins that are kept
_LARGEST = 1_000_000  # numbers of a model that has one: beyond, steps take longer than compiling
_NAMED = ("keras_history", "input_layers", "output_layers")  # whose entries are layers' names
_STEPS = ("train_step", "test_step", "compute_loss", "compute_metrics", "call")
# Layers that are what their configuration says, and variables, and the mean of Normalization.
_NAMES = """
InputLayer Dense Embedding Activation ReLU LeakyReLU Softmax Flatten Reshape Permute RepeatVector
Masking Concatenate Add Multiply Average Dropout SpatialDropout1D GaussianNoise BatchNormalization
LayerNormalization Normalization Rescaling LSTM GRU Conv1D Conv2D MaxPooling1D MaxPooling2D
GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D GlobalMaxPooling2D
"""
_LAYERS = {Head, *(getattr(keras.layers, name) for name in _NAMES.split())}

_twins, _looking = OrderedDict(), threading.Lock()


def program_of(trainee, batch, *sizes, apart=()):
    """Return a `Program` of a trainee: one that equal trainees share where that can be known.

    Parameters
    ----------
    trainee : Network or Members
        Of models that are compiled and built.
    batch : tuple of arrays
        What they were built for.
    *sizes : int
        As for `Program`.
    apart : tuple
        Programs that run at once differ in it, as one serves one trainee at a time.
    """
    own = Program(trainee, *sizes)
    with keras_private.without_tensorflow(), _looking:
        key = _key(trainee.model, (trainee.lead, apart, *sizes))
        if key is None:
            return own
        if key not in _twins:
            try:
                _twins[key] = _Twin(trainee, batch, sizes)
            except Exception:  # whatever Keras raises of a model that is not its configuration
                return own
        _twins.move_to_end(key)
        while len(_twins) > _MOST:
            _twins.popitem(last=False)
        twin = _twins[key]
    return _Lent(own, twin) if twin.fits(own) else own


class _Twin:
    """A trainee like another, with a program of its own."""

    def __init__(self, trainee, batch, sizes):
        with copies.seeded(0):  # what it draws is overwritten
            made = copies.exact(trainee.model)
            keras_private.build(made, batch)
        self.program, self.lock = Program(trainee.like(made), *sizes), threading.Lock()

    def fits(self, program):
        """Return whether a program has variables like those of this twin's, in the same order."""
        ours, theirs = (
            [_of_variable(v) for v in each.trainee.variables] for each in (program, self.program)
        )
        return ours == theirs and program.names == self.program.names


def _of_variable(variable):
    """Return what training asks of a variable, and not of its layer."""
    regularizer, constraint = variable.regularizer, variable.constraint
    return (
        *(tuple(variable.shape), variable.dtype, variable.trainable),
        *(regularizer and keras.regularizers.serialize(regularizer),),
        *(constraint and keras.constraints.serialize(constraint),),
    )


class _Lent:
    """The program of a twin, which runs on the values of another model's variables."""

    def __init__(self, own, twin):
        self.trainee, self.names, self._twin = own.trainee, own.names, twin
        self.rows, self.batch_size, self.steps, self.most = (
            own.rows,
            own.batch_size,
            own.steps,
            own.most,
        )
        self.key = None

    def run(self, *arguments):
        """Run `Program.run`."""
        return self._exchanged(self._twin.program.run, arguments)

    def validate(self, *arguments):
        """Run `Program.validate`."""
        return self._exchanged(self._twin.program.validate, arguments)

    def _exchanged(self, function, arguments):
        with self._twin.lock:
            ours, theirs = self.trainee.variables, self._twin.program.trainee.variables
            backend.give(ours, theirs)
            found = function(*arguments)
            backend.give(theirs, ours)
        return found


# ---- which models are equal ---------------------------------------------------------------------


class _UnknownError(Exception):
    """What a configuration does not tell."""


def _key(model, sizes):
    """Return what equal models have in common; None where their configuration may not tell all."""
    layers, optimizer = keras_private.inner_layers(model), model.optimizer
    if (
        not type(model).__module__.startswith("probnn.")  # a subclass's steps are its own
        or not isinstance(model.heads, Head)
        or len(model.inputs) != 1  # of several, x may go by their names
        or model.count_params() > _LARGEST
        or not {*map(type, layers)} <= _LAYERS
        or keras_private.public_class(optimizer) not in ELEMENTWISE
        or keras_private.spares_weights(optimizer)  # by a list that no configuration has
        or any(name in vars(model) for name in _STEPS)
        or any(map(_has_function, (*layers, *model.metrics, optimizer)))
        or any(getattr(layer, "stateful", False) for layer in layers)
    ):
        return None
    try:
        config, compiled = model.get_config(), model.get_compile_config()
        given, current = compiled.pop("optimizer"), keras.optimizers.serialize(optimizer)
        if _told(given, {}, True) != _told(current, {}, True):
            return None  # another was put in its place
        parts = [
            _told(each, names, True) for each, names in ((config, _names(config, {})), (given, {}))
        ]
        text = json.dumps([*parts, _told(compiled)])
    except (_UnknownError, TypeError, ValueError, NotImplementedError):
        return None
    family = model.heads.family
    made_of = {type(family), *map(type, family.links.values()), *_registered(parts)}
    if not all(each.__module__.startswith("probnn.") for each in made_of):
        return None  # a notebook may define another one by that name
    state = [
        weight.tobytes()
        for layer in layers
        if hasattr(layer, "finalize_state")  # which keeps numbers that are no variables
        for weight in layer.get_weights()
    ]
    casts = tuple(layer.autocast for layer in layers)
    return text, *state, casts, keras.config.floatx(), keras.config.epsilon(), *sizes


def _has_function(part):
    """Return whether an attribute is a function, or the like, that is not Keras's or ours."""
    modules = [
        getattr(each, "__module__", None) or "" for each in vars(part).values() if callable(each)
    ]
    return not all(module.startswith(("keras.", "probnn.")) for module in modules)


def _names(config, found):
    """Return the name of each layer in a configuration -> its number, whatever it is called."""
    for layer in config.get("layers", ()):
        name = layer["config"].get("name")
        found.setdefault(name, f"#{len(found)}")
        _names(layer["config"], found)
    return found


def _told(value, names=None, is_layer=False):
    """Return a configuration without what two equal models may differ in: names, seeds, the rate.

    Seeds and a rate are variables. Raises `_UnknownError` for what is neither Keras's nor ours.
    """
    if isinstance(value, dict):
        module = str(value.get("module") or "")
        if "class_name" in value and not (
            module.startswith(("keras", "probnn.")) or value["class_name"] == "__keras_tensor__"
        ):
            raise _UnknownError(value["class_name"])
        return {key: _entry(key, each, names or {}, is_layer) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_told(each, names, is_layer) for each in value]
    return value


def _entry(key, value, names, is_layer):
    if key in _NAMED:
        return keras.tree.map_structure(lambda each: names.get(each, each), value)
    if key == "seed" or (key == "learning_rate" and isinstance(value, float)):
        return None
    if key == "name" and is_layer:
        return names.get(value)
    return _told(value, names, is_layer and key in ("layers", "config", "inner_optimizer"))


def _registered(value):
    """Return the classes of families and links that a configuration may mean by their names."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        return {found for each in value for found in _registered(each)}
    if not isinstance(value, str):
        return set()
    family, link = families.FAMILIES.get(value), links.LINKS.get(value)
    return {each for each in (family, link and type(link)) if each is not None}
