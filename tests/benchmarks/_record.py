"""How the benchmarks write their tables where the documentation shows them."""

import argparse
import os
import platform
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference" / "measured"
PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "scipy", "statsmodels")


def options(doc):
    """Return a parser for a script with this docstring, which has the option --record."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument(
        "--record", action="store_true", help="write the tables for the documentation, too"
    )
    return parser


def environment():
    """Return the cores and the versions in a line."""
    found = [f"{len(os.sched_getaffinity(0))} cores", f"Python {platform.python_version()}"]
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    return ", ".join(found)


def markdown(frame):
    """Return a frame of texts and numbers as a Markdown table, with its index as first column."""
    rows = [["", *frame.columns], ["---", *["--:"] * frame.shape[1]]]
    rows += [[label, *row] for label, *row in frame.itertuples()]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def record(name, tables):
    """Write tables, a dict of captions and frames, as docs/reference/measured/<name>.md."""
    command = " ".join(["python", "tests/benchmarks/" + Path(sys.argv[0]).name, *sys.argv[1:]])
    lines = [f"`{command}`, {datetime.now(UTC):%Y-%m-%d}: {environment()}."]
    lines += [f"**{caption}**\n\n{markdown(frame)}" for caption, frame in tables.items()]
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.md").write_text("\n\n".join(lines) + "\n")


def show(name, tables, recorded):
    """Print tables, a dict of captions and frames, and write them if they are to be recorded."""
    for caption, frame in tables.items():
        print(caption, frame.to_string(), sep="\n")
    if recorded:
        record(name, tables)
