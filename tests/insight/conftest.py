import numpy as np
import polars as pl
import pytest

from pellucid._api import fit

collect_ignore = ["conftest.py"]  # --doctest-modules would take it for the other folders' conftest


@pytest.fixture(scope="session")
def houses():
    """A table with a number, a category, a boolean and missing cells; the price is made from age and city alone."""
    rng = np.random.default_rng(0)
    n = 200
    age, city, noise = rng.uniform(0, 50, n), rng.choice(["Oslo", "Rome"], n), rng.normal(size=n)
    garden = [None if i % 11 == 0 else bool(i % 3) for i in range(n)]
    price = 300 - 4 * age + 60 * (city == "Rome") + 3 * noise
    return pl.DataFrame({"age": age, "city": city, "noise": noise[::-1].copy(), "garden": garden, "price": price})


@pytest.fixture(scope="session")
def regression(houses):
    return fit([6], houses, target="price", epochs=40, batch_size=40, learning_rate=0.03, progress=False)


@pytest.fixture(scope="session")
def classification(houses):
    kind = np.where(houses["price"] < 180, "cheap", np.where(houses["price"] < 260, "fair", "dear"))
    table = houses.drop("price").with_columns(kind=pl.Series(kind))
    return fit([6], table, target="kind", epochs=10, batch_size=40, learning_rate=0.03, progress=False)
