"""Inference at a network's weights, and back: on every backend."""

import keras
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from tables.glms import data
from tables.peers import NEWTON

import probnn as pn

pytestmark = pytest.mark.backend


def spector():
    y, x = data("spector")
    return x.drop(columns="const"), y


def engel():
    y, x = data("engel")
    return x[["income"]] / 1000.0, y


def network(p, head, *layers):
    return pn.Sequential([keras.Input((p,)), *layers, head])


def normalization(x):
    layer = keras.layers.Normalization()
    layer.adapt(x.to_numpy("float32"))
    return layer


def as_dense(units, seed=0):
    return keras.layers.Dense(units, kernel_initializer=keras.initializers.GlorotNormal(seed))


class TestOneNeuron:
    def test_at_the_weights_of_a_logistic_regression(self):
        x, y = spector()
        want = sm.Logit(y, sm.add_constant(x)).fit(**NEWTON)
        neuron = network(3, pn.Head("bernoulli"))
        neuron.set_weights([want.params.to_numpy()[1:, None], want.params.to_numpy()[:1]])
        found = pn.inference(neuron, x, y)
        assert isinstance(found, pn.glm.Results)
        assert found.params.index.tolist() == want.params.index.tolist()
        np.testing.assert_allclose(found.params, want.params, rtol=1e-6)
        np.testing.assert_allclose(found.bse, want.bse, rtol=1e-5)
        np.testing.assert_allclose(found.llf, want.llf, rtol=1e-9)
        assert found.certificate.converged
        assert not found.is_conditional

    @pytest.mark.parametrize("cov_type", ["nonrobust", "HC0"])
    def test_polish_gives_the_answer_of_statsmodels(self, cov_type):
        x, y = spector()
        neuron = network(3, pn.Head("bernoulli"), normalization(x))
        found = pn.polish(neuron, x, y, cov_type=cov_type)
        want = sm.Logit(y, sm.add_constant(x)).fit(cov_type=cov_type, **NEWTON)
        np.testing.assert_allclose(found.params, want.params, rtol=1e-5)
        np.testing.assert_allclose(found.bse, want.bse, rtol=1e-5)
        np.testing.assert_allclose(neuron.predict(x, verbose=0), want.predict(), rtol=1e-4)

    def test_linear_regression_has_the_standard_errors_of_ols(self):
        x, y = engel()
        neuron = network(1, pn.Head("normal", constant=["scale"]))
        found = pn.polish(neuron, x, y)
        want = sm.OLS(y, sm.add_constant(x)).fit()
        for name in ("params", "bse", "tvalues", "pvalues"):
            np.testing.assert_allclose(getattr(found, name), getattr(want, name), rtol=1e-4)
        np.testing.assert_allclose(
            [found.rsquared, found.llf], [want.rsquared, want.llf], rtol=1e-6
        )
        sigma = neuron.predict_params(x, verbose=0)["scale"][0]
        np.testing.assert_allclose(sigma, np.sqrt(want.ssr / len(y)), rtol=1e-5)

    def test_poisson_and_classes(self):
        y, x = data("randhie")
        found = pn.polish(network(9, pn.Head("poisson")), x.drop(columns="const"), y)
        want = sm.GLM(y, x, family=sm.families.Poisson()).fit(tol=1e-13)
        np.testing.assert_allclose(found.params, want.params, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.bse, want.bse, rtol=1e-5)
        y, x = data("anes96")
        x = x[["const", "selfLR", "educ"]]
        found = pn.polish(network(2, pn.Head("categorical", classes=7)), x.drop(columns="const"), y)
        want = sm.MNLogit(y, x).fit(**NEWTON)
        np.testing.assert_allclose(found.params, want.params, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.bse, want.bse, rtol=1e-4)

    def test_several_parameters_each_with_its_constants(self):
        x, y = engel()
        found = pn.polish(network(1, pn.Head("normal")), x, y)
        frame = pd.concat([x, y], axis=1)
        want = pn.glm.glm("foodexp ~ income", frame, formulas={"scale": "~ income"}).fit()
        np.testing.assert_allclose(found.params, want.params, rtol=1e-4)
        np.testing.assert_allclose(found.bse, want.bse, rtol=1e-4)

    def test_estimated_dispersion(self):
        y, x = data("randhie")
        x = x[["const", "lncoins", "disea"]]
        found = pn.polish(
            network(2, pn.Head("negative_binomial", constant=["dispersion"])),
            x.drop(columns="const"),
            y,
        )
        want = pn.glm.GLM(y, x, "negative_binomial").fit()
        np.testing.assert_allclose(found.params, want.params, rtol=1e-4)
        assert found.params.index.tolist()[-1] == "dispersion"

    def test_fixed_scale_no_bias_and_sample_weight(self):
        x, y = engel()
        weight = 1.0 + np.arange(len(y)) % 3
        head = pn.Head("normal", fixed={"scale": 100.0}, use_bias=False)
        found = pn.polish(network(1, head), x, y)
        want = sm.GLM(y, x).fit(scale=100.0**2)
        np.testing.assert_allclose(found.params, want.params, rtol=1e-5)
        np.testing.assert_allclose(found.bse, want.bse, rtol=1e-5)
        neuron = network(1, pn.Head("normal", constant=["scale"]))
        found = pn.polish(neuron, x, y, sample_weight=weight)
        want = sm.WLS(y, sm.add_constant(x), weights=weight).fit()
        np.testing.assert_allclose(found.params, want.params, rtol=1e-5)
        np.testing.assert_allclose(found.bse, want.bse, rtol=1e-5)

    def test_sample_weights_multiply_the_likelihood_as_in_keras(self):
        x, y = engel()
        weight = 1.0 + np.arange(len(y)) % 3
        for constant in ([], ["scale"]):
            model = network(1, pn.Head("normal", constant=constant))
            pn.polish(model, x, y, sample_weight=weight)
            model.compile(keras.optimizers.SGD(1e-9))
            best = model.evaluate(x, y, sample_weight=weight, verbose=0)
            head = model.layers[-1]
            for variable in head.trainable_variables:
                value = np.array(keras.ops.convert_to_numpy(variable.value))
                for step in (-0.1 * (1 + np.abs(value)), 0.1 * (1 + np.abs(value))):
                    variable.assign(value + step)
                    assert model.evaluate(x, y, sample_weight=weight, verbose=0) > best
                variable.assign(value)

    @pytest.mark.parametrize("value", [np.nan, -9999.0])
    def test_rows_of_weight_0_are_as_if_they_were_dropped(self, value):
        x, y = engel()
        x, y = x.set_axis(x.index + 7), y.set_axis(y.index + 7)
        weight = 1.0 + np.arange(len(y)) % 3
        seen, groups = np.arange(len(y)) % 7 != 2, np.arange(len(y)) % 10
        weight[~seen] = 0.0
        gaps = y.where(seen, value)
        model = network(1, pn.Head("normal", constant=["scale"]))
        found = pn.polish(model, x, gaps, sample_weight=weight)
        want = sm.WLS(y[seen], sm.add_constant(x[seen]), weights=weight[seen]).fit()
        np.testing.assert_allclose(found.params, want.params, rtol=1e-5)
        np.testing.assert_allclose(found.bse, want.bse, rtol=1e-5)
        assert (found.nobs, found.df_resid) == (want.nobs, want.df_resid)
        assert found.fittedvalues.index.equals(y.index[seen])
        for options in ({}, {"cov_type": "cluster", "cov_kwds": {"groups": groups}}):
            found = pn.inference(model, x, gaps, sample_weight=weight, **options)
            if options:
                options["cov_kwds"] = {"groups": groups[seen]}
            dropped = pn.inference(model, x[seen], y[seen], sample_weight=weight[seen], **options)
            np.testing.assert_array_equal(found.bse, dropped.bse)
            assert (found.llf, found.aic) == (dropped.llf, dropped.aic)
            assert found.certificate == dropped.certificate
        assert f"{int((~seen).sum())} rows of weight 0 left out" in repr(
            found.predict_distribution()
        )
        assert found.model.n_missing == 0


