"""The network of results knows their columns."""

import keras
import numpy as np
import pytest
from tables.glms import data

from probnn.glm import GLM


def test_it_knows_columns_by_name(tmp_path):
    y, x = data("spector")
    results = GLM(y, x, "bernoulli").fit()
    results.network.save(tmp_path / "n.keras")
    turned = x[x.columns[::-1]]
    for network in (results.network, keras.models.load_model(tmp_path / "n.keras")):
        for rows in (turned, x, x.to_numpy()):
            np.testing.assert_allclose(network.predict(rows, verbose=0), results.mu, rtol=1e-5)
        with pytest.raises(ValueError, match="no 'PSI'"):
            network.predict(x.drop(columns="PSI"), verbose=0)


def test_it_knows_those_of_further_designs():
    y, x = data("spector")
    x = x.iloc[:, :2]
    results = GLM(y + x.iloc[:, 1], x, designs={"scale": x}).fit()
    both = x.join(x.add_prefix("scale: "))
    found = results.network.predict_distribution(both[both.columns[::-1]], verbose=0)
    want = results.predict_distribution(x, designs={"scale": x})
    for name, values in want.params.items():
        np.testing.assert_allclose(found.params[name], values, rtol=1e-4)


def test_of_arrays_it_takes_positions():
    y, x = data("spector")
    assert GLM(y.to_numpy(), x.to_numpy(), "bernoulli").fit().network.input_columns.names is None
