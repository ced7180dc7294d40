"""Training and test steps on torch, traced into graphs that run without Python between operations.

A step in eager torch spends most of its time in Keras's Python. A step is therefore traced once
for each shape of batch: forward pass, gradient, update and metrics become one graph of torch
operations that reads and overwrites the variables. A step that cannot be traced, because it looks
at values or draws random numbers on the host, runs as it stands.
"""

import contextlib
import random
import warnings

import keras
import numpy as np
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from probnn.backend import keras_private, torch_graphs


def train_step(model):
    """Return a function of a batch that runs the model's own training step."""

    def eager(batch):
        model.train()
        model.train_step(batch)
        model.eval()

    def variables():
        return [*_state(model), *model.optimizer.variables]

    return Traced(lambda batch: _step(model, batch, True), variables, model.optimizer, eager)


def test_step(model):
    """Return a function of a batch that runs the model's own test step."""

    def eager(batch):
        model.eval()
        with torch.no_grad():
            model.test_step(batch)

    return Traced(lambda batch: _step(model, batch, False), lambda: _state(model), None, eager)


def _state(model):
    own = [*model.trainable_variables, *model.non_trainable_variables]
    return [*own, *model.metrics_variables]


def _step(model, batch, training):
    """Do what Keras's training or test step does, in a scope where gradients are a function."""
    model.train(training)
    weights = [v.value for v in model.trainable_variables] if training else []
    for weight in weights:
        weight.requires_grad_(True)
    with torch.set_grad_enabled(training):
        loss, y_pred = keras_private.forward(model, batch, training)
        if training:
            scaled = model.optimizer.scale_loss(loss)
            gradients = torch.autograd.grad(scaled, weights, allow_unused=True)
    with torch.no_grad():
        if training:
            model.optimizer.apply(gradients, model.trainable_variables)
        keras_private.record(model, batch, loss.detach(), y_pred)
    model.eval()


class Traced:
    """A step, as one graph for each shape of batch.

    Parameters
    ----------
    body : callable
        A function of a batch that assigns Keras variables, and works in a `keras.StatelessScope`.
    variables : callable
        Returns the variables that it may assign.
    optimizer : keras.Optimizer or None
        What updates variables in it.
    eager : callable
        What runs where there can be no graph.
    """

    def __init__(self, body, variables, optimizer, eager):
        self._body = body
        self._variables = variables
        self._optimizer = optimizer
        self._eager = eager
        self._graphs = {}

    def __call__(self, batch):
        """Run the step."""
        leaves = keras.tree.flatten(batch)
        key = tuple(None if leaf is None else (leaf.shape, leaf.dtype) for leaf in leaves)
        if key not in self._graphs:
            with torch.random.fork_rng():  # a seed's numbers are the same after an earlier trace
                self._graphs[key] = self._trace(batch, leaves)
        graph, tensors = self._graphs[key]
        if graph is None:
            self._eager(batch)
        else:
            with torch.no_grad():
                graph(*tensors, *(leaf for leaf in leaves if leaf is not None))

    def _trace(self, batch, leaves):
        """Return the graph and the tensors it overwrites; None where there can be no graph."""
        variables = self._variables()
        tensors = [variable.value.detach() for variable in variables]
        present = [leaf for leaf in leaves if leaf is not None]

        def functional(*arguments):
            values = [value.detach() for value in arguments[: len(tensors)]]
            given = iter(arguments[len(tensors) :])
            packed = [None if leaf is None else next(given) for leaf in leaves]
            pairs = list(zip(variables, values, strict=True))
            with keras.StatelessScope(pairs, collect_losses=True) as scope:
                self._body(keras.tree.pack_sequence_as(batch, packed))
            for variable, value, argument in zip(variables, values, arguments, strict=False):
                after = scope.get_current_value(variable)
                if after is not value:
                    argument.copy_(after)
            return arguments[0].new_zeros(())  # a graph must return something

        def example():
            return [leaf.clone() for leaf in (*tensors, *present)]

        for _ in range(2):  # what torch imports for the first trace of a process draws numbers too
            before = _host_randomness()
            try:
                with keras_private.plain_update(self._optimizer):
                    graph = make_fx(functional)(*example())
                    torch_graphs.add_in_place(graph.graph)
                    graph.recompile()
            except Exception:  # Python that depends on values, in whatever form it fails
                return None, None
            if _host_randomness() == before:
                break
        else:
            return None, None
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # jit.trace is deprecated where torch.compile works
            with contextlib.suppress(RuntimeError):  # it does not take all operations
                graph = torch.jit.trace(graph, example(), check_trace=False)
        return graph, tensors


def _host_randomness():
    """Return the states of the generators whose draws a graph would repeat for ever."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - Keras's own generator
    return random.getstate(), name, keys.tolist(), rest, keras_private.seed_state()
