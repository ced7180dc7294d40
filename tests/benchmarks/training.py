"""What `fit` takes, beside Keras's own: a step, the compiler, and whole fits.

    python tests/benchmarks/training.py [--quick] [--backend NAME ...] [--only TABLE ...] [--parts]
        [--record]

Without --backend it runs on KERAS_BACKEND, or else on every backend that is installed, each in a
process of its own. The variants alternate in that process, each time on a fresh model and the same
data; every figure is a median. A step is timed after compilation: Keras's from its second epoch to
its last, ours as the difference of a long fit and a fit of one epoch. --parts shows instead where
the time of our steps goes. torch has one thread unless OMP_NUM_THREADS says otherwise: with more,
and others at work on the cores, its threads wait for each other, which hides all else.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from functools import cache, partial
from importlib import util
from itertools import product
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from _record import environment, options, record

CHILD = os.environ.get("PROBNN_BENCHMARK") == "child"  # this process measures one backend
Crew = None
if CHILD:
    import keras
    from _kinds import kinds

    import probnn as pn
    from probnn.training.epochs import Epochs, Network, Program

    with suppress(ImportError):
        from probnn.training.crew import Crew

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("PROBNN_DATA", ROOT.parent / "shared" / "data"))
BEGAN = time.perf_counter()
BACKEND = os.environ.get("KERAS_BACKEND")
BACKENDS = ("tensorflow", "jax", "torch")
TABLES = ("lecture", "network", "layers", "normal", "ensembles")
QUICK = ("lecture", "network")
LENGTHS = (100, 1000)  # epochs of whole fits
OFTEN, ONCE = 4.0, 12.0  # seconds: a longer fit is run once only, or is not run at all
SLOW = 10.0  # seconds: a variant whose repetition takes longer is not repeated
SIGNAL = 0.3  # seconds that the difference of two fits must take
SHOWN = {}  # the tables of this process, by title
LEGEND = """us/step: a step after compilation, the median and the fastest repetition
cpu us: the time that it has on all cores together, which others at work hardly change
once: seconds that a fit takes beside its steps, most of them in the compiler
ep.: seconds of a fit of so many epochs with compilation; ~ is once + epochs at that pace
x: how many times as long as ours, in the first line"""


# ---- data and networks ------------------------------------------------------------------------


def banknotes():
    """Return two columns of the banknotes and whether each is forged; simulated if absent."""
    path = DATA / "banknote_authentication.csv"
    if path.exists():
        table = np.genfromtxt(path, delimiter=",", names=True)
        x = np.column_stack([table["skewness"], table["entropy"]])
        return x.astype("float32"), table["class"].astype("float32")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1372, 2)).astype("float32")
    return x, (rng.random(1372) < 1 / (1 + np.exp(-x @ [1.0, -1.0]))).astype("float32")


def simulated(rows, features):
    """Return a nonlinear regression with normal noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, features)).astype("float32")
    mean = np.sin(2 * x[:, :1]) + x @ np.linspace(-0.5, 0.5, features)[:, None]
    return x, (mean + 0.3 * rng.normal(size=mean.shape)).astype("float32")


def lecture(**options):
    """Return the lecture's classifier."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8, "sigmoid"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy", **options)
    return model


def hidden(features, widths, between):
    """Return the layers before the last, each Dense followed by those between."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((features,))]
    for width in widths:
        layers += [keras.layers.Dense(width, "relu"), *(new() for new in between)]
    return layers


def head(features, widths, between=(), optimizer=None):
    """Return a network that ends in a normal head."""
    model = pn.Sequential([*hidden(features, widths, between), pn.Head("normal")])
    model.compile((optimizer or keras.optimizers.Adam)(1e-3))
    return model


def normal_nll(y, out):
    """Write the normal NLL as Keras users do: column 0 is the mean, column 1 is log(sigma)."""
    mean, log_sigma = out[:, 0:1], out[:, 1:2]
    z = (y - mean) * keras.ops.exp(-log_sigma)
    return 0.5 * keras.ops.square(z) + log_sigma + 0.9189385332046727


