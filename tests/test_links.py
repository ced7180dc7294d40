"""Links, against statsmodels and SciPy, to the ends of float64."""

import pickle

import keras
import numpy as np
import pytest
from scipy import special
from tables.links import LINKS

import probnn as pn
from probnn import backend

each_link = pytest.mark.parametrize("case", LINKS, ids=lambda case: case.name)


def link_of(case):
    return case.link or pn.links.get(case.name)


def test_every_link_has_a_row():
    assert {case.name for case in LINKS} == {
        name for name, link in pn.links.LINKS.items() if "probnn" in type(link).__module__
    }


@each_link
def test_forward_equals_statsmodels(case):
    # statsmodels clips at 2e-16, and it and SciPy lose digits close to 0 and 1: those follow below.
    mu = np.array([m for m in case.mu if case.name == "identity" or 1e-4 < m != 1 - 1e-12])
    found = link_of(case).forward(mu)
    np.testing.assert_allclose(found, case.reference(mu), rtol=1e-12, atol=1e-15)


@each_link
def test_inverse_undoes_forward_to_the_ends_of_float64(case):
    mu = np.array(case.mu)
    link = link_of(case)
    eta = link.forward(mu)
    assert np.isfinite(eta).all()
    np.testing.assert_allclose(link.inverse(eta), mu, rtol=1e-11)
    positive = mu > 0
    np.testing.assert_allclose(
        link.log_inverse(eta[positive]), np.log(mu[positive]), rtol=1e-11, atol=1e-11
    )


@pytest.mark.backend
@each_link
def test_tensors_equal_host_arrays(case):
    link = link_of(case)
    mu = np.array(case.mu)
    eta = link.forward(mu)
    with backend.float64():
        for function in (link.forward, link.inverse, link.log_inverse):
            values = mu if function == link.forward else eta
            if function == link.log_inverse:
                values = values[mu > 0]
            found = keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(values)))
            np.testing.assert_allclose(found, function(values), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "eta", "mu"),
    [
        # Closed forms where mu itself is close to the smallest float64.
        ("logit", -700.0, np.exp(-700.0)),
        ("log", 700.0, np.exp(700.0)),
        ("softplus", -700.0, np.exp(-700.0)),
        ("softplus", 700.0, 700.0),
        ("cloglog", -700.0, np.exp(-700.0)),
        ("loglog", -6.0, np.exp(-np.exp(6.0))),
        ("probit", -37.0, special.ndtr(-37.0)),
        ("cauchit", -1e300, 1e-300 / np.pi),
        ("inverse_squared", 1e300, 1e-150),
    ],
)
def test_inverse_at_the_ends(name, eta, mu):
    np.testing.assert_allclose(pn.links.get(name).inverse(eta), mu, rtol=1e-12)


@pytest.mark.backend
@pytest.mark.parametrize("name", ["logit", "probit", "cloglog", "loglog", "cauchit"])
def test_log_of_a_probability_and_its_complement(name):
    link = pn.links.get(name)
    eta = np.array([-30.0, -3.0, 0.1, 1.5, 3.0])
    mu = link.inverse(eta)
    with backend.float64():
        x = keras.ops.convert_to_tensor(eta)
        log = keras.ops.convert_to_numpy(link.log_inverse(x))
        complement = keras.ops.convert_to_numpy(link.log_complement(x))
    # log(mu) has few digits where mu is close to 1, and log(1 - mu) where it is close to 0.
    far = (mu > 1e-300) & (mu < 0.9)
    np.testing.assert_allclose(log[far], np.log(mu[far]), rtol=1e-10)
    far = (mu > 1e-7) & (mu < 1 - 1e-7)
    np.testing.assert_allclose(complement[far], np.log1p(-mu[far]), rtol=1e-8)
    # Near those ends the logarithm is minus the small probability itself, which the mirrored link
    # gives exactly.
    mirror = {"cloglog": "loglog", "loglog": "cloglog"}.get(name, name)
    near = mu < 1e-7
    np.testing.assert_allclose(complement[near], -mu[near], rtol=1e-6)
    other = pn.links.get(mirror).inverse(-eta)  # 1 - mu
    near = other < 1e-7
    np.testing.assert_allclose(log[near], -other[near], rtol=1e-6)


def test_names_may_be_written_with_hyphens():
    assert pn.links.get("inverse-squared") is pn.links.get("inverse_squared")


@each_link
def test_config_and_pickle_round_trips(case):
    link = link_of(case)
    assert pn.links.get(link.get_config()) == link
    assert pickle.loads(pickle.dumps(link)) == link


def test_bad_links_get_a_clear_error():
    with pytest.raises(ValueError, match=r"Expected one of identity, log.*Received: 'logg'"):
        pn.links.get("logg")
    with pytest.raises(ValueError, match="differ from 0"):
        pn.links.Power(0.0)

    class Other(pn.links.Log):
        pass

    with pytest.raises(ValueError, match="registered already"):
        pn.links.register(Other())
