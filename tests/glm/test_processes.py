"""Fits in threads, processes and coroutines: the numbers of a fit alone, and no hang."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# The first fit shares its rows out to threads, which a fork does not have.
SCRIPT = """
import asyncio
import concurrent.futures
import multiprocessing
import sys

import numpy as np
from threadpoolctl import threadpool_info

from probnn.glm import GLM

N, P = 200_000, 6


def answer(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, P))
    y = rng.poisson(np.exp(0.2 + x @ np.linspace(-0.3, 0.3, P)))
    results = GLM(y, np.column_stack([np.ones(N), x]), "poisson").fit()
    return np.concatenate([results.params, results.bse, [results.llf]])


def pooled(pool):
    with pool:
        return list(pool.map(answer, range(2)))


def processes(method):
    context = multiprocessing.get_context(method)
    return pooled(concurrent.futures.ProcessPoolExecutor(2, mp_context=context))


def loky():
    from joblib import Parallel, delayed

    return Parallel(n_jobs=2, backend="loky")(delayed(answer)(seed) for seed in range(2))


async def gathered():
    return await asyncio.gather(*(asyncio.to_thread(answer, seed) for seed in range(2)))


WAYS = {
    "fork": lambda: processes("fork"),
    "spawn": lambda: processes("spawn"),
    "loky": loky,
    "threads": lambda: pooled(concurrent.futures.ThreadPoolExecutor(4)),
    "asyncio": lambda: asyncio.run(gathered()),
}


def threads():
    return [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]


if __name__ == "__main__":
    alone, before = [answer(seed) for seed in range(2)], threads()
    np.testing.assert_allclose(WAYS[sys.argv[1]](), alone, rtol=1e-12, atol=1e-14)
    assert threads() == before, (threads(), before)
    assert (answer(0) == alone[0]).all()
"""


@pytest.mark.parametrize("way", ["fork", "spawn", "loky", "threads", "asyncio"])
def test_fits_elsewhere_have_the_numbers_of_a_fit_alone(way, tmp_path):
    if way == "fork" and not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    if way == "loky":
        pytest.importorskip("joblib")
    script = tmp_path / "fits.py"
    script.write_text(SCRIPT)
    path = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, script, way],
        timeout=240,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
