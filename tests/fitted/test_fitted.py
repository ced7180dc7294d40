"""Fitted models of every kind as one: the adapter that a user registers, and our own."""

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import probnn as pn
from probnn.fitted import Fit, FittedModel, adapt


class Line:
    """A model of another package: y is normal about a + b x."""

    def __init__(self, x, y):
        self.found = stats.linregress(x, y)
        self.sd = float(np.std(y - self.found.intercept - self.found.slope * x))


class FittedLine(FittedModel):
    """What a user writes to add a kind."""

    def predict_distribution(self, x):
        line = self.model.found
        mean = line.intercept + line.slope * np.asarray(x, dtype="float64")[:, 0]
        return pn.Predictive("normal", {"loc": mean, "scale": self.model.sd})

    def read(self, name, table=None, y=None):
        line = self.model.found
        each = self.predict_distribution(table.to_numpy()).log_prob(y)
        return Fit(
            name=name,
            family="normal",
            link="identity",
            coef={"const": line.intercept, "x1": line.slope},
            se={"const": line.intercept_stderr, "x1": line.stderr},
            size=2,
            nobs=len(y),
            llf=each.sum(),
            scale=self.model.sd**2,
            y=y,
            log_likelihood=each,
            maximised=True,
        )


@pytest.fixture
def line(rng, monkeypatch):
    """Return x, y and a fitted `Line`, of a kind that is registered for one test."""
    monkeypatch.setitem(adapt._kinds, Line, FittedModel)  # and so forgotten after the test
    adapt.register(Line, FittedLine)
    x = rng.normal(size=200)
    y = 1.0 + 2.0 * x + rng.normal(size=200)
    return x[:, None], y, Line(x, y)


def test_a_registered_kind_is_compared(line):
    x, y, model = line
    results = sm.OLS(y, sm.add_constant(x)).fit()
    found = pn.compare({"line": model, "OLS": results}, x=x, y=y)
    frame = found.to_frame()
    np.testing.assert_allclose(
        frame["line"].loc[["const", "x1"]], frame["OLS"].loc[["const", "x1"]]
    )
    np.testing.assert_allclose(frame["line"].loc["log-likelihood", "value"], results.llf)
    assert pn.plots.coefficient_table({"line": model}, x=x, y=y)["estimate"].tolist() == [
        model.found.slope
    ]


def test_a_registered_kind_is_drawn_and_diagnosed(line):
    x, y, model = line
    assert pn.diagnose(model, x, y).findings == []
    d = adapt(model).predict_distribution(x)
    ax = pn.plots.predictive(model, x, y)
    assert ax.get_xlabel() == "x1"
    plt.close("all")
    frame = pn.plots.partial_dependence(model, x, 0, grid=[0.0, 1.0])
    np.testing.assert_allclose(np.diff(frame["mean"]), model.found.slope)
    np.testing.assert_allclose(d.mean(), model.found.intercept + model.found.slope * x[:, 0])


def test_a_kind_is_that_of_the_nearest_type():
    class Base:
        pass

    class Derived(Base):
        pass

    class Own(FittedModel):
        pass

    kinds = type(adapt)()
    assert type(kinds(Derived())) is FittedModel
    kinds.register(f"{__name__}.{Base.__qualname__}", Own)  # by name, as of what is not imported
    assert type(kinds(Base())) is type(kinds(Derived())) is Own
    kinds.register(Derived, FittedLine)
    assert type(kinds(Derived())) is FittedLine


def test_labels():
    x, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 1, 0, 1])
    design = sm.add_constant(x)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    network = pn.Sequential([keras.Input((1,)), pn.Head("bernoulli")])
    network.compile("adam")
    models = {
        "network": network,
        "DeepEnsemble": pn.DeepEnsemble(network, 2),
        "Logit": pn.glm.Logit(y, design).fit(),
        "statsmodels Logit": sm.Logit(y, design).fit(disp=0),
        "LogisticRegression": pipeline,
        "RecalibratedModel": pn.calibration.RecalibratedModel(network, lambda d: d),
        "int": 3,
    }
    assert [adapt(model).label for model in models.values()] == list(models)


@pytest.mark.backend
def test_a_keras_model_that_ends_in_a_head_is_a_network(rng):
    head = pn.Head("normal")
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "relu"), head])
    x = rng.normal(size=(5, 2))
    own = pn.Sequential(plain.layers).predict_distribution(x, verbose=0)
    np.testing.assert_allclose(adapt(plain).predict_distribution(x).mean(), own.mean(), rtol=1e-6)
    assert adapt(plain).family == head.family


def test_what_is_no_model_predicts_nothing():
    with pytest.raises(ValueError, match=r"Expected a model with predict_distribution.*int"):
        adapt(3).predict_distribution(np.zeros((1, 1)))
    with pytest.raises(ValueError, match=r"Expected networks, .*int for 'a'"):
        adapt(3).read("a")


def test_a_design_without_names_keeps_its_columns_in_held_out_scores():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(60), rng.normal(size=60)])
    y = x @ [1.0, 2.0] + rng.normal(size=60)
    fit = pn.glm.OLS(y[:40], x[:40]).fit()
    right = -fit.predict_distribution(x[40:]).log_prob(y[40:]).mean()
    for given in (x[40:], x[40:, 1:]):
        table = pn.compare(fit, x_test=given, y_test=y[40:]).to_frame()
        assert table.loc["held-out NLL"].iloc[0] == pytest.approx(right)
    with pytest.raises(ValueError, match="2 of which"):
        pn.compare(fit, x_test=x[40:][:, ::-1], y_test=y[40:])
