"""Rows shared out to threads: each runs on blocks that stay in its core's cache."""

import contextlib
import functools
import itertools
import os
from concurrent.futures import ThreadPoolExecutor

_NUMBERS = 1_000_000  # below which threads cost more than they gain


def share(function, rows, width):
    """Return `function(rows)` of contiguous shares of the rows, one for each core.

    Parameters
    ----------
    function : callable
        Takes a slice of rows; NumPy, SciPy and compiled code let other threads run meanwhile.
    rows : int
        The number of rows.
    width : int
        How many numbers a row has: for few numbers there is one share.

    Notes
    -----
    While they run, BLAS has one thread: products of blocks are too small to be shared out
    themselves, and its waiting threads would take the cores.
    """
    workers = _cores() if rows * width >= _NUMBERS else 1
    if workers == 1:
        return [function(slice(0, rows))]
    bounds = [rows * i // workers for i in range(workers + 1)]
    shares = [slice(start, stop) for start, stop in itertools.pairwise(bounds)]
    with one_blas_thread():
        return list(_pool(workers).map(function, shares))


def _cores():
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _pool(workers):
    return ThreadPoolExecutor(workers, thread_name_prefix="probnn")


@contextlib.contextmanager
def one_blas_thread():
    """Return a context in which BLAS has one thread, as suits small matrices."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _controller():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
