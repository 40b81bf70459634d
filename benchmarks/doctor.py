"""The doctor on real faulty trainings: what it finds, what it prescribes, and whether the programs are said rightly.

    python benchmarks/doctor.py DATA [--cures | --others | --thin | --check] [--seeds 5] [--seconds 60] [--only NAME]

Without options the doctor looks at every program of the catalogue, faulty and mended. `--cures` has it prescribe for
each confirmed fault, beside the catalogue's own correction and a random search of the same length.
`--others` applies published sets of rules to the same programs. `--thin` has the doctor look at what the catalogue has
few cases of, each fault beside a healthy twin.

`--check` trains every program of the catalogue in DATA/faults, faulty and mended, and puts what it reaches beside what
the catalogue verified; a `*` marks a figure that lies further off than the seeds do.
"""

from __future__ import annotations

import argparse
import statistics
import time

from faults import Case, metric_of, program_of, programs, spec_of, trained
from rule_sets import others
from thin_spots import thin
from verdicts import cures, told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="the folder in which the folder of faults lies")
    parser.add_argument("--check", action="store_true", help="train every program, and compare with what was verified")
    parser.add_argument("--cures", action="store_true", help="prescribe, and compare with correction and chance")
    parser.add_argument("--others", action="store_true", help="what published sets of rules say of the same programs")
    parser.add_argument("--thin", action="store_true", help="faults the catalogue has few cases of, and healthy twins")
    parser.add_argument("--seconds", type=float, default=60.0, help="for the probes, and for the cures, of a program")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="", help="cases with this in their name")
    given = parser.parse_args()
    cases = [
        case for case in programs(f"{given.data}/faults") if any(part in case["id"] for part in given.only.split(","))
    ]
    if given.check:
        check(cases, given.seeds)
        return
    if given.thin:
        lines = thin(given.seconds, given.only)
    else:
        lines = (others if given.others else cures if given.cures else told)(cases, given.seeds, given.seconds)
    for line in lines:
        print(line, flush=True)


def check(cases: list[Case], seeds: int) -> None:
    """A line for every program: what is reached here, and what was verified."""
    began, agreed, count, known = time.process_time(), 0, 0, {}
    for case in cases:
        for which, fixed in (("buggy", False), ("fixed", True)):
            verified = case["verified"].get(which)
            if not verified:
                continue
            alike = repr((spec_of(case, fixed), case["data"], fixed and case.get("fixed_gen"), verified))
            seconds = time.process_time()
            if alike not in known:  # many faulty programs share the mended one
                known[alike] = [reached(case, fixed, seed) for seed in range(seeds)]
            good = agree(known[alike], verified["metric"])
            agreed, count = agreed + good, count + 1
            print(
                f"{'  ' if good else '* '}{case['id']:<46.46}{'fixed' if fixed else 'faulty':<8}"
                f"{words(known[alike]):<28} {words(verified['metric']):<28}{time.process_time() - seconds:6.1f} s",
                flush=True,
            )
    print(f"{agreed} of {count} agree; {time.process_time() - began:.0f} s of processor time.")


def reached(case: Case, fixed: bool, seed: int) -> float | None:
    program = program_of(case, fixed, seed)
    return metric_of(trained(program), program, case)


def agree(here: list[float | None], there: list[float | None]) -> bool:
    """Whether the middle one here is no further from those there than they are from each other, and 0.05 more."""
    finite, verified = ([value for value in values if value is not None] for values in (here, there))
    if not verified or 2 * len(finite) <= len(here):
        return not verified and 2 * len(finite) <= len(here)
    low, high, middle = min(verified), max(verified), statistics.median(finite)
    slack = max(high - low, 0.05 * max(1.0, abs(middle)))
    return low - slack <= middle <= high + slack


def words(metrics: list[float | None]) -> str:
    return " ".join("nan" if metric is None else f"{metric:.4g}" for metric in metrics)


if __name__ == "__main__":
    main()
