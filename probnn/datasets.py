"""Data sets: banknotes, as published or simulated."""

import contextlib
import os
import socket
from pathlib import Path

import keras
import numpy as np
import pandas as pd

COLUMNS = ["variance", "skewness", "curtosis", "entropy", "class"]

_ROWS = 1372
_LOCAL = "banknote_authentication.csv"
_NAME = "data_banknote_authentication.txt"
_ORIGIN = f"https://archive.ics.uci.edu/ml/machine-learning-databases/00267/{_NAME}"
_SHA256 = "d0539aaed2139ba7a587b3e34fb345ce503ff7d5d33dbf9912d8e195ce425cb9"
_SOURCE = "UCI banknote authentication, Lohweg (2012), doi:10.24432/C55P57, CC BY 4.0"
_WAIT = 10.0  # seconds without an answer

# Of each class, two kinds of note as likely as each other but for the share of the second:
# means and standard deviations of the four columns.
_KINDS = {
    0: [
        ((2.5, 0.0, 3.0, 0.5), (2.0, 3.0, 2.5, 1.0)),
        ((2.0, 8.0, -1.5, -2.5), (2.0, 2.5, 2.0, 2.0)),
    ],
    1: [
        ((-1.5, 3.0, -1.0, -2.0), (2.0, 2.5, 2.0, 2.0)),
        ((-2.5, -6.5, 7.0, 0.0), (1.5, 3.5, 4.0, 1.0)),
    ],
}
_FAKE, _SECOND = 0.44, (0.5, 0.4)  # the share of fakes, and of the second kind in each class
_CORRELATION = [
    [1.0, -0.2, -0.5, 0.4],
    [-0.2, 1.0, -0.6, -0.2],
    [-0.5, -0.6, 1.0, 0.0],
    [0.4, -0.2, 0.0, 1.0],
]


def banknotes() -> pd.DataFrame:
    """Return the banknote data: four statistics of pictures of 1,372 notes, real and fake.

    Returns
    -------
    pandas.DataFrame
        Columns `variance`, `skewness`, `curtosis` and `entropy` of the wavelet-transformed
        picture, without units, and `class`: 1 for the 610 fakes, 0 for the 762 real notes. Its
        `attrs["source"]` says where they are from.

    Raises
    ------
    ConnectionError
        If the file is neither in the folder that PROBNN_DATA names nor in Keras's cache, and
        cannot be downloaded.
    ValueError
        If the file is not that of the source.

    Notes
    -----
    The file `banknote_authentication.csv`, with a line of names, is read from the folder that the
    environment variable PROBNN_DATA names, if it is there. Else the file of the UCI Machine
    Learning Repository is downloaded once, to Keras's cache (`~/.keras/datasets`), and checked
    against its SHA-256. Source: V. Lohweg (2012), banknote authentication, doi:10.24432/C55P57,
    licence CC BY 4.0.

    Examples
    --------
    >>> import probnn as pn
    >>> frame = pn.datasets.banknotes()  # doctest: +SKIP
    >>> frame["class"].sum(), len(frame)  # doctest: +SKIP
    (610, 1372)
    """
    folder = os.environ.get("PROBNN_DATA")
    local = Path(folder) / _LOCAL if folder else None
    if local is not None and local.is_file():
        frame = _checked(pd.read_csv(local), local)
    else:
        path = _downloaded(local)
        frame = _checked(pd.read_csv(path, header=None, names=COLUMNS), path)
    frame.attrs["source"] = _SOURCE
    return frame


def make_banknotes(n: int = _ROWS, *, seed: int = 0) -> pd.DataFrame:
    """Return simulated banknotes, for where the published ones are out of reach.

    Parameters
    ----------
    n : int
        The number of notes.
    seed : int
        For NumPy's random generator.

    Returns
    -------
    pandas.DataFrame
        The columns of `banknotes`; `attrs["simulated"]` is True.

    Raises
    ------
    ValueError
        If n is not a whole number from 1 on.

    Notes
    -----
    A note is fake with probability 0.44. In each class there are two kinds of note, each with a
    normal distribution of the four columns, of round means and standard deviations and one
    correlation matrix, near those of the published data. As there, two columns leave much overlap
    and all four nearly separate the classes. No result about real banknotes comes from them.

    Examples
    --------
    >>> import probnn as pn
    >>> frame = pn.datasets.make_banknotes(200, seed=1)
    >>> frame.shape, frame.attrs["simulated"]
    ((200, 5), True)
    """
    is_number = isinstance(n, (int, float, np.number)) and not isinstance(n, bool)
    if not is_number or n % 1 != 0 or n < 1:  # NaN and infinity leave NaN
        raise ValueError(
            f"Expected n to be a whole number from 1 on. Received: {n!r}. Give the number of notes."
        )
    # Not the stream of default_rng(seed), with which a caller may split the rows.
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    fake = (rng.random(int(n)) < _FAKE).astype(int)
    second = (rng.random(int(n)) < np.take(_SECOND, fake)).astype(int)
    means, scales = np.moveaxis(np.array([_KINDS[0], _KINDS[1]]), 2, 0)
    noise = rng.normal(size=(int(n), 4)) @ np.linalg.cholesky(_CORRELATION).T
    frame = pd.DataFrame(means[fake, second] + scales[fake, second] * noise, columns=COLUMNS[:4])
    frame["class"] = fake
    frame.attrs["simulated"] = True
    return frame


def _downloaded(local):
    """Return the path of the UCI repository's file in Keras's cache."""
    try:
        with _patience(_WAIT):
            return keras.utils.get_file(_NAME, origin=_ORIGIN, file_hash=_SHA256)
    except ValueError as error:
        raise ValueError(
            f"Expected the file with SHA-256 {_SHA256} at {_ORIGIN}. Received: another file. Put "
            f"{_LOCAL} into a folder, and its name into the environment variable PROBNN_DATA."
        ) from error
    except Exception as error:  # what Keras raises where there is no connection has no other class
        place = "PROBNN_DATA, which is not set" if local is None else str(local)
        raise ConnectionError(
            f"Expected the banknote data at {place}, or at {_ORIGIN}. Received: neither ({error}). "
            f"Set the environment variable PROBNN_DATA to a folder with {_LOCAL}; or use "
            "probnn.datasets.make_banknotes(), which simulates such data."
        ) from error


@contextlib.contextmanager
def _patience(seconds):
    """Wait so long for an answer of the network, where sockets would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _checked(frame, path):
    """Return the frame, or raise ValueError if it is not that of the banknotes."""
    if list(frame.columns) != COLUMNS:
        problem = f"the columns {', '.join(map(str, frame.columns))}"
    elif len(frame) != _ROWS:
        problem = f"{len(frame)} rows"
    elif not all(kind.kind in "if" for kind in frame.dtypes) or frame.isna().any(axis=None):
        problem = "values that are not numbers"
    elif set(frame["class"]) != {0, 1}:
        problem = f"classes {sorted(set(frame['class']))}"
    else:
        return frame
    raise ValueError(
        f"Expected {_ROWS} rows of numbers in the columns {', '.join(COLUMNS)}, with classes 0 "
        f"and 1. Received: {problem}, in {path}. Get the file again from {_ORIGIN}."
    )
