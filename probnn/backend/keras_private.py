"""The one room for Keras's private names: what the rest of probnn needs of them, by purpose.

Keras may change such names in any release: `tests/test_keras_private.py` asks for each of them.
"""

import contextlib
import functools
import io
import sys
import types

import keras
import numpy as np
from keras.src import backend
from keras.src.backend.common import dtypes
from keras.src.export.export_utils import get_input_signature
from keras.src.models.functional import Functional  # noqa: F401 - a base, of no public name
from keras.src.models.model import functional_init_arguments
from keras.src.random.seed_generator import global_seed_generator
from keras.src.saving.saving_lib import H5IOStore, _save_state
from keras.src.trainers import data_adapters
from keras.src.trainers.data_adapters import array_slicing, data_adapter, data_adapter_utils
from keras.src.trainers.data_adapters.array_data_adapter import (
    ArrayDataAdapter,
    can_convert_arrays,
)
from keras.src.trainers.trainer import model_supports_jit
from keras.src.utils.io_utils import ask_to_proceed_with_overwrite
from keras.src.utils.module_utils import tensorflow
from keras.src.utils.python_utils import is_default

_TORCH = "keras.src.backend.torch"

# ---- models and their graphs --------------------------------------------------------------------


def makes_functional(args, kwargs):
    """Return whether `keras.Model(*args, **kwargs)` makes a model of inputs and outputs."""
    return functional_init_arguments(args, kwargs)


def inner_layers(model):
    """Return the layers inside of a layer or a model, at any depth."""
    return list(model._flatten_layers(include_self=False, recursive=True))


def node_of(tensor):
    """Return the call that made a symbolic tensor: `operation`, `input_tensors`, `outputs`."""
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def mask_of(tensor):
    """Return which time steps of a layer's output count, or None for all."""
    return backend.get_keras_mask(tensor)


def calls(operation):
    """Return how many symbolic tensors or structures an operation was called with."""
    return len(operation._inbound_nodes)


def can_compile(model):
    """Return whether all layers of a model can be a part of a compiled program."""
    return model_supports_jit(model)


def input_specs(model):
    """Return the `keras.InputSpec` of each argument of a model that is built, for any n."""
    return get_input_signature(model)


def ask_to_overwrite(path):
    """Ask whoever sits at the terminal whether a file may be replaced; return the answer."""
    return ask_to_proceed_with_overwrite(path)


def weights_as_hdf5(model):
    """Return the content of a `.weights.h5` file.

    Written to a disk that is full by HDF5 itself, it ends the process.
    """
    content = io.BytesIO()
    store = H5IOStore(content, mode="w")
    try:
        _save_state(model, store, None, "", visited_saveables=set())
    finally:
        store.close()
    return content.getvalue()


@contextlib.contextmanager
def without_tensorflow():
    """Let Keras tell configurations without importing TensorFlow to ask whether they have tensors.

    That takes seconds, and where nothing else has imported it, there are none.
    """
    if tensorflow._available is not None or "tensorflow" in sys.modules:
        yield
        return
    tensorflow._available = False
    try:
        yield
    finally:
        tensorflow._available = None


def strategy(model):
    """Return the tf.distribute strategy that a model was made under, or None."""
    return getattr(model, "_distribute_strategy", None)


def strategy_scope(model):
    """Return a context in which models are made under the tf.distribute strategy of this one."""
    own = strategy(model)
    return contextlib.nullcontext() if own is None else own.scope()


def in_another_strategy(model):
    """Return whether there is a tf.distribute strategy now, and a model was not made under it."""
    if backend.backend() != "tensorflow" or not tensorflow.distribute.has_strategy():
        return False
    return tensorflow.distribute.get_strategy() is not strategy(model)


@contextlib.contextmanager
def any_batch():
    """Give all rows to every device where keras.distribution cannot deal them out evenly.

    Keras would raise at such a batch, which is often the last one of an epoch.
    """
    if backend.backend() != "jax" or keras.distribution.distribution() is None:
        yield
        return
    from keras.src.backend.jax import distribution_lib as library

    dealt = library.distribute_data_input

    def dealt_or_whole(batch, layout, *args, **kwargs):
        sharding = getattr(layout, "backend_layout", layout)
        if sharding.is_fully_addressable:
            try:
                sharding.shard_shape(batch.shape)
            except ValueError:
                layout = type(sharding)(sharding.mesh, type(sharding.spec)())
        return dealt(batch, layout, *args, **kwargs)

    library.distribute_data_input = dealt_or_whole
    try:
        yield
    finally:
        library.distribute_data_input = dealt


