"""The note's rows: the shortcut beside the full tensor and beside NumPy written by hand.

    python -m benchmarks.note [--quick] [--json FILE]

First d(BC)/dB over sizes, then what else a Jacobian gives at the largest size, then all rows of the
note. Contenders of one table line run in turn in one process, after their values were compared. The
full tensor's ways allocate it anew each time, as a caller would.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import scipy.sparse as sp
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

import jacobians as jb
from jacobians.display.numbers import human_bytes, human_seconds
from jacobians.ground.stopwatch import Thunk, peak_bytes
from jacobians.measuring.machine import describe, machine
from jacobians.measuring.timing import Times, interleaved

Array = NDArray[np.float64]
SIZE_OF_TARGETS = 64
RATIO_TO_EXPLICIT = 500  # J.vjp(G) against explicit-then-contract
RATIO_TO_EINSUM = 2  # J.dense() against one einsum with an identity


class Line(NamedTuple):
    """One line of a table: contenders that give the same values, timed together."""

    title: str
    times: Mapping[str, Times]
    extra: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        times = {name: found.to_dict() for name, found in self.times.items()}
        return {"title": self.title, "contenders": times, **self.extra}


def timed(title: str, contenders: Mapping[str, Thunk], seconds: float, **extra: Any) -> Line:
    """Compare the contenders' values, then time them.

    Raises
    ------
    AssertionError
        If two differ by more than rounding.
    """
    first, *others = contenders
    wanted = np.asarray(contenders[first]())
    scale = max(1.0, float(np.max(np.abs(wanted), initial=0)))
    for name in others:
        np.testing.assert_allclose(
            np.asarray(contenders[name]()),
            wanted,
            rtol=0,
            atol=1e-11 * scale,
            err_msg=f"{title}: {name} is not {first}",
        )
    return Line(title, interleaved(contenders, seconds), extra)


class Product(NamedTuple):
    """``A = B C`` with random square operands, its Jacobian by B, and an upstream gradient."""

    B: Array
    C: Array
    G: Array
    J: jb.JacobianTensor


def product(n: int) -> Product:
    """Random operands of size n."""
    B, C, G = np.random.default_rng(0).normal(size=(3, n, n))
    return Product(B, C, G, jb.ops.matmul.jacobian(B, C, wrt="B"))


def gradient(n: int, seconds: float) -> Line:
    """Σ_ij G_ij ∂A_ij/∂B_kl by the full tensor and by the shortcut."""
    B, C, G, J = product(n)

    def explicit() -> Array:
        full = np.einsum("ik,lj->ijkl", np.eye(n), C)
        return np.tensordot(G, full, 2)

    contenders: dict[str, Thunk] = {
        "hand": lambda: G @ C.T,
        "vjp": lambda: J.vjp(G),
        "derived": lambda: jb.ops.matmul.vjp(G, B, C, wrt="B"),
        "explicit": explicit,
        "dense": lambda: np.tensordot(G, J.dense(), 2),
    }
    return timed(
        f"d(BC)/dB, n = {n}",
        contenders,
        seconds,
        n=n,
        operand_bytes=B.nbytes,
        peak_bytes={name: peak_bytes(contenders[name]) for name in ("explicit", "vjp")},
    )


def by_strides(C: Array) -> Array:
    """The full tensor by hand: zeros, and the diagonal i = k as a view that is assigned."""
    n = len(C)
    full = np.zeros((n, n, n, n))
    i, j, k, m = full.strides
    as_strided(full, (n, n, n), (i + k, j, m))[...] = C.T
    return full


def full_tensor(n: int, seconds: float) -> Line:
    """The full tensor, with all its zeros, by several ways."""
    _, C, _, J = product(n)
    contenders: dict[str, Thunk] = {
        "einsum": lambda: np.einsum("ik,lj->ijkl", np.eye(n), C),
        "dense": J.dense,
        "strides": lambda: by_strides(C),
        "explicit": J.explicit,
    }
    written = entries_written(J)
    return timed(
        f"d(BC)/dB, n = {n}", contenders, seconds, n=n, nnz=J.nnz, size=J.size, written=written
    )


def entries_written(J: jb.JacobianTensor) -> int | None:
    """How many entries ``J.dense()`` writes: its zeros are made NaN, and what is left is counted.

    None if it did not ask NumPy for zeros of the tensor's shape.
    """
    handed: list[Array] = []

    def marked(shape: Any, dtype: Any = float, **_: Any) -> Array:
        handed.append(np.full(shape, np.nan, dtype))
        return handed[-1]

    with mock.patch("numpy.zeros", marked):
        found = J.dense()
    return None if not any(found is array for array in handed) else int(np.sum(~np.isnan(found)))


def parts(n: int, seconds: float) -> list[Line]:
    """What a Jacobian gives without its full tensor, each against what one would write."""
    B, C, _, J = product(n)
    dX = np.random.default_rng(1).normal(size=B.shape)
    eye = sp.eye_array(n, format="csr")

    def made() -> jb.JacobianTensor:
        return jb.ops.matmul.jacobian(B, C, wrt="B")

    def row() -> Array:
        found = np.zeros((n, n))
        found[1] = C[:, 2]
        return found

    lines = [
        timed("jvp(dX)", {"ours": lambda: J.jvp(dX), "hand": lambda: dX @ C}, seconds),
        timed(
            "J[1, 2]",
            {"ours": lambda: J[1, 2], "hand": row, "dense": lambda: J.dense()[1, 2]},
            seconds,
        ),
        timed("J[1, 2, 1, 3]", {"ours": lambda: J[1, 2, 1, 3], "hand": lambda: C[3, 2]}, seconds),
        Line("nnz", interleaved({"ours": lambda: J.nnz}, seconds), {}),
    ]
    # Sparse matrices and Jacobians are objects: their numbers are compared here, then they are timed.
    kron: Thunk = lambda: sp.kron(eye, C.T, format="csr")  # noqa: E731
    np.testing.assert_array_equal(J.sparse().toarray(), kron().toarray())
    np.testing.assert_array_equal(J.sparse().toarray(), J.matrix())
    lines.append(Line("sparse()", interleaved({"ours": J.sparse, "hand": kron}, seconds), {}))
    return [*lines, Line("jacobian(B, C)", interleaved({"ours": made}, seconds), {})]


class Row(NamedTuple):
    """A row of the note: a Jacobian, an upstream gradient, and the gradient by hand.

    By hand it starts from what the Jacobian holds: an inverse or a residual is not made again.
    """

    title: str
    J: jb.JacobianTensor
    G: Any
    hand: Thunk


def note_rows(n: int) -> list[Row]:
    """All rows of the note at size n."""
    rng = np.random.default_rng(2)
    A, B, C, X, G = rng.normal(size=(5, n, n))
    a, b, g, t, x, y = rng.normal(size=(6, n))
    s = np.array(1.5)
    X = X / n + np.eye(n)  # well away from singular
    inverse, cofactor = np.linalg.inv(X), np.linalg.det(X) * np.linalg.inv(X).T
    residual = A @ x - t
    ops = jb.ops
    layer = jb.chain(
        ops.squared_error.jacobian(A @ x, t, wrt="y"), ops.matvec.jacobian(A, x, wrt="A")
    )
    by: Callable[..., jb.JacobianTensor] = lambda name, *args, wrt: ops[name].jacobian(  # noqa: E731
        *args, wrt=wrt
    )
    return [
        Row("BC by B", by("matmul", B, C, wrt="B"), G, lambda: G @ C.T),
        Row("BC by C", by("matmul", B, C, wrt="C"), G, lambda: B.T @ G),
        Row("Ax by A", by("matvec", A, x, wrt="A"), g, lambda: np.outer(g, x)),
        Row("Ax by x", by("matvec", A, x, wrt="x"), g, lambda: A.T @ g),
        Row("½‖Ax − t‖² by A", layer, s, lambda: s * np.outer(residual, x)),
        Row("½‖y − t‖² by y", by("squared_error", y, t, wrt="y"), s, lambda: s * (y - t)),
        Row("Xᵀ by X", by("transpose", X, wrt="X"), G, lambda: G.T.copy()),
        Row("tr X by X", by("trace", X, wrt="X"), s, lambda: s * np.eye(n)),
        Row("det X by X", by("det", X, wrt="X"), s, lambda: s * cofactor),
        Row("X⁻¹ by X", by("inv", X, wrt="X"), G, lambda: -(inverse.T @ G @ inverse.T)),
        Row("xᵀa by x", by("inner", a, x, wrt="x"), s, lambda: s * a),
        Row("aᵀXb by X", by("bilinear", a, X, b, wrt="X"), s, lambda: s * np.outer(a, b)),
        Row("xᵀAx by x", by("quadratic", x, A, wrt="x"), s, lambda: s * (A @ x + x @ A)),
        Row("xᵀAx by A", by("quadratic", x, A, wrt="A"), s, lambda: s * np.outer(x, x)),
    ]


def measured_row(row: Row, seconds: float) -> Line:
    """A row's three ways."""
    J, G = row.J, row.G

    def explicit() -> Any:
        return np.tensordot(G, J.explicit(), J.out_ndim)

    contenders: dict[str, Thunk] = {"hand": row.hand, "vjp": lambda: J.vjp(G), "explicit": explicit}
    return timed(row.title, contenders, seconds, formula=J.formula(), nnz=J.nnz, size=J.size)


