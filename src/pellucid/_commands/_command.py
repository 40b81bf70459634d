"""What every command has in common: `--json`, examples in its help, exit codes, and errors in one line."""

from __future__ import annotations

import functools
import json
import os
import shlex
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from ..errors import PellucidError
from ..language import LANGUAGES

GOOD, FOUND, FAILED, INTERRUPTED, NOBODY_READS = 0, 1, 2, 130, 141
DEBUG = "PELLUCID_DEBUG"

runs_option = click.option(
    "--runs", "--root", "root", metavar="FOLDER", default="runs", show_default=True, help="The folder of the runs."
)

lang_option = click.option(
    "--lang", type=click.Choice(list(LANGUAGES)), default="en", show_default=True, help="The language of the page."
)


@dataclass(frozen=True)
class Answer:
    """What a command has to say: as text, as what JSON can hold, and the exit code (1: "no", or a finding)."""

    text: str
    document: Any
    code: int = GOOD


def command(group: click.Group, *examples: str) -> Callable[[Callable[..., Answer]], click.Command]:
    """Make a function that returns an `Answer` a command of the group, with `--json` and these examples in its help."""

    def register(work: Callable[..., Answer]) -> click.Command:
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else, on stdout.")
        @functools.wraps(work)
        def run(as_json: bool, **given: Any) -> None:
            with careful():
                answer = work(**given)
                click.echo(as_document(answer.document) if as_json else answer.text)
            click.get_current_context().exit(answer.code)

        return group.command(work.__name__, epilog=epilog(*examples))(run)

    return register


def epilog(*examples: str) -> str:
    """Examples as the end of a help text; the \\b keeps click from joining the lines."""
    return "\n".join(["\b", "Examples:", *(f"  {example}" for example in examples)])


def as_document(value: Any) -> str:
    from ..records import plain

    return json.dumps(plain(value), ensure_ascii=False, indent=1, allow_nan=False)


@contextmanager
def careful() -> Iterator[None]:
    """Turn whatever goes wrong into one line and an exit code."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *where, **more: note(f"Note: {message}")
        try:
            yield
        except (click.ClickException, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes
            raise SystemExit(NOBODY_READS) from None
        except Exception as error:
            if os.environ.get(DEBUG):
                raise
            fail(words(error))


def words(error: Exception) -> str:
    if isinstance(error, PellucidError | OSError):
        return str(error)
    if isinstance(error, MemoryError):
        return "There is not enough memory: use fewer rows, smaller layers or a smaller batch."
    short = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return f"{short}. This is a mistake in Pellucid, not yours; {DEBUG}=1 shows where it is."


def fail(text: str) -> NoReturn:
    note(f"{click.style('Error:', fg='red')} {text}")
    raise SystemExit(FAILED)


def note(text: str) -> None:
    """Something beside the answer: it goes to stderr."""
    click.echo(text, err=True)


def program() -> str:
    """What to type to run this again: `pellucid`, or its place where the shell would not find it."""
    place = Path(sys.argv[0])
    if place.name != "pellucid" or shutil.which("pellucid"):
        return "pellucid"
    return str(place.relative_to(Path.cwd())) if place.is_relative_to(Path.cwd()) else str(place)


def typed_again(**changes: Any) -> str:
    """The command as it was typed, with some options added or changed."""
    context = click.get_current_context()
    parts = [program(), str(context.info_name)]
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in changes and context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = changes.get(name, context.params[name])
        if not isinstance(parameter, click.Option):
            parts.append(str(value))
        elif parameter.is_flag:
            parts.append((parameter.opts if value else parameter.secondary_opts)[0])
        else:
            parts += [parameter.opts[0], str(value)]
    return shlex.join(parts)
