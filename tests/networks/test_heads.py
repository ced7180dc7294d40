"""The Head: shapes, constant and fixed parameters, adaptation, saving."""

import keras
import numpy as np
import pytest
from scipy import stats
from tables.families import WIRED, each

import probnn as pn

pytestmark = pytest.mark.backend

ROWS = np.zeros((4, 2))
each_family, each_compiled_family = each(WIRED), each(WIRED, compiles=True)


def numpy(values):
    return keras.ops.convert_to_numpy(values)


def network(head, p=3, hidden=4):
    layers = [keras.layers.Dense(hidden, "tanh")] if hidden else []
    return pn.Sequential([keras.Input((p,)), *layers, head])


def simulated(case, rng, n=160):
    params = {k: v[:1] for k, v in case.arrays().items()}
    return case.family.frozen(**params).rvs(size=n, random_state=rng).astype("float64")


def randomise(model, rng):
    """Give every weight a value that no initialiser gives."""
    for weight in model.trainable_weights:
        weight.assign(weight + rng.normal(scale=0.3, size=weight.shape))


def test_weights_are_those_of_a_dense_layer():
    head = pn.Head("bernoulli")
    model = network(head, p=2, hidden=0)
    assert [w.shape for w in model.get_weights()] == [(2, 1), (1,)]
    model.set_weights([np.array([[0.3], [0.1]]), np.array([1.0])])
    raw = numpy(model(np.array([[1.0, 2.2]], "float32")))
    np.testing.assert_allclose(raw, [[1.52]], rtol=1e-6)


@each_family
@pytest.mark.parametrize("units", [1, 3])
def test_output_has_a_column_for_each_parameter_and_response(case, units, rng):
    head = pn.Head(case.family, units=units)
    out = network(head)(rng.normal(size=(5, 3)).astype("float32"))
    assert tuple(out.shape) == (5, units * case.family.size)
    assert head.compute_output_shape((None, 4)) == (None, units * case.family.size)


def test_constant_and_fixed_parameters(rng):
    x = rng.normal(size=(6, 3)).astype("float32")
    for units in (1, 2):
        head = pn.Head("normal", units=units, constant=["scale"])
        model = network(head)
        randomise(model, rng)
        scale = model.predict_params(x, verbose=0)["scale"].reshape(6, units)
        assert np.ptp(scale, axis=0).max() == 0
        assert np.all(scale[0] != 1.0)
        head = pn.Head("normal", units=units, fixed={"scale": 2.5})
        model = network(head)
        randomise(model, rng)
        params = model.predict_params(x, verbose=0)
        np.testing.assert_allclose(params["scale"], 2.5, rtol=1e-6)
        assert np.ptp(params["loc"], axis=0).min() > 0


def test_any_parameter_may_be_constant_fixed_or_predicted(rng):
    x = rng.normal(size=(6, 3)).astype("float32")
    model = network(pn.Head("gamma", constant=["mean"]))
    randomise(model, rng)
    params = model.predict_params(x, verbose=0)
    assert np.ptp(params["mean"]) == 0 < np.ptp(params["shape"])
    model = network(pn.Head("gamma", fixed={"mean": 3.0}, constant=["shape"]))
    randomise(model, rng)
    params = model.predict_params(x, verbose=0)
    np.testing.assert_allclose(params["mean"], 3.0, rtol=1e-6)
    assert np.ptp(params["shape"]) == 0


def test_coefficients_give_the_output(rng):
    x = rng.normal(size=(6, 3)).astype("float32")
    for options in (
        {},
        {"constant": ["scale"]},
        {"fixed": {"scale": 2.0}, "units": 2},
        {"constant": ["scale"], "use_bias": False, "units": 2},
        {"constant": ["loc"]},
    ):
        head = pn.Head("normal", **options)
        model = network(head, hidden=0)
        y = rng.normal(loc=50.0, scale=7.0, size=(40, head.units))
        head.adapt(y)
        randomise(model, rng)
        kernel, bias = (numpy(w) for w in head.coefficients())
        assert kernel.shape == (3, head.units * 2)
        np.testing.assert_allclose(numpy(model(x)), x @ kernel + bias, rtol=2e-5, atol=1e-4)


