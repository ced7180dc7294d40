"""TensorFlow, with TensorFlow Probability's distributions."""

import contextlib

import keras
import tensorflow as tf

from probnn.backend.draws import normal_like, seeded  # noqa: F401
from probnn.backend.last_axis import (  # noqa: F401
    after_zero,
    concatenate,
    like,
    log_softmax,
    logsumexp,
    pick,
    stack,
    total,
)
from probnn.backend.one_process import in_processes, of_all_processes, on_device  # noqa: F401

arctan2 = tf.math.atan2
cumsum = tf.math.cumsum
exp = tf.math.exp
expm1 = tf.math.expm1
floor = tf.math.floor
i0e = tf.math.bessel_i0e
isfinite = tf.math.is_finite
lgamma = tf.math.lgamma
log = tf.math.log
log1p = tf.math.log1p
maximum = tf.math.maximum
minimum = tf.math.minimum
ndtri = tf.math.ndtri
sigmoid = tf.math.sigmoid
sin = tf.math.sin
softplus = tf.math.softplus
square = tf.math.square
stop_gradient = tf.stop_gradient
tan = tf.math.tan
where = tf.where


def logit(x):
    """Return log(x / (1 - x))."""
    return log(x) - log1p(-x)


def is_double(x):
    """Return whether `x` is float64."""
    return x.dtype == tf.float64


class _Distributions:
    """`tfp.distributions`, imported at the first attribute, because it takes half a second."""

    def __getattr__(self, name):
        import tensorflow_probability as tfp

        return getattr(tfp.distributions, name)


distributions = _Distributions()


def ndtr(x):
    """Return the standard normal cdf."""
    return 0.5 * tf.math.erfc(-x * 0.5**0.5)


def log_ndtr(x):
    """Return the logarithm of the standard normal cdf."""
    import tensorflow_probability as tfp

    # Above 0 the logarithm is of a number near 1: it comes from the other tail.
    far = tfp.math.logerfc(-minimum(x, 0.0) * 0.5**0.5) - 0.6931471805599453
    return where(x > 0, log1p(-ndtr(-maximum(x, 0.0))), far)


def has_rank(x):
    """Return whether the number of axes of `x` is known now."""
    return x.shape.rank is not None


def is_concrete(x):
    """Return whether the values of `x` can be read now."""
    return tf.executing_eagerly() and hasattr(x, "numpy")


def value_and_grad(function):
    """Return a function of one tensor that returns the scalar `function(x)` and its gradient."""

    def wrapped(x):
        x = keras.ops.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return value, tape.gradient(value, x)

    return wrapped


def row_derivatives(function, second):
    """Return `function`, with its gradients and Hessians in the rows of its last argument."""

    def derived(*arguments):
        *others, x = arguments
        hessian = None
        with tf.GradientTape(persistent=True) as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = function(*others, x)
            gradient = inner.gradient(value, x)
            columns = tf.unstack(gradient, axis=-1)
        if second:
            zero = tf.UnconnectedGradients.ZERO
            rows = [outer.gradient(column, x, unconnected_gradients=zero) for column in columns]
            hessian = tf.stack(rows, axis=-2)
        return value, gradient, hessian

    return derived


def row_jacobians(function):
    """Return a function of (values, rows): its vectors (n, k), and their Jacobians in the values.

    Parameters
    ----------
    function : callable
        `function(values, row)` of a list of tensors and one row, tensors in any nest, is (k,).
    """
    zero = tf.UnconnectedGradients.ZERO

    def derived(values, rows):
        def of_row(row):
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(values)
                found = function(values, row)
                each = tf.unstack(found)
            slopes = [tape.gradient(one, values, unconnected_gradients=zero) for one in each]
            return found, [tf.stack(parts) for parts in zip(*slopes, strict=True)]

        with many_programs():
            logger = tf.get_logger()
            disabled, logger.disabled = logger.disabled, True  # of an error that is caught
            try:
                return tf.vectorized_map(of_row, rows, fallback_to_while_loop=False)
            except (TypeError, ValueError, tf.errors.OpError):  # as for loops of recurrent layers
                dtypes = values[0].dtype, [value.dtype for value in values]
                return tf.map_fn(of_row, rows, fn_output_signature=dtypes)
            finally:
                logger.disabled = disabled

    return derived


def compiled(function):
    """Return a function of arrays or tensors as one compiled program."""
    program = tf.function(function, autograph=False, reduce_retracing=True)
    return lambda *arrays: program(*(tf.convert_to_tensor(array) for array in arrays))


def padded(arrays):
    """Return the arrays: a program takes any number of rows."""
    return arrays


def has_gpu():
    """Return whether there is a GPU for tensors."""
    return bool(tf.config.list_logical_devices("GPU"))


def float64():
    """Return a context in which float64 arrays become float64 tensors: here, always."""
    return contextlib.nullcontext()


def map_batches(dataset, function, arrange):
    """Return a dataset that calls `function(number, *host_arrays)` on every batch, from 1 on.

    `arrange` then changes the structure of the batch, a tuple.
    """

    def check(number, batch):
        batch = batch if isinstance(batch, tuple) else (batch,)
        flat = tf.nest.flatten(batch)
        # Keras has an empty Optional where an input is None.
        given = [i for i, t in enumerate(flat) if not isinstance(t, tf.experimental.Optional)]

        def packed(tensors, others):
            filled = dict(zip(given, tensors, strict=True))
            leaves = [filled.get(i, other) for i, other in enumerate(others)]
            return tf.nest.pack_sequence_as(batch, leaves)

        def on_host(number, *arrays):
            function(int(number) + 1, *packed(arrays, [None] * len(flat)))
            return arrays

        tensors = [flat[i] for i in given]
        checked = tf.numpy_function(on_host, [number, *tensors], [t.dtype for t in tensors])
        for new, old in zip(checked, tensors, strict=True):
            new.set_shape(old.shape)
        arranged = arrange(packed(checked, flat))
        return arranged if len(arranged) > 1 else arranged[0]

    return dataset.enumerate().map(check).prefetch(tf.data.AUTOTUNE)


