"""What all tests share."""

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")
# There is a worker for each core: further threads of torch and BLAS would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# JAX keeps what it compiled for tests that trace the same program again; it does not lock the
# files, so each worker has a folder of its own.
os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="probnn-")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import keras
import numpy as np
import pandas as pd
import pytest

DATA = Path(__file__).parents[2] / "shared" / "data"
DATA = Path(os.environ.setdefault("PROBNN_DATA", str(DATA)))  # for the examples too


def pytest_unconfigure():
    shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Give one worker all tests of a family, or else of a file: they share compiled programs."""
    for item in items:
        case = item.callspec.params.get("case") if hasattr(item, "callspec") else None
        item.add_marker(pytest.mark.xdist_group(getattr(case, "name", item.path.stem)))


@pytest.fixture
def rng():
    return np.random.default_rng(20240607)


@pytest.fixture(scope="session")
def rewinding():
    """Return a function that notes the state of a compiled model, and returns what restores it.

    A model that is trained again from its first weights compiles nothing again.
    """

    def note(model):
        model.optimizer.build(model.trainable_variables)
        variables = [*model.variables, *model.optimizer.variables]
        kept = [(variable, keras.ops.copy(variable.value)) for variable in variables]

        def rewind():
            for variable, value in kept:
                variable.assign(keras.ops.copy(value))

        return rewind

    return note


@pytest.fixture(autouse=True)
def _repeatable():
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def _ctrl_c_interrupts():
    """A shell starts programs in the background with Ctrl-C ignored."""
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, kept)


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def distributions():
    """Skip the test on JAX without TensorFlow Probability, which has the distributions there."""
    from probnn import backend

    try:
        backend.distributions.Normal  # noqa: B018
    except ModuleNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture
def shared_data():
    """Return a function that finds a file of the shared data, or skips the test."""

    def find(name):
        path = DATA / name
        if not path.exists():
            pytest.skip(f"{path} is absent: set PROBNN_DATA to the folder that has it")
        return path

    return find


@pytest.fixture
def read_data(shared_data):
    """Return a function that reads a CSV of the shared data, or skips the test."""
    return lambda name: pd.read_csv(shared_data(name))


@pytest.fixture
def banknotes(read_data):
    """Return two columns of the banknote data, and the class."""
    frame = read_data("banknote_authentication.csv")
    return frame[["skewness", "entropy"]].to_numpy(), frame["class"].to_numpy()
