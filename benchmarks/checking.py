"""What a check costs beside ``torch.autograd.gradcheck`` on the same functions, and what each finds.

    python -m benchmarks.checking [--quick] [--json FILE]

Each function has a hand-written backward pass, right and with one mistake. ``jb.check`` holds it against
the traced Jacobian ("auto") and against differences ("richardson"), and says which entries are wrong and
why; gradcheck holds a ``torch.autograd.Function`` with the same backward, written in PyTorch, against
differences of two points each, entry by entry or (``fast_mode``) along one random direction. What both
say is compared before anything is timed. Without PyTorch its columns are left out.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import jacobians as jb
from jacobians.display.numbers import human_seconds
from jacobians.ground.stopwatch import Stopwatch
from jacobians.ground.trees import plain
from jacobians.measuring.machine import describe, machine, version_of
from jacobians.measuring.timing import PAUSE, interleaved

SIZE, SMALL = 12, 5


class Workload(NamedTuple):
    """A function with a hand-written backward, in terms of a module like NumPy.

    Attributes
    ----------
    name : str
        For the table.
    forward : callable
        ``forward(xp, *args)``.
    backward : callable
        ``backward(xp, G, *args)``, the gradient by the first argument.
    mistaken : callable
        The same with a mistake.
    shapes : tuple of str
        Of the arguments; ``n`` is the size.
    """

    name: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    mistaken: Callable[..., Any]
    shapes: tuple[str, ...]

    def args(self, n: int) -> list[Any]:
        """Random arguments."""
        random = np.random.default_rng([0, n])
        return [random.standard_normal((n,) * len(shape)) for shape in self.shapes]


def matmul(xp, A, B):
    return xp.matmul(A, B)


def matmul_backward(xp, G, A, B):  # noqa: ARG001
    return xp.matmul(G, B.T)


def matmul_mistaken(xp, G, A, B):  # noqa: ARG001
    return xp.matmul(G, B)


def tanh_layer(xp, W, x):
    return xp.tanh(xp.matmul(W, x))


def tanh_layer_backward(xp, G, W, x):
    return xp.outer(G * (1 - xp.tanh(xp.matmul(W, x)) ** 2), x)


def tanh_layer_mistaken(xp, G, W, x):
    return xp.outer(G * (1 - xp.tanh(xp.matmul(W, x))), x)


def softmax(xp, s):
    e = xp.exp(s - s.max())
    return e / e.sum()


def softmax_backward(xp, G, s):
    p = softmax(xp, s)
    return p * (G - (G * p).sum())


def softmax_mistaken(xp, G, s):
    return softmax(xp, s) * G


def inverse(xp, X):
    return xp.linalg.inv(X)


def inverse_backward(xp, G, X):
    Y = xp.linalg.inv(X)
    return -xp.matmul(xp.matmul(Y.T, G), Y.T)


def inverse_mistaken(xp, G, X):
    return -inverse_backward(xp, G, X)


WORKLOADS = (
    Workload("matmul", matmul, matmul_backward, matmul_mistaken, ("nn", "nn")),
    Workload("tanh layer", tanh_layer, tanh_layer_backward, tanh_layer_mistaken, ("nn", "n")),
    Workload("softmax", softmax, softmax_backward, softmax_mistaken, ("n",)),
    Workload("inverse", inverse, inverse_backward, inverse_mistaken, ("nn",)),
)


def ours(
    workload: Workload, n: int, against: str, *, right: bool = True
) -> Callable[[], jb.Report]:
    """A call of ``jb.check``."""
    backward = workload.backward if right else workload.mistaken
    args = workload.args(n)

    f, vjp = partial(workload.forward, np), partial(backward, np)
    return lambda: jb.check(f, *args, vjp=vjp, against=against)


def theirs(workload: Workload, n: int, *, fast: bool, right: bool = True) -> Callable[[], bool]:
    """A call of gradcheck on the same function."""
    torch = import_module("torch")
    backward = workload.backward if right else workload.mistaken

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *args):
            ctx.save_for_backward(*args)
            return workload.forward(torch, *args)

        @staticmethod
        def backward(ctx, G):
            args = ctx.saved_tensors
            return (backward(torch, G, *args), *(None for _ in args[1:]))

    first, *others = (torch.tensor(a) for a in workload.args(n))
    first.requires_grad_()
    return lambda: torch.autograd.gradcheck(
        Function.apply, (first, *others), fast_mode=fast, raise_exception=False
    )


def contenders(workload: Workload, n: int, *, torch: bool) -> dict[str, Callable[[], Any]]:
    """The calls that are timed."""
    found: dict[str, Callable[[], Any]] = {
        "auto": ours(workload, n, "auto"),
        "richardson": ours(workload, n, "richardson"),
    }
    if torch:
        found["gradcheck"] = theirs(workload, n, fast=False)
        found["fast mode"] = theirs(workload, n, fast=True)
    return found


def agree(workload: Workload, n: int, *, torch: bool) -> bool:
    """Whether all pass what is right and refuse what is not."""
    verdicts = []
    for right in (True, False):
        verdicts += [
            ours(workload, n, a, right=right)().ok is right for a in ("auto", "richardson")
        ]
        if torch:
            verdicts.append(theirs(workload, n, fast=False, right=right)() is right)
    return all(verdicts)


def measure(n: int, seconds: float) -> list[dict[str, Any]]:
    """Times of all workloads."""
    torch = version_of("torch") is not None
    rows = []
    for workload in WORKLOADS:
        args = workload.args(n)
        times = interleaved(
            contenders(workload, n, torch=torch), seconds=seconds, pause=PAUSE if torch else 0.0
        )
        rows.append(
            {
                "workload": workload.name,
                "entries": int(np.size(workload.forward(np, *args)) * np.size(args[0])),
                "ok": agree(workload, n, torch=torch),
                "diagnosis": [f.text for f in ours(workload, n, "auto", right=False)().findings],
                "times": {name: found.to_dict() for name, found in times.items()},
            }
        )
    return rows


def report(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The table, at 80 columns."""
    names = list(rows[0]["times"])
    lines = [f"{'backward of':<12}{'entries':>9}" + "".join(f"{name:>13}" for name in names)]
    for row in rows:
        cells = [human_seconds(row["times"][name]["seconds"]) for name in names]
        lines.append(
            f"{row['workload']:<12}{row['entries']:>9,}" + "".join(f"{c:>13}" for c in cells)
        )
    lines += ["", "with a mistake planted, jb.check says:"]
    for row in rows:
        said = (row["diagnosis"] or ["nothing"])[0]
        lines += textwrap.wrap(
            f"{row['workload']}: {said}", 80, initial_indent="  ", subsequent_indent="    "
        )
    verdict = "all verdicts are right" if all(r["ok"] for r in rows) else "VERDICTS DIFFER"
    return [*lines, "", verdict]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checking", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds")
    parser.add_argument("--json", metavar="FILE", help="write the measurements here")
    options = parser.parse_args(argv)
    watch = Stopwatch()
    here = machine()
    if version_of("torch") is None:
        print("gradcheck is left out: torch is not installed", file=sys.stderr)
    rows = measure(SMALL if options.quick else SIZE, 0.05 if options.quick else 0.5)
    print("\n".join([*describe(here), "", *report(rows)]), flush=True)
    if options.json:
        found = {"machine": here, "quick": options.quick, "checks": rows}
        text = json.dumps(plain(found), indent=1, ensure_ascii=False) + "\n"
        Path(options.json).write_text(text, encoding="utf-8")
    print(f"\n{watch.seconds:.0f} s")
    return 0 if all(row["ok"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
