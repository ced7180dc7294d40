"""What a new head starts from: the rows, and time steps, that count, by their weights."""

import keras
import numpy as np
import pytest

import probnn as pn

pytestmark = pytest.mark.backend

N = 60
COUNTS = np.arange(N) % 5 != 3  # in every batch of 20 some rows count, and some do not


def data(rng):
    x = rng.normal(size=(N, 2)).astype("float32")
    y = (x @ [1.0, -2.0] + rng.normal(size=N)).astype("float32")
    return x, y


def spoilt(y, value=-9999.0):
    return np.where(COUNTS, y, np.float32(value))


def neuron(head=None, cls=pn.Sequential, optimizer="adam", **options):
    head = head or pn.Head("normal")
    model = cls([keras.Input((2,)), head])
    model.compile(optimizer, pn.NegativeLogLikelihood(head.family), **options)
    return model


def start_of(model):
    """Return what the head was adapted to: its weights, as numbers."""
    return [np.asarray(w) for w in model.layers[-1].get_weights()]


def adapted(y, head=None, weight=None):
    head = head or pn.Head("normal")
    model = neuron(head)
    head.adapt(y, weight)
    return start_of(model)


def assert_same(found, expected, rtol=1e-5):
    for ours, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, right, rtol=rtol, atol=1e-6)


class Weighted(keras.utils.PyDataset):
    """Arrays in batches of 20."""

    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return N // 20

    def __getitem__(self, i):
        return tuple(array[20 * i : 20 * (i + 1)] for array in self.arrays)


def stream(kind, *arrays):
    if kind == "tf.data":
        tf = pytest.importorskip("tensorflow")
        return tf.data.Dataset.from_tensor_slices(arrays).batch(20)
    batches = Weighted(*arrays)
    return batches if kind == "PyDataset" else (batches[i] for i in range(len(batches)))


# ---- rows that do not count ---------------------------------------------------------------------


@pytest.mark.parametrize("value", [-9999.0, np.nan])
@pytest.mark.parametrize("whole_epoch", ["auto", False])
def test_rows_of_weight_0_are_as_if_they_were_dropped(value, whole_epoch, rng):
    x, y = data(rng)
    options = {"epochs": 20, "batch_size": N, "whole_epoch": whole_epoch, "verbose": 0}
    # Keras divides by all rows: the step is made as long as where they are dropped.
    model = neuron(optimizer=keras.optimizers.SGD(0.1 / COUNTS.mean()))
    weight = COUNTS.astype("float32")
    model.fit(x, spoilt(y, value), sample_weight=weight, **options)
    dropped = neuron(optimizer=keras.optimizers.SGD(0.1))
    dropped.fit(x[COUNTS], y[COUNTS], **options)
    assert_same(model.get_weights(), dropped.get_weights(), rtol=2e-4)
    found = model.evaluate(x, spoilt(y, value), sample_weight=weight, verbose=0)
    right = dropped.evaluate(x[COUNTS], y[COUNTS], verbose=0)
    np.testing.assert_allclose(found, right * COUNTS.mean(), rtol=1e-4)


@pytest.mark.parametrize("door", ["fit", "train_on_batch", "pn.fit", "ensemble"])
def test_a_new_head_starts_from_the_rows_that_count(door, rng):
    x, y = data(rng)
    weight, right = COUNTS.astype("float32"), adapted(y[COUNTS])
    model = neuron(optimizer=keras.optimizers.SGD(0.0))
    if door == "fit":
        model.fit(x, spoilt(y), sample_weight=weight, verbose=0)
    elif door == "train_on_batch":
        model.train_on_batch(x, spoilt(y), sample_weight=weight)
    elif door == "pn.fit":
        model = neuron(cls=keras.Sequential, optimizer=keras.optimizers.SGD(0.0))
        pn.fit(model, x, spoilt(y), sample_weight=weight, verbose=0)
    else:
        ensemble = pn.DeepEnsemble(model, members=2)
        ensemble.fit(x, spoilt(y), sample_weight=weight, verbose=0)
        model = ensemble.members[1]
    assert_same(start_of(model), right)


