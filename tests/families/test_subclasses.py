"""A family, or a model, made by subclassing is treated as the one that it is made of.

Every registered family is subclassed under a new name, and both say the same: numbers, to the
rounding of their programs, tables, pictures, and errors.
"""

import re
import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from tables.families import FAMILIES, SEVERAL, each

import probnn as pn
from probnn.calibration import ScaleScaling, TemperatureScaling
from probnn.models import FunctionalModel
from probnn.predictive.pooled import PooledPredictive

ROWS = 120
CASES = FAMILIES + SEVERAL
every_family = each(CASES)
some_families = each(CASES, compiles=True)


@pytest.fixture
def twin():
    """Return a function that makes the same family of a subclass, of another name."""
    known = dict(pn.families.FAMILIES)

    def make(family):
        config = family.get_config()
        name = f"twin_{family.name}"
        if name not in pn.families.FAMILIES:
            cls = type(family)
            pn.families.register(type(f"Twin{cls.__name__}", (cls,), {"name": name}))
        if "family" in config:
            config["family"] = make(family.family).get_config()
        return pn.families.get({**config, "name": name})

    yield make
    pn.families.FAMILIES.clear()
    pn.families.FAMILIES.update(known)


# ---- what is said, in a form that is compared ---------------------------------------------------


def told(text):
    """Return a text without names of twins, dates and times, and the room that names take."""
    lines = re.sub(r"[Tt]win_?", "", str(text)).replace(" an ", " a ").splitlines()
    lines = [re.sub(r"(Date|Time): +.*?(?=  \S|$)", "", line) for line in lines]
    return [re.sub(r"[ =─━-]+", " ", line).strip() for line in lines]


def plain(value):
    """Return what a value says, as numbers and texts."""
    if isinstance(value, (pd.DataFrame, pd.Series)):
        columns = [*map(str, value.columns)] if isinstance(value, pd.DataFrame) else []
        return [told(columns), told([*value.index]), plain(value.to_numpy())]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [plain(each) for each in value.ravel()]
    if isinstance(value, np.ndarray | float | int | np.generic):
        return np.asarray(value)
    if isinstance(value, pn.Predictive):
        return [told(repr(value)), plain(value.params), plain(value.mean())]
    if isinstance(value, dict):
        return [[told(name), plain(each)] for name, each in value.items()]
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, plt.Figure):
        return [plain(ax) for ax in value.axes]
    if isinstance(value, plt.Axes):
        texts = [value.get_title(), value.get_xlabel(), value.get_ylabel()]
        texts += [text.get_text() for text in value.texts]
        texts += [text.get_text() for text in getattr(value.get_legend(), "texts", [])]
        lines = [np.asarray(line.get_xydata(), dtype="float64") for line in value.lines]
        places = [np.asarray(each.get_offsets(), dtype="float64") for each in value.collections]
        return [[told(text) for text in texts], lines, places, plain(value.dataLim.get_points())]
    if hasattr(value, "__dataclass_fields__"):
        return [told(type(value).__name__), plain(vars(value))]
    return told(value)


def said(call):
    """Return what a call says: its value, or its error; and its warnings."""
    keras.utils.set_random_seed(0)
    plt.close("all")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            found = plain(call())
        except Exception as error:
            found = ["error", type(error).__name__, told(error)]
    # A dependency says what is deprecated when it is first used.
    kept = [each for each in seen if not issubclass(each.category, DeprecationWarning)]
    return [found, sorted({str(told(each.message)) for each in kept})]


MISTAKES = ("TypeError", "KeyError", "IndexError", "NameError", "ModuleNotFoundError")
"""Errors that say nothing to a user."""


def agree(found, expected, what):
    """Assert that two values are the same, numbers to the rounding of programs compiled apart."""
    assert type(found) is type(expected), what
    if isinstance(expected, list):
        assert len(found) == len(expected), what
        for pair in zip(found, expected, strict=True):
            agree(*pair, what)
    elif isinstance(expected, np.ndarray) and expected.dtype.kind == "f":
        size = np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13 * size, err_msg=what)
    else:
        np.testing.assert_equal(found, expected, err_msg=what)


def alike(one, other, calls, what):
    """Assert that calls say the same of both; return how many said a value."""
    values = 0
    for name, call in calls.items():
        first = said(lambda call=call: call(one))
        second = said(lambda call=call: call(other))
        agree(second, first, f"{name} of {what!r}")
        failed = str(first[0])[:8] == "['error'"
        assert not failed or first[0][1] not in MISTAKES, (name, what, first)
        values += not failed
    return values


