"""Telling people how far it is: a bar on a terminal, one line per epoch elsewhere, and a Ctrl-C that loses nothing."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any, Self

from ._run import Epoch


class Progress:
    """`show` None shows a bar on a terminal and lines elsewhere; True always lines; False nothing."""

    def __init__(self, show: bool | None, epochs: int, done: int, steps: int | None):
        terminal = sys.stderr.isatty()
        self.lines = show is True or (show is None and not terminal)
        self.epochs, self.steps = epochs, steps
        self.bar: Any = None
        if show is None and terminal:
            from tqdm.auto import tqdm

            total = epochs * steps if steps else None
            self.bar = tqdm(total=total, initial=done, unit=" steps", leave=True, file=sys.stderr, dynamic_ncols=True)

    def advanced(self, steps: int) -> None:
        if self.bar is not None:
            self.bar.update(steps)

    def epoch(self, epoch: Epoch) -> None:
        if self.bar is not None:
            self.bar.set_description_str(f"epoch {epoch.number}/{self.epochs}")
            self.bar.set_postfix_str(brief(epoch))
        if self.lines:
            print(f"epoch {epoch.number}/{self.epochs}  {brief(epoch)}  ({epoch.seconds:.2f} s)", file=sys.stderr)

    def say(self, text: str) -> None:
        if self.bar is not None:
            self.bar.write(text, file=sys.stderr)
        elif self.lines:
            print(text, file=sys.stderr)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def brief(epoch: Epoch) -> str:
    words = [f"loss {epoch.loss:.4g}"]
    if epoch.validation_loss is not None:
        words.append(f"validation {epoch.validation_loss:.4g}")
    return "  ".join(words + [f"{name} {value:.4g}" for name, value in list(epoch.metrics.items())[:1]])


class Interrupt:
    """While this is open, a first Ctrl-C only sets `asked`; a second one interrupts as usual."""

    def __init__(self) -> None:
        self.asked = False
        self.before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGINT, self.note)
        return self

    def note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *problem: object) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
