"""Models of one kind share a compiled program, and nothing else: each has its own numbers."""

import threading

import keras
import numpy as np
import pytest

import probnn as pn
from probnn.training import crew
from probnn.training.epochs import Program

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 3)).astype("float32")
Y = (X.sum(axis=1) + RNG.normal(size=64)).astype("float32")
WIDTH = iter(range(3, 100))  # that no other test has, so that nothing is compiled yet


def made(units, *, optimizer=None, layers=None, head=None, compiled=None, seed=0):
    keras.utils.set_random_seed(seed)
    hidden = [keras.layers.Dense(units, "tanh")] if layers is None else layers()
    model = pn.Sequential([keras.Input((3,)), *hidden, head or pn.Head("normal")])
    model.compile(optimizer or keras.optimizers.Adam(0.02), **(compiled or {}))
    return model


def trained(model, y=Y, **options):
    """Return the losses and the weights after a fit whose order of rows is that of the data."""
    options = {"epochs": 3, "batch_size": 16, "shuffle": False, "verbose": 0, **options}
    history = model.fit(X, y, validation_split=0.25, **options)
    return [*history.history.values(), *model.get_weights()]


def assert_same(found, want, **tolerances):
    for one, other in zip(found, want, strict=True):
        np.testing.assert_allclose(one, other, **tolerances)


@pytest.fixture
def steps(monkeypatch):
    """Count how often a training step is read by a compiler, or run by Keras."""
    count, forward = [0], keras.layers.Dense.call

    def counted(self, inputs, training=None):
        count[0] += 1
        return forward(self, inputs, training)

    monkeypatch.setattr(keras.layers.Dense, "call", counted)
    return count


@pytest.mark.backend
def test_the_second_model_of_a_kind_compiles_nothing(steps):
    units, calls = next(WIDTH), []
    for seed in range(3):
        model = made(units, seed=seed)
        before = steps[0]
        model.fit(X, Y, epochs=2, batch_size=16, verbose=0)
        calls.append(steps[0] - before)
    assert calls[1] == calls[2] < calls[0]


@pytest.mark.backend
def test_the_second_ensemble_of_a_kind_compiles_nothing(steps, monkeypatch):
    units, calls, found = next(WIDTH), [], []

    def fitted(y, seed):
        ensemble = pn.DeepEnsemble(made(units), members=2, seed=seed)
        before = steps[0]
        ensemble.fit(X, y, epochs=3, batch_size=16, verbose=0, stopping=2)
        calls.append(steps[0] - before)
        found.append([weights for member in ensemble.members for weights in member.get_weights()])

    for y, seed in ((Y, 0), (-2.0 * Y, 1), (Y, 0)):
        fitted(y, seed)
    assert calls[1] == calls[2] < calls[0]
    assert_same(found[2], found[0], rtol=0.0)
    monkeypatch.setattr(
        crew, "program_of", lambda members, _, *sizes, **__: Program(members, *sizes)
    )
    fitted(-2.0 * Y, 1)  # by a program of its own
    assert calls[3] > calls[1]
    assert_same(found[1], found[3], rtol=1e-5, atol=1e-6)


@pytest.mark.backend
def test_equal_models_have_equal_fits_and_others_their_own():
    units = next(WIDTH)
    first = trained(made(units))
    other = trained(made(units, seed=1), -2.0 * Y)
    again = trained(made(units))
    for one, two in zip(first, again, strict=True):  # one program, on arrays of one shape
        np.testing.assert_array_equal(one, two)
    assert_same(
        other, trained(made(units, seed=1), -2.0 * Y, whole_epoch=False), rtol=1e-4, atol=1e-5
    )


def normalised(shift):
    layer = keras.layers.Normalization()
    layer.adapt(X + shift)
    return [layer, keras.layers.Dense(4, "tanh")]


def frozen():
    layer = keras.layers.Dense(4, "tanh")
    layer.trainable = False
    return [layer]


def regularised():
    return [keras.layers.Dense(4, "tanh", kernel_regularizer="l2")]


def changed():
    layer = keras.layers.Dense(4, "tanh")
    layer.activation = keras.activations.relu
    return [layer]


class Scaled(keras.layers.Layer):
    """A layer whose configuration does not tell what it does."""

    factor = 1.0

    def call(self, x):
        return self.factor * x


def scaled(factor):
    layer = Scaled()
    layer.factor = factor
    return [layer, keras.layers.Dense(4, "tanh")]


class Doubled(pn.Sequential):
    """A subclass, whose steps may be others."""

    def compute_loss(self, *args, **kwargs):
        return 2.0 * super().compute_loss(*args, **kwargs)


def doubled():
    keras.utils.set_random_seed(0)
    model = Doubled([keras.Input((3,)), keras.layers.Dense(4, "tanh"), pn.Head("normal")])
    model.compile(keras.optimizers.Adam(0.02))
    return model


class Louder(pn.families.Normal):
    """A family of a user's."""

    name = "normal"

    def _log_prob(self, y, **params):
        return 3.0 * super()._log_prob(y, **params)


def sgd(**options):
    return keras.optimizers.SGD(0.02, **options)


def sparing():
    optimizer = keras.optimizers.AdamW(0.02, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["kernel"])
    return optimizer


def after(act, **options):
    """Return a model with which something is done once it is built."""
    model = made(4, **options)
    act(model)
    return model


def elu():
    layer = keras.layers.ELU(1.0)
    layer.alpha = 5.0
    return [keras.layers.Dense(4), layer]


def regularise(model):
    model.layers[0].kernel.regularizer = keras.regularizers.L2(1.0)


def regularise_in_vain(model):
    model.layers[0].kernel_regularizer = keras.regularizers.L2(1.0)


