"""Deep ensembles and cross-validation: members at once are the members one after another."""

import keras
import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.model_selection import KFold, TimeSeriesSplit

import probnn as pn
from probnn.predictive.pooled import PooledPredictive
from probnn.training import copies

pytestmark = pytest.mark.backend


@pytest.fixture(scope="module")
def waves():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(192, 3))  # full batches, where a test does not split them
    return x, np.sin(x[:, 0]) + 0.3 * rng.normal(size=192)


def network(head="normal", optimizer=None, extra=(), metrics=None, **options):
    keras.utils.set_random_seed(1)
    layers = [keras.Input((3,)), keras.layers.Dense(6, "tanh"), *extra, pn.Head(head, **options)]
    model = pn.Sequential(layers)
    model.compile(optimizer or keras.optimizers.Adam(0.01), metrics=metrics)
    return model


def weights(ensemble):
    return [w for member in ensemble.members for w in member.get_weights()]


def assert_same(ours, theirs, rtol=1e-5):
    for a, b in zip(weights(ours), weights(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-5)


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.01),
    "nadam": lambda: keras.optimizers.Nadam(
        keras.optimizers.schedules.ExponentialDecay(0.02, 10, 0.9)
    ),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n != "adamw")) for n in OPTIMIZERS]
)
def test_members_at_once_are_those_of_keras(name, waves):
    x, y = waves
    model = network(optimizer=OPTIMIZERS[name](), metrics=["mae"])
    at_once, alone = (pn.DeepEnsemble(model, members=3, seed=5) for _ in range(2))
    options = dict(epochs=4, batch_size=32, shuffle=False, verbose=0, validation_split=0.15)
    histories = at_once.fit(x, y, at_once=True, **options)
    for i, member in enumerate(alone.members):
        history = member.fit(x, y, whole_epoch=False, **options).history
        for key, values in history.items():
            np.testing.assert_allclose(histories[i].history[key], values, rtol=1e-4, atol=1e-5)
    assert_same(at_once, alone)


@pytest.mark.slow
def test_a_second_fit_goes_on_from_the_first(waves):
    x, y = waves
    at_once, alone = (pn.DeepEnsemble(network(), members=2, seed=5) for _ in range(2))
    weight = np.linspace(0.5, 2.0, len(x))
    options = dict(epochs=2, shuffle=False, verbose=0, sample_weight=weight)
    for _ in range(2):
        at_once.fit(x, y, at_once=True, **options)
        for member in alone.members:
            member.fit(x, y, whole_epoch=False, **options)
    assert_same(at_once, alone)


@pytest.mark.slow
def test_layers_with_a_state_and_random_numbers_of_their_own(waves):
    x, y = waves
    extra = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.3)]
    model = network(extra=extra)
    ensemble, again = (pn.DeepEnsemble(model, members=3, seed=5) for _ in range(2))
    for each in (ensemble, again):
        keras.utils.set_random_seed(2)  # torch draws dropout masks from its global generator
        each.fit(x, y, epochs=3, verbose=0, at_once=True)
    for a, b in zip(weights(ensemble), weights(again), strict=True):
        np.testing.assert_array_equal(a, b)
    means = [member.layers[1].moving_mean.numpy() for member in ensemble.members]
    assert np.ptp(means, axis=0).max() > 0.01
    if pn.backend.name != "torch":  # the same masks as each member alone
        at_once, alone = (pn.DeepEnsemble(model, members=2, seed=5) for _ in range(2))
        at_once.fit(x, y, epochs=3, verbose=0, shuffle=False, at_once=True)
        alone.members[1].fit(x, y, epochs=3, verbose=0, shuffle=False, whole_epoch=True)
        pair = (each.members[1].get_weights() for each in (at_once, alone))
        for a, b in zip(*pair, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_members_differ_and_the_seed_repeats_them(waves):
    x, y = waves
    model = network()
    before = model.get_weights()
    fits = []
    for seed, bootstrap in ((0, False), (0, False), (1, False), (0, True)):
        ensemble = pn.DeepEnsemble(model, members=2, seed=seed, bootstrap=bootstrap)
        ensemble.fit(x, y, epochs=2, verbose=0)
        fits.append(np.concatenate([w.ravel() for w in weights(ensemble)]))
    np.testing.assert_array_equal(fits[0], fits[1])
    assert not np.allclose(fits[0], fits[2])
    assert not np.allclose(fits[0], fits[3])
    first, second = np.split(fits[0], 2)
    assert not np.allclose(first, second)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("at_once", [True, False])
def test_members_see_the_rows_in_orders_of_their_own(at_once, waves):
    x, y = waves
    model = pn.Sequential([keras.Input((3,)), pn.Head("normal")])  # members start the same
    model.compile(keras.optimizers.SGD(0.1))
    ensemble = pn.DeepEnsemble(model, members=2)
    options = dict(batch_size=20, verbose=0, at_once=at_once)
    ensemble.fit(x, y, shuffle=False, **options)
    first, second = (member.get_weights()[0] for member in ensemble.members)
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-6)
    ensemble.fit(x, y, **options)
    first, second = (member.get_weights()[0] for member in ensemble.members)
    assert np.abs(first - second).max() > 1e-4


