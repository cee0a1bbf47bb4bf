"""Chaining Jacobians, and the full tensor set beside the outer-product shortcut.

Floor 9. Imports errors, ground, execution, display, tensor.
"""

import statistics
import textwrap
from functools import reduce
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.display.html import element, fragment, table
from jacobians.display.latex import latex_rows
from jacobians.display.numbers import human_bytes, human_count, human_seconds
from jacobians.display.shown import contracted_formula
from jacobians.errors import ShapeError, TensorTooLargeError, UnsupportedError, VerificationError
from jacobians.execution.steps import Cost
from jacobians.ground.arguments import shaped_array
from jacobians.ground.memory import check_bytes
from jacobians.ground.stopwatch import peak_bytes, repeated
from jacobians.ground.trees import plain
from jacobians.tensor.jacobian_tensor import JacobianTensor

Array = NDArray[Any]
_LINES = 4  # of a formula in a comparison


def chain(*jacobians: JacobianTensor) -> JacobianTensor:
    """The chain rule: ``chain(∂L/∂Y, ∂Y/∂X, …)``, output first; the same as ``J @ K @ …``.

    Parameters
    ----------
    *jacobians : JacobianTensor
        At least one; the input of each has the shape of the next one's output.

    Returns
    -------
    JacobianTensor
        Structured: deltas rename letters, nothing dense is built.

    Raises
    ------
    ShapeError
        Where two neighbours do not fit; both shapes are named.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> W, x, t = np.eye(2, 3), np.arange(3.0), np.ones(2)
    >>> dL = jb.ops.squared_error.jacobian(jb.ops.matvec(W, x), t, wrt="y")
    >>> jb.chain(dL, jb.ops.matvec.jacobian(W, x, wrt="A")).dense()
    array([[-0., -1., -2.],
           [ 0.,  0.,  0.]])
    """
    if not jacobians:
        raise ShapeError("chain() needs at least one JacobianTensor, output first")
    for number, jacobian in enumerate(jacobians):
        if not isinstance(jacobian, JacobianTensor):
            raise UnsupportedError(
                f"chain(): argument {number} is of type {type(jacobian).__name__}; pass JacobianTensors, and "
                "contract with an array by J.vjp(G) or J.jvp(dX)"
            )
    return reduce(lambda left, right: left @ right, jacobians)


class Way(NamedTuple):
    """One way to the gradient.

    Attributes
    ----------
    name : str
        "explicit", "dense" or "contracted".
    ran : bool
        False where it was predicted only; then ``note`` says why.
    seconds : float or None
        The median over runs.
    flops, bytes : int
        Predicted: operations, and bytes of the arrays that are made.
    peak_bytes : int or None
        Measured: the most memory allocated at once.
    note : str
        Why it did not run.
    """

    name: str
    ran: bool
    seconds: float | None
    flops: int
    bytes: int
    peak_bytes: int | None
    note: str = ""


def _beside(name: str, formula: str) -> list[str]:
    """A formula behind its name, in lines of 80 columns; a very long one is cut."""
    lines = textwrap.wrap(f"{name} {formula}", 80, subsequent_indent="    ", break_on_hyphens=False)
    return lines if len(lines) <= _LINES else [*lines[:_LINES], "    …"]


class Comparison(NamedTuple):
    """The gradient by identity tensors, by the dense tensor, and by the shortcut, side by side.

    Attributes
    ----------
    title, formula, shortcut : str
        ``∂A_ij/∂B_kl``, ``δ_ik C_lj`` and ``G_kr C_lr``.
    shape : tuple of int
        Of the full tensor.
    explicit, dense, contracted : Way
        What each took.
    largest_difference : float
        Between the values of the ways that ran.
    tolerance : float
        What rounding allows, from the dtype and the size of the sums.
    """

    title: str
    formula: str
    shortcut: str
    shape: tuple[int, ...]
    explicit: Way
    dense: Way
    contracted: Way
    largest_difference: float
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether all ways that ran agree to rounding."""
        return self.largest_difference <= self.tolerance

    @property
    def ratio(self) -> float | None:
        """How many times faster contracted is than explicit; None if that did not run."""
        if self.explicit.seconds is None or self.contracted.seconds is None:
            return None
        return self.explicit.seconds / self.contracted.seconds

    def raise_if_failed(self) -> None:
        """Raise VerificationError unless the ways agree."""
        if not self.ok:
            raise VerificationError(
                f"{self.title}: the ways differ by {self.largest_difference:.3g}, more than {self.tolerance:.3g}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON; None for nan and infinities."""
        found: dict[str, Any] = plain(self)
        return {**found, "ok": self.ok, "ratio": self.ratio}

    def __str__(self) -> str:
        head, *rows = self._table()
        lines = [
            *_beside(f"{self.title} =", self.formula),
            f"shape {self.shape}, {prod(self.shape):,} entries",
            *_beside("shortcut:", self.shortcut),
            "",
            *(f"{w:<11}{t:>11}{f:>17}{b:>13}{p:>13}" for w, t, f, b, p in (head, *rows)),
            "",
            *self._remarks(),
        ]
        return "\n".join(line[:80] for line in lines)

    def _repr_html_(self) -> str:
        head, *rows = self._table()
        return fragment(
            element("div", f"{self.title} = {self.formula}", class_="formula"),
            element("p", f"shape {self.shape}, {prod(self.shape):,} entries", class_="facts"),
            element("div", f"shortcut: {self.shortcut}", class_="formula"),
            table("", head, rows),
            *(element("p", remark, class_="facts") for remark in self._remarks()),
        )

    def _repr_latex_(self) -> str:
        facts = [(self.title, self.formula), ("shortcut", self.shortcut)]
        ways = [(name, ", ".join(rest)) for name, *rest in self._table()]
        return latex_rows([*facts, *ways, *(("", remark) for remark in self._remarks())])

    def _table(self) -> list[tuple[str, str, str, str, str]]:
        """A line of titles and one for each way."""
        found = [("way", "time", "flops", "bytes", "peak")]
        for way in (self.explicit, self.dense, self.contracted):
            seconds = "not run" if way.seconds is None else human_seconds(way.seconds)
            peak = "-" if way.peak_bytes is None else human_bytes(way.peak_bytes)
            found.append((way.name, seconds, human_count(way.flops), human_bytes(way.bytes), peak))
        return found

    def _remarks(self) -> list[str]:
        """What did not run, how the times compare, and whether the values agree."""
        found = [f"{w.name}: {w.note}" for w in (self.explicit, self.dense) if w.note]
        if self.ratio is not None:
            found.append(f"contracted is {self.ratio:,.0f} times faster than explicit")
        if self.explicit.ran or self.dense.ran:
            verdict = "agree" if self.ok else "DIFFER"
            found.append(f"values {verdict}: largest difference {self.largest_difference:.2g}")
        else:
            found.append("values: nothing to compare with, only contracted ran")
        return found