class TestCertificate:
    def test_says_how_far_the_optimum_is(self):
        x, y = spector()
        want = sm.Logit(y, sm.add_constant(x)).fit(**NEWTON)
        moved = want.params.copy()
        moved["GPA"] += 0.5 * want.bse["GPA"]
        neuron = network(3, pn.Head("bernoulli"))
        neuron.set_weights([moved.to_numpy()[1:, None], moved.to_numpy()[:1]])
        found = pn.inference(neuron, x, y).certificate
        gap = (want.llf - sm.Logit(y, sm.add_constant(x)).loglike(moved)) / len(y)
        assert found.name == "GPA"
        np.testing.assert_allclose([found.largest, found.gap], [0.5, gap], rtol=1e-3)
        assert not found.converged
        assert "run pn.polish" in str(found)
        assert "0.5 standard errors (GPA)" in str(found)
        assert "Converged." in str(pn.polish(neuron, x, y).certificate)

    def test_counts_the_scale_too(self):
        x, y = engel()
        neuron = network(1, pn.Head("normal", constant=["scale"]))
        pn.polish(neuron, x, y)
        head = neuron.layers[-1]
        head.constant.assign(np.asarray(head.constant) + 0.1)
        found = pn.inference(neuron, x, y).certificate
        assert found.name == "scale: const"
        np.testing.assert_allclose(found.largest, 0.1 * np.sqrt(2 * len(y)), rtol=1e-3)

    def test_separated_classes_have_no_optimum(self):
        x, y = np.arange(8.0)[:, None], np.arange(8) > 3
        neuron = network(1, pn.Head("bernoulli"))
        before = [w.copy() for w in neuron.get_weights()]
        found = pn.inference(neuron, x, y)
        assert found.certificate.largest == np.inf
        assert "no optimum" in str(found.certificate)
        with pytest.raises(pn.glm.PerfectSeparationError):
            pn.polish(neuron, x, y)
        for new, old in zip(neuron.get_weights(), before, strict=True):
            np.testing.assert_array_equal(new, old)