# ---- families -----------------------------------------------------------------------------------


def rows(case, n=ROWS, params=False):
    """Return y of the family, and x with a constant that its location depends on, or parameters."""
    rng = np.random.default_rng(3)
    family = case.family
    x = np.column_stack([np.ones(n), rng.uniform(-1, 1, size=n)])
    first = {name: values[:1] for name, values in case.arrays().items()}
    raw = np.repeat(family.to_raw(first), n, axis=0)
    columns = family.params[family.location].columns
    raw[:, :columns] += 0.4 * x[:, 1:] * np.where(np.arange(columns) % 2, -1.0, 1.0)
    given, params = params, family.to_params(raw)
    if family.given:
        trials = rng.integers(1, 30, size=n).astype("float64")
        y = np.column_stack([rng.binomial(trials.astype(int), params["probs"]), trials])
        return y, params if given else x
    y = np.asarray(family.frozen(**params).rvs(size=n, random_state=rng), dtype="float64")
    if family.censored:
        limit = rng.exponential(2.0 * np.mean(y), size=n)
        y = pn.families.Censored.bounds(np.minimum(y, limit), y <= limit)
    return y, params if given else x


OF_RESULTS = {
    "params": lambda r: r.params,
    "bse": lambda r: r.bse,
    "robust": lambda r: r.model.fit(cov_type="HC0").bse,
    "llf": lambda r: [r.llf, r.aic, r.scale],
    "llnull": lambda r: r.llnull,
    "deviance": lambda r: [r.deviance, r.pearson_chi2],
    "information": lambda r: [r.information, r.is_conditional, r.use_t],
    "summary": lambda r: r.summary(),
    "repr": lambda r: [repr(r), repr(r.model)],
    "mu": lambda r: [r.mu, r.fittedvalues],
    "pearson residuals": lambda r: r.resid_pearson,
    "deviance residuals": lambda r: r.resid_deviance,
    "anscombe residuals": lambda r: r.resid_anscombe,
    "influence": lambda r: r.get_influence().summary_frame(),
    "margins": lambda r: r.get_margeff().margeff,
    "prediction": lambda r: r.get_prediction(r.model.X[:5]).summary_frame(),
    "distribution": lambda r: r.predict_distribution(r.model.X[:5]),
    "bootstrap": lambda r: r.bootstrap(5, seed=0, verbose=False).params,
    "ridge": lambda r: r.model.fit_regularized(0.1).params,
    "firth": lambda r: r.model.fit(method="firth").params,
    "against a constant": lambda r: r.compare_lr_test(r.model.null_model().fit()),
    "compare": lambda r: [pn.compare(r, r).to_frame(), pn.compare(r, r).notes],
    "diagnose": lambda r: pn.diagnose(r, None, r.model.y),
    "diagnose rows": lambda r: pn.diagnose(r, r.model.X, r.model.y),
    "coefficients": lambda r: pn.plots.coefficients(r),
    "effect": lambda r: pn.plots.effect(r, r.model.X, "x1", grid=3),
    "effect of a class": lambda r: pn.plots.effect(r, r.model.X, "x1", of=1, grid=3),
    "forecasts": lambda r: pn.plots.predictive(r, r.model.X, r.model.y, feature="x1", grid=5),
    "boundary": lambda r: pn.plots.decision_boundary(
        r, r.model.X, features=["const", "x1"], grid=3
    ),
    "report": lambda r: pn.plots.report(r, r.model.X, r.model.y),
    "temperature": lambda r: TemperatureScaling(2.0)(r).predict_distribution(r.model.X[:5]),
    "wider": lambda r: ScaleScaling(2.0)(r).predict_distribution(r.model.X[:5]),
}
"""What is asked of results."""

