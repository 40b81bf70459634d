"""Files of a fuzzer (scripts/fuzz.py), each of which reached another line of a reader: read, or refused clearly."""

import importlib.util
import zipfile
from pathlib import Path

import pytest

from pellucid.errors import PellucidError

ROOT = Path(__file__).parents[2]
SEEDS = sorted((Path(__file__).parent / "seeds").glob("*.zip"))


@pytest.fixture(scope="module")
def readers():
    spec = importlib.util.spec_from_file_location("fuzz", ROOT / "scripts" / "fuzz.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.readers()


@pytest.mark.parametrize("archive", SEEDS, ids=lambda path: path.stem)
def test_a_fuzzed_file_is_read_or_refused_clearly(readers, archive):
    read, opened, refused = readers[archive.stem](), 0, []
    with zipfile.ZipFile(archive) as seeds:
        for name in seeds.namelist():
            try:
                read(seeds.read(name))
                opened += 1
            except PellucidError as problem:
                refused.append(str(problem))
    assert opened
    assert refused
    assert all(10 < len(words) < 2000 for words in refused)


def test_every_reader_has_its_seeds(readers):
    assert set(readers) == {path.stem for path in SEEDS}
