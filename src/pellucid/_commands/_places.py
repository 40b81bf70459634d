"""From what is typed as FILE to rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, SettingError

if TYPE_CHECKING:
    from ..train import Preprocess


@dataclass(frozen=True)
class Rows:
    """Rows from a file, a folder of images or a bundled data set: a table, or the arrays x and y."""

    x: Any
    y: Any = None
    files: tuple[str, ...] = ()  # of images

    def __len__(self) -> int:
        return len(self.x)

    def row(self, number: int) -> Rows:
        """One row, by its place in the file.

        Raises: SettingError where there is no such row.
        """
        if not 0 <= number < len(self):
            raise SettingError(f"The rows are 0 to {len(self) - 1}; got {number}.")
        one = slice(number, number + 1)
        return Rows(self.x[one], None if self.y is None else self.y[one], self.files[one])

    @property
    def targets(self) -> Any:
        return self.x if self.y is None else self.y


def read_rows(path: str, preprocess: Preprocess | None, *, targets: bool = True) -> Rows:
    """The rows of a file, a folder of images or a bundled data set, for the network with this preprocessing, or none.

    Without `targets`, an image alone will do, and a folder of them without classes.

    Raises: DataError for a file that is not there or cannot be read.
    """
    from .._api import named
    from ..train import ARRAYS, find, is_image, read_arrays, read_table

    rows, *_ = named(path, None)
    if not isinstance(rows, str):
        return Rows(rows)
    place = Path(path)
    if place.is_dir() or (is_image(place) and place.exists() and not targets):
        return image_rows(place, preprocess, targets)
    found = find(place)
    if found.suffix.lower() not in ARRAYS:
        return Rows(read_table(found))
    return Rows(*read_arrays(found, targets=targets)[:2])


def image_rows(place: Path, preprocess: Preprocess | None, targets: bool) -> Rows:
    from ..train import is_image, read_folder, read_images

    shape = (preprocess and preprocess.shape) or ()
    if len(shape) != 3:
        raise DataError(f"{place.name} holds images, and the network was not trained on images.")
    size, channels = shape[:2], shape[2]
    loose = [place] if place.is_file() else sorted(p for p in place.iterdir() if is_image(p))
    if targets or not loose:
        found = read_folder(place, size, channels)
        return Rows(found.x, found.classes, found.files)
    return Rows(read_images(loose, size, channels).x, None, tuple(file.name for file in loose))


def shown(path: str) -> str:
    """A path as one would type it here."""
    place, here = Path(path), Path.cwd()
    return str(place.relative_to(here)) if place.is_relative_to(here) else path
