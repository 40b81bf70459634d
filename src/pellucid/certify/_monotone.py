"""Does an output rise, or fall, with each feature, whatever the others are?"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import unknown
from ..geometry import Network
from ..language import phrase
from ..module import Layer
from ..records import Record
from ..train import DIRECTIONS, Run
from ._bounds import enclose
from ._certificate import Certificate, Counterexample
from ._decide import SECONDS, checked
from ._monotone_ask import Asked, Goal, asked, features_of, goal_of
from ._monotone_proof import proof_of
from ._monotone_search import Search
from ._monotone_slopes import bounds_back, ranges_of
from ._monotone_witness import Pair, Sampler, Seen, looked, outputs, pair_at, undone
from ._search import ready
from ._space import Spaces
from ._telling import Told, telling

SLICE = 1.0  # seconds that one search goes on before the next has its turn
POINTS = 65  # of a line that is drawn
WORDS = {1: "rising", -1: "falling"}


@dataclass(frozen=True)
class Line(Record):
    """The answer y along one feature x, the others as in the row `at`; all in the users' units.

    `ends` are two places on it, and `values` the answers there: where the line shows a rise or a fall, those between
    which it is.
    """

    at: np.ndarray
    x: np.ndarray
    y: np.ndarray
    ends: tuple[float, float]
    values: tuple[float, float]


@dataclass(frozen=True)
class Trend(Record):
    """How an output goes with one feature: "rising", "falling", "constant", "neither", or "unknown"; and where only one
    direction was asked about "not rising" or "not falling".

    `slope` are bounds of the derivative that are proven for the whole box, and `met` the least and the largest that was
    met, in the users' units. `rises` and `falls` are the certificates of the two questions, None of one not asked.
    `rise` and `fall` show that it does so somewhere, `usual` is the line through the middle of the rows.
    """

    feature: str
    answer: str
    slope: tuple[float, float]
    met: tuple[float, float]
    rises: Certificate | None
    falls: Certificate | None
    rise: Line | None
    fall: Line | None
    usual: Line


@dataclass(frozen=True)
class Monotonicity(Record):
    """How an output goes with features, each by itself, over a box in the users' units, (low, high) of every input.

    `unit` says what the derivatives are of: the output's own unit, or "logit", or the logarithm of a class's share.
    `notes` say what was held fixed, and how.
    """

    output: str
    unit: str
    trends: tuple[Trend, ...]
    names: tuple[str, ...]
    box: tuple[tuple[float, float], ...]
    notes: tuple[str, ...]
    arithmetic: str
    seconds: float

    @property
    def decided(self) -> bool:
        """Whether every question is answered."""
        return all(trend.answer != "unknown" for trend in self.trends)


def monotone(
    net: Layer | Network | Run,
    feature: str | int | list[Any] | None = None,
    direction: int | str | None = None,
    box: Any = None,
    data: Any = None,
    *,
    output: str | int | None = None,
    shape: tuple[int, ...] | None = None,
    seconds: float | None = SECONDS,
    seed: int = 0,
    progress: bool | None = None,
) -> Monotonicity:
    """Whether an output rises or falls with a feature (or each one), wherever the others are in the box.

    The box is that of a run's rows by default, or of `data`; else `box`, a pair (low, high) for each input of the
    network, or a dict of such pairs in the users' units by the names of inputs. Columns that are categories or dates
    are held fixed, at each of their values. `direction` (1 or "rising", −1 or "falling") asks for one direction only.
    Several classes want `output=`, one of them; then it is its share that is asked about.

    First inputs are looked for that refute, and shown by two inputs that differ in the feature alone. Where there are
    none, bounds of the derivative over ever smaller parts of the box prove it: by intervals, then by a linear program
    for each part. At a kink both sides count. `progress` shows a bar on a terminal by default.

    Raises: CertifyError where nothing says where the inputs lie or a part of the network has no bound; SettingError for
        a feature, direction or output there is not.
    Source: Clarke 1983, section 2.6, derivatives at kinks; Shi and others 2022; see `_monotone_relax`.
    Example:
        >>> from pellucid.layers import monotone_mlp
        >>> found = monotone(monotone_mlp([2, 8, 8, 1], [1, -1], key=0), box=[(-1, 1), (-1, 1)])
        >>> [trend.answer for trend in found.trends]
        ['rising', 'falling']
    """
    limit = checked(seconds)
    ready()
    start = perf_counter()
    end = start + limit
    found = asked(net, box, data, shape)
    goal, features = goal_of(net, found.it, output), features_of(found, feature)
    signs = (1, -1) if direction is None else (sign_of(direction),)
    seen = looked(found, goal, features, seed)
    questions = [Question(found, goal, i, sign, seen, k) for k, i in enumerate(features) for sign in signs]
    with telling(progress, "proving") as told:
        settle(questions, end, told)
    per = len(signs)
    trends = tuple(trend_of(found, goal, seen, k, questions[per * k : per * (k + 1)]) for k in range(len(features)))
    sides = found.raw(np.stack([found.low, found.high]))
    return Monotonicity(
        goal.name, goal.unit, trends, found.names, tuple(map(tuple, sides.T.tolist())), found.notes,
        found.it.arithmetic, perf_counter() - start,
    )  # fmt: skip


def sign_of(direction: Any) -> int:
    """Raises: SettingError where the direction is none."""
    found = DIRECTIONS.get(direction, 0) if isinstance(direction, int | float | str | np.number) else 0
    if isinstance(direction, bool) or not found:
        raise unknown("direction", direction, ["rising", "falling", "1", "-1"])
    return found


class Question:
    """Whether an output rises (1) or falls (−1) with a feature: the proofs under way, or two inputs that refute it."""

    def __init__(self, found: Asked, goal: Goal, feature: int, sign: int, seen: Seen, k: int):
        self.found, self.goal, self.feature, self.sign = found, goal, feature, sign
        self.least, at = (seen.least[k], seen.lowest[k]) if sign > 0 else (-seen.most[k], seen.highest[k])
        self.pair: Pair | None = None
        if self.least < 0:
            pair = pair_at(found, goal, at, feature, sign)
            self.pair = pair if pair.margin > 0 else None
        self.searches: list[Search] = []
        self.seconds = 0.0

    def run(self, seconds: float) -> None:
        """Go on with the proof for so long."""
        start = perf_counter()
        if not self.searches:
            rows = self.goal.rows(self.found.it.network.n_out)
            self.searches = [Search(self.found, self.goal, row, self.feature, self.sign) for row in rows]
        for search in self.searches:
            if not search.done:
                search.run(max(seconds - (perf_counter() - start), 0.0))
            self.pair = self.pair or search.pair
        self.seconds += perf_counter() - start

    @property
    def proven(self) -> bool:
        return self.pair is None and bool(self.searches) and all(search.proven for search in self.searches)

    @property
    def done(self) -> bool:
        stuck = bool(self.searches) and all(search.done for search in self.searches)
        return self.pair is not None or self.proven or stuck

    @property
    def parts(self) -> int:
        return sum(search.parts for search in self.searches)

    @property
    def bound(self) -> float:
        """What is proven: the derivative, in this direction, is nowhere below it."""
        return min((search.bound for search in self.searches), default=-np.inf)

    def certificate(self) -> Certificate:
        found, goal, name = self.found, self.goal, self.found.names[self.feature]
        per = goal.gain / found.scale[self.feature]
        least = min([self.least, *(search.least for search in self.searches)])
        counter = None
        if self.pair is not None:
            run, exact = (goal.gain * goal.value(y) + goal.shift for y in (self.pair.run, self.pair.exact))
            counter = Counterexample(self.pair.inputs, run, exact, float(goal.gain * self.pair.margin))
        against = undone(found, goal, self.feature, self.sign) if self.proven else 0.0
        verdict = "unknown" if against else "proven" if self.proven else "counterexample" if counter else "unknown"
        bounds = float(per * max(self.bound, -1e300)), float(per * least)
        advice = ""
        if against:
            advice = (
                f"In exact arithmetic it is so, but as the network runs rounding undoes it: somewhere the output goes "
                f"the other way by {goal.gain * against:.3g}. Its weights are too large for its numbers."
            )
        elif verdict == "unknown":
            advice = (
                f"Its change for one more of {name} is proven to be at least {bounds[0]:.3g} in this direction, and "
                f"{bounds[1]:.3g} was met; more seconds, or a smaller box, would narrow that."
            )
        if self.sign > 0:
            question = phrase("{output} rises with {feature}", output=goal.name, feature=name)
        else:
            question = phrase("{output} falls with {feature}", output=goal.name, feature=name)
        proof = proof_of(found, goal, self.searches) if verdict == "proven" else None
        return Certificate(
            question, verdict, bounds, counter, self.parts, self.seconds, advice, found.it.arithmetic, proof
        )


def settle(questions: list[Question], end: float, told: Told | None) -> None:
    """Answer questions in turns, until all are answered, the time is over, or Ctrl-C."""
    left = [question for question in questions if not question.done]
    try:
        while left:
            for question in left:
                question.run(max(0.0, min(SLICE, end - perf_counter())))
                if told:
                    told(sum(q.done for q in questions) / len(questions), sum(q.parts for q in questions))
            left = [question for question in left if not question.done] if perf_counter() < end else []
    except KeyboardInterrupt:
        return


def trend_of(found: Asked, goal: Goal, seen: Seen, k: int, questions: list[Question]) -> Trend:
    """The answer about one feature, from its questions."""
    feature = questions[0].feature
    asked_of = {question.sign: question for question in questions}
    certificates = {sign: question.certificate() for sign, question in asked_of.items()}
    per, name = goal.gain / found.scale[feature], found.names[feature]
    low, high = intervals(found, goal, feature)
    for sign, question in asked_of.items():
        low, high = (max(low, question.bound), high) if sign > 0 else (low, min(high, -question.bound))
    pairs = {-sign: question.pair for sign, question in asked_of.items()}  # what refutes a rise is a fall
    rise, fall = (None if (pair := pairs.get(sign)) is None else line(found, goal, feature, pair) for sign in (1, -1))
    met = (float(per * seen.least[k]), float(per * seen.most[k]))
    return Trend(
        name, answer_of(certificates), (float(per * low), float(per * high)), met, certificates.get(1),
        certificates.get(-1), rise, fall, line(found, goal, feature, None),
    )  # fmt: skip


def answer_of(certificates: dict[int, Certificate]) -> str:
    """The answers to one or both questions in a word."""
    verdicts = {sign: certificate.verdict for sign, certificate in certificates.items()}
    proven = [sign for sign, verdict in verdicts.items() if verdict == "proven"]
    if len(proven) == 2:
        return "constant"
    if proven:
        return WORDS[proven[0]]
    if "unknown" in verdicts.values():
        return "unknown"
    return "neither" if len(verdicts) == 2 else f"not {WORDS[next(iter(verdicts))]}"


def intervals(found: Asked, goal: Goal, feature: int) -> tuple[float, float]:
    """Bounds of the derivative over the whole box by intervals."""
    network = found.it.network
    space = Spaces(found.low[None], found.high[None], found.low[None], np.zeros(1), np.inf)
    known = enclose(found.it, space, np.zeros((1, network.n_out)), threads=1)
    ranges = ranges_of(network, known.low, known.high)
    sides = [bounds_back(network, ranges, row[None])[0] for row in goal.rows(network.n_out)]
    return min(float(s.low[0, feature]) for s in sides), max(float(s.high[0, feature]) for s in sides)


def line(found: Asked, goal: Goal, feature: int, pair: Pair | None) -> Line:
    """The answer along a feature through the pair, or else through the middle of the rows."""
    low, high = found.low[feature], found.high[feature]
    x = middle(found) if pair is None else pair.inputs[0]
    ends = np.array([low, high]) if pair is None else pair.inputs[:, feature]
    whole = feature in {choice.input for choice in found.choices}
    places = np.array([0.0, 1.0]) if whole else np.unique(np.concatenate([np.linspace(low, high, POINTS), ends]))
    inputs = np.tile(x, (len(places), 1))
    inputs[:, feature] = places
    y = goal.shown(outputs(found, inputs)[0])
    marked = np.searchsorted(places, np.clip(ends, places[0], places[-1]))
    raw = found.raw(inputs)[:, feature]
    return Line(
        found.raw(x), raw, y, tuple(raw[marked].tolist()), tuple(y[marked].tolist())  # pyright: ignore
    )  # fmt: skip


def middle(found: Asked) -> np.ndarray:
    """The row nearest to the medians of all, or the middle of the box."""
    if not len(found.rows):
        return Sampler(found).possible(((found.low + found.high) / 2)[None])[0]
    wide = np.maximum(found.high - found.low, 1e-300)
    away = ((found.rows - np.median(found.rows, axis=0)) / wide) ** 2
    return np.clip(found.rows[away.sum(1).argmin()], found.low, found.high)
