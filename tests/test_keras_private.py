"""The room for Keras's private names: each works on the Keras that runs, and none is used outside.

`pyproject.toml` allows a range of releases of Keras; these tests say what a new one has changed.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import probnn as pn
from probnn import backend
from probnn.backend import keras_private

PACKAGE = Path(pn.__file__).parent
ROOM = PACKAGE / "backend" / "keras_private.py"


def compiled(optimizer="sgd", **options):
    inputs = keras.Input((2,))
    outputs = keras.layers.Dense(1, name="out")(keras.layers.Dense(3, name="hidden")(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(optimizer, "mse", **options)
    return model


X = np.arange(12.0, dtype="float32").reshape(6, 2)
Y = np.arange(6.0, dtype="float32")[:, None]


# ---- where the names stand ----------------------------------------------------------------------


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def used(path):
    """Return the private attributes that a file reads of other objects than `self`, with lines."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            found.append((node.lineno, node.attr))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("attr"):
            found += [(node.lineno, getattr(node.args[1], "value", ""))]
    return {(line, name) for line, name in found if isinstance(name, str) and is_private(name)}


def made(path):
    """Return the private names that the classes and functions of a file define."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Attribute, ast.Name)) and isinstance(node.ctx, ast.Store):
            names.add(node.attr if isinstance(node, ast.Attribute) else node.id)
    return {name for name in names if is_private(name)}


def of_keras():
    """Return the private names of what Keras makes."""
    optimizer = keras.optimizers.Adam()
    optimizer.exclude_from_weight_decay([keras.Variable(np.zeros(1))])
    model = compiled(optimizer, metrics=["mae"])
    keras_private.build(model, (X, Y))
    things = [
        model._compile_metrics,
        *(model, keras.Sequential([keras.Input((2,))]), model.layers[1], model.outputs[0]),
        *(keras_private.node_of(model.outputs[0]), optimizer, model.metrics[0], model.loss),
        keras.Variable(np.zeros(1)),
        *(keras.callbacks.TensorBoard(), keras.callbacks.History()),
        *(keras_private.ArrayDataAdapter(X), keras_private.Batches(iter_once())),
    ]
    return {name for thing in things for name in dir(thing) if is_private(name)}


def iter_once():
    yield X, Y


@pytest.mark.backend
def test_private_names_of_keras_stand_in_one_room():
    room = {name for _, name in used(ROOM)} - made(ROOM)
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if path != ROOM]
    ours = set().union(*map(made, files))
    theirs = of_keras() - ours
    on_tensorflow_alone = {"_distribute_strategy"}
    assert room - theirs <= (set() if backend.name == "tensorflow" else on_tensorflow_alone)
    for path in files:
        assert "keras.src" not in path.read_text(), path
        assert {(line, name) for line, name in used(path) if name in room | theirs} == set(), path


# ---- what each function does --------------------------------------------------------------------


def test_models_and_their_graphs():
    model = compiled()
    dense, out = model.layers[1:]
    assert keras_private.makes_functional((1, 2), {})
    assert not keras_private.makes_functional((), {"name": "model"})
    assert isinstance(model, keras_private.Functional)
    outer = keras.Sequential([keras.Input((2,)), model])
    assert {model, dense, out} <= set(keras_private.inner_layers(outer))
    assert outer not in keras_private.inner_layers(outer)
    node = keras_private.node_of(model.outputs[0])
    assert node.operation is out
    assert node.input_tensors[0] is dense.output
    assert node.outputs[0] is model.outputs[0]
    assert keras_private.calls(out) == 1
    out(dense.output)
    assert keras_private.calls(out) == 2
    assert keras_private.can_compile(model)
    assert not keras_private.can_compile(keras.Sequential([keras.layers.StringLookup()]))
    (spec,) = keras.tree.flatten(keras_private.input_specs(model))
    assert (tuple(spec.shape), spec.dtype) == ((None, 2), "float32")


@pytest.mark.backend
def test_keras_computes_in_float64_where_it_is_told_so():
    before = keras.backend.result_type("float64", "int32")
    assert before == ("float64" if backend.name == "tensorflow" else "float32")
    with keras_private.float64_kept():
        assert keras.backend.result_type("float64", "int32") == "float64"
    assert keras.backend.result_type("float64", "int32") == before


@pytest.mark.backend
@pytest.mark.skipif(backend.name == "tensorflow", reason="there it is imported")
def test_configurations_are_told_without_importing_tensorflow(tmp_path):
    code = f"""
