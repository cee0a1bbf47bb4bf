"""Compiled sparse arrays, blocks and diagonals beside their values alone, and beside SciPy by hand.

    python -m benchmarks.forms [--quick]

*values* is the same numbers by NumPy, in no place; the target is at most 1.5 times that. *out* writes
into an earlier result.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

import jacobians as jb
from jacobians.display.numbers import human_seconds
from jacobians.measuring.machine import describe, machine
from jacobians.measuring.timing import interleaved


class Subject(NamedTuple):
    """A form of a function's Jacobian, its numbers alone, and the form by hand."""

    name: str
    form: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    values: Callable[..., Any]
    by_hand: Callable[..., Any]


def stencil(n: int) -> Subject:
    """A reaction on a line: three diagonals."""
    x = np.random.default_rng(0).normal(size=n)

    def values(x: Any) -> Any:
        return 3 * x[1:-1] ** 2 - 2, np.ones(n - 2), np.ones(n - 2)

    def by_hand(x: Any) -> Any:
        main, left, right = values(x)
        data = np.stack([left, main, right], axis=1).ravel()
        rows = np.arange(n - 2)
        indices = (rows[:, None] + np.arange(3)).ravel()
        return sp.csr_array((data, indices, np.arange(0, 3 * n - 5, 3)), (n - 2, n))

    return Subject(
        "three diagonals", "sparse", lambda x: x[2:] + x[:-2] - 2 * x[1:-1] + x[1:-1] ** 3, (x,),
        values, by_hand,
    )  # fmt: skip


def layer(n: int) -> Subject:
    """A layer by its weights: blocks of rows."""
    rng = np.random.default_rng(1)
    W, X = rng.normal(size=(n, n)), rng.normal(size=(n, n))

    def values(W: Any, X: Any) -> Any:
        return (1 - np.tanh(W @ X) ** 2)[:, :, None] * X.T

    def by_hand(W: Any, X: Any) -> Any:
        data = values(W, X).ravel()
        columns = n * np.arange(n)[:, None, None] + np.zeros((n, 1), int) + np.arange(n)
        return sp.csr_array((data, columns.ravel(), np.arange(0, n**3 + 1, n)), (n * n, n * n))

    return Subject("a layer", "sparse", lambda W, X: np.tanh(W @ X), (W, X), values, by_hand)


def batch(n: int) -> list[Subject]:
    """Samples of a layer: blocks, and the diagonal."""
    rng = np.random.default_rng(2)
    X, W = rng.normal(size=(n, 16)), rng.normal(size=(16, 16))

    def slope(X: Any) -> Any:
        return 1 - np.tanh(X @ W) ** 2

    def blocks(X: Any) -> Any:
        return slope(X)[:, :, None] * W.T

    def diagonal(X: Any) -> Any:
        return slope(X) * np.diag(W)

    def f(X: Any) -> Any:
        return np.tanh(X @ W)

    return [
        Subject("samples", "blocks", f, (X,), blocks, blocks),
        Subject("samples", "diagonal", f, (X,), diagonal, diagonal),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forms", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="small sizes")
    quick = parser.parse_args(argv).quick
    print("\n".join(describe(machine())))
    print(f"\n{'':26}{'values':>10}{'new':>10}{'out':>10}{'by hand':>10}  new/values out/values")
    few, many = (8, 100) if quick else (100, 200_000)
    for one in (stencil(many), layer(few), *batch(many // 10)):
        form = getattr(jb.jacobian(one.function).compile(*one.args, forms=[one.form]), one.form)
        kept = form(*one.args)
        wanted = one.by_hand(*one.args)
        difference = kept - wanted
        assert abs(difference).max() <= 1e-12 * max(1, abs(wanted).max()), one.name
        runs = {
            "values": lambda one=one: one.values(*one.args),
            "new": lambda one=one, form=form: form(*one.args),
            "out": lambda one=one, form=form, kept=kept: form(*one.args, out=kept),
            "by hand": lambda one=one: one.by_hand(*one.args),
        }
        times = {name: t.median for name, t in interleaved(runs, 0.02 if quick else 0.3).items()}
        row = "".join(f"{human_seconds(time):>10}" for time in times.values())
        ratios = "".join(f"{times[name] / times['values']:11.2f}" for name in ("new", "out"))
        print(f"{one.form + ', ' + one.name:26}{row}{ratios}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