def compare(J: JacobianTensor, G: Any, max_bytes: float | None = None) -> Comparison:
    """The full tensor beside the outer-product shortcut: the same gradient three ways.

    *explicit* builds the tensor from identity tensors and sums it against ``G`` over the output
    axes; *dense* builds it by its structure and does the same; *contracted* never builds it.

    Parameters
    ----------
    J : JacobianTensor
        The Jacobian.
    G : array_like
        The upstream gradient, of shape ``J.out_shape``.
    max_bytes : float, optional
        The most bytes a dense tensor may take; a way that would need more is predicted and not run.

    Returns
    -------
    Comparison
        Prints as a table; its fields hold the numbers.

    Raises
    ------
    ShapeError
        If ``G`` has not the output's shape.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> rng = np.random.default_rng(0)
    >>> J = jb.ops.matmul.jacobian(rng.normal(size=(4, 3)), rng.normal(size=(3, 5)), wrt="B")
    >>> c = jb.compare(J, rng.normal(size=(4, 5)))
    >>> c.ok, c.shortcut
    (True, 'G Cᵀ')
    """
    if not isinstance(J, JacobianTensor):
        raise UnsupportedError(
            f"compare() takes a JacobianTensor and an upstream gradient, not {type(J).__name__}; make one "
            "with jb.ops.<name>.jacobian(...)"
        )
    G = shaped_array(G, J.out_shape, f"{J.title}: the upstream gradient G", "the output")
    upstream = G.astype(J.dtype, copy=False)
    cost = J.cost()
    summed = Cost(2 * J.size, prod(J.in_shape) * J.dtype.itemsize)

    def explicit() -> Array:
        return np.tensordot(upstream, J.explicit(max_bytes), J.out_ndim)

    def dense() -> Array:
        return np.tensordot(upstream, J.dense(max_bytes), J.out_ndim)

    value = J.vjp(G)
    values = [value]
    ways: dict[str, Way] = {}
    for name, run, predicted, needs in (
        ("explicit", explicit, cost.explicit + summed, cost.explicit.bytes),
        ("dense", dense, cost.dense + summed, J.size * J.dtype.itemsize),
        ("contracted", lambda: J.vjp(G), cost.vjp, 0),
    ):
        try:
            check_bytes(J.title, name, needs, max_bytes, "")
        except TensorTooLargeError:
            note = f"would need {human_bytes(predicted.bytes)}: predicted, not run"
            ways[name] = Way(name, False, None, *predicted, None, note)
            continue
        if needs:
            values.append(np.asarray(run(), value.dtype))
        peak = peak_bytes(run)
        ways[name] = Way(name, True, statistics.median(repeated(run)), *predicted, peak)
    scale = _magnitude(J, upstream)
    rounding = 4 * float(np.finfo(J.dtype).eps) * max(prod(J.out_shape), 1)
    return Comparison(
        J.title,
        J.formula(),
        str(contracted_formula(J)),
        J.shape,
        **ways,
        largest_difference=max(_difference(v, value) for v in values),
        tolerance=rounding * scale,
    )


def _magnitude(J: JacobianTensor, G: Array) -> float:
    """The largest ``Σ |G| |J|``: rounding is relative to what is added, not to what is left."""
    terms = tuple(t._replace(coefficient=abs(t.coefficient)) for t in J.terms.terms)
    values = {node: np.abs(array) for node, array in J.operands.items()}
    sizes = JacobianTensor(J.terms._replace(terms=terms), J.out_ndim, values, dtype=J.dtype)
    found = sizes.vjp(np.abs(G))
    return float(np.max(found, initial=0, where=np.isfinite(found)))


def _difference(other: Array, value: Array) -> float:
    """The largest difference; nan for nan and inf for inf are the same.

    A nan of the other is passed over: the dense sum multiplies zeros by infinite numbers.
    """
    same = (other == value) | np.isnan(other)
    return float(
        np.max(np.abs(np.subtract(other, value, where=~same, out=np.zeros_like(value))), initial=0)
    )
