"""Write posteriordb.json: data, and what reference draws say, of models of posteriordb.

    python tests/references/posteriordb.py PATH_OF_THE_GIT_REPOSITORY_STAN_DEV_POSTERIORDB

Each has ten chains of 1,000 draws of Stan, whose statistics are kept in place of them. Priors
are flat, but that of kidiq's sigma, half-Cauchy of scale 2.5, and those of sblrc, normal and half-
normal of scale 10. Of `wells` there are no reference draws. https://github.com/stan-dev/posteriordb
"""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

MODELS = {
    "kidiq": "kidiq-kidscore_momhsiq",
    "mesquite": "mesquite-logmesquite",
    "earnings": "earnings-logearn_interaction",
    "nes1980": "nes1980-nes",
    "sblrc": "sblrc-blr",
}


def read(repository, path):
    """Return the JSON in a zip file of the repository's last commit."""
    command = ["git", "-C", repository, "show", f"HEAD:posterior_database/{path}.json.zip"]
    content = subprocess.run(command, capture_output=True, check=True).stdout
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return json.loads(archive.read(archive.namelist()[0]))


def main(repository):
    """Write the file."""
    found = {}
    for data, posterior in MODELS.items():
        chains = read(repository, f"reference_posteriors/draws/draws/{posterior}")
        draws = {name: np.concatenate([c[name] for c in chains]) for name in chains[0]}
        found[data] = {
            "data": read(repository, f"data/data/{data}"),
            "draws": len(next(iter(draws.values()))),
            "mean": {name: values.mean() for name, values in draws.items()},
            "sd": {name: values.std(ddof=1) for name, values in draws.items()},
            "90%": {
                name: list(np.quantile(values, [0.05, 0.95])) for name, values in draws.items()
            },
        }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(found))
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main(sys.argv[1])
