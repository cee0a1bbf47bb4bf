"""``jb.catalogue``: rows that derive themselves, and prove themselves by numbers."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import JacobiansError
from jacobians.identities.rows import ROWS, Stated
from jacobians.transforms.deriving.declared import derive_text
from jacobians.transforms.deriving.derivations import Derivation
from jacobians.transforms.deriving.language import FUNCTIONS, Meaning, computed, parsed, variables
from jacobians.transforms.deriving.programs import run_program

Array = NDArray[Any]
_STEP = 1e-30
_EXTRA = {
    "row": Meaning(lambda x: x[None, :]), "column": Meaning(lambda x: x[:, None]), "vec": Meaning(np.ravel),
    "ones": Meaning(np.ones), "K": Meaning(lambda m, n: commutation(m, n), (2,)),
}  # fmt: skip


def commutation(m: int, n: int) -> Array:
    """K with K vec(X) = vec(Xᵀ) for X of m × n, vec row by row."""
    return np.eye(m * n)[np.arange(m * n).reshape(m, n).T.ravel()]


class Proof(NamedTuple):
    """The differences of a row at its points: of ours from the closed form, and from the complex step."""

    number: str
    closed: float
    complex_step: float
    points: int

    @property
    def ok(self) -> bool:
        """Whether both are rounding errors."""
        return self.closed < 1e-8 and self.complex_step < 1e-8


class Row:
    """An identity: as its source states it, and as it is derived here.

    Attributes
    ----------
    number : str
        In its source: ``MC`` for the Matrix Cookbook, ``N`` for the note, ``S`` for other standard ones.
    expression, wrt : str
        What is differentiated, and by what.
    closed : str
        The source's closed form.
    mark : str
        What is misprinted in the source, or restricted.
    """

    def __init__(self, stated: Stated) -> None:
        self._stated = stated
        self.number, self.expression, self.wrt = stated.number, stated.expression, stated.wrt
        self.closed, self.mark = stated.closed, stated.mark

    @property
    def _shapes(self) -> list[str]:
        names = variables(parsed(self.expression))
        return [one for one in self._stated.shapes.split() if one.partition("=")[0] in names]

    def _derive(self, seed: int) -> Derivation:
        s = self._stated
        d, _, _ = derive_text(
            s.expression,
            s.wrt,
            self._shapes,
            order=s.order,
            seed=seed,
            symmetric=s.symmetric.split(),
        )
        return d

    @cached_property
    def derivation(self) -> Derivation:
        """Our derivation of it."""
        return self._derive(0)

    @property
    def index(self) -> str:
        """The derivative in index notation."""
        return self.derivation.index

    @property
    def matrix(self) -> str | None:
        """The derivative in matrix notation."""
        return self.derivation.matrix

    def verify(self, seed: int = 0, points: int = 2) -> Proof:
        """Ours, the stated closed form and the complex step at random points."""
        closed = step = 0.0
        for k in range(points):
            d = self._derive(seed + k)
            values = d.arguments
            structured = self.wrt in self._stated.symmetric.split()
            ours = d.full.dense()
            if structured:
                ours = 0.5 * (ours + np.swapaxes(ours, -1, -2))
            stated = np.asarray(_evaluated(self.closed, values))
            closed = max(closed, _distance(ours, stated.reshape(ours.shape)))
            f = parsed(self.expression)
            if self._stated.order == 1:
                found = _by_complex_step(f, values, self.wrt, self.expression)
                if structured:
                    found = 0.5 * (found + np.swapaxes(found, -1, -2))
                step = max(step, _distance(ours, found))
            else:
                first, _, _ = derive_text(self.expression, self.wrt, self._shapes)
                step = max(step, _distance(ours, _slopes(first, values, self.wrt)))
        return Proof(self.number, closed, step, points)

    def __str__(self) -> str:
        order = "²" if self._stated.order == 2 else ""
        lines = [f"{self.number:<12} ∂{order}({self.expression}) / ∂{self.wrt}{order}"]
        lines += [f"             source  {line}" for line in wrap(self.closed, 59)]
        for name, text in (("matrix", self.matrix), ("index", self.index)):
            for n, line in enumerate(
                wrap(text or "no matrix notation", 59, break_long_words=False)
            ):
                lines.append(f"             {name if n == 0 else '':<8}{line}")
        lines += [
            f"             note    {line}" if n == 0 else f"                     {line}"
            for n, line in enumerate(wrap(self.mark, 59))
        ]
        return "\n".join(lines)

    __repr__ = __str__


def _distance(a: Array, b: Array) -> float:
    scale = max(1.0, float(np.abs(b).max(initial=0)))
    return float(np.abs(a - b).max(initial=0)) / scale


def _evaluated(text: str, values: dict[str, Array]) -> Any:
    """A closed form at arrays: the language, with a few functions more."""
    before = dict(FUNCTIONS)
    FUNCTIONS.update(_EXTRA)
    try:
        return computed(parsed(text), values, text)
    finally:
        FUNCTIONS.clear()
        FUNCTIONS.update(before)


_PLAIN = {
    "norm": Meaning(lambda X: np.sqrt(np.sum(X * X))), "abs": Meaning(lambda X: np.where(np.real(X) < 0, -X, X)),
    "sigmoid": Meaning(lambda X: 1 / (1 + np.exp(-X))), "softmax": Meaning(lambda X: np.exp(X) / np.sum(np.exp(X))),  # noqa: E501
    "logsumexp": Meaning(lambda X: np.log(np.sum(np.exp(X)))),
}  # fmt: skip


def _by_complex_step(f: Any, values: dict[str, Array], wrt: str, text: str) -> Array:
    """The Jacobian from values of the expression alone, with functions that are analytic."""
    before = dict(FUNCTIONS)
    FUNCTIONS.update(_PLAIN)
    try:
        x = values[wrt]
        columns = []
        for k in np.ndindex(x.shape):
            moved = x.astype(complex)
            moved[k] += 1j * _STEP
            columns.append(np.imag(computed(f, {**values, wrt: moved}, text)) / _STEP)
        found = np.moveaxis(np.array(columns), 0, -1)
        return found.reshape((*found.shape[:-1], *x.shape))
    finally:
        FUNCTIONS.clear()
        FUNCTIONS.update(before)


def _slopes(first: Derivation, values: dict[str, Array], wrt: str) -> Array:
    """The derivative of the gradient's own NumPy by complex step."""
    space: dict[str, Any] = {}
    gradient = run_program(first.numpy)
    del space
    x = values[wrt]
    columns = []
    for k in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[k] += 1j * _STEP
        columns.append(np.imag(gradient(**{**values, wrt: moved})) / _STEP)
    return np.moveaxis(np.array(columns), 0, -1).reshape((*x.shape, *x.shape))


