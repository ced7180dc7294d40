"""Several networks of one shape, trained at once: their variables stacked on a first axis."""

import keras
import numpy as np

from probnn import backend
from probnn.backend import keras_private
from probnn.training.epochs import flat

ops, optimizers = keras.ops, keras.optimizers

# Updates element by element, which are the same for a stack of variables as for each.
ELEMENTWISE = (
    optimizers.SGD,
    optimizers.RMSprop,
    optimizers.Adam,
    optimizers.AdamW,
    optimizers.Adadelta,
    optimizers.Adagrad,
    optimizers.Adamax,
    optimizers.Nadam,
    optimizers.Ftrl,
    optimizers.Lion,
)


def obstacle(model):
    """Return why networks like this one cannot be trained at once, or None if they can."""
    optimizer = model.optimizer
    name = type(optimizer).__name__
    if not any(type(optimizer).update_step is cls.update_step for cls in ELEMENTWISE):
        return f"the optimizer {name}, whose update is not element by element"
    for option in ("clipnorm", "global_clipnorm"):
        if getattr(optimizer, option, None) is not None:
            return f"an optimizer with {option}, which couples the elements of an update"
    if keras_private.spares_weights(optimizer):
        return "an optimizer that leaves variables out of its weight decay"
    if any(v.constraint is not None for v in model.trainable_variables):
        return "a weight with a constraint"
    return None


