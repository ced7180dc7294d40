"""Progress: a bar where somebody watches, and no codes in what is captured."""

import sys

import keras
import numpy as np
import pytest

import probnn as pn
from probnn.fitting import progress

CODES = ("\x1b", "\b", "\r")


class Terminal:
    """Standard output as a terminal has it."""

    def __init__(self, out):
        self._out = out

    def __getattr__(self, name):
        return getattr(self._out, name)

    def isatty(self):
        return True


@pytest.fixture
def no_notebook(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)


X = np.linspace(-1.0, 1.0, 64, dtype="float32")[:, None]


def network():
    model = pn.Sequential([keras.Input((1,)), pn.Head("normal")])
    model.compile(keras.optimizers.SGD(0.1))
    return model


@pytest.mark.backend
def test_captured_output_of_a_fit_has_lines_and_no_codes(no_notebook, capsys):
    model = network()
    model.fit(X, X[:, 0], epochs=3)
    out = capsys.readouterr().out
    assert out.count("loss:") == 3
    model.evaluate(X, X[:, 0])
    model.predict_distribution(X)
    out += capsys.readouterr().out
    assert not any(code in out for code in CODES)


def test_captured_output_of_an_ensemble_has_no_codes(no_notebook, capsys):
    pn.DeepEnsemble(network(), 2, seed=0).fit(X, X[:, 0], epochs=3)
    out = capsys.readouterr().out
    assert "loss:" in out
    assert not any(code in out for code in CODES)


def test_a_terminal_has_a_bar(no_notebook, monkeypatch, capsys):
    assert progress.shown("auto") == 2
    monkeypatch.setattr(sys, "stdout", Terminal(sys.stdout))
    assert progress.shown("auto") == 1
    assert progress.shown(0) == 0
    monkeypatch.setattr(progress, "_PATIENCE", -1.0)
    bar = progress.Progress("auto", target=2)
    bar(1, nll=3.0)
    bar(2, nll=2.0)
    bar.close()
    out = capsys.readouterr().out
    assert "2/2" in out
    assert "nll: 2.0000" in out


def test_nobody_is_shown_a_bar_unasked(no_notebook, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_PATIENCE", -1.0)
    bar = progress.Progress("auto")
    bar(1, nll=3.0)
    bar.close()
    assert capsys.readouterr().out == ""