OF_ROWS = {
    "separated": lambda family, y, x: pn.glm.GLM(np.sort(y), x * (x > 0), family).fit().params,
    "batches": lambda family, y, x: (
        pn.glm.GLM.from_batches([(y[:60], x[:60]), (y[60:], x[60:])], family).fit().params
    ),
    "pairs": lambda family, y, x: (
        pn.glm.GLM(np.column_stack([np.arange(len(x)) % 3, np.arange(len(x)) % 2 + 1.0]), x, family)
        .fit()
        .params
    ),
    "exposure": lambda family, y, x: pn.glm.GLM(y, x, family, exposure=1.0 + x[:, -1] ** 2),
    "texts": lambda family, y, x: (
        pn.glm.glm(
            "y ~ x", {"y": np.where(x[:, -1] > 0, "b", "a"), "x": np.arange(len(x)) % 7}, family
        )
        .fit()
        .params
    ),
    "head": lambda family, y, x: repr(pn.Head(family, units=2).get_config()["units"]),
    "mixture": lambda family, y, x: pn.families.Mixture(family),
    "censored": lambda family, y, x: pn.families.Censored(family),
    "discretized": lambda family, y, x: pn.families.Discretized(family, low=0, high=9),
    "zero inflated": lambda family, y, x: pn.families.ZeroInflated(family),
    "hurdle": lambda family, y, x: pn.families.Hurdle(family),
    "facts": lambda family, y, x: [
        *(family.kind, family.has_classes, family.is_canonical, family.raw_columns),
        *(family.scale_parameter, family.zero, family.overdispersed, family.heavier),
    ],
}
"""What is asked of a family with rows, where errors are as much worth as values."""

CHECKS = {
    name: getattr(pn.calibration, name)
    for name in pn.calibration.__all__
    if name[0].islower() and name not in ("sharpness", "conformal", "quantile_residuals")
}
OF_PREDICTIVES = {
    **{name: lambda y, d, f=score: f(y, d) for name, score in pn.scores.SCORES.items()},
    "table": lambda y, d: pn.scores.table({"a": d, "b": d}, y),
    **{name: lambda y, d, f=f: f(y, d) for name, f in CHECKS.items()},
    "sharpness": lambda y, d: pn.calibration.sharpness(d),
    "quantile residuals": lambda y, d: pn.calibration.quantile_residuals(y, d, seed=0),
    "conformal interval": lambda y, d: pn.calibration.conformal(y, d).interval(d),
    "conformal set": lambda y, d: pn.calibration.conformal(y, d).set(d),
    "reliability diagram": lambda y, d: pn.plots.reliability(y, d),
    "histogram of pit": lambda y, d: pn.plots.pit(y, d),
    "picture of coverage": lambda y, d: pn.plots.coverage(y, d),
    "residual plot": lambda y, d: pn.plots.residuals(y, d),
    "binned residuals": lambda y, d: pn.plots.residuals(y, d, kind="binned"),
    "densities": lambda y, d: pn.plots.distribution(d, rows=[0, 1]),
    "interval": lambda y, d: d.interval(0.8),
    "variance": lambda y, d: d.variance(),
    "pool": lambda y, d: PooledPredictive([d, d]),
    "pool of pools": lambda y, d: PooledPredictive([PooledPredictive([d, d])] * 2),
    "crps of a pool": lambda y, d: pn.scores.crps(y, PooledPredictive([d, d])),
    "temperature": lambda y, d: TemperatureScaling(2.0)(d),
    "scale": lambda y, d: ScaleScaling(2.0)(d),
}
"""What is asked of a `Predictive` and what happened."""


@every_family
def test_forecasts(case, twin):
    family = case.family
    y, params = rows(case, 30, params=True)
    pair = [pn.Predictive(one, params) for one in (family, twin(family))]
    asked = {name: lambda d, call=call: call(y, d) for name, call in OF_PREDICTIVES.items()}
    assert alike(*pair, asked, family) > 4


# Likelihoods with kinks are maximised where a linear program does it.
@each([case for case in CASES if case.family.smooth or case.family.loss], compiles=True)
def test_glms(case, twin):
    (y, x), family = rows(case), case.family
    x = x[:, 1:] if family.location in family.no_intercept else x
    pair = [family, twin(family)]
    asked = {name: lambda f, call=call: call(f, y, x) for name, call in OF_ROWS.items()}
    assert alike(*pair, asked, family) >= 2  # families of vectors take few of them
    iterations = {"maxiter": 3} if family.components else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pn.glm.ConvergenceWarning)
        fits = [pn.glm.GLM(y, x, one).fit(**iterations) for one in pair]
    assert alike(*fits, OF_RESULTS, family) > 8


# ---- networks -----------------------------------------------------------------------------------

