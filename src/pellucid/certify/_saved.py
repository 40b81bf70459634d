"""Certificates on disk: written whole or not at all, strict when read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import StoreError
from ..store import read_arrays, write_arrays
from ._certificate import VERDICTS, Certificate, Counterexample, Proof

KIND = "certificate"
WORDS = ("question", "advice", "arithmetic")


def save(certificate: Certificate, path: str | os.PathLike[str]) -> Path:
    """Write a certificate with its proof as one file.

    Raises: StoreError where it is none or the disk refuses; a file already there stays.
    Example:
        >>> import tempfile
        >>> from pellucid.layers import Dense, Sequential
        >>> from pellucid.certify import robust
        >>> net = Sequential([Dense(np.array([[1.0, -1.0]]), None)])
        >>> found = robust(net, [[0.3]], 0.2).certificates[0]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     load(save(found, f"{folder}/near.certificate")).verdict
        'proven'
    """
    if not isinstance(certificate, Certificate):
        raise StoreError(f"{type(certificate).__name__} is no certificate: save one of those that it holds.")
    arrays: dict[str, Any] = {}
    about: dict[str, Any] = {"kind": KIND, "verdict": certificate.verdict, "bounds": list(certificate.bounds)}
    about |= {name: getattr(certificate, name) for name in (*WORDS, "boxes", "seconds")}
    example, proof = certificate.counterexample, certificate.proof
    if example is not None:
        about["margin"] = example.margin
        arrays |= {f"example.{name}": getattr(example, name) for name in ("input", "output", "output64")}
    if proof is not None:
        about["proof"] = {"kind": proof.kind, "about": proof.about}
        arrays |= {f"proof.{name}": array for name, array in proof.arrays.items()}
    return write_arrays(path, arrays, about)


def load(path: str | os.PathLike[str]) -> Certificate:
    """The certificate of a file that `save` wrote. What it says is only said: `recheck` verifies it.

    Raises: StoreError naming the file and what is wrong with it.
    """
    arrays, about = read_arrays(path)
    try:
        return certificate_of(arrays, about)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path} holds no certificate: {type(error).__name__}: {error}.") from None


def certificate_of(arrays: dict[str, np.ndarray], about: Any) -> Certificate:
    if about["kind"] != KIND or about["verdict"] not in VERDICTS:
        raise ValueError("it is of another kind")
    words = {name: str(about[name]) for name in WORDS}
    low, high = (float(bound) for bound in about["bounds"])
    example = proof = None
    if "margin" in about:
        x, y, y64 = (arrays[f"example.{name}"] for name in ("input", "output", "output64"))
        example = Counterexample(x, y, y64, float(about["margin"]))
    if "proof" in about:
        held = {name.removeprefix("proof."): a for name, a in arrays.items() if name.startswith("proof.")}
        proof = Proof(str(about["proof"]["kind"]), dict(about["proof"]["about"]), held)
    return Certificate(
        words["question"], about["verdict"], (low, high), example, int(about["boxes"]), float(about["seconds"]),
        words["advice"], words["arithmetic"], proof,
    )  # fmt: skip
