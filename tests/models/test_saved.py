"""Files of networks: an earlier one is never lost, and none runs a command."""

import base64
import json
import marshal
import os
import pickle
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from tables.disks import room_for

import probnn as pn
from probnn import _files

pytestmark = pytest.mark.backend


def network(loc=0.5):
    model = pn.Sequential([keras.Input((1,)), pn.Head("poisson")])
    model.set_weights([np.array([[loc]]), np.array([0.25])])
    return model


@pytest.fixture(scope="module")
def ensemble():
    model = network()
    model.compile("adam")
    return pn.DeepEnsemble(model, members=2)


def weights_of(path):
    return [w.tolist() for w in keras.saving.load_model(path).get_weights()]


# ---- writing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 100, 3000])
def test_a_full_disk_leaves_the_old_files(count, ensemble, tmp_path):
    model, paths = network(), {name: tmp_path / name for name in ("m.keras", "w.weights.h5", "e")}
    savers = (model.save, model.save_weights, ensemble.save)
    for save, path in zip(savers, paths.values(), strict=True):
        save(path)
    before = {name: path.read_bytes() for name, path in paths.items()}
    for save, path in zip(savers, paths.values(), strict=True):
        with room_for(count), pytest.raises(Exception, match="too large"):
            save(path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_layer_that_cannot_be_saved_leaves_the_old_file(tmp_path):
    class Fails(keras.layers.Dense):
        def save_own_variables(self, store):
            raise OSError(28, "No space left on device")

    path = tmp_path / "m.keras"
    network().save(path)
    before = path.read_bytes()
    model = pn.Sequential([keras.Input((1,)), Fails(1), pn.Head("poisson")])
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.keras"]


def test_callbacks_save_in_one_step(tmp_path, monkeypatch):
    seen, write = [], _files.atomic_write
    monkeypatch.setattr(_files, "atomic_write", lambda path: (seen.append(path), write(path))[1])
    model = network()
    model.compile("adam")
    names = [tmp_path / "best.keras", tmp_path / "best.weights.h5"]
    callbacks = [
        keras.callbacks.ModelCheckpoint(names[0]),
        keras.callbacks.ModelCheckpoint(names[1], save_weights_only=True),
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
    ]
    x = np.linspace(-1.0, 1.0, 8)[:, None]
    model.fit(x, np.arange(8), epochs=1, verbose=0, callbacks=callbacks)
    assert {str(name) for name in names} <= {str(path) for path in seen}
    assert len(seen) > 2
    again = keras.saving.load_model(names[0])
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    again.load_weights(names[1])


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5", "m.weights.h5"])
def test_a_legacy_file_that_would_lose_the_class_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.keras.*class.*save_weights"):
        network().save(tmp_path / name)
    assert not os.listdir(tmp_path)


def test_what_keras_takes_is_taken(tmp_path, monkeypatch):
    model, path = network(), tmp_path / "m.keras"
    model.save(path, overwrite=False)
    other = network(0.75)
    for answer, loc in (("n", 0.5), ("y", 0.75)):
        monkeypatch.setattr("builtins.input", lambda *_, a=answer: a)
        other.save(path, overwrite=False)
        assert weights_of(path)[0] == [[loc]]
    for save, wrong in ((model.save, "m"), (model.save_weights, "m.keras")):
        with pytest.raises(ValueError, match=rf"filepath={tmp_path / wrong}"):
            save(tmp_path / wrong)
    model.save(tmp_path / "folder", zipped=False)
    assert (tmp_path / "folder" / "config.json").exists()
    os.symlink(path, tmp_path / "link.keras")
    model.save(tmp_path / "link.keras")
    assert weights_of(path)[0] == [[0.5]]


# ---- ensembles ----------------------------------------------------------------------------------


def test_an_ensemble_of_version_0_1_loads(ensemble, tmp_path):
    with zipfile.ZipFile(tmp_path / "old", "w") as old:
        old.writestr("ensemble.json", json.dumps({"members": 2, "seed": 0, "bootstrap": False}))
        for i, member in enumerate(ensemble.members):
            member.save(tmp_path / "m.keras")
            old.write(tmp_path / "m.keras", f"member_{i}.keras")
    x = np.linspace(-1.0, 1.0, 5)[:, None]
    found = pn.DeepEnsemble.load(tmp_path / "old").predict(x, verbose=0)
    np.testing.assert_array_equal(found, ensemble.predict(x, verbose=0))


def test_ensembles_that_changed_raise(ensemble, tmp_path):
    path = tmp_path / "e"
    ensemble.save(path)
    whole = path.read_bytes()
    inside = whole.index(b"member_0.keras") + 60  # of the members' content
    for bit in random.Random(4).sample(range(8 * inside, 8 * (len(whole) - 800)), 40):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            found = pn.DeepEnsemble.load(path)
        except _files.DamagedFileError:
            continue
        for a, b in zip(found.members, ensemble.members, strict=True):
            np.testing.assert_array_equal(a.get_weights()[0], b.get_weights()[0])
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cut short"):
        pn.DeepEnsemble.load(path)
    pn.glm.OLS([1.0, 2.0, 4.0], [[1.0], [2.0], [3.0]]).fit().save(path)
    with pytest.raises(ValueError, match="a file of results"):
        pn.DeepEnsemble.load(path)
    _files.write_archive(path, "a deep ensemble", 2, {})
    with pytest.raises(ValueError, match="Update probnn"):
        pn.DeepEnsemble.load(path)


# ---- commands -----------------------------------------------------------------------------------


def crafted(path, change):
    """Save a network, and change the members of its file."""
    model = pn.Sequential([keras.Input((1,)), keras.layers.Dense(1, "relu"), pn.Head("poisson")])
    model.save(path)
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)