@pytest.mark.parametrize("cls", [pn.Sequential, keras.Sequential])
@pytest.mark.parametrize("kind", ["tf.data", "PyDataset", "generator"])
def test_a_new_head_starts_from_the_first_batch_of_a_stream_with_rows_that_count(kind, cls, rng):
    x, y = data(rng)
    weight, first = COUNTS.astype("float32"), slice(20, 40)
    weight[:20] = 0.0
    model = neuron(cls=cls, optimizer=keras.optimizers.SGD(0.0))
    batches = stream(kind, x, np.where(weight > 0, y, np.float32(np.nan)), weight)
    pn.fit(model, batches, steps_per_epoch=3, shuffle=False, verbose=0)
    assert_same(start_of(model), adapted(y[first][COUNTS[first]]))


def test_held_out_rows_are_left_out_with_their_weights(rng):
    x, y = data(rng)
    y[40:] = 1e6
    model = neuron(optimizer=keras.optimizers.SGD(0.0))
    weight = COUNTS.astype("float32")
    model.fit(x, spoilt(y), sample_weight=weight, validation_split=1 / 3, verbose=0)
    assert_same(start_of(model), adapted(y[:40][COUNTS[:40]]))


@pytest.mark.parametrize("family", ["normal", "gamma", "weibull", "bernoulli", "student_t"])
def test_weights_that_are_whole_numbers_are_repeated_rows(family, rng):
    y = {"bernoulli": rng.random(200) < 0.3}.get(family, rng.gamma(3.0, size=200)).astype("float64")
    weight = rng.integers(0, 4, 200)
    right = adapted(np.repeat(y, weight), pn.Head(family))
    assert_same(adapted(y, pn.Head(family), weight), right)


def test_other_weights_give_the_weighted_estimates(rng):
    y, weight = rng.normal(3.0, 2.0, size=200), rng.gamma(1.0, size=200)
    head = pn.Head("normal")
    model = neuron(head)
    head.adapt(y, weight)
    found = model.predict_params(np.zeros((1, 2)), verbose=0)
    mean = np.average(y, weights=weight)
    sd = np.sqrt(np.average((y - mean) ** 2, weights=weight))
    np.testing.assert_allclose([*found["loc"], *found["scale"]], [mean, sd], rtol=1e-4)


@pytest.mark.parametrize("door", ["fit", "pn.fit", "PyDataset"])
def test_class_weights_count_in_the_start(door, rng):
    x, y = data(rng)
    y = (y > 1.0).astype("float32")
    cls = keras.Sequential if door == "pn.fit" else pn.Sequential
    model = neuron(pn.Head("bernoulli"), cls, keras.optimizers.SGD(0.0))
    given, rows = ((x, y), slice(None)) if door != "PyDataset" else ((Weighted(x, y),), slice(20))
    pn.fit(model, *given, class_weight={0: 1.0, 1: 3.0}, verbose=0)
    seen = y[rows]
    share = 3.0 * seen.sum() / (3.0 * seen.sum() + (1.0 - seen).sum())
    assert_same(start_of(model)[1:], [[np.log(share / (1.0 - share))]])


# ---- several heads ------------------------------------------------------------------------------


def two_heads(kind, cls=pn.Model):
    inputs = keras.Input((2,))
    first = pn.Head("normal", name="size")(inputs)
    second = pn.Head("poisson", name="count")(inputs)
    outputs = {"size": first, "count": second} if kind == "dict" else [first, second]
    losses = [pn.NegativeLogLikelihood(family) for family in ("normal", "poisson")]
    model = cls(inputs, outputs)
    metrics = {"metrics": {"count": ["mae"]}, "weighted_metrics": {"size": ["mse"]}}
    model.compile(
        keras.optimizers.SGD(0.0),
        dict(zip(("size", "count"), losses, strict=True)) if kind == "dict" else losses,
        **(metrics if cls is pn.Model else {}),
    )
    return model