# Tables of at most 80 columns


def _time(times: Times) -> str:
    return f"{human_seconds(times.median):>8}"


def _ratio(above: Times, below: Times) -> str:
    ratio = above.over(below)
    digits = 0 if ratio >= 100 else 1 if ratio >= 10 else 2
    return f"{ratio:>9,.{digits}f}"


def _spread(line: Line) -> str:
    return f"{max(found.spread for found in line.times.values()):>8.0%}"


def gradient_table(lines: Sequence[Line]) -> list[str]:
    """The gradient over sizes."""
    text = [
        "1  Σ_ij G_ij ∂(BC)_ij/∂B_kl for n × n matrices",
        "   explicit: einsum('ik,lj->ijkl', eye, C), then tensordot with G;",
        "   dense: J.dense() and the same; derived: jb.ops.matmul.vjp; vjp: J.vjp(G);",
        "   hand: G @ C.T",
        "",
        f"{'n':>4} {'explicit':>8} {'dense':>8} {'derived':>8} {'vjp':>8} {'hand':>8}"
        f"{'expl/vjp':>10}{'vjp/hand':>10}{'spread':>8}",
    ]
    for line in lines:
        t = line.times
        text.append(
            f"{line.extra['n']:>4} {_time(t['explicit'])} {_time(t['dense'])} {_time(t['derived'])} "
            f"{_time(t['vjp'])} {_time(t['hand'])} {_ratio(t['explicit'], t['vjp'])} "
            f"{_ratio(t['vjp'], t['hand'])}{_spread(line)}"
        )
    text += ["", f"{'n':>4} {'an operand':>12} {'peak of vjp':>14} {'peak of explicit':>18}"]
    for line in lines:
        peaks = line.extra["peak_bytes"]
        text.append(
            f"{line.extra['n']:>4} {human_bytes(line.extra['operand_bytes']):>12} "
            f"{human_bytes(peaks['vjp']):>14} {human_bytes(peaks['explicit']):>18}"
        )
    return text


