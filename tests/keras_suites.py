"""Keras's own tests, run as they are and with what probnn puts in the place of Keras's.

    python tests/keras_suites.py [--backend NAME] [--only SUBSTITUTE ...] [suites ...]

A line for each suite and substitute says how many tests pass as Keras is and how many with probnn
in place, and which pass in one of the two alone: with why, where that was decided, else with what
they failed by. Suites are files of keras/src without `_test.py`, as `trainers/trainer`, or parts of
such names. Substitutes are:

fit     `probnn.fit` for `keras.Model.fit`, so that epochs run as compiled programs where they can
loop    the same with whole_epoch=False, so that Keras's own loop runs under probnn's guard
models  `probnn.Model` and `probnn.Sequential` for Keras's, without what asks for heads: Keras's
        `compile` and losses, no means of raw outputs, no checks of y
heads   the same classes with all that they do, where the tests make outputs by `Dense(1)`: a normal
        head in its place, and its loss in the place of the tests'
"""

import argparse
import collections
import contextlib
import functools
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import types
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).resolve().parents[1]
FITS = ("trainers/trainer", "callbacks/*")
SUBSTITUTES = {
    "fit": FITS,
    "loop": FITS,
    "models": ("models/*", "saving/*"),
    "heads": ("models/model",),
}
SECONDS = 600  # for a suite

# What a test's name and failure have in them, and why that may be.
DECISIONS = {
    "fit": {
        r"test_swap_ema_weights.*AssertionError: \S+ != ": "the program of a validation rounds the "
        "last bit of a mean otherwise than those of batches, which evaluate runs",
    },
    "models": {
        "Subclass probnn.models.FunctionalModel": "Keras would change the bases of probnn.Model",
        "Did not warn": "compile_from_config calls a subclass's `compile`: nothing is lost",
        r"Expected a path that ends in \.keras": "a legacy file would load as Keras's own class",
        "test_export_error": "export says in our words which formats it knows",
        "test_basic_flow_multi_input": "it makes Keras's Functional, and asks for probnn.Model",
    },
    "heads": {
        "Subclass probnn.models.FunctionalModel": "Keras would change the bases of probnn.Model",
        "the output of a probnn.Head": "every output is a head's",
        "test_export_error": "export says in our words which formats it knows",
        "a nest of them": "outputs are one, a list or a dict, so that each has a name",
        "Expected y to be a dict": "y of several outputs in a dict goes by names, not by order",
        r"\(8,\) != \(8, 1\)": "a mean has the shape of y in statistics, (n,)",
        "_state_tree": "a head has other variables than Dense",
        r"_losses.*(not raised|not match|loss_weights|Lists differ)": "heads have their own losses",
    },
}

# ---- within pytest, as a plugin -----------------------------------------------------------------


def pytest_configure(config):
    """Register Keras's marker, and put probnn in place."""
    for marker in ("requires_trainable_backend", "multi_device"):
        config.addinivalue_line("markers", f"{marker}: of Keras's own conftest, which is no part")
    sys.modules["conftest"] = sys.modules[__name__]  # of a wheel, as is the following
    name = os.environ["KERAS_SUITES_WITH"]
    if name:
        globals()[f"put_{name}"]()


def skip_if_backend(name, reason):
    """Return the mark of tests that Keras leaves out on a backend."""
    return pytest.mark.skipif(os.environ["KERAS_BACKEND"] == name, reason=reason)


def pytest_runtest_logreport(report):
    """Write down how a test ended, at once: the suite may be cut short."""
    if report.when == "call" or report.outcome != "passed":
        crash = getattr(report.longrepr, "reprcrash", None)
        text = crash.message if crash else str(report.longrepr or "")
        note(test=report.nodeid, outcome=report.outcome, text=text)


def note(**facts):
    """Add a line to the record of this run."""
    with open(os.environ["KERAS_SUITES_RECORD"], "a") as file:
        file.write(json.dumps(facts) + "\n")


def put_fit(**options):
    """Put `probnn.fit` in the place of Keras's, and note which of the two loops has run."""
    import keras

    import probnn
    from probnn.training import fitting

    (owner,) = (
        cls for cls in keras.Model.__mro__ if "fit" in vars(cls) and "backend" in cls.__module__
    )
    keras_fit = owner.fit

    @functools.wraps(keras_fit)
    def fit(self, *args, **kwargs):
        owner.fit = keras_fit  # which probnn.fit asks for, and calls
        try:
            return probnn.fit(self, *args, **kwargs, **options)
        finally:
            owner.fit = fit

    obstacle = fitting.WholeEpochFit.obstacle

    def noted(self):
        reason = obstacle(self)
        note(loop=reason or "compiled programs")
        return reason

    owner.fit, fitting.WholeEpochFit.obstacle = fit, noted


def put_loop():
    """Put `probnn.fit` with Keras's own loop in the place of Keras's `fit`."""
    put_fit(whole_epoch=False)


def put_models():
    """Put probnn's models, without what asks for heads, in the place of Keras's in the tests."""
    import probnn
    from probnn.data import streams
    from probnn.models import FunctionalModel, probabilistic
    from probnn.training import checked

    kind = probabilistic.Probabilistic
    for cls in (probnn.Model, FunctionalModel, probnn.Sequential):
        cls.heads = None
    kind.predict = kind._predict_raw
    for name in ("compile", "compute_metrics", "predict_on_batch"):
        delattr(kind, name)
    del probnn.Sequential.add
    checked.data = types.SimpleNamespace(**vars(checked.data))
    checked.data.arrays = lambda x, y, sample_weight, *_, **__: (x, y, sample_weight)
    checked._check_float64 = checked.build_heads = mock.Mock()
    probabilistic.adapt_to_arrays = probabilistic.adapt_to_stream = mock.Mock()
    streams.CheckedBatches.check = mock.Mock()

    put_classes("models", Model=probnn.Model, Sequential=probnn.Sequential)


