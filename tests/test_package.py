"""What the package promises from outside: its names, its quick import, its version and its wheel."""

import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import pellucid

ROOT = Path(__file__).parent.parent


def test_every_name_at_the_top_is_there_and_there_are_at_most_forty():
    assert len(pellucid.__all__) == len(set(pellucid.__all__)) <= 40
    assert pellucid.__all__ == sorted(pellucid.__all__)
    for name in pellucid.__all__:
        assert getattr(pellucid, name) is not None
        assert name in dir(pellucid)


def test_the_lazy_names_are_the_public_names():
    lazy = {name for names in pellucid._HOMES.values() for name in names} | set(pellucid._MODULES)
    assert lazy == set(pellucid.__all__)


def test_no_function_at_the_top_hides_a_module():
    modules = {path.stem for path in Path(pellucid.__file__).parent.iterdir()} - set(pellucid._MODULES)
    assert modules.isdisjoint(pellucid.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pellucid.nothing


def test_the_import_loads_nothing_heavy():
    code = "import sys, pellucid; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"jax", "numba", "numpy", "sklearn", "matplotlib", "polars", "optax", "equinox", "sqlite3", "tqdm"}
    assert heavy.isdisjoint(done.stdout.split())


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert pellucid.__version__ == project["version"] == metadata.version("pellucid")


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    own = {f"pellucid/{path.relative_to(ROOT / 'src' / 'pellucid').as_posix()}" for path in sources()}
    rest = [name for name in names if name not in own]
    assert own <= set(names)
    assert all(name.startswith(f"pellucid-{pellucid.__version__}.dist-info/") for name in rest)
    assert any(name.endswith("licenses/LICENSE") for name in rest)


def sources():
    found = (ROOT / "src" / "pellucid").rglob("*")
    kinds = (".py", ".css", ".js", ".html", ".toml", ".ttf", ".typed")
    return [path for path in found if path.is_file() and path.suffix in kinds]


def test_every_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    locked = {line.partition("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines()}
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    assert {name.partition(">=")[0].lower() for name in wanted} <= locked
    assert "torch" in locked