def full_table(lines: Sequence[Line]) -> list[str]:
    """The full tensor over sizes."""
    text = [
        "2  The full tensor ∂(BC)_ij/∂B_kl, n⁴ entries",
        "   einsum: with np.eye; strides: zeros and a diagonal view, by hand;",
        "   written: entries that J.dense() writes, of those that can be nonzero",
        "",
        f"{'n':>4} {'explicit':>8} {'einsum':>8} {'dense':>8} {'strides':>8} {'eins/dense':>11}"
        f"{'spread':>8}{'written':>9} of nnz",
    ]
    for line in lines:
        t = line.times
        written = "unknown" if line.extra["written"] is None else f"{line.extra['written']:,}"
        text.append(
            f"{line.extra['n']:>4} {_time(t['explicit'])} {_time(t['einsum'])} {_time(t['dense'])} "
            f"{_time(t['strides'])}  {_ratio(t['einsum'], t['dense'])}{_spread(line)}"
            f"{written:>9} {line.extra['nnz']:,}"
        )
    return text


def parts_table(n: int, lines: Sequence[Line]) -> list[str]:
    """What else a Jacobian gives."""
    text = [
        f"3  Without the full tensor, n = {n}; dense: J.dense()[1, 2];",
        "   hand: dX @ C, a column of C in zeros, C[3, 2], scipy.sparse.kron",
        "",
        f"   {'':<16} {'ours':>8} {'hand':>8} {'dense':>8} {'ours/hand':>10}{'spread':>8}",
    ]
    for line in lines:
        ours, hand, dense = (line.times.get(name) for name in ("ours", "hand", "dense"))
        cells = [_time(found) if found else f"{'-':>8}" for found in (ours, hand, dense)]
        ratio = _ratio(ours, hand) if ours and hand else f"{'-':>9}"
        text.append(f"   {line.title:<16} {' '.join(cells)}  {ratio}{_spread(line)}")
    return text


