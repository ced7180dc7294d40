"""What the estimators of networks choose by the data, and how far they go."""

import keras
import numpy as np
import pytest
from scipy import optimize, stats

import probnn as pn
from probnn.estimators import NetworkClassifier, NetworkRegressor
from probnn.estimators.recipe import batch_of, best_of, heads_for, held_out, temper, units_of

LINE = ["student_t", "normal"]


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (np.linspace(-1.0, 1.0, 50), LINE),
        (np.linspace(0.0, 1.0, 50), LINE),  # no density of positive numbers has a zero
        (np.linspace(0.1, 1.0, 50), [*LINE, "gamma", "log_normal"]),
        (np.arange(50.0), ["negative_binomial", "poisson"]),
        (np.arange(150.0), LINE),  # too many values to count
        (np.arange(-25.0, 25.0), LINE),
    ],
    ids=["any", "zero", "positive", "counts", "many", "negative"],
)
def test_heads_are_of_families_that_hold_y(y, names):
    assert [family.name for family, _ in heads_for(y)] == names


@pytest.mark.parametrize(
    ("values", "message"),
    [([3.0, 4.0, 5.0, 6.0, 7.0, 8.0], "6 distinct.*counts"), ([-1.0, 0.5], "2 .*a continuum")],
)
def test_few_values_are_said_to_be_few(values, message):
    with pytest.warns(UserWarning, match=f"(?s){message}.*NetworkClassifier"):
        heads_for(np.tile(values, 10))
    heads_for(np.array(values))  # too few rows to tell
    heads_for(np.tile([0.0, 1.0, 2.0], 10))  # counts


def test_the_heaviest_tails_unless_another_is_clearly_better():
    weight, t = np.ones(4), np.zeros(4)
    barely, clearly = np.array([3.0, 1.0, -2.0, -1.0]), np.array([1.0, 1.0, 1.0, 0.0])
    assert best_of([t, barely], weight) == 0  # 0.25, with standard error 0.93
    assert best_of([t, barely, clearly], weight) == 2
    assert best_of([t, -clearly], weight) == 0


def test_sizes_by_rows_and_columns():
    sizes = {(500, 13): 50, (20, 3): 10, (500, 60): 60, (500, 999): 200, (10_000, 5): 100}
    assert {each: units_of(*each) for each in sizes} == sizes
    assert [batch_of(n) for n in (50, 9_999, 40_000, 10**6)] == [32, 32, 128, 512]
    assert [held_out(n, 0.1) for n in (2, 20, 100, 1000)] == [1, 5, 20, 100]


@pytest.mark.backend
def test_temperature_of_several_networks(rng):
    """By the likelihood of the mean of probabilities, on SciPy's terms."""
    x, slopes = rng.normal(size=(200, 1)), (4.0, 7.0)
    y, weight = rng.binomial(1, 1.0 / (1.0 + np.exp(-2.0 * x[:, 0]))), rng.uniform(0.5, 1.5, 200)
    networks = [pn.Sequential([keras.Input((1,)), pn.Head("bernoulli")]) for _ in slopes]
    for network, slope in zip(networks, slopes, strict=True):
        network.set_weights([np.array([[slope]]), np.array([0.5])])

    def loss(log):
        p = np.mean([stats.logistic.cdf((s * x[:, 0] + 0.5) / np.exp(log)) for s in slopes], axis=0)
        return -np.sum(weight * np.log(np.where(y == 1, p, 1.0 - p)))

    want = np.exp(optimize.minimize_scalar(loss, bracket=(0.0, 1.0)).x)
    temper(networks, x, y.astype(float), weight)
    found = [network.get_weights()[0].item() for network in networks]
    np.testing.assert_allclose(found, np.array(slopes) / want, rtol=1e-4)
    assert want > 1.5


@pytest.mark.slow
def test_outside_of_the_columns_ranges(rng):
    x = rng.normal(size=(60, 2))
    y = x[:, 0] + np.exp(x[:, 1]) * rng.normal(size=60)
    network = NetworkRegressor("normal", hidden=(8,), members=1, epochs=60, random_state=0)
    network.fit(x, y)
    far = network.predict_distribution([[0.0, 1e6], [-1e6, 0.0]])
    near = network.predict_distribution([[0.0, x[:, 1].max()], [x[:, 0].min(), 0.0]])
    np.testing.assert_array_equal(far.params["scale"], near.params["scale"])
    np.testing.assert_array_equal(far.mean(), near.mean())


@pytest.mark.slow
@pytest.mark.backend
def test_the_head_is_that_of_the_noise(rng):
    x = rng.uniform(-1.0, 1.0, size=(400, 2))
    y = np.exp(x[:, 0] + rng.normal(size=400))
    network = NetworkRegressor(hidden=(8,), members=2, patience=20, random_state=0).fit(x, y)
    assert network.family_.name == "log_normal"
    assert network.losses_["log_normal"] == min(network.losses_.values())
    assert sorted(network.losses_) == ["gamma", "log_normal", "normal", "student_t"]
    assert max(len(each["val_loss"]) for each in network.history_) < 2000


@pytest.mark.slow
def test_classes_that_are_easy_are_not_certain(rng):
    x = np.concatenate([rng.normal(-5.0, 1.0, (50, 1)), rng.normal(5.0, 1.0, (50, 1))])
    network = NetworkClassifier(hidden=(8,), members=2, random_state=0).fit(x, np.arange(100) >= 50)
    probs = network.predict_proba([[-5.0], [5.0]])
    assert (probs.max(axis=1) < 0.9999).all()
    np.testing.assert_array_equal(probs.argmax(axis=1), [0, 1])