class TestChains:
    @pytest.mark.parametrize("kind", ["wide", "bottleneck", "mixed", "functional"])
    def test_linear_layers_are_collapsed(self, kind):
        x, y = spector()
        layers = {
            "wide": [as_dense(5), as_dense(4, 1)],
            "bottleneck": [as_dense(2), as_dense(1, 1)],
            "mixed": [
                normalization(x),
                keras.layers.Rescaling(0.5, 1.0),
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.3),
                as_dense(3),
                keras.layers.Activation("linear"),
            ],
            "functional": [as_dense(6)],
        }[kind]
        if kind == "functional":
            inputs = keras.Input((3,))
            model = pn.Model(inputs, pn.Head("bernoulli")(layers[0](inputs)))
        else:
            model = network(3, pn.Head("bernoulli"), *layers)
        raw = model._predict_raw(x, verbose=0)[:, 0]
        found = pn.inference(model, x, y)
        np.testing.assert_allclose(sm.add_constant(x) @ found.params, raw, rtol=1e-4, atol=1e-5)
        polished = pn.polish(model, x, y)
        want = sm.Logit(y, sm.add_constant(x)).fit(**NEWTON)
        np.testing.assert_allclose(polished.params, want.params, rtol=1e-4)
        np.testing.assert_allclose(model.predict(x, verbose=0), want.predict(), rtol=1e-3)

    def test_hidden_layers_are_conditional_on_their_features(self):
        keras.utils.set_random_seed(3)
        x, y = engel()
        hidden = keras.layers.Dense(4, "tanh")
        model = network(1, pn.Head("normal", constant=["scale"]), hidden)
        found = pn.polish(model, x, y)
        assert found.is_conditional
        features = keras.ops.convert_to_numpy(hidden(x.to_numpy("float32")))
        want = sm.OLS(y.to_numpy(), sm.add_constant(features.astype("float64"))).fit()
        np.testing.assert_allclose(found.mu, want.fittedvalues, rtol=1e-3)
        np.testing.assert_allclose(found.llf, want.llf, rtol=1e-4)
        assert "conditional on the network's features" in found.summary().as_text()

    def test_a_head_that_follows_single_rows_is_told(self):
        rng = np.random.default_rng(0)
        (x, y), others = (
            (rng.normal(size=(n, 4)).astype("float32"), rng.normal(size=n)) for n in (60, 500)
        )
        hidden = keras.layers.Dense(10, "tanh", kernel_initializer=keras.initializers.HeNormal(0))
        model = network(4, pn.Head("normal"), hidden)
        model.compile()
        before = model.evaluate(*others, verbose=0)
        with pytest.warns(UserWarning, match=f"22 coefficients.*went from {before:.4g} "):
            pn.polish(model, x, y, validation_data=others)
        assert model.evaluate(*others, verbose=0) > before
        with pytest.warns(UserWarning, match=r"60 rows for 22 coefficients.*may be worse"):
            pn.polish(model, x, y)

    @pytest.mark.parametrize("activation", [None, "tanh"])
    def test_each_parameter_is_a_model_of_its_own_features(self, activation):
        x, y = engel()
        inputs, hidden = keras.Input((1,)), keras.layers.Dense(2, activation)
        features = {"loc": inputs, "scale": hidden(inputs)}
        model = pn.Model(inputs, pn.Head("normal")(features))
        found = pn.polish(model, x, y)
        made = sm.add_constant(keras.ops.convert_to_numpy(hidden(x.to_numpy("float32"))))
        scale = sm.add_constant(x) if activation is None else made.astype("float64")
        want = pn.glm.GLM(y, sm.add_constant(x), "normal", designs={"scale": scale}).fit()
        np.testing.assert_allclose(found.params, want.params, rtol=1e-4)
        np.testing.assert_allclose(found.bse, want.bse, rtol=1e-4)
        assert found.is_conditional == (activation is not None)
        assert [*found.params.index[:2]] == ["const", "income"]
        mean = model.predict_distribution(x, verbose=0).mean()
        np.testing.assert_allclose(mean, sm.add_constant(x) @ want.params[:2], rtol=1e-5)

    def test_dead_features_are_left_out(self):
        x, y = engel()
        hidden = keras.layers.Dense(3, "relu", kernel_initializer="ones")
        model = network(1, pn.Head("normal", constant=["scale"]), hidden)
        hidden.bias.assign([0.0, -1e6, 0.5])  # the second is 0, the third the first plus 1/2
        found = pn.polish(model, x, y)
        want = sm.OLS(y, sm.add_constant(x)).fit()
        np.testing.assert_allclose(found.llf, want.llf, rtol=1e-7)
        assert len(found.params) == 2
        np.testing.assert_allclose(model.predict(x, verbose=0), want.fittedvalues, rtol=1e-4)

    @pytest.mark.parametrize("family", ["bernoulli", "normal"])
    def test_a_shift_without_an_intercept_is_the_features_own(self, family):
        x, y = spector()
        head = pn.Head(family, use_bias=False, constant=["scale"] if family == "normal" else [])
        model = network(3, head, normalization(x))
        found = pn.polish(model, x, y)
        np.testing.assert_allclose(model.predict(x, verbose=0), found.mu, rtol=1e-4, atol=1e-5)
        assert found.is_conditional

    def test_weights_that_cannot_hold_the_optimum_are_not_called_converged(self):
        rng = np.random.default_rng(0)
        time = 1.6e9 + 60.0 * np.arange(300)[:, None]
        y = rng.uniform(size=300) < 1 / (1 + np.exp(-(np.arange(300) - 150) / 40))
        with (
            pytest.warns(UserWarning, match="rounds the column 0 of x by up to 64"),
            pytest.warns(pn.glm.ConvergenceWarning, match="Standardise x"),
        ):
            found = pn.polish(network(1, pn.Head("bernoulli")), time, y.astype(float))
        assert not found.certificate.converged


