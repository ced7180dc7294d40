"""Threads of rows: what they leave behind in this process, and in one forked from it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "probnn"

SETTINGS = """
import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits
import _parallel as parallel

parallel._cores = lambda: 3
threadpool_limits(3, "blas")
x = np.arange(1.0, 1_000_001.0)
want = x.sum()


def total():
    return sum(parallel.share(lambda rows: float(x[rows].sum()), len(x), 1))


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
"""


def run(script):
    """Run a script in a process of its own, whose BLAS has three threads."""
    command = [sys.executable, "-c", SETTINGS + script]
    done = subprocess.run(command, cwd=FOLDER, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_blas_gets_its_threads_back_when_the_last_holder_leaves():
    run("""
before = blas_threads()
assert set(before) == {3}, before
first, second = parallel.one_blas_thread(), parallel.one_blas_thread()
first.__enter__()
second.__enter__()
first.__exit__()
assert set(blas_threads()) == {1}
second.__exit__()
assert blas_threads() == before
""")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_has_threads_of_its_own():
    run("""
import os

before = blas_threads()
assert total() == want
with parallel.one_blas_thread():
    child = os.fork()
    if not child:
        os._exit(not (total() == want and blas_threads() == before))
assert os.waitpid(child, 0)[1] == 0
""")


def test_blocks_go_to_threads_with_the_state_of_errors_and_give_errors_back():
    run("""
import threading

found, names = np.zeros(8), set()
both = threading.Barrier(2, timeout=60)


def invert(i):
    if i < 2:
        both.wait()  # two threads at once
    names.add(threading.current_thread().name)
    found[i] = np.float64(1.0) / (i - 5.0)
    parallel.share_blocks(lambda j: None, range(8))  # inside, which waits for no thread


with np.errstate(divide="ignore"):
    parallel.share_blocks(invert, range(8))
assert (found == [-1 / 5, -1 / 4, -1 / 3, -1 / 2, -1.0, np.inf, 1.0, 1 / 2]).all(), found
assert len(names) >= 2 and threading.current_thread().name not in names, names
try:
    with np.errstate(divide="raise"):
        parallel.share_blocks(invert, range(8))
except FloatingPointError:
    pass
else:
    raise AssertionError("no error came back")
""")
