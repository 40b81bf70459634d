"""Training: data in every form, one compiled epoch, and the run it leaves."""

from ._bundled import BUNDLED, bundled
from ._columns import Column, Preprocess
from ._data import Block, Data, open_data
from ._directions import DIRECTIONS, column_named, directions_of, input_directions
from ._evaluate import (
    Evaluation,
    by_chunks,
    chunks,
    evaluate,
    log_losses,
    metrics,
    outputs,
    predicted,
    probabilities,
    true_names,
)
from ._files import ARRAYS, find, read_arrays, read_table, table
from ._fit import ON_FINDING, Mended, Watcher, epoch_from_json, everything, fit
from ._forms import Form, as_rows
from ._images import Images, is_image, read_folder, read_images, unit
from ._optimizers import OPTIMIZERS, SCHEDULES
from ._padding import at_every_step, lengths_of
from ._partly import begun, one_pass
from ._range_test import smoothed
from ._run import Epoch, NonFinite, RangeTest, Run
from ._settings import Settings
from ._short import Short, short
from ._snapshots import Snapshot, read_snapshots, write_snapshots
from ._target import Target
from ._watch import LayerWatch

__all__ = [
    "ARRAYS",
    "BUNDLED",
    "DIRECTIONS",
    "ON_FINDING",
    "OPTIMIZERS",
    "SCHEDULES",
    "Block",
    "Column",
    "Data",
    "Epoch",
    "Evaluation",
    "Form",
    "Images",
    "LayerWatch",
    "Mended",
    "NonFinite",
    "Preprocess",
    "RangeTest",
    "Run",
    "Settings",
    "Short",
    "Snapshot",
    "Target",
    "Watcher",
    "as_rows",
    "at_every_step",
    "begun",
    "bundled",
    "by_chunks",
    "chunks",
    "column_named",
    "directions_of",
    "epoch_from_json",
    "evaluate",
    "everything",
    "find",
    "fit",
    "input_directions",
    "is_image",
    "lengths_of",
    "log_losses",
    "metrics",
    "one_pass",
    "open_data",
    "outputs",
    "predicted",
    "probabilities",
    "read_arrays",
    "read_folder",
    "read_images",
    "read_snapshots",
    "read_table",
    "short",
    "smoothed",
    "table",
    "true_names",
    "unit",
    "write_snapshots",
]
