"""The order of accumulation: predicted operations and times of forward, reverse and the order chosen.

    python -m benchmarks.orders [--quick] [--suite]

Three networks, of which each has another best order; with --suite also every Jacobian and Hessian of
the suite, where the order that is chosen should take no longer than 1.3 times the best.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

import jacobians as jb
from benchmarks.workloads import ALL
from jacobians.display.numbers import human_count, human_seconds
from jacobians.measuring.machine import describe, machine
from jacobians.measuring.timing import interleaved

ORDERS = ("forward", "reverse", "auto")


class Subject(NamedTuple):
    """A function whose Jacobian is taken by its first argument."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    transform: Callable[..., Any] = jb.jacobian
    wrt: int = 0


def widening(x, *weights):
    """From few numbers to many: forward."""
    for W in weights:
        x = np.tanh(W @ x)
    return x


def bottleneck(x, before, V, after):
    """Residual layers of many numbers, then few, then residual layers of many: a cut at the few."""
    for k in range(len(before)):
        x = x + np.tanh(before[k] @ x)
    x = np.tanh(V.T @ np.tanh(V @ x))
    for k in range(len(after)):
        x = x + np.tanh(after[k] @ x)
    return x


def subjects(n: int) -> list[Subject]:
    """The three networks; ``n`` is the number of the many."""
    rng = np.random.default_rng(0)

    def matrix(rows: int, columns: int) -> Any:
        return rng.standard_normal((rows, columns)) / np.sqrt(columns)

    widths = [4, n, n, n, n]
    wide = [matrix(b, a) for a, b in pairwise(widths)]
    narrow = [W.T.copy() for W in reversed(wide)]
    before, after = (np.stack([matrix(n, n) for _ in range(3)]) for _ in range(2))
    middle = (rng.standard_normal(n), before, matrix(4, n), after)
    return [
        Subject(f"4 → {n}, four layers", widening, (rng.standard_normal(4), *wide)),
        Subject(f"{n} → 4, four layers", widening, (rng.standard_normal(n), *narrow)),
        Subject(f"{n} → 4 → {n}, residual", bottleneck, middle),
    ]


def suite(*, quick: bool) -> list[Subject]:
    """The suite's full tensors."""
    found = []
    for workload in ALL:
        if workload.what in ("jacobian", "hessian"):
            size = max(workload.small, workload.size // 4) if quick else workload.size
            args = workload.task(size).args
            transform = jb.hessian if workload.what == "hessian" else jb.jacobian
            name = f"{workload.name}, {workload.what[:4]}"
            found.append(Subject(name, workload.function, args, transform, workload.wrt))
    return found


def measured(subject: Subject, seconds: float) -> dict[str, tuple[int, float]]:
    """Predicted operations, and seconds, of each order; the values are compared first."""
    plans = {
        order: subject.transform(subject.function, subject.wrt, strategy=order).compile(
            *subject.args
        )
        for order in ORDERS
    }
    values = [plan.dense(*subject.args) for plan in plans.values()]
    scale = np.max(np.abs(values[0]), initial=1e-300)
    for value in values[1:]:
        assert np.max(np.abs(value - values[0]), initial=0) <= 1e-9 * scale, subject.name
    runs = {o: (lambda plan=plan: plan.dense(*subject.args)) for o, plan in plans.items()}
    times = interleaved(runs, seconds)
    return {o: (plans[o].cost().flops, times[o].median) for o in ORDERS}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.orders", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--suite", action="store_true", help="the suite's full tensors too")
    options = parser.parse_args(argv)
    seconds = 0.02 if options.quick else 0.3
    print("\n".join(describe(machine())))
    rows = subjects(40 if options.quick else 200)
    if options.suite:
        rows += suite(quick=options.quick)
    print(f"\n{'':26}" + "".join(f"{name:>16}" for name in ("forward", "reverse", "chosen")))
    for subject in rows:
        found = measured(subject, seconds)
        best = min(found["forward"][1], found["reverse"][1])
        times = "".join(f"{human_seconds(time):>16}" for _, time in found.values())
        flops = "".join(f"{human_count(number) + ' flop':>16}" for number, _ in found.values())
        print(
            f"{subject.name[:26]:26}{times}{found['auto'][1] / best:6.2f}\n{'':26}{flops}",
            flush=True,
        )
    print("\nlast: the chosen order's time over that of the better of forward and reverse")
    return 0


if __name__ == "__main__":
    sys.exit(main())
