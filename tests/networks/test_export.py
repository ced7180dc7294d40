"""Files for other runtimes: what they answer is what the model answers."""

import importlib.util
import json
import os
import zipfile

import keras
import numpy as np
import pytest

import probnn as pn

BACKEND = keras.backend.backend()
CONVERTERS = {"tensorflow": "tf2onnx", "jax": "jax2onnx", "torch": "onnx"}


def needs(*packages, on=("tensorflow", "jax", "torch")):
    missing = [name for name in packages if not importlib.util.find_spec(name)]
    reason = f"on {BACKEND}" if BACKEND not in on else f"needs {', '.join(missing)}"
    return pytest.mark.skipif(bool(missing) or BACKEND not in on, reason=reason)


def some_weights(model, rng):
    """Let a model say something else of each row, as a trained one does."""
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape) / 2.0)
    return model


def body(width=3):
    return [keras.Input((width,)), keras.layers.Dense(4, "tanh")]


def onnx_answers(path, **x):
    """Return what ONNX Runtime answers, and what the file says of itself."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    said = json.loads(session.get_modelmeta().custom_metadata_map["probnn"])
    return dict(zip(names, session.run(None, x), strict=True)), said


def assert_alike(found, wanted):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-6, atol=1e-6, err_msg=name)


onnx = needs("onnx", "onnxruntime", CONVERTERS[BACKEND])
litert = pytest.mark.skipif(
    BACKEND != "tensorflow" or tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15),
    reason="Keras writes LiteRT on TensorFlow, from its release 3.15 on",
)


@onnx
@pytest.mark.backend
def test_onnx_answers_for_any_number_of_rows(rng, tmp_path):
    import pandas as pd

    model = pn.Sequential([*body(), pn.Head("normal", constant=["scale"])])
    x = pd.DataFrame(rng.normal(size=(9, 3)), columns=["a", "b", "c"])
    model.compile("adam")
    model.fit(x, pd.Series(rng.normal(size=9), name="y"), epochs=0)
    some_weights(model, rng)
    pn.export(model, tmp_path / "m.onnx")
    for n in (1, 9):
        rows = x[:n].to_numpy("float32")
        found, said = onnx_answers(tmp_path / "m.onnx", x=rows)
        believed = model.predict_distribution(x[:n], verbose=0)
        assert_alike(found, believed.params)
        again = pn.Predictive(pn.families.get(said["family"]), found)
        np.testing.assert_allclose(again.quantile(0.9), believed.quantile(0.9), rtol=2e-6)
    assert said["outputs"] == "params"
    assert said["x"] == [["a", "b", "c"]]
    model.export(tmp_path / "m.onnx", outputs="mean")  # in place of the first
    found, said = onnx_answers(tmp_path / "m.onnx", x=rows)
    assert_alike(found, {"mean": model.predict(x, verbose=0)})
    assert os.listdir(tmp_path) == ["m.onnx"]


@needs("onnx", "onnxruntime", "tf2onnx", on=("tensorflow",))
def test_onnx_in_half_precision_of_windows_over_open_steps(rng, tmp_path):
    layers = [keras.Input((None, 3)), keras.layers.Conv1D(9, 5, dtype="float16")]
    layers += [keras.layers.GlobalMaxPooling1D(), *(keras.layers.Dense(9, "tanh") for _ in "ab")]
    model = some_weights(pn.Sequential([*layers, pn.Head("normal")]), rng)
    pn.export(model, tmp_path / "m.ONNX")
    x = rng.normal(size=(5, 8, 3)).astype("float32")
    found, _ = onnx_answers(tmp_path / "m.ONNX", x=x)
    for name, value in model.predict_distribution(x).params.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-2, atol=1e-2, err_msg=name)


@onnx
def test_onnx_of_an_ensemble_is_its_pool(rng, tmp_path):
    model = pn.Sequential([*body(), pn.Head("categorical", classes=3)])
    model.compile("adam")
    ensemble = pn.DeepEnsemble(model, members=2)
    for member in ensemble.members:
        some_weights(member, rng)
    x = rng.normal(size=(5, 3)).astype("float32")
    believed = ensemble.predict_distribution(x, verbose=0)
    pn.export(ensemble, tmp_path / "mean.onnx", "mean")
    found, _ = onnx_answers(tmp_path / "mean.onnx", x=x)
    assert_alike(found, {"mean": believed.mean()})
    pn.export(ensemble, tmp_path / "params.onnx")
    found, said = onnx_answers(tmp_path / "params.onnx", x=x)
    assert found["probs"].shape == (5, 2, 3)
    family = pn.families.get(said["family"])
    pool = pn.PooledPredictive(
        [pn.Predictive(family, {k: v[:, i] for k, v in found.items()}) for i in range(2)]
    )
    np.testing.assert_allclose(
        pool.epistemic_variance(), believed.epistemic_variance(), rtol=1e-4, atol=1e-7
    )


@pytest.mark.backend
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("m.onnx", marks=onnx),
        pytest.param("m.tflite", marks=litert),
    ],
)
def test_a_file_that_answers_otherwise_is_not_written(name, tmp_path):
    class Counts(keras.layers.Layer):
        called = 0

        def call(self, x):
            Counts.called += 1
            return x * float(Counts.called)

    model = pn.Sequential([keras.Input((2,)), Counts(), pn.Head("normal")])
    some_weights(model, np.random.default_rng(0))
    with pytest.raises(ValueError, match="Expected a file that answers as the model does"):
        pn.export(model, tmp_path / name)
    assert os.listdir(tmp_path) == []


@needs("onnx", CONVERTERS[BACKEND], on=("tensorflow", "torch"))
def test_a_mean_that_onnx_cannot_express(tmp_path):
    model = pn.Sequential([keras.Input((2,)), pn.Head("weibull")])
    with pytest.raises(Exception, match=r"(?i)lgamma") as caught:
        pn.export(model, tmp_path / "m.onnx", "mean")
    assert "export outputs='params'" in caught.value.__notes__[0]
    assert os.listdir(tmp_path) == []


@needs("tensorflow", on=("tensorflow",))
def test_a_saved_model_of_several_inputs_and_heads(rng, tmp_path):
    import tensorflow as tf

    inputs = {"u u": keras.Input((2,), name="u u"), "v": keras.Input((None, 1), name="v")}
    steps = keras.layers.GlobalAveragePooling1D()(inputs["v"])
    features = keras.layers.Concatenate()([inputs["u u"], steps])
    heads = {"cost": pn.Head("gamma")(features), "sold": pn.Head("bernoulli")(features)}
    model = some_weights(pn.Model(inputs, heads), rng)
    path = tmp_path / "1"
    pn.export(model, path)
    pn.export(model, path)  # in place of the first
    assert os.listdir(tmp_path) == ["1"]
    said = json.loads((path / "assets.extra" / "probnn.json").read_text())
    assert said["family"] == {"cost": {"name": "gamma"}, "sold": {"name": "bernoulli"}}
    loaded = tf.saved_model.load(path)
    for n, length in ((1, 4), (5, 3)):
        shapes = {"u u": (n, 2), "v": (n, length, 1)}
        x = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}
        believed = model.predict_distribution(x)
        wanted = {f"{k}.{name}": v for k, d in believed.items() for name, v in d.params.items()}
        tensors = {name: tf.constant(value) for name, value in x.items()}
        named = {name.replace(" ", "_"): tensor for name, tensor in tensors.items()}
        for serve in (loaded.serve(tensors), loaded.signatures["serving_default"](**named)):
            assert_alike({name: tensor.numpy() for name, tensor in serve.items()}, wanted)


@pytest.mark.slow
@litert
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_litert_answers(rng, tmp_path):
    import tensorflow as tf

    model = some_weights(pn.Sequential([*body(), pn.Head("gamma")]), rng)
    pn.export(model, tmp_path / "m.tflite")
    x = rng.normal(size=(5, 3)).astype("float32")
    found = tf.lite.Interpreter(str(tmp_path / "m.tflite")).get_signature_runner()(x=x)
    assert_alike(found, model.predict_distribution(x).params)
    said = json.loads(zipfile.ZipFile(tmp_path / "m.tflite").read("probnn.json"))
    assert said["family"] == {"name": "gamma"}


def test_what_cannot_be_exported(tmp_path, monkeypatch):
    model = pn.Sequential([keras.Input((2,)), pn.Head("normal")])
    with pytest.raises(ValueError, match="Expected `outputs` to be one of params, mean"):
        pn.export(model, tmp_path / "m.onnx", "raw")
    with pytest.raises(ValueError, match=r"Expected `format` to be one of .*onnx, litert"):
        model.export(tmp_path / "m", format="torch")
    with pytest.raises(ValueError, match=r"Received: Sequential. .* results.network"):
        pn.export(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), tmp_path / "m")
    with pytest.raises(ValueError, match="one that is not built"):
        pn.export(pn.Sequential([pn.Head("normal")]), tmp_path / "m")
    with pytest.raises(ValueError, match=r"options of onnx to be among opset_version. .*: opset."):
        pn.export(model, tmp_path / "m.onnx", opset=15)
    with pytest.raises(ValueError, match=r"ends in .tflite|Expected a backend"):
        pn.export(model, tmp_path / "m", format="litert")
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(
            ImportError, match=f"{CONVERTERS[BACKEND]}, by which .*pip install .* as .keras"
        ):
            pn.export(model, tmp_path / "m.onnx")
        patch.setattr(keras.backend, "backend", lambda: "tensorflow")
        patch.setattr(keras, "__version__", "3.9.2")
        with pytest.raises(ValueError, match=r"Expected Keras 3\.15 .* Received: Keras 3\.9\.2\."):
            pn.export(model, tmp_path / "m.tflite")
        patch.setattr(keras.backend, "backend", lambda: "torch")
        with pytest.raises(ValueError, match=r"tensorflow, jax. Received: torch. .* as .keras"):
            pn.export(model, tmp_path / "m")
    assert os.listdir(tmp_path) == []
