"""What watches a training: the path of a linear network's coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from probnn.networks.affine import collapse
from probnn.networks.coefficients import flat
from probnn.networks.graph import split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from probnn._types import Floats


class WeightPath(keras.callbacks.Callback):
    """Record the coefficients of a linear network at the start of training and after every epoch.

    Parameters
    ----------
    names : sequence of str, optional
        What to call the columns of x; by default x1, x2, ...

    Attributes
    ----------
    path : numpy.ndarray, shape (epochs + 1, coefficients)
        The coefficients in the units of the data, as `probnn.inference` has them; a constant
        parameter, as a scale, on the scale of its link.
    names : list of str
        What they are called, the constant first.

    Raises
    ------
    ValueError
        At the start of training, if the model does not end in one `Head` of one response, or the
        layers before it are not linear.

    Notes
    -----
    It acts between epochs alone, so that epochs still run as compiled programs.

    Examples
    --------
    >>> import keras, numpy as np, probnn as pn
    >>> x, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> neuron = pn.Sequential([keras.Input((1,)), pn.Head("bernoulli")])
    >>> neuron.compile(keras.optimizers.SGD(0.4))
    >>> record = pn.training.WeightPath()
    >>> _ = neuron.fit(x, y, epochs=2, batch_size=4, callbacks=[record], verbose=0)
    >>> record.names, record.path.round(3).tolist()[:2]
    (['const', 'x1'], [[0.0, 0.0], [0.0, 0.2]])
    """

    def __init__(self, names: Sequence[str] | None = None) -> None:
        super().__init__()
        self._given = None if names is None else [str(name) for name in names]
        self.names, self._path, self._parts = [], [], None

    @property
    def path(self) -> Floats:
        """The coefficients so far."""
        return np.array(self._path).reshape(len(self._path), len(self.names))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Check the network, and record where it starts; a second fit begins a new path."""
        head, layers, _ = split(self.model)
        width = self.model.input_shape[-1]
        if head.responses != 1 or _chain(head, layers, width) is None:
            raise ValueError(
                "Expected a network whose layers before the head are linear, and a head with "
                f"units=1, so that its coefficients are those of x. Received: {self.model!r}."
            )
        x_names = self._given or [f"x{j + 1}" for j in range(width)]
        if len(x_names) != width:
            raise ValueError(
                f"Expected names of the {width} columns of x. Received: {self._given}."
            )
        self._parts = head, layers, width
        self._path, self.names = [], _names(head, x_names)
        self._record()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the coefficients after an epoch."""
        self._record()

    def _record(self):
        _ = self.model  # on JAX, Keras gives the layers their weights when it is asked for
        self._path.append(_coefficients(self._parts[0], _chain(*self._parts)))


def _chain(head, layers, width):
    """Return the chain of linear layers before the head as they are now, or None."""
    return collapse(layers, width, head.kinds.count("predicted"))


def _names(head, x_names):
    """Return what the coefficients are called, as the models of `probnn.glm` do."""
    names, family = [], head.family
    for at, (name, which) in enumerate(family.raw_columns):
        prefix = "" if name == family.location else f"{name}: "
        if head.kinds[at] == "predicted":
            columns = ["const", *x_names] if head.biased[at] else x_names
            names += [f"{prefix}{column}{which}" for column in columns]
        elif head.kinds[at] == "constant":
            is_design = name == family.location or name in family.with_dispersion(1.0)
            names.append(f"{prefix}const{which}" if is_design else f"{name}{which}")
    return names


def _coefficients(head, chain):
    """Return the coefficients of a head on the inputs of a chain, on the raw scale."""
    kernel, bias = (
        np.zeros(1) if each is None else keras.ops.convert_to_numpy(each).astype("float64")
        for each in head.coefficients()
    )
    return flat(head, (chain.slope @ kernel).T, bias + chain.shift @ kernel)
