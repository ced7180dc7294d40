"""Networks that end in a head, and ensembles of them, as fitted models."""

from dataclasses import replace
from functools import cached_property

import keras
import numpy as np

from probnn import backend, data
from probnn.backend.keras_private import inner_layers
from probnn.bayes.passes import RandomPasses
from probnn.bayes.swag import SWAGPosterior
from probnn.bridge import HeadModel
from probnn.data import streams
from probnn.fitted.base import FittedModel
from probnn.fitted.dispatch import adapt
from probnn.fitted.fit import Fit, log_prob
from probnn.fitted.results import fit_of
from probnn.fitted.tables import is_default, renamed
from probnn.models import Sequential
from probnn.networks.entered import entered
from probnn.networks.graph import NotOneHeadError, split
from probnn.networks.heads import Head
from probnn.networks.inputs import (
    columns_of,
    masks_of,
    read_inputs,
    responses_of,
)
from probnn.networks.kinds import (
    adds_noise,
    is_penalised,
    is_variational,
    variational_layers,
)
from probnn.networks.outputs import predictives
from probnn.predictive import Predictive
from probnn.predictive.pooled import PooledPredictive
from probnn.training.ensemble import DeepEnsemble

_PIECE = 65_536  # rows that a network is called with at once


class FittedNetwork(FittedModel):
    """A Keras model that ends in a `Head`, whether it is a `probnn.Model` or not.

    Its distributions come in pieces of 65,536 rows, without `predict`: compiling that takes longer
    than one pass.
    """

    kind = label = "network"

    @property
    def network(self):
        """The model."""
        return self.model

    @cached_property
    def head(self):
        """The head; raises if there are several, or none."""
        if self.predicts:
            heads = self.model.heads
        else:
            try:
                heads = split(self.model)[0]
            except NotOneHeadError:
                raise self.predicts_none() from None
        if isinstance(heads, (list, tuple, dict)):
            raise ValueError(
                f"Expected a model with one head. Received: {type(self.model).__name__} with "
                f"{len(heads)} of them. Make one of each: probnn.Model(model.inputs, output)."
            )
        return heads

    @property
    def family(self):
        """The head's family."""
        return self.head.family

    @property
    def input_shapes(self):
        """The shapes of the inputs, none where they are not known."""
        return [tuple(each.shape) for each in getattr(self.model, "inputs", None) or []]

    @property
    def constants(self):
        """The parameters that are one number for all rows."""
        return {*self.head.constant_names, *self.head.fixed}

    @property
    def fixed(self):
        """The values of those that are known."""
        return self.head.fixed

    @property
    def penalised(self):
        """What takes training's optimum away from that of the likelihood."""
        optimizer = getattr(self.model, "optimizer", None)
        if getattr(optimizer, "weight_decay", None):
            return "the optimizer decays weights"
        for layer in inner_layers(self.model):
            if is_penalised(layer):
                return f"{layer.name} has a kernel_regularizer"
            if adds_noise(layer):
                return f"{layer.name} adds noise in training"
            if is_variational(layer):
                return f"the weights of {layer.name} have priors"
        return ""

    def predict_distribution(self, x):
        """Return the `Predictive` of rows."""
        head = self.head
        if streams.is_stream(x):
            return self.model.predict_distribution(x, verbose=0)
        given, x = x, read_inputs(self.model, x)
        n, raw = len(keras.tree.flatten(x)[0]), []
        for first in range(0, n, _PIECE):
            part = keras.tree.map_structure(lambda leaf, i=first: leaf[i : i + _PIECE], x)
            each = self.model(part, training=False)
            raw.append(keras.ops.convert_to_numpy(each).astype("float64"))
        return predictives(self.model, head, np.concatenate(raw), given)

    def counted(self, x):
        """Return which time steps the network does not mask."""
        x = read_inputs(self.model, x)
        (mask,) = masks_of(self.model, x, len(keras.tree.flatten(x)[0]))
        return mask

    def aligned(self, x):
        """Return x with the columns of a frame in the order of the network's."""
        return columns_of(self.model).aligned(x)

    def response(self, y, what="y"):
        """Return y with the columns of a frame in the order of the network's."""
        return responses_of(self.model).aligned(y, what)

    def used(self, table, named):
        """Return the columns as numbers; raises unless they are those that the network takes."""
        (names,) = columns_of(self.model).names or [None]
        if names is not None and not named and len(names) == table.shape[1]:
            table = table.set_axis(names, axis=1)
        return _numeric(self.aligned(table), self.input_shapes)

    def own(self, table):
        """Return the columns of a table that the network takes: by its names, else by position."""
        return _own(self.model, table)

    def to_hold(self, name):
        """Return how a parameter is made one number for all rows."""
        return f'Head(..., constant=["{name}"]), '

    def read(self, name, table=None, y=None):
        """Return the `Fit`, of the results at the network's weights if it has no hidden layers."""
        if table is None or y is None:
            raise ValueError(
                f"Expected x= and y=, the training data, to compare the network {name!r}: its "
                "standard errors and its log-likelihood come from them. Received none."
            )
        return renamed(_fit_of(self.model, name, table, y), table)

    def without_hidden(self, name, table, y):
        """Return the `Fit` of the head on x alone, at its optimum."""
        if table is None:
            raise ValueError("x= and y=, the training data, are not known.")
        own = _own(self.model, table)
        head = HeadModel(self.model, own, y).head
        config = {**head.get_config(), "kernel_regularizer": None}
        neuron = Sequential([keras.Input((own.shape[1],)), Head.from_config(config)])
        neuron.responses = responses_of(self.model)
        return renamed(fit_of(HeadModel(neuron, own, y).glm.fit(verbose=False), name), table)


