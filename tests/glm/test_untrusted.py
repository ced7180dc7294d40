"""Files of results from anywhere: none runs a command, and none loads other numbers."""

import contextlib
import json
import os
import pickle
import random
import subprocess
import sys
import types
from os import system as run  # noqa: F401 - what a file must not find
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import probnn as pn
from probnn import _files
from probnn.glm import expressions
from probnn.glm.results import loading, saving

NAMES = types.SimpleNamespace(double=lambda x: 2.0 * x)


def data(n=30):
    rng = np.random.default_rng(1)
    x = rng.uniform(1.0, 2.0, n)
    return pd.DataFrame({"x": x, "g": np.tile([*"abc"], n // 3), "y": 1.0 + x + rng.normal(size=n)})


def triple(x):
    return 3.0 * x


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return the file of results of a formula with a logarithm."""
    path = tmp_path_factory.mktemp("saved") / "results"
    pn.glm.ols("y ~ np.log(x) + C(g)", data()).fit().save(path)
    return path


def changed(source, path, change):
    """Write a file anew, with right checksums, after a change of its members."""
    with _files.Archive(source, saving.KIND, saving.FORMAT) as archive:
        members = {name: archive.read(name) for name in archive.manifest["sha256"]}
    change(members)
    _files.write_archive(path, saving.KIND, saving.FORMAT, members)


def with_text(old, new):
    """Return a change of a text in what a file says."""

    def change(members):
        text = members[saving.STATE].decode()
        assert json.dumps(old)[1:-1] in text
        members[saving.STATE] = text.replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1]).encode()

    return change


class Command:
    """What a pickle of it does: run a command that makes a file."""

    def __init__(self, made):
        self.made = made

    def __reduce__(self):
        return os.system, (f"touch {self.made}",)


# ---- commands -----------------------------------------------------------------------------------


def test_a_pickle_runs_nothing_unless_it_is_trusted(path, tmp_path):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps(Command(tmp_path / "made"), protocol))
        with pytest.raises(ValueError, match="file of"):
            pn.glm.load(path)
    assert not (tmp_path / "made").exists()
    with pytest.warns(UserWarning, match="pickle"), pytest.raises(ValueError, match="Results"):
        pn.glm.load(path, trust=True)
    assert (tmp_path / "made").exists()  # the file was one that runs


def test_arrays_of_objects_run_nothing(saved, path, tmp_path):
    def change(members):
        with open(tmp_path / "evil.npy", "wb") as file:
            np.save(file, np.array([Command(tmp_path / "made")], object), allow_pickle=True)
        members[saving.array_name(0)] = (tmp_path / "evil.npy").read_bytes()

    changed(saved, path, change)
    for trust in (False, True):
        with pytest.raises(ValueError, match="allow_pickle=False"):
            pn.glm.load(path, trust=trust)
    assert not (tmp_path / "made").exists()


EVIL = [
    "__import__('os').system('touch MADE')",
    "eval(\"open('MADE', 'w')\")",
    "exec(\"open('MADE', 'w')\")",
    "open('MADE', 'w')",
    "min([\"open('MADE', 'w')\"], key=eval)",
    "abs([*map(eval, [\"open('MADE', 'w')\"])][0])",
    "np.load('MADE', allow_pickle=True)",
    "np.save('MADE', x)",
    "np.vectorize(eval)([\"open('MADE', 'w')\"])",
    "np.frompyfunc(eval, 1, 1)([\"open('MADE', 'w')\"])",
    "np.apply_along_axis(eval, 0, [\"open('MADE', 'w')\"])",
    "np.lib.npyio.os.system('touch MADE')",
    "np.__builtins__",
    "np.log.__class__.__base__.__subclasses__()",
    "np",
    "x.to_csv('MADE')",
    "x.to_pickle('MADE')",
    "x.values.tofile('MADE')",
    "x.pipe(np.save, 'MADE')",
    "x.map(eval)",
    "x.apply(eval)",
    "x.__class__",
    "().__class__.__base__.__subclasses__()",
    "(lambda: open('MADE', 'w'))()",
    "[open('MADE', 'w') for _ in [0]]",
    "{open('MADE', 'w') for _ in [0]}",
    "f\"{open('MADE', 'w')}\"",
    "(made := open('MADE', 'w'))",
    "bs(x, _context=eval)",
    "C(g, **{'contrasts': eval})",
    "C(*[g])",
    "C.__globals__['np']",
    "Q.get_required_variables('x')",
    "contr.__init__",
    "Q.__globals__",
    "getattr(np, 'load')",
    "run('touch MADE')",
    "abs(run)('touch MADE')",
    "(x if x else run)('touch MADE')",
    "x[(yield)]",
    "await_(x",
    "(" * 500 + "x" + ")" * 500,
]


ENDLESS = [
    "x * 9**9**9",
    "x + (9 << 9**9)",
    "(((9**99)**99)**99)**99",
    "9**abs(-9**9)",
    "9**round(number=9**9)",
    "np.power(2**70, 9**9)",
    "np.array([2**70])**9**9",
    "9**x.max().year**9",
    "int(1e9)**int(1e9)",
    "x * round(x.mean())**round(1e9 * x.mean())",
    "9**x.size",
    "x + [9, 9][0]**[9**9, 1][0]",
    "(9**9 if 1 < 2 else 3)**(x > 1 or 9**9)",
]


@pytest.mark.parametrize("evil", EVIL + ENDLESS)
def test_formulas_that_do_more_than_compute_are_refused(evil, saved, path, tmp_path):
    evil = evil.replace("MADE", str(tmp_path / "made"))
    changed(saved, path, with_text("np.log(x)", evil))
    with pytest.raises(ValueError, match=r"Expected (a formula of columns|an expression)"):
        pn.glm.load(path)
    assert os.listdir(tmp_path) == ["results"]


def test_powers_that_end_are_evaluated():
    for fine in ("x**2", "2**x", "x**(1 / 3)", "2.0**round(x)", "np.log(round(x))**2", "abs(x)**9"):
        expressions.check(fine, columns=["x"])
    expressions.check("2**k", integers={"k": 4.0})
    with pytest.raises(ValueError, match=r"'9 \*\* k', an integer .* bits"):
        expressions.check("x + 9**k", columns=["x"], integers={"k": expressions.bits([1, 9**9])})


def test_a_name_of_python_is_no_column_unless_data_have_it(path, tmp_path):
    frame = data().rename(columns={"x": "id", "g": "eval"})
    found = pn.glm.ols("y ~ np.log(id) + C(eval)", frame).fit()
    found.save(path)
    loaded = pn.glm.load(path)
    np.testing.assert_array_equal(loaded.predict(frame), found.predict(frame))
    with pytest.raises(ValueError, match=r"without \['id'\]"):
        loaded.predict(frame.drop(columns="id"))


@pytest.mark.parametrize(
    "place", ["os:system", "posix:system", "subprocess:getoutput", "builtins:eval", "antigravity:x"]
)
def test_functions_of_python_are_not_called(place, saved, path, tmp_path):
    def change(members):
        with_text("np.log(x)", f"run('touch {tmp_path / 'made'}')")(members)
        stored = json.loads(members[saving.STATE])
        pairs = dict(stored["formula"]["dict"])
        pairs["context"] = {"dict": [["run", {"dict": [["function", place]]}]]}
        stored["formula"] = {"dict": [*map(list, pairs.items())]}
        members[saving.STATE] = json.dumps(stored).encode()

    changed(saved, path, change)
    with pytest.raises(ValueError, match=f"of the module '{place.split(':')[0]}'"):
        pn.glm.load(path)
    assert os.listdir(tmp_path) == ["results"]
    assert "antigravity" not in sys.modules


# ---- functions of one's own ---------------------------------------------------------------------


def test_functions_come_from_whoever_loads(path):
    found = pn.glm.ols("y ~ triple(x)", data()).fit()
    found.save(path)
    new = data()[:5]
    for loaded in (
        pn.glm.load(path),
        loading.load(path, functions=[triple]),
        loading.load(path, functions={"triple": triple}),
    ):
        np.testing.assert_array_equal(loaded.predict(new), found.predict(new))
    names = {"load": pn.glm.load, "path": path}
    with pytest.raises(ValueError, match=r"'triple', of the module .* functions="):
        exec("load(path)", names)
    exec("found = load(path, trust=True)", names)
    np.testing.assert_array_equal(names["found"].predict(new), found.predict(new))
    with pytest.raises(ValueError, match="changed since"):
        pn.glm.load(path, functions={"triple": lambda x: 3.5 * x})


def test_a_function_that_is_given_text_must_be_given(path):
    found = pn.glm.ols("y ~ scaled(x, 'double')", data()).fit()
    found.save(path)
    with pytest.raises(ValueError, match="called with text"):
        pn.glm.load(path)
    loaded = pn.glm.load(path, functions=[scaled])
    np.testing.assert_array_equal(loaded.predict(data()), found.predict(data()))


def scaled(x, how):
    return {"double": 2.0}[how] * x


class Callable:
    def __call__(self, x):
        return 2.0 * x


@pytest.mark.parametrize("text", ["double(x)", "inner(x)", "called(x)", "NAMES.double(x)"])
def test_what_a_file_cannot_hold_is_refused_before_anything_is_written(text, path):
    double, called = (lambda x: 2.0 * x), Callable()  # noqa: F841

    def inner(x):
        return 2.0 * x

    assert inner(1.0) == 2.0
    results = pn.glm.ols(f"y ~ {text}", data()).fit()
    pn.glm.ols("y ~ x", data()).fit().save(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="Nothing was written"):
        results.save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["results"]


def test_families_links_and_models_must_be_registered(path):
    class Mine(pn.families.Normal):
        name = "mine, unregistered"

    class Steep(pn.links.Power):
        name = "steep, unregistered"

    class GLM(pn.glm.GLM):
        pass

    x = data()[["x"]]
    for model, said in (
        (pn.glm.GLM(data()["y"], x, Mine()), "Unknown family"),
        (pn.glm.GLM(data()["y"] ** 2, x, "gamma", link=Steep(0.5)), "Unknown link"),
        (GLM(data()["y"], x), "class a file can name"),
    ):
        with pytest.raises(ValueError, match=f"{said}.*Nothing was written"):
            model.fit().save(path)
    pn.glm.GLM(data()["y"], x).fit().save(path)
    assert type(pn.glm.load(path).model) is pn.glm.GLM


def test_a_model_of_ones_own_is_saved(path):
    class OwnGLM(pn.glm.GLM):
        pass

    found = OwnGLM(data()["y"], data()[["x"]]).fit()
    found.save(path)
    assert type(pn.glm.load(path).model) is OwnGLM
    del pn.glm.GLM.kinds["OwnGLM"]
    with pytest.raises(ValueError, match=r"'OwnGLM'. Import its module"):
        pn.glm.load(path)


# ---- damage -------------------------------------------------------------------------------------


def numbers(results):
    return [np.asarray(v) for v in (results.params, results.bse, results.llf, results.llnull)]


def test_a_bit_that_flips_raises_or_is_of_no_matter(saved, path):
    whole, want, equal = saved.read_bytes(), numbers(pn.glm.load(saved)), 0
    for bit in random.Random(2).sample(range(8 * len(whole)), 400):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with contextlib.suppress(ValueError):
            for found, expected in zip(numbers(pn.glm.load(path)), want, strict=True):
                np.testing.assert_array_equal(found, expected)
            equal += 1
    assert equal < 100  # dates in the zip file, and what it says twice


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_files_cut_short_say_so(share, saved, path):
    path.write_bytes(saved.read_bytes()[: int(share * saved.stat().st_size)])
    with pytest.raises(ValueError, match=r"empty|no zip file|cut short"):
        pn.glm.load(path)


def test_foreign_and_newer_files_are_named(saved, path, tmp_path):
    network = pn.Sequential([keras.Input((1,)), pn.Head("normal")])
    network.save(tmp_path / "m.keras")
    for content in (b"y,x\n1,2\n", (tmp_path / "m.keras").read_bytes()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"no zip file|\.keras file, which keras"):
            pn.glm.load(path)
    with pytest.raises(FileNotFoundError):
        pn.glm.load(tmp_path / "nowhere")
    with _files.Archive(saved, saving.KIND, saving.FORMAT) as archive:
        members = {name: archive.read(name) for name in archive.manifest["sha256"]}
    _files.write_archive(path, saving.KIND, saving.FORMAT + 1, members)
    with pytest.raises(ValueError, match="Update probnn"):
        pn.glm.load(path)


@pytest.mark.parametrize("text", ["{}", "[]", "1", '{"formula": null}', '{"formula": {"a": 1}}'])
def test_content_that_is_none_of_results_is_named(text, saved, path):
    changed(saved, path, lambda members: members.update({saving.STATE: text.encode()}))
    with pytest.raises(ValueError, match="none of results"):
        pn.glm.load(path)


@pytest.mark.slow
def test_results_load_where_nothing_of_the_formula_was_imported(saved):
    """A new process, whose names are its own, predicts the same."""
    code = (
        "import sys, probnn as pn; r = pn.glm.load(sys.argv[1]); "
        "print(repr(float(r.predict({'x': [1.5], 'g': ['b']})[0])))"
    )
    folder = Path(pn.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved)],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    want = pn.glm.load(saved).predict({"x": [1.5], "g": ["b"]})[0]
    assert float(done.stdout) == want