class Members:
    """Networks of one shape that are trained at once, as what an epoch trains.

    Parameters
    ----------
    models : list of keras.Model
        Compiled and built, of one configuration. Their weights and optimizers' states are read
        here, and written by `finish`. The first is the one that a step runs, for each in turn.
    """

    def __init__(self, models):
        self.models, self.model = models, models[0]
        template = self.model
        for model in models:
            if not model.optimizer.built:
                model.optimizer.build(model.trainable_variables)
        self._own = [*template.trainable_variables], [*template.non_trainable_variables]
        self._metrics = [*template.metrics_variables]
        self.trainable = self._stacked([m.trainable_variables for m in models])
        self._rest = self._stacked([m.non_trainable_variables for m in models])
        self._tracked = self._stacked([template.metrics_variables] * len(models))
        self.optimizer = type(template.optimizer).from_config(template.optimizer.get_config())
        self.optimizer.build(self.trainable)
        self._read_optimizers()
        # With no member axis: the count of steps, and the learning rate.
        self._shared = [
            v.shape == w.shape
            for v, w in zip(self.optimizer.variables, template.optimizer.variables, strict=True)
        ]
        self._gradients = backend.members_value_and_grad(self._training_loss)
        self._tests = backend.members(self._test_loss)
        self._results = backend.members(self._result)
        self.train = backend.step(self._train, self.variables, self.optimizer)
        self.test = backend.step(self._test, self.variables)

    def __len__(self):
        return len(self.models)

    def like(self, model):
        """Return as many members, each with the values of a model like these."""
        return Members([model] * len(self.models))

    @property
    def lead(self):
        """The axes before the rows of a batch."""
        return (len(self.models),)

    @property
    def of_layers(self):
        """The variables of the layers."""
        return [*self.trainable, *self._rest]

    @property
    def kept(self):
        """The variables that are put back after a divergence."""
        return [*self.of_layers, *self.optimizer.variables]

    @property
    def variables(self):
        """The variables that a step assigns."""
        return [*self.kept, *self._tracked]

    # ---- what an epoch calls ----------------------------------------------------------------

    def _train(self, batch):
        """Take one step of every member, on a batch (members, rows, ...)."""
        leaves, self._packed = _leaves(batch)
        (_, (rest, tracked)), gradients = self._gradients(
            *([v.value for v in group] for group in (self.trainable, self._rest, self._tracked)),
            leaves,
        )
        _assign(self._rest, rest)
        _assign(self._tracked, tracked)
        self.optimizer.apply(gradients, self.trainable)

    def _test(self, batch):
        """Update the metrics of every member on a batch (members, rows, ...)."""
        leaves, self._packed = _leaves(batch)
        groups = (self.trainable, self._rest, self._tracked)
        _assign(self._tracked, self._tests(*([v.value for v in group] for group in groups), leaves))

    def reset(self):
        """Set the metrics to zero."""
        with keras.StatelessScope() as scope:
            self.model.reset_metrics()
            values = [scope.get_current_value(v) for v in self._metrics]
        for stacked, value in zip(self._tracked, values, strict=True):
            if value is not None:
                stacked.assign(ops.broadcast_to(value, stacked.shape))

    def results(self):
        """Return name -> tensor (members, ...): the loss and the metrics since the last reset."""
        return self._results([v.value for v in self._tracked])

    def always_finite(self):
        """Return what `finite` returns when all is."""
        return ops.ones(self.lead, "bool")

    def finite(self, loss):
        """Return, for each member, whether its loss and all its weights are finite."""
        flags = [ops.isfinite(loss)]
        for variable in self.trainable:
            axes = tuple(range(1, len(variable.shape)))
            flags.append(ops.all(ops.isfinite(variable.value), axis=axes))
        return ops.all(ops.stack(flags), axis=0)

    def choose(self, finite, new, old):
        """Return `new` where the training of a member is finite, else `old`."""
        if len(new.shape) == 0:
            return new
        return ops.where(ops.reshape(finite, (-1, *[1] * (len(new.shape) - 1))), new, old)

    # ---- one member -------------------------------------------------------------------------

    def _scope(self, trainable, rest, tracked):
        pairs = [*zip(self._own[0], trainable, strict=True), *zip(self._own[1], rest, strict=True)]
        pairs += zip(self._metrics, tracked, strict=True)
        return keras.StatelessScope(pairs, collect_losses=True)

    def _forward(self, leaves, training):
        """Return the loss of one member in a scope, having updated its metrics there."""
        batch = self._packed(leaves)
        loss, y_pred = keras_private.forward(self.model, batch, training)
        keras_private.record(self.model, batch, loss, y_pred)
        return loss

    def _training_loss(self, trainable, rest, tracked, leaves):
        with self._scope(trainable, rest, tracked):
            loss = self._forward(leaves, training=True)
            after = [v.value for v in self._own[1]], [v.value for v in self._metrics]
        return loss, after

    def _test_loss(self, trainable, rest, tracked, leaves):
        with self._scope(trainable, rest, tracked):
            self._forward(leaves, training=False)
            return [v.value for v in self._metrics]

    def _result(self, tracked):
        with keras.StatelessScope(list(zip(self._metrics, tracked, strict=True))):
            return flat(self.model.get_metrics_result())

    # ---- between the stack and the models ---------------------------------------------------

    def _stacked(self, groups):
        return [
            keras.Variable(
                np.stack([ops.convert_to_numpy(v.value) for v in each]),
                dtype=each[0].dtype,
                trainable=each[0].trainable,
                name=each[0].name,
            )
            for each in zip(*groups, strict=True)
        ]

    def _read_optimizers(self):
        states = [m.optimizer.variables for m in self.models]
        for variable, *each in zip(self.optimizer.variables, *states, strict=True):
            values = [ops.convert_to_numpy(v.value) for v in each]
            shared = values[0].shape == tuple(variable.shape)
            variable.assign(values[0] if shared else np.stack(values))

    def weights(self, i):
        """Return the weights of member i, as its model's `get_weights`."""
        stacks = {
            id(v): stack
            for group, stacked in zip(self._own, (self.trainable, self._rest), strict=True)
            for v, stack in zip(group, stacked, strict=True)
        }
        return [ops.convert_to_numpy(stacks[id(v)].value[i]) for v in self.model.weights]

    def finish(self):
        """Write the weights and the optimizers' states into the models."""
        self.optimizer.finalize_variable_values(self.trainable)
        for i, model in enumerate(self.models):
            pairs = [
                *zip(model.trainable_variables, self.trainable, strict=True),
                *zip(model.non_trainable_variables, self._rest, strict=True),
            ]
            for variable, stack in pairs:
                variable.assign(stack.value[i])
            for variable, stack, shared in zip(
                model.optimizer.variables, self.optimizer.variables, self._shared, strict=True
            ):
                variable.assign(stack.value if shared else stack.value[i])


def _leaves(batch):
    """Return the arrays of a batch, and the function that packs them again."""
    flat = keras.tree.flatten(batch)
    present = [i for i, leaf in enumerate(flat) if leaf is not None]

    def packed(leaves):
        full = [None] * len(flat)
        for i, leaf in zip(present, leaves, strict=True):
            full[i] = leaf
        return keras.tree.pack_sequence_as(batch, full)

    return [flat[i] for i in present], packed


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
