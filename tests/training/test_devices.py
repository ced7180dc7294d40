"""Networks on several devices: each step, and each number, as on one.

The devices are parts of the CPU, which a process must make before it first uses one: each test is a
script in a process of its own.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import pytest

BACKEND = keras.backend.backend()
FOLDER = Path(__file__).resolve().parents[2]

COMMON = """
import contextlib

import keras
import numpy as np

import probnn as pn

rng = np.random.default_rng(0)
X = rng.normal(size=(65, 3)).astype("float32")  # two batches of 32, and one of a single row
Y = X @ np.array([1.0, -1.0, 0.5], "float32") + rng.normal(size=65).astype("float32")
W = rng.uniform(0.5, 2.0, 65).astype("float32")


def made():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((3,)), keras.layers.Dense(4, "tanh"), pn.Head("normal")]
    model = pn.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.05), metrics=["mse"], weighted_metrics=["mae"])
    return model


def used(model, scope=contextlib.nullcontext):
    history = model.fit(
        X, Y, sample_weight=W, epochs=2, shuffle=False, verbose=0, validation_data=(X, Y, W),
        callbacks=[keras.callbacks.EarlyStopping("val_loss", restore_best_weights=True)],
    )
    found = [history.history, model.evaluate(X, Y, sample_weight=W, verbose=0)]
    found += [model.predict(X, verbose=0), model.predict_distribution(X[:5]).variance()]
    found += [model.predict_distribution(X, verbose=0).quantile(0.1)]
    model.save("model.keras")
    with scope():
        loaded = keras.saving.load_model("model.keras")
    found.append(loaded.predict(X, verbose=0))
    pn.polish(model, X, Y, sample_weight=W)
    return [*found, pn.inference(model, X, Y, sample_weight=W).params]


def ensemble(scope=contextlib.nullcontext, members=3, **options):
    with scope():
        model = made()
    team = pn.DeepEnsemble(model, members=members, seed=0, bootstrap=True)
    histories = team.fit(X, Y, sample_weight=W, epochs=2, verbose=0, **options)
    losses = [history.history["loss"] for history in histories]
    return [losses, team.predict_distribution(X, verbose=0).mean()]


def refused(message, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except ValueError as error:
        assert message in str(error), error
    else:
        raise AssertionError("no error")


def check_same(found, wanted):
    pairs = zip(*map(keras.tree.flatten, (found, wanted)), strict=True)
    for each, number in pairs:
        np.testing.assert_allclose(each, number, rtol=2e-5, atol=2e-6)
"""


def start(folder, script, *args, **environment):
    command = [sys.executable, "-c", script, *args]
    path = os.pathsep.join(filter(None, [str(FOLDER), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": BACKEND, **environment}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, **streams)


def run(folder, *args, **kwargs):
    process = start(folder, *args, **kwargs)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output


TENSORFLOW = (
    """
import tensorflow as tf

configuration = [tf.config.LogicalDeviceConfiguration()] * 4
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], configuration)
"""
    + COMMON
)


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 4])  # in one process TensorFlow takes strategies of one size
@pytest.mark.skipif(BACKEND != "tensorflow", reason="strategies are TensorFlow's")
def test_mirrored_networks_are_those_of_one_device(n, tmp_path):
    script = """
strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(N)])
wanted = used(made())
with strategy.scope():
    model = made()
check_same(used(model, strategy.scope), wanted)
refused("a tf.distribute strategy", model.fit, X, Y, whole_epoch=True)
with strategy.scope():
    normalized = pn.Sequential([keras.layers.BatchNormalization(), pn.Head("normal")])
    normalized.compile("adam")
refused("a batch of 1 rows", normalized.fit, X, Y)  # a replica without rows has no mean
outside = made()
with strategy.scope():
    refused("made outside of it", outside.fit, X, Y)
if N == 2:
    options = {"members": 2, "shuffle": False}
    check_same(ensemble(strategy.scope, **options), ensemble(at_once=False, **options))
    refused("a tf.distribute strategy", ensemble, strategy.scope, at_once=True)
    team = pn.DeepEnsemble(outside, members=2)
    with strategy.scope():
        refused("made outside of it", team.fit, X, Y)
"""
    run(tmp_path, TENSORFLOW + f"N = {n}\n" + script)


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "tensorflow", reason="strategies are TensorFlow's")
def test_the_loss_of_rows_dealt_unevenly_is_that_of_all(tmp_path):
    script = """
