"""Rows, or blocks of them, shared out to threads: each runs on what stays in its core's cache."""

import functools
import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

_NUMBERS = 1_000_000  # below which threads cost more than they gain
_BLOCKS = 4  # of a millisecond each, likewise
_NAME = "probnn"  # of threads, which wait for no others of their pool


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


def share_blocks(function, blocks):
    """Call `function(block)` of each block, in threads if there are several.

    Parameters
    ----------
    function : callable
        As that of `share`; what it writes for one block, no other reads or writes. Threads take the
        blocks as they are, so that results are the same to the last digit for any number of cores.
    blocks : iterable
    """
    blocks, state = list(blocks), np.geterr()  # which a thread does not inherit
    if len(blocks) < _BLOCKS or _cores() == 1 or threading.current_thread().name.startswith(_NAME):
        for block in blocks:
            function(block)
        return

    def run(block):
        with np.errstate(**state):
            function(block)

    with one_blas_thread():
        for _ in _pool(_cores()).map(run, blocks):
            pass


def _cores():
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _pool(workers):
    return ThreadPoolExecutor(workers, thread_name_prefix=_NAME)


class _OneThread:
    """A limit of BLAS to one thread that many threads hold at once: the last one restores it."""

    def __init__(self):
        self._lock, self._holders, self._limit = threading.Lock(), 0, None

    def __enter__(self):
        with self._lock:
            if not self._holders:
                self._limit = _controller().limit(limits=1, user_api="blas")
            self._holders += 1

    def __exit__(self, *_):
        with self._lock:
            self._holders -= 1
            if not self._holders:
                self.restore()

    def restore(self):
        """Give BLAS the threads that it had."""
        if self._limit is not None:
            self._limit.restore_original_limits()
        self._limit = None


_one_thread = _OneThread()


def one_blas_thread():
    """Return a context in which BLAS has one thread, as suits small matrices."""
    return _one_thread


@functools.cache
def _controller():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _after_fork():
    """Forget, in a child process, the threads that only its parent has."""
    global _one_thread
    _pool.cache_clear()
    _one_thread.restore()
    _one_thread = _OneThread()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