@pytest.mark.parametrize(
    ("kind", "cls", "whole_epoch"),
    [
        ("dict", pn.Model, "auto"),
        ("list", pn.Model, False),
        ("dict", keras.Model, False),
        ("list", keras.Model, "auto"),
    ],
)
def test_each_head_has_rows_of_its_own(kind, cls, whole_epoch, rng):
    x, size = data(rng)
    count, other = rng.poisson(3.0, size=N).astype("float32"), rng.random(N) < 0.6
    y = {"size": spoilt(size, np.nan), "count": np.where(other, count, np.float32(np.nan))}
    weight = {"size": COUNTS.astype("float32"), "count": other.astype("float32")}
    model = two_heads(kind, cls)
    if cls is keras.Model and kind == "list":  # Keras takes no weights by name there
        y, weight = list(y.values()), list(weight.values())
    history = pn.fit(
        model, x, y, sample_weight=weight, batch_size=N, whole_epoch=whole_epoch, verbose=0
    ).history
    heads = {layer.name: layer for layer in model.layers}
    assert_same(heads["size"].get_weights(), adapted(size[COUNTS]))
    assert_same(heads["count"].get_weights(), adapted(count[other], pn.Head("poisson")))
    if cls is pn.Model:
        error = np.abs(count[other] - count[other].mean()).mean()
        np.testing.assert_allclose(history["count_mae"], error, rtol=1e-5)
        np.testing.assert_allclose(history["size_mse"], size[COUNTS].var(), rtol=1e-5)


def test_a_list_of_heads_takes_dicts_by_name(rng):
    x, size = data(rng)
    count = rng.poisson(3.0, size=N).astype("float32")
    by_name = {"count": count, "size": size}
    weight = {"size": COUNTS.astype("float32")}
    as_list, as_dict = two_heads("list"), two_heads("list")
    options = {"batch_size": N, "verbose": 0}
    first = as_list.fit(x, [size, count], sample_weight=[weight["size"], None], **options)
    second = as_dict.fit(x, by_name, sample_weight=weight, **options)
    for name, values in first.history.items():
        assert second.history[name] == pytest.approx(values), name
    found = as_dict.evaluate(x, by_name, sample_weight=weight, return_dict=True, **options)
    right = as_list.evaluate(
        x, [size, count], sample_weight=[weight["size"], None], return_dict=True, **options
    )
    assert found == pytest.approx(right)
    streamed = as_dict.evaluate(
        ((x, by_name, {**weight, "count": np.ones(N)}) for _ in range(1)),
        steps=1,
        return_dict=True,
        verbose=0,
    )
    assert streamed == pytest.approx(right, rel=1e-5)
    with pytest.raises(ValueError, match=r"each head, by its name: .*Received: the keys \['size'"):
        as_dict.fit(x, {"size": size, "counts": count}, verbose=0)
    with pytest.raises(ValueError, match=r"to be outputs: \['count', 'size'\].*\['counts'\]"):
        as_dict.fit(x, by_name, sample_weight={"counts": count}, verbose=0)


# ---- masked time steps --------------------------------------------------------------------------


def sequences(rng):
    """Return x and y of 30 sequences whose ends are padded, and which steps are theirs."""
    x, y = rng.normal(size=(30, 4, 2)).astype("float32"), rng.normal(size=(30, 4))
    seen = np.arange(4) < rng.integers(1, 5, size=(30, 1))
    x[~seen] = 0.0
    return x, np.where(seen, y, -9999.0).astype("float32"), seen


def masked(optimizer=None, cls=pn.Model, **options):
    inputs = keras.Input((4, 2))
    model = cls(inputs, pn.Head("normal")(keras.layers.Masking(0.0)(inputs)))
    options["loss"] = pn.NegativeLogLikelihood("normal")
    model.compile(optimizer or keras.optimizers.SGD(0.0), **options)
    return model


