"""Serving: a service that answers one row with a distribution, and how long that takes.

You will see a network of visits to the doctor in a year, trained on a data frame; a function that
answers for one row, by the names of its columns; a FastAPI app around it, which hands on in words
what is wrong with a row, with the status 422; and, by FastAPI's test client, how long an answer
takes at the 50th and the 99th percentile, and how many there are in a second, of one thread and of
two. The data are 20,190 person-years of the RAND Health Insurance Experiment (Deb and Trivedi 2002,
doi:10.1016/S0167-6296(02)00008-5), which ship with statsmodels.
The app comes with FastAPI: pip install fastapi httpx. Without it the function alone is measured.

    python examples/20_serving.py

To serve, put `model` and `app` into a module of their own: uvicorn my_module:app.
"""

import importlib.util
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import statsmodels.api as sm

import probnn as pn

FIGURES = Path(__file__).parent / "figures"
REQUESTS, WARM = 150, 10
keras.utils.set_random_seed(0)

# ---- the model -----------------------------------------------------------------------------------

visits = sm.datasets.randhie.load_pandas().data
x, y = visits.drop(columns="mdvis").astype(float), visits["mdvis"]
means, deviations = x.mean(), x.std()
layers = [
    keras.Input((x.shape[1],)),
    keras.layers.Normalization(mean=means, variance=deviations**2),
    keras.layers.Dense(16, "relu"),
    pn.Head("negative_binomial"),
]
model = pn.Sequential(layers)
model.compile(keras.optimizers.Adam(0.01))
model.fit(x, y, epochs=3, batch_size=512, verbose=0)
print(f"{len(y)} person-years, {y.mean():.1f} visits in each on average.\n")

# ---- an answer for one row -----------------------------------------------------------------------


def answer(row):
    """Return what the model believes about one row, a dict of its columns, as JSON types."""
    believed = model.predict_distribution_on_batch(pd.DataFrame([row], dtype=float))
    low, high = np.ravel(believed.interval(0.9))
    return {
        "mean": float(believed.mean()[0]),
        "interval": [float(low), float(high)],
        "none": float(believed.cdf(0.0)[0]),
        "params": {name: float(value[0]) for name, value in believed.params.items()},
    }


some = x.iloc[::67].to_dict("records")
first = answer(some[0])
low, high = first["interval"]
print(
    f"One row: {first['mean']:.2f} visits on average, 90 % of such within {low:.0f} to {high:.0f}, "
    f"none with probability {first['none']:.2f}."
)

# ---- a service -----------------------------------------------------------------------------------


def service():
    """Return an app that answers POST /visits, of which the body is a row."""
    from fastapi import FastAPI, HTTPException

    app = FastAPI()

    @app.post("/visits")
    def predict(row: dict[str, float | None]):
        try:
            return answer(row)
        except ValueError as error:  # the library says what is wrong with the row
            raise HTTPException(422, str(error)) from error

    return app


def ask_app():
    """Return a function that asks the app, once it has been asked wrong questions."""
    from fastapi.testclient import TestClient

    client = TestClient(service())
    without = {name: value for name, value in some[0].items() if name != "lpi"}
    print("\nRows that are wrong:")
    for wrong in (without, {**some[0], "age": 40.0}, {**some[0], "lpi": None}):
        said = client.post("/visits", json=wrong)
        print(f"  {said.status_code}: {said.json()['detail']}")
        assert said.status_code == 422

    def ask(row):
        said = client.post("/visits", json=row)
        assert said.status_code == 200, said.text
        return said.json()

    return ask


# ---- how long it takes ---------------------------------------------------------------------------


def seconds(ask, row):
    """Return the time that one answer takes."""
    start = time.perf_counter()
    ask(row)
    return time.perf_counter() - start


asked = {"the function": answer}
if importlib.util.find_spec("fastapi") and importlib.util.find_spec("httpx"):
    asked["the service"] = ask_app()
else:
    print("\nWithout the service, which needs FastAPI: pip install fastapi httpx")

rows = [some[i % len(some)] for i in range(REQUESTS)]
times = {}
print(f"\nOf {os.cpu_count()} cores:")
print(f"{'':14}{'50 %':>11}{'99 %':>11}{'a second':>12}{'2 threads':>12}")
for name, ask in asked.items():
    for row in rows[:WARM]:
        ask(row)
    times[name] = [1000.0 * seconds(ask, row) for row in rows]
    start = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(ask, rows))
    two = len(rows) / (time.perf_counter() - start)
    median, late = np.percentile(times[name], [50, 99])
    one = 1000.0 / np.mean(times[name])
    print(f"{name:14}{median:8.1f} ms{late:8.1f} ms{one:12.0f}{two:12.0f}")

figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, each in times.items():
    axes.plot(np.sort(each), np.linspace(0.0, 1.0, len(each)), label=name)
axes.axhline(0.99, color="0.8", zorder=0)
axes.set(xscale="log", xlabel="milliseconds", ylabel="share of answers", title="One row, answered")
axes.legend()
FIGURES.mkdir(exist_ok=True)
path = FIGURES / "20_serving.png"
figure.savefig(path, dpi=150)
print(f"\n{path.relative_to(Path(__file__).parents[1])}")
