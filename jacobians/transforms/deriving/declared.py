"""Derivations of expressions with declared shapes, numbers or letters: ``W=mxn``."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from jacobians.algebra.atoms import Atom, Expr, Leaf
from jacobians.algebra.constants import Fixed
from jacobians.errors import JacobiansError, ShapeError, UnsupportedError
from jacobians.transforms.deriving.derivations import Derivation, derive
from jacobians.transforms.deriving.language import (
    ExpressionError,
    as_function,
    literals,
    parsed,
)
from jacobians.transforms.deriving.programs import run_program
from jacobians.transforms.structured import diagonal as as_diagonal
from jacobians.transforms.structured import symmetric as as_symmetric

_PRIMES = (5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43)
_LETTERS = 6
_TRIES = 12
_MOST = 64
SizeName = int | str


def shapes_of(
    declared: Sequence[str], names: Sequence[str], called: str = "the expression"
) -> dict[str, tuple[SizeName, ...]]:
    """``W=3x4 x=n`` as shapes; a name without one is a number.

    Raises
    ------
    ShapeError
        For a declaration that cannot be read, and a name that the expression has not.
    """
    found: dict[str, tuple[SizeName, ...]] = dict.fromkeys(names, ())
    for one in declared:
        name, sign, sizes = one.partition("=")
        if not sign or not re.fullmatch(r"(scalar|[^\W_]+(x[^\W_]+)*|)", sizes):
            raise ShapeError(
                f"--shape {one!r}: write NAME=SIZES, as in W=3x4, W=mxn, x=4 or c=scalar"
            )
        if name not in found:
            raise ShapeError(
                f"--shape {one}: {called} has no {name}; it has {', '.join(names) or 'no names'}"
            )
        parts = [] if sizes in ("scalar", "") else re.split(r"x(?=\w)", sizes)
        shape: list[SizeName] = []
        for part in parts:
            if part.isdigit():
                if not 1 <= int(part) <= _MOST:
                    raise ShapeError(f"--shape {one}: a size is from 1 to {_MOST} here, not {part}")
                shape.append(int(part))
            elif part.isidentifier():
                shape.append(part)
            else:
                raise ShapeError(
                    f"--shape {one}: the size {part!r} is neither a number nor a letter"
                )
        if len(shape) > 4:
            raise ShapeError(f"--shape {one}: at most 4 axes")
        found[name] = tuple(shape)
    return found


def points(
    function: Any,
    shapes: Mapping[str, tuple[int, ...]],
    seed: int,
    structured: Mapping[str, Any],
    called: str,
) -> list[Any]:
    """Random arguments at which the function is defined.

    Raises
    ------
    UnsupportedError
        Where none was found.
    """
    rng = np.random.default_rng(seed)
    error: Exception | None = None
    for k in range(_TRIES):
        arrays = []
        for name, shape in shapes.items():
            square = len(shape) == 2 and shape[0] == shape[1]
            if k % 3 == 0:
                array = rng.uniform(0.2, 0.9, shape)
                if square:
                    array = array + len(array) * np.eye(shape[0])
            elif k % 3 == 1:
                array = rng.normal(size=shape)
            else:
                array = rng.uniform(0.1, 0.4, shape)
            if name in structured:
                array = structured[name](array)
            arrays.append(np.asarray(array, float))
        with np.errstate(all="ignore"):
            try:
                value = np.asarray(function(*arrays))
            except np.linalg.LinAlgError as found:
                error = found
                continue
        if (value.dtype.kind == "f" and np.isfinite(value).all()) or value.dtype.kind in "iu":
            return arrays
    raise UnsupportedError(
        f"{called} is defined at none of {_TRIES} random points" + (f": {error}" if error else "")
    )


STRUCTURES: dict[str, Any] = {
    "symmetric": lambda X: (X + X.T) / 2,
    "diagonal": lambda X: np.diag(np.diag(X)),
}


def derive_text(
    text: str, wrt: str | None = None, shapes: Sequence[str] = (), *, order: int = 1, layout: str | None = None,
    seed: int = 0, symmetric: Sequence[str] = (), diagonal: Sequence[str] = (),
) -> tuple[Derivation, str, dict[str, tuple[SizeName, ...]]]:  # fmt: skip
    """The derivation of an expression, what it is by, and the shapes of its names.

    Sizes that are letters are drawn twice; what depends on them is written with the letters.

    Raises
    ------
    JacobiansError
        For an expression that cannot be read, with a caret at the place; for shapes that do not fit; where
        the derivation differs between sizes by more than numbers.
    """
    function, names = as_function(text)
    if not names:
        raise JacobiansError(f"the expression {text!r} has no variable to differentiate by")
    return derive_declared(
        function, names, wrt, shapes, order=order, layout=layout, seed=seed, symmetric=symmetric,
        diagonal=diagonal, numbers=literals(parsed(text)),
    )  # fmt: skip


def derive_declared(
    function: Callable[..., Any], names: Sequence[str], wrt: str | None = None, shapes: Sequence[str] = (), *,
    order: int = 1, layout: str | None = None, seed: int = 0, symmetric: Sequence[str] = (),
    diagonal: Sequence[str] = (), called: str = "the expression", numbers: Any = frozenset(),
) -> tuple[Derivation, str, dict[str, tuple[SizeName, ...]]]:  # fmt: skip
    """As ``derive_text``, of a function whose arguments have these names; ``called`` is what errors call it.

    Sizes are drawn apart from the ``numbers``.
    """
    by = names[0] if wrt is None else wrt
    if by not in names:
        raise JacobiansError(f"--wrt {by}: {called} has no {by}; it has {', '.join(names)}")
    declared = shapes_of(shapes, names, called)
    structures = {}
    for kind, which in (("symmetric", symmetric), ("diagonal", diagonal)):
        for name in which:
            if name not in names:
                raise JacobiansError(
                    f"--{kind} {name}: {called} has no {name}; it has {', '.join(names)}"
                )
            shape = declared[name]
            if len(shape) != 2 or shape[0] != shape[1]:
                raise ShapeError(
                    f"--{kind} {name}: it must be a square matrix, not of shape {shape}"
                )
            structures[name] = STRUCTURES[kind]
    letters = list(
        dict.fromkeys(s for shape in declared.values() for s in shape if isinstance(s, str))
    )
    if len(letters) > _LETTERS:
        raise ShapeError(f"at most {_LETTERS} letters for sizes, not {len(letters)}")

    def at(sizes: Mapping[str, int]) -> Derivation:
        concrete = {
            n: tuple(sizes[s] if isinstance(s, str) else s for s in shape)
            for n, shape in declared.items()
        }
        arrays = points(function, concrete, seed, structures, called)
        wrapped = [
            as_symmetric(a)
            if n in symmetric
            else as_diagonal(a)
            if n in diagonal and n == by
            else a
            for n, a in zip(names, arrays, strict=True)
        ]
        return derive(function, *wrapped, wrt=by, order=order, layout=layout)

    if not letters:
        return at({}), by, declared
    codes: dict[str, str] = {}
    for name, shape in declared.items():
        for axis, size in enumerate(shape):
            if isinstance(size, str):
                codes.setdefault(size, f"{name}.shape[{axis}]")
    refused: JacobiansError | None = None
    found: list[tuple[Derivation, Mapping[str, int]]] = []
    for sizes in _draws(letters, numbers):
        try:
            derivation = at(sizes)
        except JacobiansError as error:
            refused = refused or error
            if isinstance(error, ExpressionError) and not found:
                raise
            continue
        leaves = {n: Leaf(name, (), positive=True, code=codes[name]) for name, n in sizes.items()}
        own = derivation.with_letters(leaves)
        for other, at_sizes in found:
            apart = all(at_sizes[s] != n for s, n in sizes.items())
            if apart and _one_formula(own, other):
                return other, by, declared
        found.append((own, sizes))
    if len(found) < 2:
        assert refused is not None
        raise refused
    raise UnsupportedError(
        f"the derivative is not one formula in the sizes: {found[0][0].index} at {found[0][1]}, "
        f"and {found[1][0].index} at {found[1][1]}"
    )


def _one_formula(a: Derivation, b: Derivation) -> bool:
    one, other = a.expression, b.expression
    if one is None or other is None:
        return one is other and a.index == b.index
    return _agree(one, other) or _computes(a, b)


def _computes(a: Derivation, b: Derivation) -> bool:
    """Whether the program of one is right at the other's arguments: terms may stand in another order there."""
    try:
        found = run_program(a.numpy)(**b.arguments)
        want = b.full.dense()
    except Exception:  # it has sizes of its own
        return False
    return np.shape(found) == want.shape and np.allclose(found, want, rtol=1e-9, atol=1e-12)