def by_hand(features, widths, between=(), loss=normal_nll, **options):
    """Return the same network as Keras users write it."""
    model = keras.Sequential([*hidden(features, widths, between), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(1e-3), loss, **options)
    return model


def norm():
    """Return a layer of batch normalization."""
    return keras.layers.BatchNormalization()


def drop():
    """Return a layer of dropout."""
    return keras.layers.Dropout(0.1)


# ---- the clock --------------------------------------------------------------------------------


def now():
    """Return the time, and the time that this process has had on all cores."""
    return np.array([time.perf_counter(), time.process_time()])


def clocked(function, *args, **kwargs):
    """Return how long a call takes, by both clocks."""
    start = now()
    function(*args, **kwargs)
    return now() - start


def seconds(function, *args, **kwargs):
    """Return how long a call takes."""
    return clocked(function, *args, **kwargs)[0]


class Variant:
    """A way to train a network, and the seconds found: of an epoch, once, and of whole fits.

    `cpu` has the seconds of an epoch on all cores together.

    Parameters
    ----------
    name : str
    make : callable
        Returns a fresh compiled model.
    fit : callable
        `fit(model, epochs)` trains it.
    """

    def __init__(self, name, make, fit):
        self.name, self.make, self.fit = name, make, fit
        self.epoch, self.cpu, self.once, self.whole = [], [], [], {}
        self.aside = 0.0  # seconds of the last repetition that are for fits run once only

    def note(self, epoch):
        """Keep the seconds of an epoch, by both clocks."""
        self.epoch.append(epoch[0])
        self.cpu.append(epoch[1])

    def total(self, epochs):
        """Return the seconds of a whole fit, and whether it was run."""
        if self.whole.get(epochs):
            return statistics.median(self.whole[epochs]), True
        return statistics.median(self.once) + epochs * statistics.median(self.epoch), False


class Stock(Variant):
    """Keras's own loop: one fit shows the first epoch and, by a callback, the later ones."""

    epochs = 3

    def repeat(self):
        """Train a fresh model."""
        if "torch._dynamo" in sys.modules:  # its limit of programs counts all models together
            sys.modules["torch._dynamo"].reset()
        ends = []
        note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(now()))
        total = seconds(self.fit, self.make(), 1 + self.epochs, callbacks=[note])
        self.note((ends[-1] - ends[0]) / self.epochs)
        self.once.append(max(0.0, total - (1 + self.epochs) * self.epoch[-1]))


class Compiled(Variant):
    """Our loop, without a callback: one that wants every epoch would change what runs.

    Parameters
    ----------
    lengths : sequence of int
        The epochs of whole fits to run from fresh models.
    """

    def __init__(self, name, make, fit, lengths=()):
        super().__init__(name, make, fit)
        self.lengths = lengths
        self.long = 3  # epochs of the longer of two fits

    def repeat(self):
        """Train fresh models."""
        self.aside, model = 0.0, self.make()
        first = seconds(self.fit, model, 1)
        one = clocked(self.fit, model, 1)
        more = clocked(self.fit, model, self.long) - one
        while more[0] < SIGNAL:
            self.long *= max(2, min(8, int(1.5 * SIGNAL / max(more[0], 1e-9))))
            more = clocked(self.fit, model, self.long) - one
        self.note(more / (self.long - 1))
        self.once.append(max(0.0, first - self.epoch[-1]))
        for epochs in self.lengths:
            done = self.whole.setdefault(epochs, [])
            projected = self.once[-1] + epochs * self.epoch[-1]
            if projected < OFTEN or (projected < ONCE and not done):
                done.append(seconds(self.fit, self.make(), epochs))
                self.aside += done[-1] * (projected >= OFTEN)


class Together(Variant):
    """An ensemble: every fit of it compiles, so a fit is split where the compiler is done."""

    def __init__(self, name, make, fit, epochs):
        super().__init__(name, make, fit)
        self.epochs = epochs

    def repeat(self):
        """Train a fresh ensemble."""
        compiled = []

        def compile_and_note(crew):
            compiler(crew)
            compiled.append(now())

        compiler = Crew.compile
        with mock.patch.object(Crew, "compile", compile_and_note):
            total = seconds(self.fit, self.make(), self.epochs)
        after = now() - compiled[0]
        self.note(after / self.epochs)
        self.once.append(total - after[0])
        self.whole.setdefault(self.epochs, []).append(total)


def stock_fit(x, y, batch_size, **options):
    """Return a function that trains as Keras does."""

    def fit(model, epochs, **more):
        model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0, **options, **more)

    return fit


def our_fit(x, y, batch_size):
    """Return a function that trains by compiled epochs."""

    def fit(model, epochs):
        pn.fit(model, x, y, batch_size=batch_size, epochs=epochs, verbose=0, whole_epoch=True)

    return fit