@each_compiled_family
@pytest.mark.parametrize("built", [True, False])
def test_adapted_head_predicts_the_marginal_distribution(case, built, rng):
    y = simulated(case, rng)
    head = pn.Head(case.family)
    if built:
        model = network(head)
        head.adapt(y)
    else:
        head.adapt(y)
        model = network(head)
    found = model.predict_params(rng.normal(size=(4, 3)), verbose=0)
    for name, expected in case.family.start(y).items():
        np.testing.assert_allclose(found[name], np.broadcast_to(expected, found[name].shape), 1e-5)


def test_training_does_not_depend_on_the_units_of_y(rng, rewinding):
    x = rng.normal(size=(256, 2)).astype("float32")
    z = x @ [1.0, -0.5] + 0.5 * rng.normal(size=256)
    model = network(pn.Head("normal"), p=2)
    model.compile(keras.optimizers.Adam(0.01))
    rewind = rewinding(model)

    def losses(y):
        rewind()
        keras.utils.set_random_seed(1)
        return np.array(model.fit(x, y, epochs=10, verbose=0).history["loss"])

    standard = losses(z)
    assert standard[0] < 1.7
    assert standard[-1] < standard[0] - 0.2
    # The loss in other units is that in standard units plus log(scale); float32 holds y = 1e6
    # with a spacing of 0.06, a sixteenth of the spread 1.
    for loc, scale, atol in ((1e6, 1, 0.05), (0, 1e-4, 2e-3), (1e6, 1e5, 2e-3), (-3, 1e7, 2e-3)):
        np.testing.assert_allclose(losses(loc + scale * z) - np.log(scale), standard, atol=atol)


def test_adapt_with_several_responses(rng):
    y = rng.normal(size=(500, 2)) * [1.0, 30.0] + [5.0, -200.0]
    head = pn.Head("normal", units=2, constant=["scale"])
    model = network(head)
    head.adapt(y)
    params = model.predict_params(np.zeros((3, 3)), verbose=0)
    np.testing.assert_allclose(params["loc"], np.tile(y.mean(axis=0), (3, 1)), rtol=1e-5)
    np.testing.assert_allclose(params["scale"], np.tile(y.std(axis=0), (3, 1)), rtol=1e-5)


def test_marginal_distribution_given_what_is_fixed(rng):
    y = 100.0 + 3.0 * rng.normal(size=500)
    rms = np.sqrt(np.mean(y**2))
    for options in ({"fixed": {"loc": 0.0}}, {"fixed": {"loc": 0.0}, "constant": ["scale"]}):
        model = network(pn.Head("normal", **options))
        model.heads.adapt(y)
        params = model.predict_params(np.zeros((2, 3)), verbose=0)
        np.testing.assert_allclose(params["scale"], rms, rtol=1e-5)
    model = network(pn.Head("normal", use_bias=False, constant=["scale"]), hidden=0)
    model.heads.adapt(y)
    params = model.predict_params(np.zeros((2, 3)), verbose=0)
    np.testing.assert_allclose(params["loc"], 0.0)
    np.testing.assert_allclose(params["scale"], rms, rtol=1e-5)


def test_a_head_that_saw_one_value_can_still_learn(rng):
    x = rng.normal(size=(200, 3))
    y = 3.0 * x[:, 0] + rng.normal(size=200)
    model = network(pn.Head("normal"), hidden=0)
    model.compile(keras.optimizers.Adam(0.1))
    model.fit(x, np.full(200, 5.1), batch_size=200, epochs=1, verbose=0)  # its rounded sd is 9e-16
    loss = model.fit(x, y, batch_size=200, epochs=150, verbose=0).history["loss"][-1]
    assert loss < 2.0  # that of the truth is 1.42