@pytest.mark.parametrize("cls", [pn.Model, keras.Model])
@pytest.mark.parametrize(("kind", "weighted"), [("arrays", True), ("generator", False)])
def test_masked_steps_do_not_count(cls, weighted, kind, rng):
    x, y, seen = sequences(rng)
    weight = [rng.integers(0, 3, size=y.shape).astype("float32")] if weighted else []
    model = masked(cls=cls)
    if kind == "arrays":
        pn.fit(model, x, y, sample_weight=weight[0] if weight else None, verbose=0)
    else:
        batches = (batch for batch in [(x, y, *weight)])
        pn.fit(model, batches, steps_per_epoch=1, shuffle=False, verbose=0)
    often = (weight[0][seen] if weighted else np.ones(seen.sum())).astype(int)
    right = np.repeat(y[seen], often)
    head = model.layers[-1]
    shift, scale = (np.asarray(w)[0] for w in head.get_weights()[-2:])
    np.testing.assert_allclose([shift, scale], [right.mean(), right.std()], rtol=1e-5)


@pytest.mark.parametrize("whole_epoch", ["auto", False])
def test_metrics_leave_masked_steps_out(whole_epoch, rng):
    x, y, seen = sequences(rng)
    names = ["mae", "root_mean_squared_error"]
    model = masked(metrics=names, weighted_metrics=["mse"])
    data, options = (x, y), {"batch_size": 30, "verbose": 0, "whole_epoch": whole_epoch}
    history = model.fit(*data, validation_data=data, **options).history
    error = (y - model.predict(x, verbose=0))[seen]
    right = {
        "mae": np.abs(error).mean(),
        "root_mean_squared_error": np.sqrt((error**2).mean()),
        "mse": (error**2).mean(),
    }
    for name, value in right.items():
        np.testing.assert_allclose(history[name], value, rtol=1e-5)
        np.testing.assert_allclose(history[f"val_{name}"], value, rtol=1e-5)


# ---- what is left as it is, and what is refused -------------------------------------------------


@pytest.mark.parametrize("cls", [pn.Sequential, keras.Sequential])
def test_a_frozen_head_keeps_its_weights(cls, rng):
    x, y = data(rng)
    head = pn.Head("normal", trainable=False)
    model = cls([keras.Input((2,)), keras.layers.Dense(2), head])
    model.compile("adam", pn.NegativeLogLikelihood("normal"))
    before = head.get_weights()
    pn.fit(model, x, y, verbose=0)
    assert_same(head.get_weights(), before, rtol=0.0)


def test_a_plain_model_with_another_loss_is_left_alone(rng):
    x, y = data(rng)
    model = neuron(cls=keras.Sequential)
    model.compile(keras.optimizers.SGD(0.0), lambda y, raw: raw**2)
    before = model.get_weights()
    pn.fit(model, x, y[:, None], verbose=0)
    assert_same(model.get_weights(), before, rtol=0.0)


def test_a_plain_model_beside_another_output_is_adapted(rng):
    x, y = data(rng)
    inputs = keras.Input((2,))
    outputs = [keras.layers.Dense(1, name="point")(inputs), pn.Head("normal", name="head")(inputs)]
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.0), ["mse", pn.NegativeLogLikelihood("normal")])
    pn.fit(model, x, [y, y], verbose=0)
    assert_same(start_of(model), adapted(y))


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_negative_weights_are_refused(method, rng):
    x, y = data(rng)
    weight = np.ones(N)
    weight[7] = -0.5
    model = neuron()
    with pytest.raises(ValueError, match=r"sample_weight to be 0 or more.*-0\.5 in row 7"):
        getattr(model, method)(x, y, sample_weight=weight)
    with pytest.raises(ValueError, match=r"class_weight to be finite, and 0 or more.*\{1: -1\}"):
        model.fit(x, y, class_weight={1: -1}, verbose=0)
    assert model.layers[-1].is_new


def test_a_value_that_counts_is_still_checked(rng):
    x, y = data(rng)
    y[[3, 7]] = np.nan  # row 3 has the weight 0
    with pytest.raises(ValueError, match=r"nan in row 7, and 1 such value"):
        neuron().fit(x, y, sample_weight=COUNTS.astype("float32"), verbose=0)