@contextlib.contextmanager
def float64_kept():
    """Let Keras compute in float64, which some of its operations on JAX and torch would round."""
    kept = dtypes.BIT64_TO_BIT32_DTYPE
    before = kept["float64"]
    kept["float64"] = "float64"
    try:
        yield
    finally:
        kept["float64"] = before


# ---- training -----------------------------------------------------------------------------------


def build(model, batch):
    """Build all that a first step would build, from a batch (x, y) or (x, y, sample_weight)."""
    model._symbolic_build(data_batch=batch)


def first_epoch(model, initial_epoch):
    """Return the epoch that a fit begins with: BackupAndRestore may know a later one."""
    return model._initial_epoch or initial_epoch


def validates(model, epoch, validation_freq):
    """Return whether an epoch ends with a validation."""
    return model._should_eval(epoch, validation_freq)


def has_metrics(model):
    """Return whether a model was compiled with metrics."""
    return model._compile_metrics is not None


def update_metrics(model, y, y_pred, sample_weight, counts):
    """Update the metrics of a model where only some rows, or time steps, count.

    Parameters
    ----------
    model : keras.Model
    y, y_pred : structures of tensors
    sample_weight : structure of tensors or None
        For the metrics that are weighted.
    counts : structure of tensors or None
        1 or 0 for each row: Keras hands a mask to metrics of functions alone.
    """
    metrics = model._compile_metrics
    if not metrics.built:
        metrics.build(y, y_pred)
    outputs = zip(*map(metrics._flatten_y, (y, y_pred, sample_weight, counts)), strict=True)
    lists = zip(metrics._flat_metrics, metrics._flat_weighted_metrics, strict=True)
    for (plain, weighted), (y, y_pred, weight, count) in zip(lists, outputs, strict=True):
        if plain:
            plain.update_state(y, y_pred, count)
        if weighted:
            weighted.update_state(y, y_pred, weight)


def loss_tracker(model):
    """Return the mean of a model's loss, which every `compile` makes anew."""
    return model._loss_tracker


def forget_losses(model):
    """Drop the losses of a step traced before, whose addresses may come again."""
    model._clear_losses()


def forward(model, batch, training):
    """Return the loss of a batch, and the predictions, as Keras's own steps compute them."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    forget_losses(model)
    options = {"training": training} if model._call_has_training_arg else {}
    y_pred = model(x, **options)
    loss = model._compute_loss(
        x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training
    )
    return loss, y_pred


def record(model, batch, loss, y_pred):
    """Update the mean of the loss and the metrics, as Keras's own steps do."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    rows = keras.tree.flatten(x)[0].shape[0]
    model._loss_tracker.update_state(loss, sample_weight=rows)
    model.compute_metrics(x, y, y_pred, sample_weight)  # y_pred itself: it carries its mask


def spares_weights(optimizer):
    """Return whether an optimizer leaves some variables out of its weight decay."""
    listed = getattr(optimizer, "_exclude_from_weight_decay", None)
    return (
        bool(listed) or getattr(optimizer, "_exclude_from_weight_decay_pattern", None) is not None
    )


def public_class(optimizer):
    """Return the class of an optimizer by its public name: on torch Keras makes one beneath it."""
    mro = type(optimizer).__mro__
    return next(each for each in mro if not each.__module__.startswith(_TORCH))


@contextlib.contextmanager
def plain_update(optimizer):
    """Let the optimizer update variable by variable: its fused torch form reads values."""
    if optimizer is None:
        yield
        return
    plain = next(
        cls
        for cls in type(optimizer).__mro__
        if "_backend_update_step" in vars(cls) and not cls.__module__.startswith(_TORCH)
    )
    optimizer._backend_update_step = types.MethodType(plain._backend_update_step, optimizer)
    try:
        yield
    finally:
        del optimizer._backend_update_step


def seed_state():
    """Return the state of the generator that layers without a seed draw from."""
    return global_seed_generator().state.numpy().tolist()


def is_overridden(callback, hook):
    """Return whether a callback does something when this method of it is called."""
    return not is_default(getattr(callback, hook))


def profiles(tensorboard):
    """Return whether a TensorBoard callback profiles batches."""
    return tensorboard._should_trace


def evaluates_for_fit(options):
    """Return whether these options of `evaluate` come from `fit`, which has read the data."""
    return bool(options.get("_use_cached_eval_dataset"))


# ---- variables that Keras's loops take away -----------------------------------------------------


