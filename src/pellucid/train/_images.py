"""Images: bytes in memory, and files of them in folders that name their class."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError, SettingError
from ..language import phrase
from ._cells import some

SUFFIXES = {".png", ".jpg", ".jpeg"}
MOST_BYTES = 8 * 2**30  # of all images together
FRACTION = np.float32(1 / 255)


class Images(NamedTuple):
    """Images from files: x (n, height, width, channels) in bytes, the file of each, its class, and what to know."""

    x: np.ndarray
    files: tuple[str, ...]
    classes: np.ndarray | None
    notes: tuple[str, ...]


def unit(x: Any) -> Any:
    """Bytes as fractions, `x / 255`; any other numbers as they are."""
    return x.astype(np.float32) * FRACTION if x.dtype == np.uint8 else x


def as_bytes(x: Any) -> np.ndarray:
    """Whole numbers from 0 to 255 as uint8.

    Raises: DataError where they are others.
    """
    out = np.asarray(x)
    if out.dtype == np.uint8:
        return np.ascontiguousarray(out)
    if out.dtype.kind not in "iu" or (out.size and (out.min() < 0 or out.max() > 255)):
        raise DataError(
            f"x holds {out.dtype}, and the network was trained on images in bytes (uint8, 0 to 255): give such images."
        )
    return out.astype(np.uint8)


def image_files(path: Path) -> tuple[list[Path], list[str], list[Path]]:
    """The image files of a folder of class folders, the class of each, and the files left out; hidden ones are skipped.

    Raises: DataError where there is no folder for each class.
    """
    folders = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    inside = [(file, folder.name) for folder in folders for file in sorted(visible(folder))]
    found = [(file, name) for file, name in inside if is_image(file)]
    left = [file for file, _ in inside if not is_image(file)] + [file for file in visible(path) if is_image(file)]
    if not found:
        loose = sum(is_image(file) for file in visible(path))
        what = f"{loose:,} images and no folder of them" if loose else f"no images ({', '.join(sorted(SUFFIXES))})"
        raise DataError(f"{path.name} holds {what}: give a folder of images for each class, named after it.")
    empty = [folder.name for folder in folders if not any(name == folder.name for _, name in found)]
    files, classes = (list(part) for part in zip(*found, strict=True))
    return files, classes, left + [path / name for name in empty]


def visible(folder: Path) -> list[Path]:
    return [p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")]


def is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_folder(path: Path, size: int | Sequence[int] | None = None, channels: int | None = None) -> Images:
    """A folder with a folder of PNG and JPEG files for each class, as `read_images` reads them."""
    files, classes, left = image_files(path)
    found = read_images(files, size, channels)
    others = some([p.name for p in left])
    notes = [phrase("left out, as they are not images in a class: {names}.", names=others)] if left else []
    names = tuple(str(file.relative_to(path)) for file in files)
    return found._replace(files=names, classes=np.array(classes), notes=(*found.notes, *notes))


def read_images(files: Sequence[Path], size: int | Sequence[int] | None = None, channels: int | None = None) -> Images:
    """Image files in bytes, all of one size: the one given as (height, width) or one number, or the most common.

    Grey where all of them are, else red, green and blue; transparency is dropped, and the camera's turn applied.

    Raises: DataError naming a file that is damaged or too large, or where all together are; SettingError for no size.
    """
    if find_spec("PIL") is None:
        raise DataError("Reading images needs Pillow: pip install 'pellucid[images]'.")
    known = [headed(file) for file in files]
    sizes = Counter(size for size, _ in known)
    high, wide = checked_size(size) if size is not None else sizes.most_common(1)[0][0]
    channels = channels or (1 if all(grey for _, grey in known) else 3)
    if (needed := len(files) * high * wide * channels) > MOST_BYTES:
        raise DataError(
            f"{len(files):,} images of {high} × {wide} × {channels} are {needed / 2**30:.1f} GiB: give a smaller size."
        )
    x = np.empty((len(files), high, wide, channels), np.uint8)
    for i, file in enumerate(files):
        x[i] = decoded(file, (high, wide), channels)
    other = sum(count for found, count in sizes.items() if found != (high, wide))
    resized = phrase(
        "{other:,} of {n:,} images are resized to {high} × {wide}.", other=other, n=len(files), high=high, wide=wide
    )
    return Images(x, tuple(str(file) for file in files), None, (resized,) if other else ())


def checked_size(size: int | Sequence[int]) -> tuple[int, int]:
    high, wide = (size, size) if isinstance(size, int) else tuple(size) if len(size) == 2 else (0, 0)
    if not all(isinstance(n, int) and 1 <= n <= 4096 for n in (high, wide)):
        raise SettingError(f"size is a number of pixels from 1 to 4096, or (height, width); got {size!r}.")
    return high, wide


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """An image file, its header read.

    Raises: DataError where it is none, damaged, or has more pixels than Pillow takes for an honest picture.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=("PNG", "JPEG")) as image:
                yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{file} has more than {Image.MAX_IMAGE_PIXELS:,} pixels: make it smaller.") from None
    except Exception as error:  # zlib, struct and Pillow's own parts each have their own words for a damaged file
        raise DataError(f"{file} cannot be read as an image: {error}. Write it again, or leave it out.") from error


def headed(file: Path) -> tuple[tuple[int, int], bool]:
    """Height and width as the picture is seen, and whether it is grey, from the beginning of the file."""
    with opened(file) as image:
        wide, high = image.size
        turned = image.getexif().get(0x0112, 1) >= 5  # the camera lay on its side
        return (wide, high) if turned else (high, wide), image.mode[:1] in ("1", "L", "I")


def decoded(file: Path, size: tuple[int, int], channels: int) -> np.ndarray:
    """The pixels of a file, (height, width, channels)."""
    from PIL import Image, ImageOps

    with opened(file) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
            image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
        image = image.convert("L" if channels == 1 else "RGB")
        if image.size != (size[1], size[0]):
            image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        return np.asarray(image).reshape(*size, channels)