# ---- training: steps, loops and programs that read and assign Keras variables -------------------


def train_step(model):
    """Return a function of a batch that runs the model's own training step."""
    return model.train_step


def test_step(model):
    """Return a function of a batch that runs the model's own test step."""
    return model.test_step


def step(body, variables, optimizer=None):
    """Return `body`, a function of a batch that assigns variables: a program compiles it whole."""
    del variables, optimizer
    return body


def loop(variables, start, stop, body, carry):
    """Run `carry = body(i, carry)` for i from `start` to `stop`; it may assign `variables`."""
    del variables  # TensorFlow sees by itself what a loop assigns
    leaves = tf.nest.flatten(carry)

    def step(i, *leaves):
        after = body(i, tf.nest.pack_sequence_as(carry, leaves))
        return (i + 1, *tf.nest.flatten(after))

    start, stop = tf.cast(start, tf.int32), tf.cast(stop, tf.int32)
    _, *leaves = tf.while_loop(lambda i, *_: i < stop, step, [start, *leaves])
    return tf.nest.pack_sequence_as(carry, leaves)


def program(function, variables):
    """Return `function` of arrays, which may assign `variables`, as one compiled program.

    XLA compiles it, but for operations that XLA makes slow: TensorFlow runs those by itself.
    """
    from probnn.backend import tensorflow_random

    def traced(*arguments):
        with tensorflow_random.fast():
            return function(*arguments)

    del variables
    compiled, known = tf.function(traced, autograph=False, jit_compile=True), False

    def run(*arguments):
        nonlocal compiled, known
        with many_programs():
            if not known:
                known = True
                if _slow_in_xla(compiled.get_concrete_function(*arguments).graph):
                    compiled = tf.function(function, autograph=False)
            return compiled(*arguments)

    return run


def part(function, variables):
    """Return `function` as a part of a program: TensorFlow compiles the whole."""
    del variables
    return function


def _slow_in_xla(graph):
    """Return whether a graph has operations that take longer under XLA on a CPU than without it.

    XLA brings convolutions into the form of its fast kernel outside of loops only.
    """
    graph = graph.as_graph_def()
    bodies = [graph.node, *(function.node_def for function in graph.library.function)]
    return not has_gpu() and any("Conv" in node.op for body in bodies for node in body)


@contextlib.contextmanager
def many_programs():
    """Keep quiet that many models are many programs: TensorFlow takes them for one, retraced."""

    def kept(record):  # a filter of its own, as the contexts of several threads overlap
        return "triggered tf.function retracing" not in record.getMessage()

    logger = tf.get_logger()
    logger.addFilter(kept)
    try:
        yield
    finally:
        logger.removeFilter(kept)


def gather(x, index):
    """Return the rows of `x` with these numbers."""
    return tf.gather(x, index)


def of_all_replicas(loss, count):
    """Return the loss of this replica's rows as its part of the loss of all replicas' rows.

    Keras adds up the gradients of the replicas, whose sum is then that of the whole batch, however
    unevenly its rows are dealt; the value is the mean over replicas, for Keras to report.

    Parameters
    ----------
    loss : scalar tensor
        A mean, divided by the number of replicas; or a sum, as it is.
    count : callable, optional
        Returns what the mean was divided by.
    """
    replica, replicas = (
        tf.distribute.get_replica_context(),
        tf.distribute.get_strategy().num_replicas_in_sync,
    )
    if replica is None or replicas == 1:
        return loss
    loss = tf.reduce_sum(loss)  # Keras leaves the loss of no rows a vector of none
    if count is not None:
        here = stop_gradient(tf.cast(count(), loss.dtype))
        everywhere = replica.all_reduce(tf.distribute.ReduceOp.SUM, here)
        loss *= tf.math.divide_no_nan(replicas * here, everywhere)
    value = stop_gradient(loss)
    return loss + replica.all_reduce(tf.distribute.ReduceOp.MEAN, value) - value


def window(order, start, size):
    """Return `size` entries of the last axis."""
    return tf.slice(order, [0] * (len(order.shape) - 1) + [start], [*order.shape[:-1], size])


def copied(values):
    """Return copies of tensors."""
    return tf.identity_n(values) if values else []


def give(sources, targets):
    """Assign the values of variables to others: in a fifth of the time of Keras's `assign`."""
    read, write = tf.raw_ops.ReadVariableOp, tf.raw_ops.AssignVariableOp
    for source, target in zip(sources, targets, strict=True):
        source, target = source.value, target.value
        write(resource=target.handle, value=read(resource=source.handle, dtype=source.dtype))


def free_memory():
    """Return the bytes free on the device that holds tensors, or None where it does not tell."""
    return None


def members(function):
    """Return `function` over the first axis of all its arguments, all at once."""

    def run(*arguments):
        with many_programs():
            return tf.vectorized_map(
                lambda each: function(*each), arguments, fallback_to_while_loop=False
            )

    return run


def members_value_and_grad(function):
    """Return a function of members that gives (value, extra), and the gradients in the first."""

    # The tape is inside of the map: around it, XLA would compile anew for every value.
    def wrapped(values, *others):
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss, extra = function(values, *others)
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(loss, values, unconnected_gradients=zero)
        return (loss, extra), [tf.convert_to_tensor(gradient) for gradient in gradients]

    return members(wrapped)