@pytest.mark.parametrize(("center", "width"), [(1e6, 0.01), (0.0, 1e-19)])
def test_y_that_float32_cannot_tell_from_rounding(center, width, rng):
    y = center + width * rng.normal(size=100)
    head = pn.Head("normal")
    network(head)
    with pytest.raises(ValueError, match=r"float32 can tell from rounding.*Subtract a constant"):
        head.adapt(y)
    assert head.is_new


def test_a_link_that_cannot_reach_the_marginal(rng):
    head = pn.Head(pn.families.Normal(link="log"))
    with pytest.raises(ValueError, match=r"links that reach.*loc \(log\).*Choose other links"):
        head.adapt(-5.0 + rng.normal(size=50))


@pytest.mark.parametrize("link", ["identity", "sqrt", "inverse", "power"])
def test_an_untrained_head_has_parameters_inside_their_domain(link, rng):
    model = network(pn.Head(pn.families.Poisson(link=link)))
    np.testing.assert_allclose(model.predict(rng.normal(size=(3, 3)), verbose=0), 1.0)
    assert model.heads.is_new


def test_adapt_forgets_what_was_learnt(rng):
    model = network(pn.Head("poisson"))
    randomise(model, rng)
    head = model.heads
    assert not head.is_new
    head.adapt([1, 2, 3, 4])
    np.testing.assert_allclose(model.predict(rng.normal(size=(4, 3)), verbose=0), 2.5, rtol=1e-6)


@each_family
def test_clone_model_has_the_same_head(case, rng):
    model = network(pn.Head(case.family, units=2))
    clone = keras.models.clone_model(model)
    assert clone.layers[-1].get_config() == model.layers[-1].get_config()
    clone.set_weights(model.get_weights())
    x = rng.normal(size=(5, 3)).astype("float32")
    np.testing.assert_array_equal(numpy(clone(x)), numpy(model(x)))


@each_compiled_family
def test_saved_model_gives_the_same_distribution_to_the_last_bit(case, rng, tmp_path):
    y = simulated(case, rng)
    model = network(pn.Head(case.family))
    model.compile("adam")
    x = rng.normal(size=(len(y), 3))
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert type(loaded) is pn.Sequential
    before, after = (m.predict_distribution(x, verbose=0) for m in (model, loaded))
    assert after.family == before.family
    for name, values in before.params.items():
        np.testing.assert_array_equal(after.params[name], values)
    np.testing.assert_array_equal(after.log_prob(y), before.log_prob(y))
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    assert loaded.heads.is_new is False


def test_config_keeps_every_argument():
    family = pn.families.Normal(links={"scale": "softplus"})
    head = pn.Head(
        family, units=2, fixed={"scale": 0.1}, use_bias=False, kernel_regularizer="l2", name="h"
    )
    copy = pn.Head.from_config(head.get_config())
    assert copy.get_config() == head.get_config()
    assert copy.family == family


def test_options_of_a_family_go_with_its_name():
    head = pn.Head("categorical", classes=4, name="h")
    assert head.family == pn.families.Categorical(4)
    assert pn.Head.from_config(head.get_config()).family == head.family
    assert pn.Head("bernoulli", link="probit").family == pn.families.Bernoulli(link="probit")
    loss = pn.NegativeLogLikelihood("categorical", classes=4)
    assert loss.family == head.family


def test_unregistered_family_is_named_on_load(tmp_path, rng):
    @pn.families.register
    class Mine(pn.families.Normal):
        name = "mine"

    try:
        network(pn.Head("mine")).save(tmp_path / "model.keras")
    finally:
        del pn.families.FAMILIES["mine"]
    with pytest.raises(Exception, match=r"Received: 'mine'.*@probnn\.families\.register"):
        keras.models.load_model(tmp_path / "model.keras")