class FittedPasses(FittedNetwork):
    """A network in random passes."""

    kind = label = "network in random passes"

    def __init__(self, passes):
        super().__init__(passes.model)
        self._passes = passes

    def predict_distribution(self, x):
        """Return the `PooledPredictive` of rows."""
        return self._passes.predict_distribution(x, verbose=0)

    def read(self, name, table=None, y=None):
        """Return the `Fit`, which has the scores of held-out rows alone."""
        return _scored(self, name, [self.model])


class FittedWeights(FittedPasses):
    """A network at random weights."""

    kind = label = "network at random weights"


class FittedEnsemble(FittedModel):
    """Networks that are asked together."""

    def read(self, name, table=None, y=None):
        """Return the `Fit`, which has the scores of held-out rows alone."""
        return _scored(self, name, [each.model for each in self.members])

    kind = "deep ensemble"

    def __init__(self, ensemble):
        super().__init__(ensemble)
        self.members = tuple(adapt(member) for member in ensemble.members)

    @property
    def head(self):
        """The head of the first member."""
        return self.members[0].head

    @property
    def family(self):
        """The family of the members."""
        return self.head.family

    @property
    def input_shapes(self):
        """The shapes of the inputs."""
        return self.members[0].input_shapes

    @property
    def constants(self):
        """The parameters that are one number for all rows."""
        return self.members[0].constants

    @property
    def fixed(self):
        """The values of those that are known."""
        return self.members[0].fixed

    def predict_distribution(self, x):
        """Return the `PooledPredictive` of rows."""
        return PooledPredictive([member.predict_distribution(x) for member in self.members])

    def counted(self, x):
        """Return which time steps the networks do not mask."""
        return self.members[0].counted(x)

    def aligned(self, x):
        """Return x with the columns of a frame in the order of the networks'."""
        return self.members[0].aligned(x)

    def response(self, y, what="y"):
        """Return y with the columns of a frame in the order of the networks'."""
        return self.members[0].response(y, what)

    def used(self, table, named):
        """Return the columns as numbers; raises unless they are those that the networks take."""
        return self.members[0].used(table, named)


def _numeric(table, shapes):
    for shape in shapes:
        if shape[-1] not in (None, table.shape[1]):
            raise ValueError(
                f"Expected x of {shape[-1]} columns, as the network takes. Received: "
                f"{table.shape[1]}: {', '.join(map(str, table.columns))}."
            )
    data.features(table)
    return table.astype("float64")


def _own(model, table):
    """Return the columns of a table that a network takes: by its names, else by position."""
    (names,) = columns_of(model).names or [None]
    given = [str(column) for column in table.columns]
    if names is None or set(names) <= set(given):
        return table if names is None else table.iloc[:, [given.index(name) for name in names]]
    return table.to_numpy() if is_default(given) else table


def _scored(fitted, name, networks):
    """Return the `Fit` of networks that pool what they say: scores of held-out rows alone."""

    def held_out(table, y):
        return log_prob(fitted.predict_distribution(_own(networks[0], table)), y)

    family, weights = fitted.family, [w for each in networks for w in each.trainable_variables]
    return Fit(
        name=name,
        family=family.name,
        link=family.links[family.location].name,
        known=family,
        coef={},
        size=sum(int(np.prod(w.shape)) for w in weights),
        log_prob=held_out,
        hidden=True,
        stopped="",
    )


def _fit_of(model, name, table, y):
    bridge = HeadModel(model, _own(model, table), y)
    head = bridge.head
    penalised = [layer.name for layer in model.layers if is_penalised(layer)]
    told = [f"kernel_regularizer of {name}" for name in penalised]
    told += [f"priors of {layer.name}" for layer in variational_layers(model)]
    penalty = ", ".join(told)

    def predict(table):
        x = read_inputs(model, _own(model, table))
        with backend.many_programs(), entered(model):
            raw = keras.Model.predict(model, x, verbose=0)
        return predictives(model, head, np.asarray(raw, dtype="float64"))

    own = {
        "log_prob": lambda table, y: log_prob(predict(table), y),
        "penalty": penalty,
        "stopped": "",
    }
    dispersed = [p for p in head.family.with_dispersion(1.0) if p in head.constant_names]
    if not bridge.is_conditional:
        coef = bridge.coef()
        certificate = bridge.certify(coef)
        found = fit_of(bridge.results(coef, certificate, {}), name)
        # Its own scale predicts: at the optimum, the maximum-likelihood one.
        predictive = "n" if dispersed and certificate.converged else ""
        return replace(found, certificate=certificate, predictive=predictive, **own)
    predictive = predict(table)
    each = log_prob(predictive, bridge.glm.y, "y")
    scale = np.nan
    if dispersed:  # the variance over that at dispersion 1
        first = {key: values[:1] for key, values in predictive.params.items()}
        unit = Predictive(head.family, first | head.family.with_dispersion(1.0))
        scale = float(predictive[0].variance()[0] / unit.variance()[0])
    free = sum(int(np.prod(w.shape)) for w in model.trainable_variables)
    linear = head.family.loss == "squared_error" and head.family.is_canonical
    return Fit(
        name=name,
        family=head.family.name,
        link=head.family.links[head.family.location].name,
        known=head.family,
        coef={},
        size=free - len(dispersed) * linear,
        uncounted=bool(dispersed) and linear,
        nobs=len(table),
        llf=float(each.sum()),
        scale=scale,
        y=bridge.glm.y,
        log_likelihood=each,
        hidden=True,
        **own,
    )


adapt.register(keras.Model, FittedNetwork)
adapt.register(DeepEnsemble, FittedEnsemble)
adapt.register(RandomPasses, FittedPasses)
adapt.register(SWAGPosterior, FittedWeights)