parts = [slice(0, 5), slice(5, 7), slice(7, 7)]  # the third device has no row
raw = rng.normal(size=(7, 4, 2)).astype("float32")
y = rng.normal(size=(7, 4)).astype("float32")
weight = rng.uniform(0.5, 2.0, (7, 4)).astype("float32")
mask = rng.random((7, 4)) < 0.6


def step(loss, raw, y, weight, mask):
    if mask is not None:
        keras.src.backend.set_keras_mask(raw, mask)
    with tf.GradientTape() as tape:
        tape.watch(raw)
        value = loss(y, raw, weight)
    return value, tape.gradient(value, raw)


strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1", "CPU:2"])
for reduction in ("sum_over_batch_size", "mean_with_sample_weight", "sum"):
    for masked in (False, True):
        loss = pn.NegativeLogLikelihood("normal", check=False, reduction=reduction)
        arrays = [raw, y, weight, mask if masked else np.ones_like(mask)]
        wanted, gradient = step(loss, *map(tf.constant, arrays))

        @tf.function(autograph=False)
        def everywhere(*each):
            return strategy.run(lambda *each: step(loss, *each), each)

        def dealt(array):
            return strategy.experimental_distribute_values_from_function(
                lambda context: tf.constant(array[parts[context.replica_id_in_sync_group]])
            )

        values, gradients = everywhere(*map(dealt, arrays))
        for value in strategy.experimental_local_results(values):
            check_same(3 * value, wanted)
        check_same(tf.concat(strategy.experimental_local_results(gradients), 0), gradient)
"""
    run(tmp_path, TENSORFLOW + script)


@pytest.mark.slow
@pytest.mark.backend
@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution is JAX's")
def test_distributed_networks_are_those_of_one_device(tmp_path):
    script = """
from keras import distribution as ds

wanted, members = used(made()), ensemble(at_once=True)
devices = ds.list_devices()
layout = ds.LayoutMap(ds.DeviceMesh((2, 2), ("batch", "model"), devices))
layout["dense.*kernel"] = (None, "model")
parallel = ds.ModelParallel(layout_map=layout, batch_dim_name="batch")
for each in (ds.DataParallel(devices=devices[:2]), ds.DataParallel(devices=devices), parallel):
    with each.scope():
        check_same(used(made()), wanted)
        refused("spreads each step", made().fit, X, Y, whole_epoch=True)
        if each is parallel:
            refused("spreads each step", ensemble, at_once=True)
        else:
            check_same(ensemble(at_once=True), members)
"""
    run(tmp_path, COMMON + script, XLA_FLAGS="--xla_force_host_platform_device_count=4")


PROCESSES = (
    """
import json
import sys

import jax

port, number = sys.argv[1], int(sys.argv[2])
if port:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    import keras

    keras.distribution.initialize(f"127.0.0.1:{port}", 2, number)
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
"""
    + COMMON
    + """
W = np.ceil(W)
size, rows = (16, np.arange(64).reshape(2, 2, 16)[:, number].ravel()) if port else (32, slice(64))
model, options = made(), {"batch_size": size, "verbose": 0}
x, y, weight = X[rows], Y[rows], W[rows]
history = model.fit(x, y, sample_weight=weight, epochs=2, shuffle=False,
                    validation_data=(x, y, weight), **options)
found = [history.history, model.evaluate(x, y, sample_weight=weight, **options)]
if port:
    more = 20 + 10 * number
    refused("[20, 0, 16, 16], [30, 0, 16, 16]", model.fit, x[:more], y[:more], **options)
    refused("of one process", model.predict, x)
    model.save(f"model{number}.keras")
    keras.distribution.set_distribution(None)
    model = keras.saving.load_model(f"model{number}.keras")
found.append(model.predict(X, verbose=0).tolist())
print(json.dumps(found))
"""
)


@pytest.mark.slow
@pytest.mark.backend
@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution is JAX's")
def test_two_processes_train_the_network_of_one(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = [
        start(tmp_path, PROCESSES, *each) for each in (("", "0"), (port, "0"), (port, "1"))
    ]
    outputs = [process.communicate(timeout=600)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    alone, *both = (keras.tree.flatten(json.loads(each.splitlines()[-1])) for each in outputs)
    for each in both:
        assert each == pytest.approx(alone, rel=2e-5, abs=2e-6)