def test_bootstrap_rows_are_drawn_with_replacement():
    # One neuron with no features: each member's optimum is the mean of its own rows.
    y = np.random.default_rng(3).normal(size=50)
    x = np.zeros((50, 1))
    model = pn.Sequential([keras.Input((1,)), pn.Head("normal", fixed={"scale": 1.0})])
    model.compile(keras.optimizers.SGD(0.5))
    ensemble = pn.DeepEnsemble(model, members=4, seed=9, bootstrap=True)
    ensemble.fit(x, y, batch_size=50, epochs=60, verbose=0)
    rows = np.random.default_rng(9).integers(0, 50, (4, 50))
    found = [member.predict(x[:1], verbose=0)[0] for member in ensemble.members]
    np.testing.assert_allclose(found, y[rows].mean(axis=1), atol=1e-5)


@pytest.mark.slow
def test_early_stopping_of_each_member_alone(waves, rewinding):
    x, y = waves
    model = network(optimizer=keras.optimizers.Adam(0.03))
    options = dict(epochs=40, verbose=0, shuffle=False, validation_split=1 / 3)
    at_once, alone = (pn.DeepEnsemble(model, members=4, seed=2) for _ in range(2))
    rewinds = [rewinding(member) for each in (at_once, alone) for member in each.members]
    for compiled, restore in ((False, True), (False, False), (True, True)):
        for rewind in rewinds:
            rewind()
        stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=restore)
        how = {"stopping": 2} if compiled else {"callbacks": [stop]}
        ours = at_once.fit(x, y, at_once=True, **how, **options)
        theirs = alone.fit(x, y, at_once=False, callbacks=[stop], **options)
        lengths = [len(history.epoch) for history in ours]
        assert lengths == [len(history.epoch) for history in theirs]
        assert len(set(lengths)) > 1
        assert_same(at_once, alone, rtol=1e-4)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_member_keeps_its_best_weights_and_diverges_alone(at_once, waves):
    x, y = waves
    ensemble = pn.DeepEnsemble(network(optimizer=keras.optimizers.Adam(0.1)), members=2)
    lost = [np.full(w.shape, 1e30, "float32") for w in ensemble.members[0].get_weights()]
    ensemble.members[0].set_weights(lost)
    options = dict(epochs=60, verbose=0, stopping=3, at_once=at_once)
    with pytest.warns(pn.training.DivergenceWarning, match=r"of member 0: .*restored"):
        first, second = ensemble.fit(x, y, **options)
    assert len(first.epoch) == 1
    for ours, before in zip(ensemble.members[0].get_weights(), lost, strict=True):
        np.testing.assert_array_equal(ours, before)
    losses = second.history["val_loss"]
    assert len(losses) == np.argmin(losses) + 1 + 3 < 60
    x, y = x[172:], y[172:]  # the last tenth of 192 rows
    d = ensemble.members[1].predict_distribution(x, verbose=0)
    np.testing.assert_allclose(-d.log_prob(y).mean(), min(losses), rtol=1e-5)


OBSTACLES = {
    "clipnorm": (dict(optimizer=keras.optimizers.Adam(0.01, clipnorm=1.0)), {}),
    "Adafactor": (dict(optimizer=keras.optimizers.Adafactor(0.01)), {}),
    "constraint": (
        dict(extra=[keras.layers.Dense(3, kernel_constraint="non_neg")]),
        {},
    ),
    "CSVLogger": ({}, dict(callbacks=[keras.callbacks.CSVLogger("never.csv")])),
}