def say(*words):
    """Show on stderr what is being measured."""
    print(f"[{BACKEND}, {time.perf_counter() - BEGAN:.0f} s]", *words, file=sys.stderr)


def measure(title, repeats, variants, choices=()):
    """Repeat the variants in turn; of each group of choices only the fastest is repeated.

    Returns
    -------
    list of Variant
        The given ones, and the fastest of each group.
    """
    groups = [*([variant] for variant in variants), *choices]
    slow = set()
    for again in range(repeats):
        for group in groups:
            for variant in group if group[0] not in slow else ():
                say(f"{title}: {variant.name.strip()}, {again + 1} of {repeats}")
                if seconds(variant.repeat) - variant.aside > SLOW:
                    slow.add(variant)
            group[:] = [min(group, key=lambda variant: variant.epoch[0])]
    return [group[0] for group in groups]


# ---- tables -----------------------------------------------------------------------------------


def per_step(epochs, steps, of=statistics.median):
    """Return the microseconds of a step from the seconds of epochs."""
    return 1e6 * of(epochs) / steps


def line(name, cells):
    """Print a line of a table."""
    print(f"{name:<36}" + "".join(f"{cell:>9}" for cell in cells), flush=True)


def show(title, variants, steps, lengths=LENGTHS):
    """Print and keep a table of variants, of which ours is the first."""
    title += f"; {steps} steps an epoch"
    print(f"\n{title}, load {os.getloadavg()[0]:.1f}")
    heads = ["runs", "us/step", "fastest", "cpu us", "once s", *(f"{n} ep." for n in lengths)]
    heads += ["x step", *(f"x {n}" for n in lengths)]
    line("", heads)
    ours, rows = variants[0], {}
    for variant in variants:
        totals = [variant.total(n) for n in lengths]
        mine, cpu = per_step(variant.epoch, steps), per_step(variant.cpu, steps)
        cells = [f"{cell:.1f}" for cell in (mine, per_step(variant.epoch, steps, min), cpu)]
        cells.insert(0, len(variant.epoch))
        cells += [f"{statistics.median(variant.once):.2f}"]
        cells += [f"{'' if run else '~'}{total:.2f}" for total, run in totals]
        ratios = [mine / per_step(ours.epoch, steps)]
        ratios += [total / ours.total(n)[0] for n, (total, _) in zip(lengths, totals, strict=True)]
        rows[variant.name] = [*cells, *(f"{ratio:.1f}" for ratio in ratios)]
        line(variant.name, rows[variant.name])
    SHOWN[title] = pd.DataFrame.from_dict(rows, orient="index", columns=heads)


def keras_options(steps, quick):
    """Return options of `compile` by name: a list of groups, of which the fastest is shown."""
    if BACKEND == "torch":  # which has no steps_per_execution; its compiler takes 20 s
        return [] if quick else [{"jit_compile": {"jit_compile": True}}]
    several = {f"steps_per_execution={k}": {"steps_per_execution": k} for k in (32, steps)[quick:]}
    if BACKEND == "jax":  # which compiles by default
        return [several]
    both = {f"jit, {name}": option | {"jit_compile": True} for name, option in several.items()}
    alone = [{"jit_compile": {"jit_compile": True}}, several]
    return [both] if quick else [*alone, both]


