"""The tests under other arithmetic: that of other processors, and of other numbers of threads.

    python tests/arithmetic.py [--list] [--only WORD ...] [--together] [arguments of pytest]

A line for each setting says how many tests passed, and the names of those that failed. Left out is
what this processor cannot execute, and what computes as a setting before it or as no setting does.
`--list` runs no test: it says what each setting computes with. `--only` takes a part of the names
of the settings to run, and may be repeated. `--together` runs a setting of each library at once, so
that all of them take a few runs; where one of these fails, `--only` says which setting it is.
"""

import argparse
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
AVX512 = ("AVX512", "X86_V4")  # how NumPy's names of features begin, old and new
AVX2 = (*AVX512, "AVX2", "FMA3", "X86_V3")


def without(prefixes):
    """Return the variables that keep NumPy from features of these names."""
    from numpy._core._multiarray_umath import __cpu_dispatch__

    names = [name for name in __cpu_dispatch__ if name.startswith(prefixes)]
    return {"NPY_DISABLE_CPU_FEATURES": " ".join(names)}


def threads(count):
    """Return the variables that give each library this number of threads."""
    pools = ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "TF_NUM_INTRAOP", "TF_NUM_INTEROP")
    return {f"{pool}_THREADS": str(count) for pool in pools}


def settings():
    """Return, for each library, the variables of each of its settings."""
    cores = ("Haswell", "SkylakeX", "Zen", "Sandybridge")
    onednn = {  # TensorFlow takes to oneDNN by itself on some processors only
        f"oneDNN for {isa}": {"TF_ENABLE_ONEDNN_OPTS": "1", "ONEDNN_MAX_CPU_ISA": isa}
        for isa in ("SSE41", "AVX2")
    }
    return [
        {"NumPy without AVX512": without(AVX512), "NumPy without AVX2": without(AVX2)},
        {f"OpenBLAS for {core}": {"OPENBLAS_CORETYPE": core} for core in cores},
        {**onednn, "TensorFlow without oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"}},
        {"one thread": threads(1), "two threads": threads(2)},
    ]


def different(libraries, only):
    """Return the settings that differ from all before them; print which are left out, and why."""
    seen = {"no setting": probed({})}
    print("no setting:", seen["no setting"], flush=True)
    kept = [{} for _ in libraries]
    for library, left in zip(libraries, kept, strict=True):
        for name, setting in library.items():
            if only and not any(word in name for word in only):
                continue
            found = probed(setting)
            same = [other for other, facts in seen.items() if facts == found]
            if found is None:
                print(f"{name}: left out, as this processor cannot execute it", flush=True)
            elif same:
                print(f"{name}: left out, as it computes as {same[0]} does", flush=True)
            else:
                seen[name], left[name] = found, setting
    return kept, seen


def together(libraries):
    """Return settings of several libraries as one, such that each setting is in one of them."""
    runs = itertools.zip_longest(*(library.items() for library in libraries))
    return [[part for part in parts if part is not None] for parts in runs]


def environment(setting):
    """Return the variables of this process, and those of a setting."""
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **setting}


def probe():
    """Print, as JSON, what NumPy and OpenBLAS compute with; oneDNN says it by itself."""
    import keras
    import numpy as np
    import scipy.linalg
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
    from threadpoolctl import threadpool_info

    x = np.eye(64)
    scipy.linalg.solve(x @ x, x)
    keras.layers.Dense(64)(x.astype("float32"))
    pools = [pool for pool in threadpool_info() if pool["internal_api"] == "openblas"]
    found = {
        "NumPy": [name for name in __cpu_dispatch__ if __cpu_features__.get(name)],
        "OpenBLAS": sorted({pool["architecture"] for pool in pools}),
        "threads": sorted({pool["num_threads"] for pool in pools}),
    }
    print(json.dumps(found))


def probed(setting):
    """Return what the libraries compute with; None where the processor cannot."""
    command = [sys.executable, str(Path(__file__).resolve()), "--probe"]
    told = {**environment(setting), "ONEDNN_VERBOSE": "1"}
    done = subprocess.run(command, env=told, cwd=ROOT, capture_output=True, text=True)
    if done.returncode == -signal.SIGILL:
        return None
    if done.returncode:
        raise RuntimeError(f"The probe with {setting} ended with {done.returncode}.\n{done.stderr}")
    # The instructions, the threads of the backend, and the operations that were run with them.
    said = re.findall(r"(?:nthr|isa):[^,\n]+|(?<=exec,cpu,)\w+,[\w:]*", done.stdout)
    return {**json.loads(done.stdout.splitlines()[-1]), "oneDNN": sorted({*said})}


def run(setting, arguments):
    """Return a line on the tests under a setting, and the names of those that failed."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}"]
        command += ["-m", "", *arguments]  # slow ones too, unless the arguments say otherwise
        done = subprocess.run(command, env=environment(setting), cwd=ROOT, capture_output=True)
        if not report.exists():
            return f"pytest ended with {done.returncode}", ["all"]
        cases = list(ElementTree.parse(report).iter("testcase"))
    outcomes = [{part.tag for part in case} for case in cases]
    failed = [
        f"{case.get('classname')}::{case.get('name')}"
        for case, outcome in zip(cases, outcomes, strict=True)
        if outcome & {"failure", "error"}
    ]
    skipped = sum("skipped" in outcome for outcome in outcomes)
    line = f"{len(cases) - len(failed) - skipped} passed, {len(failed)} failed, {skipped} skipped"
    return f"{line}, {time.perf_counter() - start:.0f} s", failed


def main():
    """Print a line for each setting; return whether any test failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="say what each computes with, only")
    parser.add_argument("--only", action="append", default=[], metavar="WORD")
    parser.add_argument("--probe", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--together", action="store_true", help="a setting of each library at once")
    options, arguments = parser.parse_known_args()
    if options.probe:
        return probe()
    libraries, seen = different(settings(), options.only)
    alone = [[part] for library in libraries for part in library.items()]
    wrong = False
    for parts in together(libraries) if options.together else alone:
        name = " and ".join(name for name, _ in parts)
        failed = []
        if options.list:
            line = " ".join(str(seen[part]) for part, _ in parts)
        else:
            variables = {k: v for _, setting in parts for k, v in setting.items()}
            line, failed = run(variables, arguments)
        wrong = wrong or bool(failed)
        print(f"{name}: {line}", *failed, sep="\n    ", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