def rows_table(n: int, lines: Sequence[Line]) -> list[str]:
    """All rows of the note."""
    text = [
        f"4  The rows of the note, n = {n}: the gradient from an upstream G",
        "   explicit: J.explicit(), then tensordot; vjp: J.vjp(G);",
        "   hand: NumPy, from what J holds",
        "",
        f"   {'':<16} {'explicit':>8} {'vjp':>8} {'hand':>8} {'expl/vjp':>10}{'vjp/hand':>10}"
        f"{'spread':>8}",
    ]
    for line in lines:
        t = line.times
        text.append(
            f"   {line.title:<16} {_time(t['explicit'])} {_time(t['vjp'])} {_time(t['hand'])}  "
            f"{_ratio(t['explicit'], t['vjp'])} {_ratio(t['vjp'], t['hand'])}{_spread(line)}"
        )
    return text


def targets(gradients: Sequence[Line], fulls: Sequence[Line]) -> list[dict[str, Any]]:
    """What was aimed at, at n = 64, and what was measured; nothing where 64 was not."""
    if gradients[-1].extra["n"] != SIZE_OF_TARGETS:
        return []
    t, f = gradients[-1].times, fulls[-1].times
    operand, peak = gradients[-1].extra["operand_bytes"], gradients[-1].extra["peak_bytes"]["vjp"]
    return [
        {
            "what": "vjp faster than explicit-then-contract",
            "target": f"{RATIO_TO_EXPLICIT} ×",
            "measured": f"{t['explicit'].over(t['vjp']):,.0f} ×",
        },
        {
            "what": "dense faster than einsum with an identity",
            "target": f"{RATIO_TO_EINSUM} ×",
            "measured": f"{f['einsum'].over(f['dense']):.2f} ×",
        },
        {
            "what": "vjp allocates besides its result, the size of an operand",
            "target": f"< {human_bytes(operand)}",
            "measured": human_bytes(peak - operand),
        },
        {
            "what": "dense writes entries, structurally nonzero ones",
            "target": f"{fulls[-1].extra['nnz']:,}",
            "measured": str(fulls[-1].extra["written"])
            if fulls[-1].extra["written"] is None
            else f"{fulls[-1].extra['written']:,}",
        },
    ]


def targets_table(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Targets beside measurements."""
    if not found:
        return [f"5  Targets are for n = {SIZE_OF_TARGETS}, which was not measured"]
    text = [f"5  Targets, n = {SIZE_OF_TARGETS}", "", f"   {'':<56}{'target':>10}{'measured':>11}"]
    text += [f"   {t['what']:<56}{t['target']:>10}{t['measured']:>11}" for t in found]
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.note", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds")
    parser.add_argument("--json", metavar="FILE", help="write the measurements to FILE")
    options = parser.parse_args(argv)
    sizes = (8, 16) if options.quick else (8, 16, 32, 64)
    seconds = 0.02 if options.quick else 0.4
    size_of_rows = min(32, sizes[-1])

    here = machine()
    print("\n".join(describe(here)))
    print("Medians of rounds in which contenders run in turn; a ratio is the median of the")
    print("rounds' ratios; spread: the widest distance of quartiles, over the median.")

    def section(text: Sequence[str]) -> None:
        print("\n" + "\n".join(text), flush=True)

    gradients = [gradient(n, seconds) for n in sizes]
    section(gradient_table(gradients))
    fulls = [full_tensor(n, seconds) for n in sizes]
    section(full_table(fulls))
    others = parts(sizes[-1], seconds)
    section(parts_table(sizes[-1], others))
    rows = [measured_row(row, seconds / 2) for row in note_rows(size_of_rows)]
    section(rows_table(size_of_rows, rows))
    aims = targets(gradients, fulls)
    section(targets_table(aims))
    if options.json:
        found = {
            "machine": here,
            "gradient": [line.to_dict() for line in gradients],
            "full_tensor": [line.to_dict() for line in fulls],
            "parts": {"n": sizes[-1], "lines": [line.to_dict() for line in others]},
            "rows": {"n": size_of_rows, "lines": [line.to_dict() for line in rows]},
            "targets": aims,
        }
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1, ensure_ascii=False)
            file.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