def put_heads():
    """Put probnn's models in the place of Keras's in the tests, and heads in that of outputs."""
    import keras

    import probnn
    from probnn.models.probabilistic import Probabilistic

    compile_ours = Probabilistic.compile

    def compile(self, optimizer="rmsprop", loss=None, **kwargs):
        compile_ours(self, optimizer, **kwargs)

    def dense(units, name=None, **kwargs):
        if units == 1:
            return probnn.Head("normal", name=name)
        return keras.layers.Dense(units, name=name, **kwargs)

    Probabilistic.compile = compile
    put_classes("heads", Model=probnn.Model, Sequential=probnn.Sequential, Dense=dense)


def put_classes(substitute, **ours):
    """Import the tests with others in the place of the classes that all but tests keep."""
    import keras
    import keras.src.testing

    rooms = [keras, keras.models, keras.layers, keras.src.models, keras.src.layers]
    rooms += [keras.src.models.model, keras.src.models.sequential]
    with contextlib.ExitStack() as stack:
        for room in rooms:
            for name in ours.keys() & vars(room).keys():
                stack.enter_context(mock.patch.object(room, name, ours[name]))
        tests = [
            importlib.import_module(f"keras.src.{name.replace('/', '.')}_test")
            for names in suites(SUBSTITUTES[substitute], ())
            for name in names
        ]
    for module in tests:
        for name, value in list(vars(module).items()):
            if any(value is room for room in rooms):  # whose names are looked up in a test
                setattr(module, name, types.SimpleNamespace(**(vars(value) | ours)))


# ---- the script ---------------------------------------------------------------------------------

SOURCE = Path(importlib.util.find_spec("keras").origin).parent / "src"


def run(names, substitute, backend, chosen):
    """Return how each test of some suites ended, and how often each loop ran."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record"
        record.touch()
        told = {
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "KERAS_BACKEND": backend,
            "KERAS_SUITES_WITH": substitute,
            "KERAS_SUITES_RECORD": str(record),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        }
        command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", SOURCE]
        command += ["-p", "keras_suites", "-p", "no:cacheprovider", "-k", chosen]
        command += ["--continue-on-collection-errors"]
        command += [SOURCE / f"{name}_test.py" for name in names]
        with open(Path(folder) / "said", "w") as said:
            process = subprocess.Popen(
                command, env=told, cwd=folder, stdout=said, stderr=said, start_new_session=True
            )
            try:
                process.wait(SECONDS * len(names))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        if process.wait() not in (0, 1):
            said = Path(said.name).read_text()[-2000:]
            print(f"pytest ended with {process.returncode}: {said}", flush=True)
        lines = [json.loads(line) for line in record.read_text().splitlines()]
    ended = {each["test"]: (each["outcome"], each["text"]) for each in lines if "test" in each}
    loops = collections.Counter(each["loop"] for each in lines if "loop" in each)
    return ended, loops


def passed(ended, suite=""):
    """Return the names of the tests of a suite that passed."""
    return {k for k, (how, _) in ended.items() if how == "passed" and k.startswith(suite)}


def report(names, substitute, keras_ended, ended, loops):
    """Print what suites say of a substitute; return whether a test fails with it undecided."""
    for suite in names:
        counts = [len(passed(each, f"{suite}_test.py")) for each in (keras_ended, ended)]
        print(f"{suite}: {counts[0]} pass as Keras, {counts[1]} with {substitute}")
    for reason, count in loops.most_common():
        print(f"    {count} fits: {reason}")
    as_keras, ours = passed(keras_ended), passed(ended)
    unknown = False
    for name in sorted(as_keras ^ ours):
        how, text = (ended if name in as_keras else keras_ended).get(name, ("did not run", ""))
        text = " ".join(text.split())
        reasons = (
            why
            for part, why in DECISIONS.get(substitute, {}).items()
            if re.search(part, f"{name} {text}")
        )
        why = next(reasons, None) if name in as_keras else None
        unknown |= why is None and name in as_keras
        alone = "Keras" if name in as_keras else substitute
        print(f"  {name} passes with {alone} alone: {why or f'{how}: {text[:400]}'}")
    sys.stdout.flush()
    return unknown


def suites(patterns, words):
    """Return, by folder, the suites of some patterns whose names have one of these words."""
    found = collections.defaultdict(list)
    for pattern in patterns:
        for path in sorted(SOURCE.glob(f"{pattern}_test.py")):
            name = path.relative_to(SOURCE).as_posix().removesuffix("_test.py")
            if not words or any(word in name for word in words):
                found[path.parent].append(name)
    return map(tuple, found.values())


def main():
    """Print what each suite says; return whether a test fails with probnn alone, undecided."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="tensorflow")
    parser.add_argument("--only", action="append", choices=SUBSTITUTES)
    parser.add_argument("-k", default="", metavar="EXPRESSION", help="as pytest's")
    parser.add_argument("suites", nargs="*")
    options = parser.parse_args()
    run_with = functools.cache(functools.partial(run, backend=options.backend, chosen=options.k))
    wrong = False
    for substitute in options.only or SUBSTITUTES:
        for names in suites(SUBSTITUTES[substitute], options.suites):
            found, (keras_ended, _) = run_with(names, substitute), run_with(names, "")
            wrong |= report(names, substitute, keras_ended, *found)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
