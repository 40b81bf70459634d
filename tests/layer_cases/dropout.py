"""Dropout of whole channels."""

from layer_cases.case import KEY, WIDE, Case, F, draw
from pellucid.layers import ChannelDropout

PICTURES = draw(2, 3, 2, 4)
CASES = {
    "ChannelDropout": Case(
        ChannelDropout(0.4),
        lambda p, x: F.dropout2d(x, 0.4, training=False),
        smooth=PICTURES,
        bad=WIDE,
        refusal=r"ChannelDropout expects x \(batch, \.\.\., channels\), got \(5, 4\)",
    ),
    "ChannelDropout in training": Case(ChannelDropout(0.4), key=KEY, smooth=PICTURES),
}