def compare(title, ours, make, data, batch_size, args, lengths=LENGTHS, more=(), options=True):
    """Measure and show ours, and Keras with its options."""
    rows = len(data[0])
    fit = stock_fit(*data, batch_size)

    def stock(name, **options):
        return Stock(f"Keras, {name}", lambda: make(**options), fit)

    variants = [ours, *more, stock("default (jit)" if BACKEND == "jax" else "default")]
    groups = keras_options(rows // batch_size, args.quick) if options else []
    choices = [[stock(name, **given) for name, given in group.items()] for group in groups]
    found = measure(title, args.repeats, variants, choices)
    show(title, found, -(-rows // batch_size), lengths)


def lecture_table(args):
    """Compare on the lecture's call."""
    data, batch_size = banknotes(), 10
    ours = Compiled("pn.fit", lecture, our_fit(*data, batch_size), LENGTHS)
    compare("The lecture's call, SGD, batches of 10", ours, lecture, data, batch_size, args)


def network_table(args):
    """Compare on two hidden layers of 64."""
    data, batch_size, shape = simulated(10_000, 8), 32, (8, (64, 64))
    whole = () if args.quick else LENGTHS
    ours = Compiled("pn.Sequential", partial(head, *shape), our_fit(*data, batch_size), whole)
    loop = stock_fit(*data, batch_size, whole_epoch=False)
    loop = Stock("pn.Sequential, whole_epoch=False", partial(head, *shape), loop)
    title, hand = "Dense(64, relu) x 2, normal head, Adam", partial(by_hand, *shape)
    compare(title, ours, hand, data, batch_size, args, more=[] if args.quick else [loop])


def layers_table(args):
    """Compare ours with Keras's own loop on every kind of layer, both on equal networks."""
    heads, rows = ["runs", "ours", "Keras", "ratio", "fastest", "cpu"], {}
    title = "Kinds of layers: microseconds of a step, and ours over Keras's own loop"
    print(f"\n{title}, load {os.getloadavg()[0]:.1f}")
    line("", heads)
    for (name, (shape, hidden)), size in product(kinds().items(), (32, 256)):
        rng = np.random.default_rng(0)
        data = [rng.normal(size=(1024, *each)).astype("float32") for each in (shape, (1,))]

        def network(shape=shape, hidden=hidden):
            keras.utils.set_random_seed(0)
            inputs = keras.Input(shape)
            model = keras.Model(inputs, keras.layers.Dense(1)(hidden(inputs)))
            model.compile(keras.optimizers.Adam(1e-3), "mse")
            return model

        fits = (Compiled, our_fit), (Stock, stock_fit)
        # One network for all repetitions, as what is compiled is not what is timed.
        ours, theirs = measure(
            f"{name}, batches of {size}",
            args.repeats,
            [cls(cls.__name__, cache(network), fit(*data, size)) for cls, fit in fits],
        )
        pairs = ((ours.epoch, theirs.epoch, of) for of in (statistics.median, min))
        ratios = [of(a) / of(b) for a, b, of in (*pairs, (ours.cpu, theirs.cpu, statistics.median))]
        steps = [per_step(each.epoch, 1024 // size) for each in (ours, theirs)]
        cells = [len(ours.epoch), *(f"{s:.1f}" for s in steps), *(f"{r:.2f}" for r in ratios)]
        rows[f"{name}, {size}"] = cells
        line(f"{name}, batches of {size}", cells)
    SHOWN[title] = pd.DataFrame.from_dict(rows, orient="index", columns=heads)


class Keras2(Variant):
    """DistributionLambda in a process of its own, which waits while the others run."""

    def __init__(self, process):
        super().__init__("Keras 2, DistributionLambda", None, None)
        self.process = process

    def repeat(self):
        """Let it train a fresh model."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found = json.loads(self.process.stdout.readline())
        self.note(found["epoch"])
        self.once.append(found["once"])


@contextmanager
def keras2(*arguments):
    """Run the process that has Keras 2, and return its variant in a list; empty without it."""
    if BACKEND != "tensorflow" or not util.find_spec("tf_keras"):
        yield []
        return
    command = [sys.executable, Path(__file__).with_name("_keras2_normal.py"), *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    legacy = os.environ | {"TF_USE_LEGACY_KERAS": "1"}
    with subprocess.Popen(command, env=legacy, **pipes) as process:
        try:
            yield [Keras2(process)] if process.stdout.readline() == "ready\n" else []
        finally:
            process.stdin.close()


def normal_table(args):
    """Compare three ways to write a normal NLL on the course's small network."""
    data, batch_size, shape = simulated(1000, 1), 32, (1, (20,))
    ours = Compiled("pn.Sequential", partial(head, *shape), our_fit(*data, 32), LENGTHS[:1])
    title, hand = "A normal NLL on Dense(20, relu), Adam", partial(by_hand, *shape)
    with keras2(1000, batch_size, Stock.epochs) as peers:
        compare(title, ours, hand, data, batch_size, args, LENGTHS[:1], peers, options=False)


def ensembles_table(args):
    """Compare ten members trained at once with one alone."""
    if Crew is None:
        return print("\nensembles are skipped: probnn has no DeepEnsemble")
    cases = [("Dense(50), 2,000 rows", (50,), 2000, 100)]
    if not args.quick:
        cases += [("Dense(64) x 2, 10,000 rows", (64, 64), 10_000, 20)]
    for name, widths, rows, epochs in cases:
        data, batch_size, one = simulated(rows, 8), 32, partial(head, 8, widths)

        def ten(one=one):
            return pn.DeepEnsemble(one(), members=10, seed=0)

        def at_once(model, epochs, data=data):
            model.fit(*data, batch_size=32, epochs=epochs, verbose=0, at_once=True)

        title = f"Ten members of {name}"
        alone = Compiled("one model", one, our_fit(*data, batch_size), LENGTHS[:1])
        many = Together("ten members at once", ten, at_once, epochs)
        found = measure(title, args.repeats, [alone, many])
        show(title, found, -(-rows // batch_size), LENGTHS[:1])


# ---- where the time of ours goes --------------------------------------------------------------


class Batches:
    """What an epoch trains, if it is no network: the sum of the batches, or nothing."""

    lead, kept = (), []

    def __init__(self, look):
        self.look = look
        self.sum = keras.Variable(0.0)
        self.variables = [self.sum]

    def train(self, batch):
        """Add up a batch."""
        parts = [keras.ops.sum(leaf) for leaf in batch] if self.look else [1.0]
        self.sum.assign(self.sum + sum(parts))

    test = train

    def reset(self):
        """Begin an epoch."""
        self.sum.assign(0.0)

    def results(self):
        """Return the sum as the loss."""
        return {"loss": keras.ops.convert_to_tensor(self.sum)}

    def always_finite(self):
        """Return what `finite` returns when all is."""
        return keras.ops.convert_to_tensor(True)

    def finite(self, loss):
        """Return whether the sum is finite."""
        return keras.ops.isfinite(loss)


def still(rate):
    """Return an optimizer that changes nothing, so that a compiler leaves the gradients out."""

    class Still(keras.optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            pass

    return Still(rate)


def unmeasured(model):
    """Return a model that keeps no mean loss."""
    model._loss_tracker.update_state = lambda *args, **kwargs: None
    return model


def run_epochs(runner, epochs):
    """Run epochs of what is no model, as `fit` does."""
    (epochs_of, program), rng = runner, np.random.default_rng(0)
    for start in range(0, epochs, program.most):
        count = min(program.most, epochs - start)
        orders = [rng.permutation(program.rows) for _ in range(count)]
        epochs_of.run(np.stack(orders), 0, program.steps, [False] * count, program.most)


def gradients(function, values):
    """Return a function's value and its gradients."""
    if BACKEND == "jax":
        import jax

        return jax.value_and_grad(function)(values)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(values)
        value = function(values)
    return value, tape.gradient(value, values)


def without_keras(x, y, most=64):
    """Return a function that trains the network for epochs, with neither layers nor optimizers."""
    ops, rng, steps = keras.ops, np.random.default_rng(0), len(x) // 32
    x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
    state = [ops.zeros(()), ops.zeros(())]  # the number of steps and the sum of the losses
    for shape in [(8, 64), (64,), (64, 64), (64,), (64, 2), (2,)]:
        weight = 0.1 * rng.normal(size=shape)
        state += [ops.convert_to_tensor(w, "float32") for w in (weight, 0 * weight, 0 * weight)]

    def step(i, state, orders):
        index = ops.slice(orders, [i // steps, i % steps * 32], [1, 32])[0]

        def loss(weights):
            out = pn.backend.gather(x, index)
            for w, b in (weights[:2], weights[2:4]):
                out = ops.relu(out @ w + b)
            out = out @ weights[4] + weights[5]
            return ops.mean(normal_nll(pn.backend.gather(y, index), out))

        count, total, weights = state[0] + 1, state[1], state[2::3]
        value, found = gradients(loss, weights)
        new = [count, total + value]
        rate = 1e-3 * ops.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        for w, m, v, g in zip(weights, state[3::3], state[4::3], found, strict=True):
            m, v = m + 0.1 * (g - m), v + 0.001 * (g * g - v)
            new += [w - rate * m / (ops.sqrt(v) + 1e-7), m, v]
        return new

    def epochs(count, orders, state):
        orders = ops.convert_to_tensor(orders)
        return pn.backend.loop((), 0, count * steps, lambda i, s: step(i, s, orders), state)

    program = pn.backend.program(epochs, ())

    def train(count):
        nonlocal state
        for start in range(0, count, most):
            orders = np.stack([rng.permutation(len(x)) for _ in range(most)]).astype("int32")
            state = program(np.asarray(min(most, count - start), "int32"), orders, state)
        keras.ops.convert_to_numpy(state[1])  # which waits for it

    return train


def products(shapes, batch_size, times=2000):
    """Return the seconds of the matrix products of a step, forward and backward, in NumPy."""
    rng = np.random.default_rng(0)
    arrays = []
    for before, after in shapes:
        sizes = (batch_size, before), (before, after), (batch_size, after)
        arrays.append([rng.normal(size=size).astype("float32") for size in sizes])
    start = time.perf_counter()
    for _ in range(times):
        for i, (x, w, error) in enumerate(arrays):
            x @ w, x.T @ error
            if i:
                error @ w.T
    return (time.perf_counter() - start) / times


def parts_table(args):
    """Time our steps with parts of them left out."""
    data, shape = simulated(10_000, 8), (8, (64, 64))
    fit = our_fit(*data, 32)

    def network(between=(), **options):
        return partial(head, *shape, between, **options)

    def part(look):
        program = Program(Batches(look), len(data[0]), 32)
        return Epochs(program, data), program

    def forward():
        model = head(*shape)
        model._symbolic_build(data_batch=tuple(array[:32] for array in data))
        trainee = Network(model)
        trainee.train = trainee.test
        program = Program(trainee, len(data[0]), 32)
        return Epochs(program, data), program

    variants = [
        Compiled("Dense(64, relu) x 2, Adam", network(), fit),
        Compiled("without the mean loss", lambda: unmeasured(head(*shape)), fit),
        Compiled("SGD for Adam", network(optimizer=keras.optimizers.SGD), fit),
        Compiled("no update: and so no gradient", network(optimizer=still), fit),
        Compiled("the test step alone", forward, run_epochs),
        Compiled("mse for the normal head", partial(by_hand, *shape, loss="mse"), fit),
        Compiled("gathering batches alone", partial(part, True), run_epochs),
        Compiled("the loop alone", partial(part, False), run_epochs),
        Compiled("with BatchNormalization, Dropout", network((norm, drop)), fit),
        Compiled("with BatchNormalization", network((norm,)), fit),
        Compiled("with Dropout", network((drop,)), fit),
    ]
    floor = Compiled("all of it without Keras", partial(without_keras, *data), lambda f, n: f(n))
    if BACKEND != "torch":
        variants.insert(1, floor)
    small = Compiled("batches of 4", network(), our_fit(*(array[:2000] for array in data), 4))
    found = measure("parts", args.repeats, [*variants, small])
    print(f"\nParts of our step on batches of 32, load {os.getloadavg()[0]:.1f}")
    line("", ["us/step", "fastest", "cpu us", "- whole"])
    whole = per_step(found[0].cpu, 313)
    for variant in found:
        steps = {small: 500, floor: 312}.get(variant, 313)
        cells = [per_step(variant.epoch, steps), per_step(variant.epoch, steps, min)]
        cells += [per_step(variant.cpu, steps), per_step(variant.cpu, steps) - whole]
        line(variant.name, [f"{cell:.1f}" for cell in cells])
    host = [seconds(np.random.RandomState(0).permutation, 10_000) / 313 for _ in range(50)]
    numpy = [products([(8, 64), (64, 64), (64, 2)], 32) for _ in range(args.repeats)]
    for name, times in {
        "drawing the order, on the host": host,
        "the products, in NumPy": numpy,
    }.items():
        line(name, [f"{1e6 * of(times):.1f}" for of in (statistics.median, min)])


# ---- the processes ----------------------------------------------------------------------------


def main():
    """Print the tables."""
    parser = options(__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer variants and networks")
    parser.add_argument("--backend", nargs="+", choices=BACKENDS, default=[])
    parser.add_argument("--only", nargs="+", choices=TABLES)
    parser.add_argument("--parts", action="store_true", help="where the time of our steps goes")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    if CHILD:
        chosen = args.only or (QUICK if args.quick else TABLES)
        for name in ["parts"] if args.parts else chosen:
            globals()[f"{name}_table"](args)
        if args.record:
            record(f"training_{BACKEND}", SHOWN)
        return
    print(f"{environment()}, load {os.getloadavg()[0]:.1f}")
    print("-: of the cpu us" if args.parts else LEGEND)
    named = [os.environ[key] for key in ("KERAS_BACKEND",) if key in os.environ]
    failed = 0
    for name in args.backend or named or filter(util.find_spec, BACKENDS):
        began = time.perf_counter()
        print(f"\n==== {name} ====", flush=True)
        command = [sys.executable, __file__, *sys.argv[1:]]
        child = os.environ | {"KERAS_BACKEND": name, "PROBNN_BENCHMARK": "child"}
        if name == "torch":
            child.setdefault("OMP_NUM_THREADS", "1")
        failed += subprocess.run(command, env=child, check=False).returncode != 0
        print(f"({name} took {time.perf_counter() - began:.0f} s)", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