OF_NETWORKS = {
    "weights": lambda m, y, x, path: [w.numpy() for w in m.weights],
    "distribution": lambda m, y, x, path: m.predict_distribution(x[:5]),
    "means": lambda m, y, x, path: m.predict(x[:5], verbose=0),
    "loss": lambda m, y, x, path: m.evaluate(x, y, verbose=0),
    "inference": lambda m, y, x, path: [
        *(said(lambda f=f: f(pn.inference(m, x, y))) for f in (_params, _table, repr))
    ],
    "compare": lambda m, y, x, path: pn.compare(m, m, x=x, y=y).to_frame(),
    "diagnose": lambda m, y, x, path: pn.diagnose(m, x, y),
    "diagram": lambda m, y, x, path: pn.plots.network(m),
    "temperature": lambda m, y, x, path: TemperatureScaling(2.0)(m).predict_distribution(x[:5]),
    "scale": lambda m, y, x, path: ScaleScaling(2.0)(m).predict_distribution(x[:5]),
    "saved": lambda m, y, x, path: _again(m, path).predict_distribution(x[:5]),
    "metrics": lambda m, y, x, path: m.compile("sgd", metrics=["mean_squared_error"]),
    "polish": lambda m, y, x, path: [repr(pn.polish(m, x, y)), *(w.numpy() for w in m.weights)],
}
"""What is asked of a network."""


def _params(results):
    return [results.params, results.bse]


def _table(results):
    return results.summary()


def _again(model, path):
    model.save(path / "model.keras")
    return keras.saving.load_model(path / "model.keras")


def trained(family, y, x, cls=pn.Sequential, **options):
    """Return a network with a head of the family, after two epochs."""
    keras.utils.set_random_seed(1)
    model = cls([keras.Input((x.shape[1],)), pn.Head(family)])
    model.compile(keras.optimizers.Adam(0.01), **options)
    model.fit(x, y, epochs=2, batch_size=64, verbose=0)
    return model


@some_families
def test_networks(case, twin, tmp_path):
    (y, x), family = rows(case), case.family
    x = x[:, 1:]
    # What is asked of a name is asked before anything is compiled.
    pair = [trained(one, y, x, run_eagerly=True) for one in (family, twin(family))]
    asked = {
        name: lambda m, call=call: call(m, y, x, tmp_path) for name, call in OF_NETWORKS.items()
    }
    assert alike(*pair, asked, family) > 8


# ---- models -------------------------------------------------------------------------------------


class TwinOLS(pn.glm.OLS):
    """The same, of another name."""


class TwinLogit(pn.glm.Logit):
    """The same, of another name."""


class TwinGLM(pn.glm.GLM):
    """The same, of another name."""


@keras.saving.register_keras_serializable("tests")
class TwinSequential(pn.Sequential):
    """The same, of another name."""


@keras.saving.register_keras_serializable("tests")
class TwinModel(FunctionalModel):
    """The same, of another name."""


@pytest.mark.parametrize(
    ("cls", "sub"),
    [(pn.glm.OLS, TwinOLS), (pn.glm.Logit, TwinLogit), (pn.glm.GLM, TwinGLM)],
    ids=["OLS", "Logit", "GLM"],
)
def test_models_of_columns(cls, sub, tmp_path):
    y, x = rows(
        next(c for c in CASES if c.name == ("bernoulli" if cls is pn.glm.Logit else "normal"))
    )
    pair = [one(y, x).fit() for one in (cls, sub)]

    def loaded(results):
        results.save(tmp_path / "results")
        return pn.glm.load(tmp_path / "results")

    asked = {
        **OF_RESULTS,
        "classes": lambda r: [type(r).__name__, type(r.get_influence()).__name__],
        "loaded": lambda r: [loaded(r).summary(), loaded(r).params],
        "compare names": lambda r: pn.compare(r, x=x, y=y).to_frame(),
        "network": lambda r: r.network.predict(x[:5], verbose=0),
    }
    assert alike(*pair, asked, cls.__name__) > 20


@pytest.mark.slow
def test_models_of_layers(tmp_path):
    y, x = rows(next(c for c in CASES if c.name == "bernoulli"))
    x = x[:, 1:]
    pair = [trained("bernoulli", y, x, cls) for cls in (pn.Sequential, TwinSequential)]
    asked = {
        name: lambda m, call=call: call(m, y, x, tmp_path) for name, call in OF_NETWORKS.items()
    }
    assert alike(*pair, asked, "Sequential") > 10
    of_layers = []
    for cls in (pn.Model, TwinModel):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((1,))
        model = cls(inputs, pn.Head("bernoulli")(inputs))
        model.compile(keras.optimizers.Adam(0.01))
        model.fit(x, y, epochs=2, batch_size=64, verbose=0)
        of_layers.append(model)
    assert alike(*of_layers, asked, "Model") > 10
    np.testing.assert_array_equal(pair[0].weights[0], of_layers[0].weights[0])
