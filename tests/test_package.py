"""The package as a whole: what it imports, the backends it takes, and what its documents claim."""

import doctest
import functools
import inspect
import os
import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import keras
import pytest

import probnn as pn

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
MODULES = [
    module.name
    for module in pkgutil.walk_packages(pn.__path__, "probnn.")
    if not module.name.startswith("probnn.backend.")
]


def python(code, backend=None, **variables):
    """Run code in a new process, with a Keras backend of choice; return the finished process."""
    backend = backend or keras.backend.backend()
    env = {"KERAS_BACKEND": backend, "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    env = {**os.environ, **env, **variables}
    return subprocess.run(
        [sys.executable, *code], env=env, capture_output=True, text=True, timeout=900
    )


@pytest.mark.backend
def test_import_is_light():
    own = ["tensorflow_probability", "statsmodels"]
    names = [*own, "scipy.stats", "pandas", "matplotlib", "keras", "tensorflow", "jax", "torch"]
    code = (
        "import sys, probnn\n"
        f"print([n for n in {names} if n in sys.modules])\n"
        "import keras\n"
        "print(keras.saving.get_registered_object('probnn>Sequential') is probnn.Sequential)\n"
        f"print([n for n in {own} if n in sys.modules])\n"
        "print(keras.backend.backend() == 'tensorflow' or 'tensorflow' not in sys.modules)"
    )
    done = python(["-c", code])
    said = ["[]", "True", "[]", "True"]
    assert done.stdout.split("\n")[:4] == said, done.stdout + done.stderr


def test_a_model_without_networks_imports_no_keras():
    code = (
        "import sys, numpy as np, probnn.glm\n"
        "x, y = [[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]], [0.0, 1.0, 0.0, 1.0]\n"
        "for made in (probnn.glm.Logit(y, x), probnn.glm.OLS(np.array(y), np.array(x)),\n"
        "             probnn.glm.GLM(y, x, 'poisson')):\n"
        "    made.fit().summary()\n"
        "probnn.compare(made.fit(), probnn.glm.Logit(y, x).fit())\n"
        "probnn.diagnose(made.fit())\n"
        "probnn.glm.ols('y ~ x', {'y': y, 'x': [0.0, 1.0, 2.0, 3.0]}).fit().predict()\n"
        "print([n for n in ('keras', 'tensorflow', 'jax', 'torch') if n in sys.modules])"
    )
    done = python(["-c", code])
    assert done.stdout.split("\n")[0] == "[]", done.stdout + done.stderr


def test_another_keras_backend_gets_an_error_that_names_the_three():
    code = "import keras, probnn; keras.backend.backend = lambda: 'openvino'; probnn.backend.name"
    done = python(["-c", code])
    assert "ImportError: probnn runs on Keras with one of the backends" in done.stderr
    assert "tensorflow, jax, torch. Received: 'openvino'" in done.stderr
    assert "KERAS_BACKEND" in done.stderr


# Python finds no package of these names.
_WITHOUT = (
    "from importlib.machinery import PathFinder\n"
    "find, names = PathFinder.find_spec, ['tensorflow', 'tensorflow_probability', 'tf_keras']\n"
    "PathFinder.find_spec = lambda name, *where: (\n"
    "    None if name.partition('.')[0] in names else find(name, *where))\n"
)


def test_a_backend_that_is_not_installed_is_named():
    done = python(["-c", f"{_WITHOUT}import probnn; probnn.Sequential"], "tensorflow")
    assert "ModuleNotFoundError: Expected tensorflow, on which Keras was to run." in done.stderr
    assert 'pip install "probnn[tensorflow]"' in done.stderr


@pytest.mark.backend
@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="which needs TensorFlow")
def test_other_backends_need_no_package_of_tensorflow():
    code = (
        f"{_WITHOUT}"
        "import keras, numpy as np, probnn as pn\n"
        "x = np.linspace(0.0, 1.0, 20)[:, None]\n"
        "model = pn.Sequential([keras.Input((1,)), pn.Head('gamma')])\n"
        "model.compile('adam')\n"
        "model.fit(x, 1.0 + x, verbose=0)\n"
        "print(np.isfinite(model.predict_distribution(x).crps(1.0 + x[:, 0])).all())\n"
        "model.distribution(x)"
    )
    done = python(["-c", code])
    assert done.stdout == "True\n", done.stderr
    on_jax = keras.backend.backend() == "jax"
    assert ("Expected tensorflow-probability" in done.stderr) == on_jax, done.stderr