def configured(change):
    """Return a change of the configuration of the layers: input, Dense, head."""

    def changed(members):
        config = json.loads(members["config.json"])
        change(config["config"]["layers"])
        members["config.json"] = json.dumps(config).encode()

    return changed


def lambda_of(made):
    code = compile(f"lambda x: (open({str(made)!r}, 'w'), x)[1]", "", "eval").co_consts[0]
    code = base64.b64encode(marshal.dumps(code)).decode()
    function = {"code": code, "defaults": None, "closure": None}
    return {"class_name": "__lambda__", "config": function}


def function(module, name):
    return {
        "module": module,
        "class_name": "function",
        "config": name,
        "registered_name": name,
    }


class Command:
    def __init__(self, made):
        self.made = made

    def __reduce__(self):
        return os.system, (f"touch {self.made}",)


def crafts(made):
    def a_lambda(layers):
        layers[1] = {
            "module": "keras.layers",
            "class_name": "Lambda",
            "config": {"name": "f", "function": lambda_of(made), "arguments": {}},
            "registered_name": None,
        }

    def activation(said):
        return lambda layers: layers[1]["config"].update(activation=said)

    def head(**said):
        return lambda layers: layers[2]["config"].update(said)

    def pickled(members):
        del members["model.weights.h5"]
        with open(f"{made}.npz", "wb") as file:
            np.savez(file, a=np.array([Command(made)], object))
        members["model.weights.npz"] = Path(f"{made}.npz").read_bytes()
        os.remove(f"{made}.npz")

    command = {"class_name": "system", "module": "os", "config": {"command": f"touch {made}"}}
    yield "a lambda", configured(a_lambda)
    yield "a lambda activation", configured(activation(lambda_of(made)))
    yield "a function", configured(activation(function("os", "system")))
    yield "evaluation", configured(activation(function("builtins", "eval")))
    yield (
        "a class",
        configured(lambda layers: layers.__setitem__(1, {**command, "registered_name": None})),
    )
    yield (
        "a popen",
        configured(
            lambda layers: layers.__setitem__(
                1,
                {
                    "class_name": "Popen",
                    "module": "subprocess",
                    "config": {"args": ["touch", str(made)]},
                    "registered_name": None,
                },
            )
        ),
    )
    yield "a family", configured(head(family=command))
    yield "a lambda family", configured(head(family=lambda_of(made)))
    yield "a link", configured(head(family={"name": "poisson", "links": {"rate": command}}))
    yield "a nest", configured(head(family={"name": "censored", "family": lambda_of(made)}))
    yield "a pickle", pickled


CRAFTS = [name for name, _ in crafts("")]


@pytest.mark.parametrize("name", CRAFTS)
def test_a_crafted_file_runs_nothing(name, tmp_path):
    made = tmp_path / "made"
    crafted(tmp_path / "m.keras", dict(crafts(made))[name])
    with pytest.raises(Exception, match=r"\w"):
        keras.saving.load_model(tmp_path / "m.keras")
    index = json.dumps({"members": 2, "seed": 0, "bootstrap": False}).encode()
    members = {"ensemble.json": index}
    members |= {f"member_{i}.keras": tmp_path / "m.keras" for i in range(2)}
    _files.write_archive(tmp_path / "e", "a deep ensemble", 1, members)
    with pytest.raises(Exception, match=r"\w"):
        pn.DeepEnsemble.load(tmp_path / "e")
    assert sorted(os.listdir(tmp_path)) == ["e", "m.keras"]


def test_a_pickle_is_no_ensemble(tmp_path):
    (tmp_path / "e").write_bytes(pickle.dumps(Command(tmp_path / "made")))
    with pytest.raises(ValueError, match="no zip file"):
        pn.DeepEnsemble.load(tmp_path / "e")
    assert os.listdir(tmp_path) == ["e"]


def test_names_of_members_leave_no_folder(tmp_path):
    """A member of another name is nothing that an ensemble reads."""
    index = json.dumps({"members": 1, "seed": 0, "bootstrap": False}).encode()
    (tmp_path / "in").mkdir()
    _files.write_archive(
        tmp_path / "in" / "e", "a deep ensemble", 1, {"ensemble.json": index, "../../out": b"x"}
    )
    with pytest.raises(ValueError, match="cut short or changed"):
        pn.DeepEnsemble.load(tmp_path / "in" / "e")
    assert os.listdir(tmp_path) == ["in"]


KILLED = """
import os, sys, keras, numpy as np, probnn as pn
model = pn.Sequential([keras.Input((1,)), pn.Head("poisson")])
print("ready", flush=True)
while True:
    for value in (0.5, 0.75):
        model.set_weights([np.array([[value]]), np.array([0.25])])
        model.save(sys.argv[1])
        print("saved", flush=True)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_a_whole_network(tmp_path):
    path, found, rng = tmp_path / "m.keras", set(), random.Random(0)
    folder = Path(pn.__file__).parents[1]
    for _ in range(2):  # as atomic_write is killed 200 times in its own tests
        network(0.25).save(path)
        command = [sys.executable, "-c", KILLED, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder) as child:
            for _ in range(2):  # it has begun, and saved once
                child.stdout.readline()
            try:
                child.wait(0.3 * rng.random())
            except subprocess.TimeoutExpired:
                child.kill()
        found.add(weights_of(path)[0][0][0])
    assert found <= {0.25, 0.5, 0.75}
    assert found & {0.5, 0.75}