def test_unregistered_link_is_named_on_load(tmp_path):
    class Mine(pn.links.Log):
        name = "my_link"

    pn.links.register(Mine())
    try:
        head = pn.Head(pn.families.Poisson(link="my_link"))
        network(head).save(tmp_path / "model.keras")
    finally:
        del pn.links.LINKS["my_link"]
    with pytest.raises(Exception, match=r"Received: 'my_link'.*probnn\.links\.register"):
        keras.models.load_model(tmp_path / "model.keras")


@each_compiled_family
def test_mixed_precision_gives_float32_raw_output(case, rng):
    y = simulated(case, rng)
    policy = keras.dtype_policies.DTypePolicy("mixed_bfloat16")
    hidden = keras.layers.Dense(4, "tanh", dtype=policy)
    model = pn.Sequential([keras.Input((3,)), hidden, pn.Head(case.family, dtype=policy)])
    x = rng.normal(size=(len(y), 3)).astype("float32")
    assert keras.backend.standardize_dtype(model(x).dtype) == "float32"
    model.compile("adam")
    history = model.fit(x, y, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(history).all()


def test_float64_network(rng):
    x = rng.normal(size=(64, 3))
    y = x @ [1.0, 2.0, 3.0] + rng.normal(size=64)
    with pn.backend.float64():
        head = pn.Head("normal", constant=["scale"], dtype="float64")
        model = pn.Sequential([keras.Input((3,), dtype="float64"), head])
        model.compile("adam")
        assert model.loss.dtype == "float64"
        head.adapt(y)
        randomise(model, rng)
        kernel, bias = (numpy(w) for w in head.coefficients())
        raw = x @ kernel + bias
        np.testing.assert_allclose(numpy(model(x)), raw, rtol=1e-13)
        nll = numpy(model.loss.call(keras.ops.convert_to_tensor(y), model(x)))
    expected = -stats.norm.logpdf(y, raw[:, 0], np.exp(raw[:, 1]))
    np.testing.assert_allclose(nll, expected, rtol=1e-13)


def test_regularised_kernel(rng):
    head = pn.Head("bernoulli", kernel_regularizer=keras.regularizers.L2(0.5))
    model = network(head, p=2, hidden=0)
    model.set_weights([np.array([[1.0], [2.0]]), np.array([0.0])])
    np.testing.assert_allclose(numpy(model.losses[0]), 2.5)


@pytest.mark.parametrize("features", [lambda x, h: h, lambda x, h: {"loc": x, "scale": h}])
def test_time_steps_and_masks(features, rng):
    inputs = keras.Input((4, 2))
    masked = keras.layers.Masking(mask_value=-1.0)(inputs)
    model = pn.Model(inputs, pn.Head("normal")(features(inputs, masked)))
    x = rng.normal(size=(3, 4, 2)).astype("float32")
    x[0, 2:] = -1.0
    y = rng.normal(size=(3, 4))
    model.compile("sgd")
    model.heads.adapt(y)
    nll = -model.predict_distribution(x, verbose=0).log_prob(y)
    seen = np.ones((3, 4), bool)
    seen[0, 2:] = False
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), nll[seen].mean(), rtol=1e-5)


@pytest.mark.parametrize("case", [("normal", {"units": 2}), ("student_t", {"fixed": {"df": 4.0}})])
def test_each_parameter_has_features_of_its_own(case, rng):
    family, options = case
    head, whole = (pn.Head(family, **options) for _ in range(2))
    x, h = (rng.normal(size=(5, n)).astype("float32") for n in (2, 3))
    head({"scale": h, "loc": x})
    whole(np.column_stack([x, h]))
    kernel, bias = (rng.normal(size=t.shape) for t in whole.coefficients())
    kernel[2:, ::2], kernel[:2, 1::2] = 0.0, 0.0  # raw columns are loc, scale, loc, ...
    for made in (head, whole):
        made.assign_coefficients(kernel, bias)
    np.testing.assert_allclose(
        numpy(head({"loc": x, "scale": h})), numpy(whole(np.column_stack([x, h]))), rtol=1e-5
    )
    assert head.kernel.shape == (5 * head.responses,)