import sys
import keras
import probnn as pn
from probnn.backend import keras_private
layer = keras.layers.Dense(2)
with keras_private.without_tensorflow():
    told = keras.saving.serialize_keras_object(layer)
pn.Sequential([keras.Input((1,)), pn.Head("normal")]).save({str(tmp_path / "model.keras")!r})
assert "tensorflow" not in sys.modules
assert keras.saving.serialize_keras_object(layer) == told
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE.parent,
        env={**os.environ, "KERAS_BACKEND": backend.name},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_a_step_forward_is_that_of_keras():
    model = compiled(metrics=["mae"])
    assert keras_private.has_metrics(model)
    keras_private.build(model, (X, Y))
    assert model.optimizer.built
    error = np.asarray(model.predict(X, verbose=0)) - Y
    model.reset_metrics()
    loss, y_pred = keras_private.forward(model, (X, Y), training=False)
    keras_private.record(model, (X, Y), loss, y_pred)
    found = {k: float(v) for k, v in model.get_metrics_result().items()}
    assert found == pytest.approx(
        {"loss": np.mean(error**2), "mae": np.mean(np.abs(error))}, rel=1e-5
    )
    assert float(keras_private.loss_tracker(model).result()) == pytest.approx(found["loss"])
    before = keras_private.loss_tracker(model)
    model.compile("sgd", "mse")
    assert keras_private.loss_tracker(model) is not before
    assert not keras_private.has_metrics(compiled())


@pytest.mark.backend
def test_weights_as_a_file_are_those_that_keras_writes(tmp_path):
    path = tmp_path / "m.weights.h5"
    model = compiled()
    path.write_bytes(keras_private.weights_as_hdf5(model))
    other = compiled()
    other.load_weights(path)
    for a, b in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_who_sits_at_the_terminal_is_asked(monkeypatch):
    for answer in (True, False):
        monkeypatch.setattr("builtins.input", lambda *_, yes=answer: "yn"[not yes])
        assert keras_private.ask_to_overwrite("m.keras") is answer


def test_losses_that_layers_add_are_forgotten():
    layer = keras.layers.ActivityRegularization(l2=1.0)
    layer(keras.ops.ones((1, 2)))
    assert len(layer.losses) == 1
    keras_private.forget_losses(layer)
    assert layer.losses == []


def test_epochs_of_a_fit(tmp_path):
    model = compiled()
    assert keras_private.first_epoch(model, 2) == 2
    assert [keras_private.validates(model, epoch, 2) for epoch in range(3)] == [False, True, False]
    assert keras_private.validates(model, 4, [5])
    backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    model.fit(X, Y, epochs=3, callbacks=[backup], verbose=0)
    other = compiled()
    keras_private.build(other, (X, Y))
    backup.set_model(other)
    backup.on_train_begin()
    assert keras_private.first_epoch(other, 0) == 3