def takes_variables(model):
    """Return whether Keras's loops hold the variables of a model apart from it, as on JAX."""
    return hasattr(model, "jax_state_sync")


def variables(model):
    """Return the variables that Keras's loops may assign: weights, optimizer, metrics."""
    optimizer = getattr(model, "optimizer", None)
    return [
        *model.variables,
        *model.metrics_variables,
        *(() if optimizer is None else optimizer.variables),
    ]


def is_lost(variable):
    """Return whether a variable has no value any more."""
    value = variable._value
    return value is None or bool(getattr(value, "is_deleted", bool)())


def give_back(model):
    """Assign to the variables of a model what the last whole step of a loop made of them."""
    if takes_variables(model):
        with contextlib.suppress(RuntimeError):  # values whose memory the next step has taken
            model.jax_state_sync()
        model._jax_state = None


# ---- data ---------------------------------------------------------------------------------------


def is_dense_array(leaf):
    """Return whether Keras takes this for an array, and not for a sparse matrix of SciPy."""
    return can_convert_arrays((leaf,)) and not data_adapter_utils.is_scipy_sparse(leaf)


def without_last(arrays, part):
    """Return arrays without their last rows, and those: this part of all, which `fit` holds out."""
    return array_slicing.train_validation_split(arrays, part)


def as_fit_reads(data, batch_size=None, class_weight=None):
    """Return (x, y, sample_weight) as NumPy arrays, floats in floatx, and the size of a batch."""
    adapter = ArrayDataAdapter(*data, batch_size=batch_size, class_weight=class_weight)
    sliceables = array_slicing.convert_to_sliceable(adapter._inputs, target_backend="numpy")

    def read(sliceable):
        return None if sliceable is None else np.asarray(sliceable.convert_to_numpy(sliceable[:]))

    return keras.tree.map_structure(read, sliceables), adapter.batch_size


def is_dataset(x):
    """Return whether Keras reads batches of this: a dataset, a DataLoader, or `Batches`."""
    return (
        isinstance(x, data_adapter.DataAdapter)
        or data_adapters.is_tf_dataset(x)
        or data_adapters.is_torch_dataloader(x)
        or data_adapters.is_grain_dataset(x)
    )


class Batches(data_adapter.DataAdapter):
    """The batches of whatever Keras takes for a stream, each of which passes `check` first.

    Parameters
    ----------
    source : tf.data.Dataset, torch DataLoader, keras.utils.PyDataset or generator
    **options
        `shuffle` and `class_weight`, as in `fit`.
    """

    def __init__(self, source, **options):
        self._source, self._options = source, options

    @functools.cached_property
    def _inner(self):  # made when it is needed: it reads ahead
        return data_adapters.get_data_adapter(self._source, **self._options)

    def check(self, number, *batch):
        """Raise if the batch of this number, from 1, is wrong."""
        raise NotImplementedError

    def arranged(self, batch):
        """Return a batch in the structure in which Keras is to have it."""
        return batch

    def _checked(self, batches):
        for number, batch in enumerate(batches, start=1):
            self.check(number, *batch)
            yield self.arranged(batch)

    def get_numpy_iterator(self):
        """Return the batches as NumPy arrays."""
        return self._checked(self._inner.get_numpy_iterator())

    def get_jax_iterator(self):
        """Return the batches as JAX arrays."""
        return self._checked(self._inner.get_jax_iterator())

    def get_torch_dataloader(self):
        """Return the batches as torch tensors."""
        return self._checked(self._inner.get_torch_dataloader())

    def get_tf_dataset(self):
        """Return the batches as a `tf.data` dataset."""
        from probnn.backend.tensorflow import map_batches  # such a dataset may feed any backend

        return map_batches(self._inner.get_tf_dataset(), self.check, self.arranged)

    @property
    def num_batches(self):
        """The number of batches, or None where it is not known."""
        return self._inner.num_batches

    @property
    def batch_size(self):
        """The number of rows in a batch, or None where it is not known."""
        return self._inner.batch_size

    @property
    def has_partial_batch(self):
        """Whether the last batch is smaller."""
        return self._inner.has_partial_batch

    @property
    def partial_batch_size(self):
        """The number of rows in the last batch, if it is smaller."""
        return self._inner.partial_batch_size

    def on_epoch_begin(self):
        """Tell the source that an epoch begins."""
        self._inner.on_epoch_begin()

    def on_epoch_end(self):
        """Tell the source that an epoch has ended."""
        self._inner.on_epoch_end()