def test_a_mean_linear_in_x_with_a_scale_of_hidden_units(rng, tmp_path):
    x = keras.Input((2,))
    h = keras.layers.Dense(4, "tanh")(x)
    model = pn.Model(x, pn.Head("normal")({"loc": x, "scale": h}))
    randomise(model, rng)
    data = rng.normal(size=(10, 2)).astype("float32")
    expected = model.predict_distribution(data, verbose=0).params
    slope = np.diff(numpy(model(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])))[:, 0])
    np.testing.assert_allclose(slope[0], slope[1], rtol=1e-5)
    model.save(tmp_path / "model.keras")
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for other in (copy, keras.saving.load_model(tmp_path / "model.keras")):
        for name, value in other.predict_distribution(data, verbose=0).params.items():
            np.testing.assert_array_equal(value, expected[name])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pn.Head("nromal"), "Unknown family"),
        (lambda: pn.Head("normal", sigma=1.0), "options of the normal family.*link.*'sigma'"),
        (lambda: pn.Head("normal", constant="scale"), r"constant=\['scale'\]"),
        (lambda: pn.Head("normal", constant=["sigma"]), "loc, scale. Received: 'sigma'"),
        (lambda: pn.Head("normal", fixed={"sd": 1.0}), "loc, scale. Received: 'sd'"),
        (lambda: pn.Head("normal", fixed={"scale": -1.0}), "positive numbers. Received: -1.0"),
        (lambda: pn.Head("normal", fixed={"scale": 1}, constant=["scale"]), "not both"),
        (lambda: pn.Head("normal", units=0), "whole number >= 1"),
        (lambda: pn.Head("categorical", fixed={"probs": 0.5}), "vector"),
        (lambda: pn.Head("normal").adapt([]), "at least one row"),
        (lambda: pn.Head("normal").adapt(np.zeros((5, 2))), r"shape \(n,\) or \(n, 1\).*\(5, 2\)"),
        (lambda: pn.Head("normal", units=2).adapt(np.zeros(5)), r"\(n, 2\).*\(5,\)"),
        (lambda: pn.Head("poisson").adapt([1.0, -1.0]), "-1.0 in row 1"),
        (lambda: pn.Head("bernoulli").adapt(["no", "yes"]), "numeric.*'no'.*Encode"),
        (lambda: pn.Head("normal").adapt({"a": [1.0]}), r"one array.*\['a'\]"),
        (
            lambda: pn.Head("categorical").adapt(np.eye(2) + 1.0),
            "probabilities that sum to 1.*Divide",
        ),
        (lambda: pn.Head("normal")({"mean": ROWS}), "loc, scale. Received: 'mean'"),
        (lambda: pn.Head("normal")({"loc": ROWS}), "each predicted.*loc, scale. Received those of"),
        (lambda: pn.Head("normal", constant=["scale"])({"loc": ROWS, "scale": ROWS}), "constant="),
        (lambda: pn.Head("normal")({"loc": ROWS, "scale": ROWS[0]}), r"shape \(n, ..., p\)"),
        (lambda: pn.Head("normal")({"loc": ROWS, "scale": ROWS[None]}), "same shape but for"),
        (lambda: pn.Head("normal")([ROWS, ROWS]), "a dict of them by parameter"),
        (lambda: pn.Head("normal")(keras.Input((None,))), "known size"),
    ],
)
def test_bad_heads_get_a_clear_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_response_that_float32_rounds_out_of_the_support_is_named():
    y = np.array([0.2, 1.0 - 1e-9, 0.7])
    with pytest.raises(ValueError, match=r"y in float32 = 1\.0 in row 1"):
        pn.Head("beta").adapt(y)
    pn.Head("beta", dtype="float64").adapt(y)
