"""Augmentation: with a key its mask is random and has no counterpart in PyTorch; without one it does nothing."""

import jax.numpy as jnp
import numpy as np

from layer_cases.case import KEY, Case, draw
from pellucid.layers import GaussianNoise, Masking, RandomFlip, RandomShift, Sequential

IMAGES, STEPS = draw(3, 4, 5, 2), draw(3, 6, 2)
PADDED = np.where(np.arange(6) < np.array([6, 4, 1])[:, None], 1, np.nan)[..., None]

CASES = {
    "RandomShift": Case(
        RandomShift(2),
        lambda p, x: x.clone(),
        smooth=IMAGES,
        bad=jnp.ones((3, 4)),
        refusal=r"RandomShift expects x \(batch, height, width, \.\.\.\), got \(3, 4\)",
    ),
    "RandomShift in training": Case(
        RandomShift(2),
        smooth=IMAGES,
        key=KEY,
        bad=jnp.ones((3, 2, 5, 2)),
        refusal=r"RandomShift expects more than 2 places of height, got \(3, 2, 5, 2\)",
    ),
    "RandomShift along time in training": Case(
        RandomShift(2, axes=["time"]),
        smooth=STEPS,
        key=KEY,
        bad=jnp.ones(3),
        refusal=r"RandomShift expects x \(batch, time, \.\.\.\), got \(3,\)",
    ),
    "RandomFlip": Case(
        RandomFlip(),
        lambda p, x: x.clone(),
        smooth=IMAGES,
        bad=jnp.ones((3, 4)),
        refusal=r"RandomFlip expects x \(batch, height, width, \.\.\.\), got \(3, 4\)",
    ),
    "RandomFlip in training": Case(RandomFlip("height"), smooth=IMAGES, key=KEY),
    "GaussianNoise": Case(GaussianNoise(0.3), lambda p, x: x.clone()),
    "GaussianNoise in training": Case(GaussianNoise(0.3), key=KEY),
    "Augmented sequences of different lengths": Case(
        Sequential([Masking(), RandomShift(2, axes=["time"]), GaussianNoise(0.3)]), smooth=STEPS * PADDED, key=KEY
    ),
}
