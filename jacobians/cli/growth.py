"""How the full tensor and the shortcut grow with size: measured, with fitted exponents."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.display.numbers import human_bytes, human_seconds
from jacobians.ground.memory import available_bytes
from jacobians.ground.progress import progress
from jacobians.ground.stopwatch import Thunk, repeated
from jacobians.transforms.library import ops

Array = NDArray[np.float64]

_SIZES = (16, 32, 64, 128, 256, 512, 1024)
_EXPLICIT_UP_TO = 256  # 128 MiB; the next one would be 1 GiB
_EXPLICIT_FROM, _CONTRACTED_FROM = 64, 256  # below, calls cost more than arithmetic


class Size(NamedTuple):
    """One size: y = W x with W of n × n.

    Attributes
    ----------
    n : int
        The size.
    tensor_bytes, gradient_bytes : int
        Of the full tensor, and of the gradient, which is all that the shortcut makes.
    explicit_flops, contracted_flops : int
        Predicted.
    explicit_seconds : float or None
        None where it was not run.
    contracted_seconds : float
        The best of several runs, as is the other.
    """

    n: int
    tensor_bytes: int
    gradient_bytes: int
    explicit_flops: int
    contracted_flops: int
    explicit_seconds: float | None
    contracted_seconds: float


class Growth(NamedTuple):
    """All sizes, and the exponents a in ``seconds ∝ nᵃ``."""

    sizes: list[Size]
    explicit_time: float | None
    contracted_time: float | None
    explicit_flops: float | None
    contracted_flops: float | None
    tensor_bytes: float | None
    gradient_bytes: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        return {
            "sizes": [size._asdict() for size in self.sizes],
            "exponents": {k: v for k, v in self._asdict().items() if k != "sizes"},
        }


def fitted_exponent(sizes: Sequence[float], amounts: Sequence[float]) -> float | None:
    """The slope of log amount over log size by least squares; None for fewer than two points."""
    if len(sizes) < 2:
        return None
    return float(np.polyfit(np.log(sizes), np.log(amounts), 1)[0])


def measure_growth(sizes: Sequence[int] = _SIZES) -> Growth:
    """Time both ways to the gradient ∂L/∂W of one layer over sizes."""
    rows = []
    for n in sizes:
        with progress(f"measuring growth, n = {n}", both=True):
            rows.append(_measure(n))
    explicit = [r for r in rows if r.explicit_seconds is not None and r.n >= _EXPLICIT_FROM]
    contracted = [r for r in rows if r.n >= _CONTRACTED_FROM]
    return Growth(
        rows,
        explicit_time=fitted_exponent(
            [r.n for r in explicit], [r.explicit_seconds or 0.0 for r in explicit]
        ),
        contracted_time=fitted_exponent(
            [r.n for r in contracted], [r.contracted_seconds for r in contracted]
        ),
        explicit_flops=_exponent(rows, "explicit_flops"),
        contracted_flops=_exponent(rows, "contracted_flops"),
        tensor_bytes=_exponent(rows, "tensor_bytes"),
        gradient_bytes=_exponent(rows, "gradient_bytes"),
    )


def _exponent(rows: Sequence[Size], field: str) -> float | None:
    return fitted_exponent([r.n for r in rows], [getattr(r, field) for r in rows])


def _measure(n: int) -> Size:
    random = np.random.default_rng(n)
    W, x, G = (random.standard_normal(shape) for shape in ((n, n), n, n))
    J = ops.matvec.jacobian(W, x, wrt="A")
    cost = J.cost()
    item = J.dtype.itemsize
    # NumPy's einsum over several operands takes room for some copies of its result.
    fits = n <= _EXPLICIT_UP_TO and 6 * J.size * item < available_bytes()
    return Size(
        n,
        tensor_bytes=J.size * item,
        gradient_bytes=W.size * item,
        explicit_flops=cost.explicit.flops + 2 * J.size,
        contracted_flops=cost.vjp.flops,
        explicit_seconds=best_time(lambda: np.tensordot(G, J.explicit(), 1)) if fits else None,
        contracted_seconds=best_time(lambda: J.vjp(G)),
    )


def best_time(run: Thunk) -> float:
    """The shortest of several calls, after one that is not counted: what the work takes, undisturbed."""
    run()
    return min(repeated(run))


def text(growth: Growth) -> list[str]:
    """The table."""
    lines = [
        "4  How both grow: ∂L/∂W behind one layer y = W x, with W of n × n",
        "",
        f"   {'n':>5}{'full tensor':>14}{'explicit':>12}{'gradient':>12}{'contracted':>13}"
        f"{'times faster':>15}",
    ]
    for row in growth.sizes:
        explicit, ratio = "not run", "-"
        if row.explicit_seconds is not None:
            explicit = human_seconds(row.explicit_seconds)
            ratio = f"{row.explicit_seconds / row.contracted_seconds:,.0f}"
        lines.append(
            f"   {row.n:>5}{human_bytes(row.tensor_bytes):>14}{explicit:>12}"
            f"{human_bytes(row.gradient_bytes):>12}{human_seconds(row.contracted_seconds):>13}"
            f"{ratio:>15}"
        )
    marks = [
        "-" if a is None else f"n^{a:.1f}"
        for a in (
            growth.tensor_bytes,
            growth.explicit_time,
            growth.gradient_bytes,
            growth.contracted_time,
            growth.explicit_flops,
            growth.contracted_flops,
        )
    ]
    return [
        *lines,
        f"   {'fit':>5}{marks[0]:>14}{marks[1]:>12}{marks[2]:>12}{marks[3]:>13}",
        "",
        f"   Fitted by least squares to logarithms, times from n = {_EXPLICIT_FROM} and "
        f"{_CONTRACTED_FROM} on.",
        f"   Operations grow as {marks[4]} and {marks[5]}: a tensor of n³ entries, an outer product.",
    ]