def test_public_names():
    for name in pn.__all__:
        assert getattr(pn, name) is not None
        assert name in dir(pn)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pn.nothing  # noqa: B018


@pytest.fixture
def _own_registries(monkeypatch):
    """Let docstrings register families and links that are gone afterwards."""
    monkeypatch.setattr(pn.families.registry, "FAMILIES", dict(pn.families.FAMILIES))
    monkeypatch.setattr(pn.links, "LINKS", dict(pn.links.LINKS))


@pytest.mark.usefixtures("_own_registries")
@pytest.mark.parametrize("name", ["probnn", *MODULES])
def test_docstring_examples(name):
    result = doctest.testmod(import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_classes_of_the_public_interface_have_examples():
    for cls in [pn.Head, pn.Model, pn.NegativeLogLikelihood, pn.Predictive, pn.Sequential]:
        assert ">>>" in cls.__doc__, cls
    for cls in pn.families.FAMILIES.values():
        assert ">>>" in cls.__doc__, cls


# The longer ones run on the default backend alone.
_MARKS = {True: pytest.mark.backend, False: pytest.mark.slow}


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=_MARKS[path.stem < "03"]) for path in EXAMPLES],
)
def test_example_runs(path):
    # Optimising what is run once takes longer than it saves.
    done = python([str(path)], XLA_FLAGS="--xla_backend_optimization_level=0")
    assert done.returncode == 0, done.stderr[-2000:]
    figures = re.findall(r"\S+\.png", done.stdout)
    assert figures
    for figure in figures:
        assert (ROOT / figure).stat().st_size > 10_000


def test_every_public_name_has_a_page():
    listed = re.findall(r"^   ([\w.]+)$", (ROOT / "docs/reference/api.md").read_text(), re.M)
    public = set()
    for name in pn.__all__:
        value = getattr(pn, name)
        if not isinstance(value, ModuleType):
            public.add(name)
            continue
        for each in getattr(value, "__all__", ()):
            if callable(getattr(value, each)) and each not in pn.__all__:
                public.add(f"{name}.{each}")
    assert len(listed) == len(set(listed))
    assert public - set(listed) == set()


def test_every_public_function_says_its_types():
    listed = re.findall(r"^   ([\w.]+)$", (ROOT / "docs/reference/api.md").read_text(), re.M)
    functions = {}
    for name in listed:
        value = functools.reduce(getattr, name.split("."), pn)
        for cls in value.__mro__ if inspect.isclass(value) else ():
            if cls.__module__.startswith("probnn."):
                functions |= {f"{cls.__qualname__}.{key}": each for key, each in vars(cls).items()}
        functions[name] = value
    untyped = []
    for name, each in functions.items():
        if isinstance(each, property):
            each = each.fget
        each = inspect.unwrap(getattr(each, "__func__", None) or getattr(each, "func", each))
        last = name.rpartition(".")[2]
        own = inspect.isfunction(each) and each.__module__.startswith("probnn.")
        if not own or (last.startswith("_") and last not in ("__init__", "__call__")):
            continue
        wanted = {*inspect.signature(each).parameters, "return"} - {"self", "cls"}
        if each.__annotations__.keys() < wanted:
            untyped.append((name, wanted - each.__annotations__.keys()))
    assert len(functions) > 400
    assert untyped == []


def test_examples_are_listed():
    listed = re.findall(r"`(\w+\.py)`", (ROOT / "examples" / "README.md").read_text())
    assert listed == [path.name for path in EXAMPLES]


def test_readme_shows_what_its_example_prints():
    code, shown = re.findall(
        r"```(?:python|text)\n(.*?)```", (ROOT / "README.md").read_text(), re.S
    )[:2]
    done = python(["-c", code])
    assert done.returncode == 0, done.stderr[-2000:]
    head, table = shown.split("...\n")
    assert done.stdout.startswith(head)
    assert table in done.stdout