class TestErrors:
    def test_bad_options_leave_the_weights(self):
        x, y = spector()
        neuron = network(3, pn.Head("bernoulli"))
        before = [w.copy() for w in neuron.get_weights()]
        for options in ({"cov_type": "HC9"}, {"cov_type": "cluster"}, {"information": "fisher"}):
            with pytest.raises(ValueError, match="Expected"):
                pn.polish(neuron, x, y, **options)
        with pytest.raises(TypeError):
            pn.polish(neuron, x, y, cov="HC0")
        for new, old in zip(neuron.get_weights(), before, strict=True):
            np.testing.assert_array_equal(new, old)

    def test_lists_and_penalised_layers(self):
        x, y = spector()
        neuron = network(3, pn.Head("bernoulli"))
        found = pn.inference(neuron, x.to_numpy().tolist(), y.tolist())
        assert found.params.shape == (4,)
        layer = keras.layers.Dense(3, kernel_regularizer="l2")
        with pytest.raises(ValueError, match="without a penalty"):
            pn.polish(network(3, pn.Head("bernoulli"), layer), x, y)

    def test_models_without_one_head(self):
        x, y = spector()
        with pytest.raises(ValueError, match=r"ends in a probnn\.Head"):
            pn.inference(keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]), x, y)
        with pytest.raises(ValueError, match="units=1"):
            pn.inference(network(3, pn.Head("normal", units=2)), x, np.zeros((32, 2)))

    def test_bad_data(self):
        x, y = spector()
        neuron = network(3, pn.Head("bernoulli"))
        with pytest.raises(ValueError, match="support"):
            pn.inference(neuron, x, y + 1)
        with pytest.raises(ValueError, match=r"shape \(n, 3\)"):
            pn.inference(neuron, x[["GPA"]], y)
        with pytest.raises(ValueError, match="linearly independent"):
            pn.inference(neuron, x.assign(TUCE=2 * x.GPA), y)

    def test_a_penalty_has_another_optimum(self):
        x, y = spector()
        neuron = network(3, pn.Head("bernoulli", kernel_regularizer="l2"))
        with pytest.raises(ValueError, match="without a penalty"):
            pn.polish(neuron, x, y)


