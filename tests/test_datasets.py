"""Data sets: where they come from, and what a simulated one is like."""

import functools
import hashlib

import keras
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from probnn import datasets

FEATURES = ["variance", "skewness", "curtosis", "entropy"]


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Hide local copies and Keras's cache, and let the source be a file that is not there."""
    monkeypatch.delenv("PROBNN_DATA", raising=False)
    get_file = functools.partial(keras.utils.get_file, cache_dir=str(tmp_path))
    monkeypatch.setattr(keras.utils, "get_file", get_file)
    source = tmp_path / "source.txt"
    monkeypatch.setattr(datasets, "_ORIGIN", source.as_uri())
    return source


@pytest.fixture
def published(shared_data):
    """Return the bytes of the UCI repository's file: no names, CRLF, no line end after the last."""
    lines = shared_data("banknote_authentication.csv").read_text().splitlines()[1:]
    return "\r\n".join(lines).encode()


def logit(frame, columns):
    return sm.Logit(frame["class"], sm.add_constant(frame[columns])).fit(disp=False, maxiter=100)


def test_local_copy(monkeypatch, shared_data):
    monkeypatch.setenv("PROBNN_DATA", str(shared_data("banknote_authentication.csv").parent))
    frame = datasets.banknotes()
    assert list(frame.columns) == [*FEATURES, "class"]
    assert frame["class"].value_counts().to_dict() == {0: 762, 1: 610}
    assert "10.24432/C55P57" in frame.attrs["source"]
    fit = logit(frame, ["skewness", "entropy"])
    np.testing.assert_allclose(fit.params, [-0.1790, -0.3293, -0.52701], atol=5e-5)
    assert -fit.llf / len(frame) == pytest.approx(0.5114348, abs=5e-8)


def test_download_is_the_same_frame(offline, published, read_data):
    assert len(published) == 46_400
    assert hashlib.sha256(published).hexdigest() == datasets._SHA256
    offline.write_bytes(published)
    frame = datasets.banknotes()
    pd.testing.assert_frame_equal(frame, read_data("banknote_authentication.csv"))
    offline.unlink()  # now from the cache
    pd.testing.assert_frame_equal(datasets.banknotes(), frame)


def test_a_changed_byte_is_refused(offline, published):
    offline.write_bytes(published.replace(b"3.6216", b"3.6217", 1))
    with pytest.raises(ValueError, match=r"SHA-256 d0539aae.* Received: another file.*PROBNN_DATA"):
        datasets.banknotes()


def test_without_a_connection(offline, monkeypatch, tmp_path):
    message = r"PROBNN_DATA, which is not set, or at file:.*neither.*make_banknotes"
    with pytest.raises(ConnectionError, match=message):
        datasets.banknotes()
    monkeypatch.setenv("PROBNN_DATA", str(tmp_path))  # a folder without the file
    with pytest.raises(ConnectionError, match=r"banknote_authentication\.csv, or at file:"):
        datasets.banknotes()
    assert not offline.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.rename(columns={"entropy": "other"}), "skewness, curtosis, other, class"),
        (lambda f: f.iloc[:-1], "Received: 1371 rows, in .*banknote_authentication.csv"),
        (lambda f: f.assign(entropy="high"), "values that are not numbers"),
        (lambda f: f.replace({"entropy": {f["entropy"].iloc[3]: np.nan}}), "not numbers"),
        (lambda f: f.assign(**{"class": f["class"] + 1}), r"classes \[1, 2\]"),
    ],
)
def test_a_wrong_local_copy_is_refused(change, message, monkeypatch, tmp_path):
    frame = change(datasets.make_banknotes())
    frame.to_csv(tmp_path / "banknote_authentication.csv", index=False)
    monkeypatch.setenv("PROBNN_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=message):
        datasets.banknotes()


def test_simulated_banknotes_are_like_the_published(read_data):
    real, simulated = read_data("banknote_authentication.csv"), datasets.make_banknotes(20_000)
    assert simulated.attrs["simulated"] is True
    assert list(simulated.columns) == list(real.columns)
    assert simulated["class"].mean() == pytest.approx(0.44, abs=0.01)
    for kind in (0, 1):
        a, b = (frame.loc[frame["class"] == kind, FEATURES] for frame in (real, simulated))
        assert (abs(a.mean() - b.mean()) < 0.2 * a.std()).all()
        assert (abs(np.log(a.std() / b.std())) < 0.2).all()
        assert (abs(a.corr() - b.corr()) < 0.25).all(axis=None)
    two = logit(simulated, ["skewness", "entropy"])
    assert ((two.predict() > 0.5) == simulated["class"]).mean() == pytest.approx(0.71, abs=0.04)
    np.testing.assert_allclose(two.params, [-0.1790, -0.3293, -0.52701], atol=0.1)


def test_simulated_banknotes_are_nearly_separable_and_repeatable():
    frame = datasets.make_banknotes()
    assert frame.shape == (1372, 5)
    fit = logit(frame, FEATURES)
    assert fit.mle_retvals["converged"]  # not separated: an optimum exists
    assert ((fit.predict() > 0.5) == frame["class"]).mean() > 0.98
    pd.testing.assert_frame_equal(frame, datasets.make_banknotes(seed=0))
    assert not frame.equals(datasets.make_banknotes(seed=1))


def test_simulated_classes_are_independent_of_a_split_with_the_same_seed():
    fake = datasets.make_banknotes(20_000, seed=0)["class"]
    held_out = np.random.default_rng(0).random(20_000) < 0.3
    assert fake[held_out].mean() == pytest.approx(fake[~held_out].mean(), abs=0.03)


@pytest.mark.parametrize("n", [0, -3, 2.5, True, "a", float("nan"), float("inf"), None])
def test_impossible_numbers_of_notes(n):
    with pytest.raises(ValueError, match="Expected n to be a whole number from 1 on"):
        datasets.make_banknotes(n)
