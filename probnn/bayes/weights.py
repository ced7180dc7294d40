"""A network and rows, seen from its weights: raw outputs, and their Jacobians in all weights."""

import contextlib
import dataclasses
import itertools

import keras
import numpy as np

from probnn import backend, data
from probnn.backend import keras_private
from probnn.bayes.subjects import check_unchanged, fingerprint
from probnn.bridge.head_model import check_one_response
from probnn.data.alignment import align_all
from probnn.data.frames import name_of
from probnn.networks.entered import entered
from probnn.networks.heads import Head
from probnn.networks.inputs import columns_of, read_inputs, responses_of
from probnn.training.checked import checked_arrays

_map, _flatten = keras.tree.map_structure, keras.tree.flatten
_NUMBERS = 1 << 23  # of a part of the Jacobian, which is held at once


class NetworkWeights:
    """A network with one head, and the rows that its weights are to be known from.

    Attributes
    ----------
    network : probnn.Model or probnn.Sequential
    head : Head
    variables : list of keras.Variable
        The trainable weights, at which the network is made linear.
    paths : list of str
        Their names, as "dense/kernel".
    slices : list of slice
        Where each is among all weights.
    values : numpy.ndarray, shape (size,)
        The weights.
    x, y, weights : numpy.ndarray
        The rows, and their sample weights or None.
    """

    of_features = True
    formula, natural = None, {}  # as of a model of columns, with none in other units

    def __init__(self, network, x, y, sample_weight=None):
        head = getattr(network, "heads", None)
        if not isinstance(head, Head):
            raise ValueError(
                "Expected a probnn.Sequential or probnn.Model with one head, for the posterior of "
                f"all weights. Received: {type(network).__name__}."
            )
        self._check(head)
        self.network, self.head, self.family = network, head, head.family
        self.labels = data.ResponseLabels.of(x, responses_of(network).of_each(1)[0])
        self.y_name, self.fixed, self.constants = name_of(y) or "y", head.fixed, {}
        x, y, sample_weight = align_all(x, y, sample_weight)
        self._columns, responses = columns_of(network).learnt(x), responses_of(network)
        columns = self._columns, responses
        x, y, sample_weight = checked_arrays(network, x, y, sample_weight, columns=columns)
        self._set_rows(x, np.asarray(y, dtype="float64"), sample_weight)
        (self.classes,) = responses.classes_of_each(1)
        self.variables = list(network.trainable_variables)
        if not self.variables:
            raise ValueError("Expected a network with trainable weights. Received: one with none.")
        self.paths = _paths(self.variables, network.name)
        ends = np.cumsum([0, *(int(np.prod(v.shape)) for v in self.variables)])
        self.slices = [slice(*each) for each in itertools.pairwise(ends)]
        self.values = np.concatenate(
            [np.ravel(backend.host_value(v)) for v in self.variables]
        ).astype("float64")
        kinds = np.array(head.kinds)
        self.varying = np.flatnonzero(kinds != "fixed")
        self.fingerprint = fingerprint(network)
        self._program = None

    @staticmethod
    def _check(head):
        family = head.family
        check_one_response(head)
        if not family.smooth:
            raise ValueError(
                "Expected a family whose likelihood has second derivatives. Received: "
                f"{family!r}. A student_t one is heavy in its tails too."
            )
        family.check_expected()

    def _set_rows(self, x, y, weights):
        """Keep the rows whose weight is not 0: of the others y was not observed."""
        if weights is not None:
            data.check_some_count(weights)
            weights = np.asarray(weights, dtype="float64")
            kept = np.flatnonzero(weights)
            x = _map(lambda leaf: leaf[kept], x)
            y, weights = y[kept], weights[kept]
            if self.labels.rows is not None:
                rows = self.labels.rows.take(kept, "of weight 0")
                self.labels = dataclasses.replace(self.labels, rows=rows)
        self.x, self.y, self.weights = x, y.reshape(len(y), *self.family.y_shape), weights

    # ---- what posteriors ask of a model -----------------------------------------------------

    @property
    def model(self):
        """What stands for a model of columns: this."""
        return self

    @property
    def size(self):
        """How many weights there are."""
        return len(self.values)

    @property
    def nobs(self):
        """How many rows there are."""
        return len(self.y)

    def __len__(self):
        return len(self.y)

    @property
    def parameter_names(self):
        """The name of each weight, as "dense/kernel[0,3]"."""
        return [
            f"{path}[{','.join(map(str, index))}]" if index else path
            for path, variable in zip(self.paths, self.variables, strict=True)
            for index in np.ndindex(*variable.shape)
        ]

    def rows(self, x=None):
        """Return new rows as arrays, or those of training, and their labels."""
        if x is None:
            return self.x, self.labels
        columns = responses_of(self.network).of_each(1)[0]
        return read_inputs(self.network, x, columns=self._columns), data.ResponseLabels.of(
            x, columns
        )

    # ---- the linear network -----------------------------------------------------------------

    def check_unchanged(self):
        """Raise ValueError if the network has other weights than when its posterior was found."""
        check_unchanged(fingerprint(self.network), self.fingerprint)

    def parts(self, x):
        """Yield slices of rows, raw values (m, k) and Jacobians (m, k, size), in float64."""
        if self._program is None:
            self._program = backend.compiled(self._jacobians())
        leaves = self.leaves(x)
        n, most = len(leaves[0]), max(1, _NUMBERS // (self.family.size * self.size))
        step = 1 << min((n - 1).bit_length(), most.bit_length() - 1)  # few shapes of programs
        weights = [keras.ops.convert_to_tensor(v.value) for v in self.variables]
        for start in range(0, n, step):
            count = min(step, n - start)
            rows = [_padded(leaf[start : start + count], step) for leaf in leaves]
            with backend.many_programs(), entered(self.network), keras_private.float64_kept():
                raw, *slopes = self._run(weights, rows)
            each = [
                keras.ops.convert_to_numpy(s)[:count].reshape(count, self.family.size, -1)
                for s in slopes
            ]
            jacobian = np.concatenate(each, axis=-1).astype("float64")
            raw = np.asarray(keras.ops.convert_to_numpy(raw), dtype="float64")[:count]
            yield slice(start, start + count), raw, jacobian

    def part(self, rows):
        """Return the x of rows, a slice, as the network takes them."""
        return _map(lambda leaf: self._leaf(leaf)[rows], self.x)

    def _run(self, weights, rows):
        with self.floats():
            return self._program(*weights, *map(keras.ops.convert_to_tensor, rows))

    @property
    def _is_wide(self):
        return any(v.dtype == "float64" for v in self.variables)

    def floats(self):
        """Return a context of this thread in which tensors have the network's precision."""
        return backend.float64() if self._is_wide else contextlib.nullcontext()

    def tensor(self, weights):
        """Return all weights as one array that the network computes with."""
        return weights.astype("float64" if self._is_wide else keras.config.floatx())

    def leaves(self, x):
        """Return the arrays of rows, as the network takes them."""
        return [self._leaf(leaf) for leaf in _flatten(x)]

    def raw_function(self):
        """Return a function of all weights, one tensor, and leaves of rows: raw values (n, k)."""
        network = self.network
        rest = _kept(network)
        k = self.family.size

        def raw(flat, *leaves):
            values = [
                keras.ops.cast(keras.ops.reshape(flat[place], variable.shape), variable.dtype)
                for place, variable in zip(self.slices, self.variables, strict=True)
            ]
            batch = keras.tree.pack_sequence_as(self.x, [*leaves])
            found, _ = network.stateless_call(values, rest, batch, training=False)
            return keras.ops.reshape(found, (-1, k))

        return raw

    def _leaf(self, leaf):
        leaf = np.asarray(leaf)
        return leaf.astype(keras.config.floatx()) if leaf.dtype.kind == "f" else leaf

    def _jacobians(self):
        """Return a function of weights and leaves of rows: raw values and Jacobians."""
        network, count = self.network, len(self.variables)
        rest = _kept(network)

        def of_row(values, row):
            batch = keras.tree.pack_sequence_as(self.x, [leaf[None] for leaf in row])
            raw, _ = network.stateless_call(values, rest, batch, training=False)
            return keras.ops.reshape(raw, (-1,))

        derived = backend.row_jacobians(of_row)

        def of_tensors(*tensors):
            raw, slopes = derived([*tensors[:count]], [*tensors[count:]])
            return (raw, *slopes)

        return of_tensors


def _kept(network):
    """Return what is not trained, in copies: `predict` may give its memory away."""
    return backend.copied([variable.value for variable in network.non_trainable_variables])


def _paths(variables, name):
    """Return the paths of variables without the name of their model, where that is enough."""
    paths = [v.path.removeprefix(f"{name}/") for v in variables]
    return paths if len({*paths}) == len(paths) else [v.path for v in variables]


def _padded(leaf, rows):
    """Return an array with its last row again, so often that it has a number of rows."""
    return np.concatenate([leaf, np.repeat(leaf[-1:], rows - len(leaf), axis=0)])
