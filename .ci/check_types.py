"""Check types as an editor does: of the public modules, the README, the tour and the examples."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = ["probnn/[!_]*.py", "probnn/__init__.py", "probnn/[!_]*/__init__.py"]

# What the tour leaves to its reader; and it names things to look at, as expressions.
GIVEN = (
    "X_test any_keras_model d_valid logit_results new sklearn_pipeline x_new x_test y_test y_valid"
)
BEFORE = """# pyright: reportUnusedExpression=false
from typing import Any
def given() -> Any: ...
""" + "".join(f"{name} = given()\n" for name in GIVEN.split())

with tempfile.TemporaryDirectory() as folder:
    pages = []
    for page in ("README.md", "docs/tour.md"):
        code = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
        pages.append(Path(folder, Path(page).stem).with_suffix(".py"))
        pages[-1].write_text(BEFORE + "\n".join(code))
    files = [path for pattern in [*MODULES, "examples/*.py"] for path in ROOT.glob(pattern)]
    command = ["pyright", "--pythonpath", sys.executable, *map(str, sorted(files) + pages)]
    done = subprocess.run(command, cwd=ROOT)
sys.exit(done.returncode)