@pytest.mark.parametrize(
    "what", [pytest.param(n, marks=[pytest.mark.slow] * (n != "CSVLogger")) for n in OBSTACLES]
)
def test_what_stands_in_the_way_is_named(what, waves, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = waves
    options, arguments = OBSTACLES[what]
    ensemble = pn.DeepEnsemble(network(**options), members=2)
    with pytest.raises(ValueError, match=f"(?s)at_once=True. Received: .*{what}"):
        ensemble.fit(x, y, verbose=0, at_once=True, **arguments)
    histories = ensemble.fit(x, y, verbose=0, epochs=2, **arguments)
    assert [len(history.epoch) for history in histories] == [2, 2]


def test_a_member_that_diverges_gets_its_weights_back(waves):
    x, y = waves
    ensemble = pn.DeepEnsemble(network(optimizer=keras.optimizers.SGD(1e6)), members=2)
    with pytest.raises(pn.training.DivergenceError, match=r"of member 0, 1: .* learning rate"):
        ensemble.fit(x, y, epochs=3, verbose=0, at_once=True)
    assert all(np.isfinite(w).all() for w in weights(ensemble))
    with pytest.warns(pn.training.DivergenceWarning):
        ensemble.fit(x, y, epochs=3, verbose=0, at_once=True, on_divergence="warn")


def test_prediction_is_the_mixture(waves):
    x, y = waves
    ensemble = pn.DeepEnsemble(network(), members=3)
    ensemble.fit(x, y, epochs=5, verbose=0)
    d = ensemble.predict_distribution(x[:9], verbose=0)
    members = [member.predict_distribution(x[:9], verbose=0) for member in ensemble.members]
    loc, scale = (np.array([m.params[name] for m in members]) for name in ("loc", "scale"))
    density = stats.norm(loc, scale).pdf(y[:9]).mean(axis=0)
    np.testing.assert_allclose(d.log_prob(y[:9]), np.log(density), rtol=1e-12)
    np.testing.assert_allclose(
        d.cdf(y[:9]), stats.norm(loc, scale).cdf(y[:9]).mean(axis=0), rtol=1e-12
    )
    for p in (1e-6, 0.3, 0.999):
        np.testing.assert_allclose(d.cdf(d.quantile(p)), p, rtol=1e-9)
    np.testing.assert_allclose(d.mean(), loc.mean(axis=0), rtol=1e-12)
    mean = ensemble.predict(x[:9], verbose=0)  # of float32 numbers of size 1
    np.testing.assert_allclose(mean, loc.mean(axis=0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(d.aleatoric_variance(), (scale**2).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(d.epistemic_variance(), loc.var(axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        d.variance(), d.aleatoric_variance() + d.epistemic_variance(), rtol=1e-12
    )
    weight = np.arange(9.0)
    held = np.where(weight == 0, np.nan, y[:9])
    found = ensemble.evaluate(x[:9], held, sample_weight=weight, verbose=0)
    expected = -np.average(np.log(density), weights=weight)
    np.testing.assert_allclose(found, expected, rtol=1e-6)  # y is rounded as in training
    row, level = d[4:5], y[4]

    def distance(t):
        return (row.cdf(t)[0] - (level <= t)) ** 2

    below, _ = integrate.quad(distance, level - 8.0, level, epsabs=1e-12)
    above, _ = integrate.quad(distance, level, level + 8.0, epsabs=1e-12)
    np.testing.assert_allclose(row.crps(level), below + above, rtol=1e-7)
    np.testing.assert_allclose(row.epistemic_variance(), d.epistemic_variance()[4:5])


@pytest.mark.parametrize(("head", "options"), [("bernoulli", {}), ("categorical", {"classes": 3})])
def test_probabilities_are_averaged(head, options, waves):
    x, y = waves
    codes = (y > 0).astype(float) + ((y > 0.5) if options else 0.0)
    ensemble = pn.DeepEnsemble(network(head, **options), members=3)
    ensemble.fit(x, codes, epochs=2, verbose=0)
    d = ensemble.predict_distribution(x, verbose=0)
    probs = [m.predict_distribution(x, verbose=0).params["probs"] for m in ensemble.members]
    assert d.family.name == head
    np.testing.assert_allclose(d.params["probs"], np.mean(probs, axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        d.variance(), d.aleatoric_variance() + d.epistemic_variance(), rtol=1e-9
    )


def test_counts_are_mixed_exactly():
    members = [pn.Predictive("poisson", {"rate": np.array([rate])}) for rate in (0.5, 4.0)]
    d = PooledPredictive(members)
    k = np.arange(40)
    mass = (stats.poisson(0.5).pmf(k) + stats.poisson(4.0).pmf(k)) / 2
    np.testing.assert_allclose([d.log_prob(float(i))[0] for i in k[:9]], np.log(mass[:9]))
    assert d.quantile(0.5)[0] == np.searchsorted(np.cumsum(mass), 0.5)
    cdf = np.cumsum(mass)
    np.testing.assert_allclose(d.crps(2.0), np.sum((cdf - (k >= 2)) ** 2), rtol=1e-9)


def test_pooling_refuses_what_does_not_belong_together():
    one = pn.Predictive("poisson", {"rate": np.ones(2)})
    for other in (
        pn.Predictive("poisson", {"rate": np.ones(3)}),
        pn.Predictive("normal", {"loc": np.ones(2), "scale": np.ones(2)}),
    ):
        with pytest.raises(ValueError, match="Expected members of one family and the same rows"):
            PooledPredictive([one, other])


def test_save_and_load(tmp_path, waves):
    x, y = waves
    ensemble = pn.DeepEnsemble(network(), members=2, seed=4, bootstrap=True)
    ensemble.fit(x, y, epochs=1, verbose=0)
    ensemble.save(tmp_path / "ensemble.zip")
    loaded = pn.DeepEnsemble.load(tmp_path / "ensemble.zip")
    assert (len(loaded), loaded.seed, loaded.bootstrap) == (2, 4, True)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), ensemble.predict(x, verbose=0))
    options = dict(epochs=2, verbose=0, shuffle=False, at_once=True)
    for each in (ensemble, loaded):  # the optimizers' states are saved too
        each.fit(x, y, **options)
    for a, b in zip(weights(loaded), weights(ensemble), strict=True):
        np.testing.assert_array_equal(a, b)
    ensemble.members[0].save(tmp_path / "one.keras")
    with pytest.raises(ValueError, match=r"a \.keras file, which keras\.saving\.load_model"):
        pn.DeepEnsemble.load(tmp_path / "one.keras")


@pytest.mark.slow
def test_several_heads(waves):
    x, y = waves
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, "tanh")(inputs)
    outputs = {"size": pn.Head("normal")(hidden), "sign": pn.Head("bernoulli")(hidden)}
    model = pn.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.01))
    responses = {"size": y, "sign": (y > 0).astype(float)}
    at_once, alone = (pn.DeepEnsemble(model, members=2) for _ in range(2))
    at_once.fit(x, responses, epochs=3, verbose=0, shuffle=False, at_once=True)
    alone.fit(x, responses, epochs=3, verbose=0, shuffle=False, at_once=False)
    assert_same(at_once, alone)
    d = at_once.predict_distribution(x, verbose=0)
    assert sorted(d) == ["sign", "size"]
    assert d["size"].epistemic_variance().shape == (len(x),)


def test_prepared_and_frozen_layers_are_copied(waves):
    x, _ = waves
    normalization = keras.layers.Normalization()
    normalization.adapt(3.0 + 2.0 * x)
    frozen = keras.layers.Dense(5, "tanh", trainable=False)
    layers = [keras.Input((3,)), normalization, frozen, keras.layers.Dense(4), pn.Head("normal")]
    model = pn.Sequential(layers)
    model.compile("adam")
    copy = copies.fresh(model, 0)
    for i, same in enumerate((True, True, False)):
        pairs = zip(model.layers[i].get_weights(), copy.layers[i].get_weights(), strict=True)
        assert all(np.allclose(a, b) for a, b in pairs) == same
    given = 3.0 + 2.0 * x
    expected = (given - given.mean(axis=0)) / given.std(axis=0)
    for each in (copy, copies.exact(model)):
        found = keras.ops.convert_to_numpy(each.layers[0](given.astype("float32")))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


BAD = {
    "at least 2 members": lambda model, x, y: pn.DeepEnsemble(model, members=1),
    r"probnn\.Model or probnn\.Sequential": lambda model, x, y: pn.DeepEnsemble(
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    ),
    "compiled model": lambda model, x, y: pn.DeepEnsemble(
        pn.Sequential([keras.Input((3,)), pn.Head("normal")])
    ),
    "at_once to be": lambda model, x, y: pn.DeepEnsemble(model).fit(x, y, at_once="yes"),
    "same number of rows": lambda model, x, y: pn.DeepEnsemble(model).fit(x, y[1:]),
    "every value of x to be finite": lambda model, x, y: pn.DeepEnsemble(model).fit(x * np.nan, y),
    "stopping to be the epochs": lambda model, x, y: pn.DeepEnsemble(model).fit(x, y, stopping=0),
    "leaves rows to train on": lambda model, x, y: pn.DeepEnsemble(model).fit(
        x[:1], y[:1], stopping=5
    ),
    "rows that are held out": lambda model, x, y: pn.DeepEnsemble(model).fit(
        x, y, stopping=5, sample_weight=np.arange(192) < 172
    ),
    "2 to 192 folds": lambda model, x, y: pn.training.cross_val_score(model, x, y, cv=1),
    "folds with at least one row": lambda model, x, y: pn.training.cross_val_score(
        model, x, y, cv=[(np.arange(5), np.arange(0))]
    ),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input(message, waves):
    with pytest.raises(ValueError, match=message):
        BAD[message](network(), *waves)


# ---- cross-validation -----------------------------------------------------------------------


@pytest.mark.parametrize("stopping", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_folds_are_those_of_models_trained_alone(stopping, waves):
    x, y = (a[:191] for a in waves)
    model = network(optimizer=keras.optimizers.Adam(0.03 if stopping else 0.01))
    before = model.get_weights()
    folds = KFold(3, shuffle=True, random_state=0)  # folds of 64 and of 63 rows
    options = dict(epochs=3, batch_size=32, shuffle=False, seed=6)
    alike = {}
    if stopping:
        alike = {"validation_split": 0.2}
        options |= dict(epochs=40, stopping=stopping, **alike)
    scores = pn.training.cross_val_score(model, x, y, folds, at_once=True, **options)
    for i, (train, test) in enumerate(folds.split(x)):
        alone = copies.fresh(model, [6, i])
        stop = keras.callbacks.EarlyStopping(patience=stopping or 99, restore_best_weights=True)
        alone.fit(
            x[train],
            y[train],
            epochs=options["epochs"],
            callbacks=[stop] if stopping else None,
            shuffle=False,
            verbose=0,
            whole_epoch=False,
            **alike,
        )
        d = alone.predict_distribution(x[test], verbose=0)
        np.testing.assert_allclose(scores[i], d.log_prob(y[test]).mean(), rtol=1e-4)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_splitters_and_scores(waves):
    x, y = waves
    model = network()

    def score(y, d):
        return d.crps(y)

    found = pn.training.cross_val_score(model, x, y, TimeSeriesSplit(3), scoring=score, epochs=2)
    assert found.shape == (3,)
    assert (found > 0).all()
    twice = [pn.training.cross_val_score(model, x, y, 3, epochs=2, seed=1) for _ in range(2)]
    np.testing.assert_array_equal(*twice)


@pytest.mark.parametrize(
    ("family", "params"),
    [
        (
            pn.families.Mixture("normal", components=2),
            [
                {"loc": [[0.0, 3.0]], "scale": [[1.0, 0.5]], "weights": [[0.3, 0.7]]},
                {"loc": [[1.0, -2.0]], "scale": [[2.0, 0.2]], "weights": [[0.6, 0.4]]},
            ],
        ),
        (
            pn.families.Ordinal(classes=3),
            [
                {"loc": [0.0], "cutpoints": [[-1.0, 1.0]]},
                {"loc": [2.0], "cutpoints": [[0.5, 0.9]]},
            ],
        ),
        (
            pn.families.ZeroInflated("poisson"),
            [{"rate": [2.0], "inflation": [0.3]}, {"rate": [5.0], "inflation": [0.01]}],
        ),
    ],
    ids=["mixture", "ordinal", "zero_inflated"],
)
def test_members_of_any_family_are_pooled(family, params):
    members = [pn.Predictive(family, each) for each in params]
    pooled = PooledPredictive(members)
    for y in (0.0, 1.0, 2.0):
        want = np.mean([np.exp(each.log_prob(y)) for each in members], axis=0)
        np.testing.assert_allclose(np.exp(pooled.log_prob(y)), want, rtol=1e-12)
        want = np.mean([each.cdf(y) for each in members], axis=0)
        np.testing.assert_allclose(pooled.cdf(y), want, rtol=1e-12)
    np.testing.assert_allclose(pooled.mean(), np.mean([e.mean() for e in members], axis=0))


def test_members_with_vectors_are_not_pooled():
    member = pn.Predictive(
        pn.families.MultivariateNormal(units=2), {"loc": [[0.0, 0.0]], "scale_tril": [[1, 0, 1]]}
    )
    with pytest.raises(ValueError, match="Ask each member"):
        PooledPredictive([member, member])


@pytest.mark.parametrize("family", ["binomial", "tweedie"])
def test_members_with_other_options_are_not_pooled(family):
    options = {"binomial": ({"trials": 3}, {"trials": 9}), "tweedie": ({"power": 1.2}, {})}
    params = {"binomial": {"probs": [0.5]}, "tweedie": {"mean": [1.0], "dispersion": [1.0]}}
    members = [
        pn.Predictive(pn.families.get(family, **each), params[family]) for each in options[family]
    ]
    with pytest.raises(ValueError, match="members of one family"):
        PooledPredictive(members)
