"""Keras models that know their head: fitted by likelihood, they predict distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from probnn.backend.keras_private import Functional, inner_layers, makes_functional, node_of
from probnn.models.probabilistic import Probabilistic, check_no_inner
from probnn.networks.graph import head_of
from probnn.networks.heads import Head

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_map, _flatten = keras.tree.map_structure, keras.tree.flatten


@keras.saving.register_keras_serializable(package="probnn")
class Model(Probabilistic, keras.Model):
    """A Keras model whose outputs are heads.

    `Model(inputs, outputs)` makes one from symbolic tensors, as `keras.Model` does; outputs are
    the output of a `Head`, or a list or dict of such. Or subclass it, make the heads in `__init__`
    and call them in `call`; with several heads, `call` returns a dict whose keys are their names.

    See Also
    --------
    Sequential : A stack of layers that ends in one head.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> inputs = keras.Input((2,))
    >>> hidden = keras.layers.Dense(4, "relu")(inputs)
    >>> model = pn.Model(inputs, pn.Head("poisson")(hidden))
    >>> model.compile("adam")
    >>> x, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([2, 4])
    >>> model.fit(x, y, epochs=0).epoch
    []
    >>> model.predict_distribution(x, verbose=0).mean().round(3).tolist()
    [3.0, 3.0]
    """

    def __new__(cls, *args, **kwargs):
        """Make a functional model of inputs and outputs."""
        if cls is Model and makes_functional(args, kwargs):
            cls = FunctionalModel
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if makes_functional(args, kwargs):
            # Keras would put Functional among the bases of Model itself, for every other subclass.
            raise ValueError(
                f"Expected {type(self).__name__}, a subclass of probnn.Model, to make layers in "
                "`__init__` and to use them in `call`. Received: inputs and outputs. Subclass "
                "probnn.models.FunctionalModel, which takes them."
            )
        super().__init__(*args, **kwargs)

    @property
    def heads(self) -> Any:
        """The model's Head, or a dict of its heads by name."""
        heads = [layer for layer in inner_layers(self) if isinstance(layer, Head)]
        if not heads:
            raise ValueError(
                f"Expected {type(self).__name__} to have a probnn.Head among its layers. Received: "
                f"layers {[type(layer).__name__ for layer in self.layers]}. Make a head in "
                "`__init__` and return its output from `call`."
            )
        return heads[0] if len(heads) == 1 else {head.name: head for head in heads}


@keras.saving.register_keras_serializable(package="probnn")
class FunctionalModel(Model, Functional):
    """What `Model(inputs, outputs)` makes; a subclass may change `train_step`, say."""

    def __init__(self, *args, **kwargs):  # as Functional's own is seen, for Keras to save it
        Functional.__init__(self, *args, **kwargs)
        check_no_inner(self, self.heads)

    @property
    def heads(self):
        """The model's Head; or a list or dict of heads, in the structure of its outputs."""
        heads = _map(lambda tensor: head_of(node_of(tensor).operation), self.output)
        if None in _flatten(heads):
            wrong = node_of(self.outputs[_flatten(heads).index(None)]).operation
            raise ValueError(
                "Expected every output of a probnn.Model to be the output of a probnn.Head. "
                f"Received: the output of the layer {wrong.name!r} ({type(wrong).__name__}). End "
                "that branch in a Head, which takes time steps without a wrapper; without "
                "distributions, use keras.Model."
            )
        inner = list(heads.values()) if isinstance(heads, dict) else heads
        if isinstance(inner, (list, tuple)) and not all(isinstance(each, Head) for each in inner):
            raise ValueError(
                "Expected the outputs of a probnn.Model to be that of a head, or a list or dict of "
                f"such. Received: a nest of them, {_map(lambda head: head.name, heads)}. Give them "
                "in one dict, whose keys say what each is."
            )
        return inner[0] if isinstance(heads, (list, tuple)) and len(heads) == 1 else heads


@keras.saving.register_keras_serializable(package="probnn")
class Sequential(Probabilistic, keras.Sequential):
    """A stack of Keras layers that ends in one head.

    Parameters
    ----------
    layers : list of keras.Layer
        The last is a `Head`.
    name : str, optional
        As in Keras.

    See Also
    --------
    Model : Networks with several inputs or heads.

    Notes
    -----
    `keras.models.clone_model` makes a `keras.Sequential` of any subclass: its head works, but
    `predict` gives raw output. `Sequential.from_config(model.get_config())` makes a new model of
    this class.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> neuron = pn.Sequential([keras.Input((2,)), pn.Head("bernoulli")])
    >>> neuron.set_weights([np.array([[0.3], [0.1]]), np.array([1.0])])
    >>> neuron.predict(np.array([[1.0, 2.2]]), verbose=0).round(6).tolist()
    [0.820538]
    """

    if TYPE_CHECKING:  # Keras's own

        def __init__(
            self,
            layers: Sequence[keras.Layer | keras.KerasTensor] | None = None,
            trainable: bool = True,
            name: str | None = None,
        ) -> None: ...

    def add(self, layer: keras.Layer, rebuild: bool = True) -> None:
        """Add a layer on top of the stack; nothing goes on top of a head."""
        if self.layers and isinstance(self.layers[-1], Head):
            raise ValueError(
                "Expected a probnn.Head to be the last layer of a Sequential, and the only head. "
                f"Received: {type(layer).__name__} on top of the head {self.layers[-1].name!r}. "
                "Put hidden layers before the head; for several responses use "
                "Head(..., units=d), or probnn.Model with a list or dict of heads as outputs."
            )
        super().add(layer, rebuild=rebuild)

    @property
    def heads(self) -> Any:
        """The model's Head."""
        last = self.layers[-1] if self.layers else None
        head = head_of(last)
        if head is None:
            raise ValueError(
                "Expected a probnn.Sequential to end in a probnn.Head. Received: "
                f"{type(last).__name__ if last is not None else 'no layers'}. Add a Head; without "
                "distributions, use keras.Sequential."
            )
        return head
