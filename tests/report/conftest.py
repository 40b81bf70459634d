import dataclasses
import shutil

import numpy as np
import polars as pl
import pytest

import doctor_cases
from pellucid._api import fit
from pellucid.doctor import Finding
from pellucid.insight import story
from pellucid.report import diagnosis_page, page

FOUND = Finding(
    "dead units", "layers[1]", 2, "97% of <all> outputs are zero", "no blame comes through", "lower the rate"
)


@pytest.fixture(scope="session")
def classified():
    """The story of a tiny table whose names and cells are full of markup."""
    rng = np.random.default_rng(0)
    n = 120
    table = pl.DataFrame(
        {
            "<script>alert(1)</script>": rng.normal(size=n),
            "city & co": rng.choice(["Rome", "A<b>"], n),
            "gap": [None if i % 7 == 0 else float(i) for i in range(n)],
        }
    )
    target = pl.Series('kind"<i>', np.where(table["city & co"] == "Rome", "yes <b>", "no"))
    run = fit([5], table.with_columns(target), target=target.name, epochs=4, progress=False, learning_rate="find")
    return story(dataclasses.replace(run, findings=(FOUND,)))


@pytest.fixture(scope="session")
def regressed():
    """The story of a tiny table of pixels."""
    rng = np.random.default_rng(1)
    pixels = rng.normal(size=(100, 6))
    table = pl.DataFrame(pixels, schema=[f"pixel_{i}_{j}" for i in range(2) for j in range(3)])
    run = fit(
        [4], table.with_columns(y=pl.Series(10 * pixels[:, 0])), target="y", epochs=3, early_stop=2, progress=False
    )
    return story(dataclasses.replace(run, source=run.source | {"path": "pixels.csv"}))


@pytest.fixture(scope="session")
def planar():
    """The story of two inputs, whose regions are filmed."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(100, 2))
    table = pl.DataFrame({"age <years>": x[:, 0], "income": x[:, 1]})
    target = pl.Series("kind", np.where(x[:, 0] * x[:, 1] > 0, "a", "b"))
    run = fit([6], table.with_columns(target), target="kind", epochs=5, learning_rate=0.05, progress=False)
    return story(run)


@pytest.fixture(scope="session")
def pages(classified, regressed, planar, tmp_path_factory):
    """The pages as files."""
    folder = tmp_path_factory.mktemp("pages")
    for name, told in (("classified", classified), ("regressed", regressed), ("planar", planar)):
        (folder / f"{name}.html").write_text(page(told), "utf-8")
    found = doctor_cases.diagnosis(findings=tuple(doctor_cases.finding(name) for name in doctor_cases.ROWS))
    (folder / "doctor").mkdir()
    (folder / "doctor" / "diagnosis.html").write_text(diagnosis_page(found, doctor_cases.CURE), "utf-8")
    (folder / "chinese").mkdir()
    (folder / "chinese" / "planar.html").write_text(page(planar, lang="zh"), "utf-8")
    (folder / "chinese" / "diagnosis.html").write_text(diagnosis_page(found, doctor_cases.CURE, lang="zh"), "utf-8")
    return folder


@pytest.fixture(scope="session")
def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    return path