def _draws(letters: Sequence[str], numbers: Iterable[float]) -> Iterator[dict[str, int]]:
    """Sizes for the letters: primes that no number of the expression gives rise to, in several orders."""
    near: set[int] = set()
    for number in numbers:
        exact = Fraction(str(number))
        near.update((exact.denominator, exact.numerator))
        near.update(abs(int(number) - k) for k in range(3))
    primes = [p for p in _PRIMES if not any(n and n % p == 0 for n in near)]
    count = len(letters)
    for few in (
        primes[:count],
        primes[count::-1][:count],
        primes[1 : count + 2][::-1],
        primes[2 : count + 2],
    ):
        yield dict(zip(letters, few, strict=False))


def _agree(a: Expr, b: Expr) -> bool:
    """Whether two expressions, each in the letters of its sizes, are one formula."""
    return _shapeless(a) == _shapeless(b)


def _shapeless(expr: Expr) -> list[object]:
    found: list[object] = []
    for t in expr.terms:
        factors = sorted((_said(f.atom), str(f.letters), str(e)) for f, e in t.factors)
        found.append((f"{float(t.coefficient):.12g}", t.slots, factors))
    return sorted(found, key=repr)


def _said(atom: Atom) -> str:
    if isinstance(atom, Leaf | Fixed):
        return f"{type(atom).__name__}{atom.name}"
    name = getattr(getattr(atom, "operation", None), "key", "")
    return f"{type(atom).__name__}{name}{[_shapeless(e) for e in atom.inner]}"