class Proofs(NamedTuple):
    """What ``verify`` found: a proof for each row. Prints as a table."""

    proofs: tuple[Proof, ...]

    @property
    def ok(self) -> bool:
        """Whether every row holds."""
        return all(p.ok for p in self.proofs)

    def __str__(self) -> str:
        lines = [f"{'identity':<16}{'from the closed form':>22}{'from complex step':>20}"]
        for p in self.proofs:
            lines.append(
                f"{p.number:<16}{p.closed:>22.1e}{p.complex_step:>20.1e}{'' if p.ok else '   WRONG'}"
            )
        good = sum(p.ok for p in self.proofs)
        lines.append(
            f"{good} of {len(self.proofs)} hold, each at {self.proofs[0].points if self.proofs else 0} random points"  # noqa: E501
        )
        return "\n".join(lines)


class Catalogue(Sequence[Row]):
    """Identities; prints, and iterates over its rows."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = tuple(rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: Any) -> Any:
        return self._rows[number]

    def verify(self, seed: int = 0) -> Proofs:
        """Prove every row by numbers at random points.

        Parameters
        ----------
        seed : int
            Of the points.

        Returns
        -------
        Proofs
            Prints as a table; ``ok`` says whether all hold.
        """
        return Proofs(tuple(row.verify(seed) for row in self._rows))

    def __str__(self) -> str:
        return "\n\n".join(map(str, self._rows))

    __repr__ = __str__


def catalogue(*words: str) -> Catalogue:
    """The identities that have all of the words, in number, expression, closed form or note.

    Raises
    ------
    JacobiansError
        Where no row has them.

    Examples
    --------
    >>> import jacobians as jb
    >>> print(jb.catalogue("MC 101"))
    MC 101       ∂(tr(A @ X @ B)) / ∂X
                 source  A' @ B'
                 matrix  Aᵀ Bᵀ
                 index   B_lr A_rk
    >>> jb.catalogue("MC 101").verify().ok
    True
    """
    rows = [
        Row(s) for s in ROWS
        if all(w.lower() == s.number.lower() or w.lower() in f"{s.number} {s.expression} {s.closed} {s.mark}".lower() for w in words)  # noqa: E501
    ]  # fmt: skip
    if not rows:
        raise JacobiansError(
            f"no identity has {' and '.join(map(repr, words))}; jb.catalogue() has all {len(ROWS)}"
        )
    return Catalogue(rows)