def test_an_evaluation_within_fit_is_told_from_others():
    seen = []

    class Seen(keras.Sequential):
        def evaluate(self, *args, **options):
            seen.append(keras_private.evaluates_for_fit(options))
            return super().evaluate(*args, **options)

    model = Seen([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, validation_data=(X, Y), verbose=0)
    model.evaluate(X, Y, verbose=0)
    assert seen == [True, False]


def test_what_callbacks_and_optimizers_are_set_to():
    class Stops(keras.callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    assert keras_private.is_overridden(Stops(), "on_batch_end")
    assert not keras_private.is_overridden(Stops(), "on_batch_begin")
    assert keras_private.profiles(keras.callbacks.TensorBoard(profile_batch=2))
    assert not keras_private.profiles(keras.callbacks.TensorBoard())
    optimizer = keras.optimizers.AdamW()
    assert not keras_private.spares_weights(optimizer)
    optimizer.exclude_from_weight_decay([keras.Variable(np.zeros(1))])
    assert keras_private.spares_weights(optimizer)
    named = keras.optimizers.AdamW(weight_decay=0.1)
    named.exclude_from_weight_decay(var_names=["bias"])
    assert keras_private.spares_weights(named)


@pytest.mark.backend
def test_an_optimizer_updates_variable_by_variable():
    optimizer, variables = keras.optimizers.SGD(0.5), [keras.Variable([1.0]), keras.Variable([2.0])]
    optimizer.build(variables)
    stepped = []
    own = optimizer.update_step

    def step(gradient, variable, rate):
        stepped.append(variable)
        return own(gradient, variable, rate)

    optimizer.update_step = step
    with keras_private.plain_update(optimizer):
        optimizer.apply([keras.ops.ones(1), keras.ops.ones(1)])
    assert [float(v.numpy()[0]) for v in variables] == [0.5, 1.5]
    assert len(stepped) == 2


@pytest.mark.backend
def test_the_state_that_seeds_are_drawn_from():
    before = keras_private.seed_state()
    keras.random.normal((1,))
    assert keras_private.seed_state() != before


# ---- data ---------------------------------------------------------------------------------------


def test_arrays_as_fit_reads_them():
    (x, _, weight), size = keras_private.as_fit_reads((X.astype("float64"), Y, Y[:, 0]))
    assert x.dtype == "float32"
    assert size == 32
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(weight, Y[:, 0])
    (_, labels, weight), size = keras_private.as_fit_reads(
        (X, Y[:, 0] > 2, None), 4, {0: 1.0, 1: 3.0}
    )
    assert size == 4
    assert weight.tolist() == [1.0, 1.0, 1.0, 3.0, 3.0, 3.0]
    assert labels.dtype == bool
    (x, _), (x_out, y_out) = keras_private.without_last((X, Y), 1 / 3)
    np.testing.assert_array_equal(np.concatenate([x, x_out]), X)
    assert len(y_out) == 2


def test_what_is_an_array_and_what_gives_batches():
    import scipy.sparse

    assert keras_private.is_dense_array(X)
    assert not keras_private.is_dense_array(scipy.sparse.csr_matrix(X))
    assert not keras_private.is_dense_array("text")
    assert not keras_private.is_dataset(X)
    assert keras_private.is_dataset(keras_private.ArrayDataAdapter(X))


@pytest.mark.backend
def test_batches_are_checked_before_keras_sees_them():
    class Checked(keras_private.Batches):
        def check(self, number, *batch):
            checked.append((number, [np.shape(array) for array in batch]))

    checked, model = [], compiled()
    batches = Checked(iter_once())
    assert keras_private.is_dataset(batches)
    assert batches.num_batches is None
    model.fit(batches, steps_per_epoch=1, verbose=0)
    assert (1, [(6, 2), (6, 1)]) in checked


@pytest.mark.backend
def test_metrics_of_rows_that_count():
    model = compiled(metrics=["mae", "root_mean_squared_error"], weighted_metrics=["mse"])
    y_pred, counts = np.zeros((6, 1), "float32"), np.array([1.0, 0, 1, 0, 0, 0], "float32")
    keras_private.update_metrics(model, Y, y_pred, 2.0 * counts, counts)
    found, seen = model.get_metrics_result(), Y[[0, 2]]
    right = {"mae": abs(seen).mean(), "mse": (seen**2).mean()}
    right["root_mean_squared_error"] = right["mse"] ** 0.5
    for name, value in right.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6)


@pytest.mark.backend
def test_masks_go_with_what_layers_put_out():
    masked = keras.layers.Masking(0.0)(np.array([[[1.0], [0.0]]], "float32"))
    mask = keras.ops.convert_to_numpy(keras_private.mask_of(masked))
    assert mask.tolist() == [[True, False]]
    assert keras_private.mask_of(keras.ops.zeros((1, 2))) is None