class TestNetworkOfResults:
    def test_of_an_offset_is_refused(self):
        y, x = data("cpunish")
        found = pn.glm.GLM(y, x, "poisson", exposure=1.0 + np.arange(len(y))).fit()
        with pytest.raises(ValueError, match="without an offset"):
            _ = found.network

    def test_of_an_offset_is_refused_of_results_without_their_rows(self, tmp_path):
        y, x = (np.asarray(values, dtype="float64") for values in data("cpunish"))
        exposure = 1.0 + np.arange(len(y))
        pn.glm.GLM(y, x, "poisson", exposure=exposure).fit().save(tmp_path / "r")
        batched = pn.glm.GLM.from_batches([(y, x, {"exposure": exposure})], "poisson").fit()
        for found in (pn.glm.load(tmp_path / "r"), batched):
            with pytest.raises(ValueError, match="without an offset"):
                _ = found.network
            with pytest.raises(ValueError, match="without offset"):
                pn.plots.effect(found, x, 1)

    @pytest.mark.parametrize(
        ("name", "family"),
        [
            ("spector", "bernoulli"),
            ("randhie", "poisson"),
            ("randhie", "negative_binomial"),
            ("scotland", "gamma"),
            ("engel", "normal"),
            ("anes96", pn.families.Categorical(classes=7)),
        ],
    )
    def test_has_the_same_predictions(self, name, family):
        y, x = data(name)
        found = pn.glm.GLM(y, x, family).fit()
        model = found.network
        np.testing.assert_allclose(model.predict(x, verbose=0), found.mu, rtol=2e-4)
        params, want = model.predict_params(x, verbose=0), found.predict_distribution().params
        for key, values in want.items():
            np.testing.assert_allclose(params[key], values, rtol=2e-4)

    def test_of_several_designs_takes_them_side_by_side(self):
        y, x = data("engel")
        x = x / [1.0, 1000.0]
        found = pn.glm.GLM(y, x, designs={"scale": x}).fit()
        both = np.column_stack([x, x])
        d = found.network.predict_distribution(both, verbose=0)
        np.testing.assert_allclose(d.log_prob(y).sum(), found.llf, rtol=1e-5)