def constrain(model):
    model.layers[0].kernel.constraint = keras.constraints.UnitNorm()


def freeze(model):
    model.heads.bias.trainable = False


def replace(model):
    model.optimizer = sgd(clipnorm=0.01)


def outgrow(model):
    model.layers[0].use_bias = False


# Models each of which is like the first of all but for one thing.
OTHERS = {
    "rate": lambda: made(4, optimizer=keras.optimizers.Adam(0.1)),
    "schedule": lambda: made(
        4, optimizer=keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5))
    ),
    "optimizer": lambda: made(4, optimizer=sgd()),
    "momentum": lambda: made(4, optimizer=sgd(momentum=0.9)),
    "clipnorm": lambda: made(4, optimizer=sgd(clipnorm=0.01)),
    "sparing": lambda: made(4, optimizer=sparing()),
    "decaying": lambda: made(4, optimizer=keras.optimizers.AdamW(0.02, weight_decay=0.5)),
    "activation": lambda: made(4, layers=lambda: [keras.layers.Dense(4, "relu")]),
    "activation changed": lambda: made(4, layers=changed),
    "function": lambda: made(4, layers=lambda: [keras.layers.Dense(4, lambda x: 2.0 * x)]),
    "other function": lambda: made(4, layers=lambda: [keras.layers.Dense(4, lambda x: 3.0 * x)]),
    "frozen": lambda: made(4, layers=frozen),
    "regularised": lambda: made(
        4, layers=lambda: [keras.layers.Dense(4, "tanh", kernel_regularizer="l2")]
    ),
    "normalised": lambda: made(4, layers=lambda: normalised(0.0)),
    "normalised elsewhere": lambda: made(4, layers=lambda: normalised(3.0)),
    "own layer": lambda: made(4, layers=lambda: scaled(1.0)),
    "own layer, other factor": lambda: made(4, layers=lambda: scaled(5.0)),
    "own class": doubled,
    "own family": lambda: made(4, head=pn.Head(Louder())),
    "constant": lambda: made(4, head=pn.Head("normal", constant=["scale"])),
    "fixed": lambda: made(4, head=pn.Head("normal", fixed={"scale": 2.0})),
    "family": lambda: made(4, head=pn.Head("laplace")),
    "link": lambda: made(4, head=pn.Head(pn.families.Normal(links={"scale": "log"}))),
    "variable regularised": lambda: after(regularise, optimizer=sgd()),
    "regularised in vain": lambda: after(regularise_in_vain, optimizer=sgd()),
    "constrained": lambda: after(constrain, optimizer=sgd()),
    "variable frozen": lambda: after(freeze, optimizer=sgd()),
    "optimizer replaced": lambda: after(replace, optimizer=sgd()),
    "outgrown": lambda: after(outgrow, optimizer=sgd()),
    "elu": lambda: made(4, layers=lambda: [keras.layers.Dense(4), keras.layers.ELU(1.0)]),
    "elu changed": lambda: made(4, layers=elu),
    "metrics": lambda: made(4, compiled={"metrics": ["mae"]}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_a_model_that_differs_has_its_own_program(name):
    trained(made(4))
    alone = OTHERS[name]()
    alone.run_eagerly = True  # as no program would
    want = trained(alone, whole_epoch=False)
    assert_same(trained(OTHERS[name]()), want, rtol=2e-3, atol=2e-4)


@pytest.mark.slow
def test_inputs_go_by_their_own_names():
    def fitted(names, **options):
        keras.utils.set_random_seed(0)
        first, second = (keras.Input((3,), name=name) for name in names)
        hidden = [keras.layers.Dense(4, "tanh")(first), keras.layers.Dense(4, "relu")(second)]
        outputs = pn.Head("normal")(keras.layers.Concatenate()(hidden))
        model = pn.Model([first, second], outputs)
        model.compile(sgd())
        x = {"a": X, "b": X**2}
        options = {"epochs": 3, "batch_size": 16, "shuffle": False, "verbose": 0, **options}
        return [*model.fit(x, Y, **options).history.values(), *model.get_weights()]

    fitted("ab")
    assert_same(fitted("ba"), fitted("ba", whole_epoch=False), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_state_of_recurrent_layers_is_their_own():
    def fitted():
        keras.utils.set_random_seed(0)
        inputs = keras.Input((4, 3), batch_size=16)
        recurrent = keras.layers.LSTM(3, stateful=True)
        model = pn.Sequential([inputs, recurrent, pn.Head("normal")])
        model.compile(sgd())
        x = np.repeat(X[:, None], 4, axis=1)
        model.fit(x, Y, epochs=2, batch_size=16, shuffle=False, verbose=0)
        return [*model.get_weights(), *map(keras.ops.convert_to_numpy, recurrent.states)]

    fitted()
    assert_same(fitted(), fitted(), rtol=0, atol=0)
    assert np.any(fitted()[-1])


@pytest.mark.backend
@pytest.mark.slow
def test_equal_models_may_be_fitted_in_threads():
    units, found = next(WIDTH), {}
    want = {seed: trained(made(units, seed=seed)) for seed in range(3)}
    models = {seed: made(units, seed=seed) for seed in range(3)}

    def fit(seed):
        found[seed] = trained(models[seed])

    threads = [threading.Thread(target=fit, args=(seed,)) for seed in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in models:
        assert_same(found[seed], want[seed], rtol=1e-6, atol=1e-7)


@pytest.mark.backend
def test_a_rate_that_a_callback_changes_is_that_of_the_next_epoch():
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    want = trained(made(5), callbacks=[schedule], whole_epoch=False)
    for _ in range(2):
        assert_same(trained(made(5), callbacks=[schedule]), want, rtol=2e-3, atol=2e-4)
