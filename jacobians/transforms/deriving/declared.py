"""Derivations of expressions with declared shapes, numbers or letters: ``W=mxn``."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from jacobians.algebra.atoms import Atom, Expr, Factor, Function, Group, Leaf, Monomial, Power, Whole
from jacobians.algebra.recognising import Softmax
from jacobians.errors import JacobiansError, ShapeError, UnsupportedError
from jacobians.transforms.deriving.derivation import Derivation, derive
from jacobians.transforms.deriving.language import as_function

_DRAWS = ((5, 7, 11, 13, 17, 19), (11, 5, 7, 17, 13, 23))
_TRIES = 12
_MOST = 64
Size = int | str


def shapes_of(declared: Sequence[str], names: Sequence[str]) -> dict[str, tuple[Size, ...]]:
    """``W=3x4 x=n`` as shapes; a name without one is a number.

    Raises
    ------
    ShapeError
        For a declaration that cannot be read, and a name that the expression has not.
    """
    found: dict[str, tuple[Size, ...]] = dict.fromkeys(names, ())
    for one in declared:
        name, sign, sizes = one.partition("=")
        if not sign or not re.fullmatch(r"(scalar|[^\W_]+(x[^\W_]+)*|)", sizes):
            raise ShapeError(f"--shape {one!r}: write NAME=SIZES, as in W=3x4, W=mxn, x=4 or c=scalar")
        if name not in found:
            raise ShapeError(f"--shape {one}: the expression has no {name}; it has {', '.join(names) or 'no names'}")
        parts = [] if sizes in ("scalar", "") else re.split(r"x(?=\w)", sizes)
        shape: list[Size] = []
        for part in parts:
            if part.isdigit():
                if not 1 <= int(part) <= _MOST:
                    raise ShapeError(f"--shape {one}: a size is from 1 to {_MOST} here, not {part}")
                shape.append(int(part))
            elif part.isidentifier():
                shape.append(part)
            else:
                raise ShapeError(f"--shape {one}: the size {part!r} is neither a number nor a letter")
        if len(shape) > 4:
            raise ShapeError(f"--shape {one}: at most 4 axes")
        found[name] = tuple(shape)
    return found


def points(
    function: Any, shapes: Mapping[str, tuple[int, ...]], seed: int, structured: Mapping[str, Any]
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
        if value.dtype.kind == "f" and np.isfinite(value).all() or value.dtype.kind in "iu":
            return arrays
    raise UnsupportedError(f"the expression is defined at none of {_TRIES} random points" + (f": {error}" if error else ""))


STRUCTURES: dict[str, Any] = {
    "symmetric": lambda X: (X + X.T) / 2,
    "diagonal": lambda X: np.diag(np.diag(X)),
}


def derive_text(
    text: str, wrt: str | None = None, shapes: Sequence[str] = (), *, order: int = 1, layout: str | None = None,
    seed: int = 0, symmetric: Sequence[str] = (), diagonal: Sequence[str] = (),
) -> tuple[Derivation, str, dict[str, tuple[Size, ...]]]:  # fmt: skip
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
    by = names[0] if wrt is None else wrt
    if by not in names:
        raise JacobiansError(f"--wrt {by}: the expression has no {by}; it has {', '.join(names)}")
    declared = shapes_of(shapes, names)
    structures = {}
    for kind, which in (("symmetric", symmetric), ("diagonal", diagonal)):
        for name in which:
            if name not in names:
                raise JacobiansError(f"--{kind} {name}: the expression has no {name}; it has {', '.join(names)}")
            shape = declared[name]
            if len(shape) != 2 or shape[0] != shape[1]:
                raise ShapeError(f"--{kind} {name}: it must be a square matrix, not of shape {shape}")
            structures[name] = STRUCTURES[kind]
    letters = list(dict.fromkeys(s for shape in declared.values() for s in shape if isinstance(s, str)))
    if len(letters) > len(_DRAWS[0]):
        raise ShapeError(f"at most {len(_DRAWS[0])} letters for sizes, not {len(letters)}")
    found = []
    for draw in _DRAWS if letters else _DRAWS[:1]:
        sizes = dict(zip(letters, draw, strict=False))
        concrete = {n: tuple(sizes.get(s, s) if isinstance(s, str) else s for s in shape) for n, shape in declared.items()}
        arrays = points(function, concrete, seed, structures)  # type: ignore[arg-type]
        from jacobians.transforms.structured import diagonal as as_diagonal
        from jacobians.transforms.structured import symmetric as as_symmetric

        wrapped = [
            as_symmetric(a) if n in symmetric else as_diagonal(a) if n in diagonal and n == by else a
            for n, a in zip(names, arrays, strict=True)
        ]
        found.append((derive(function, *wrapped, wrt=by, order=order, layout=layout), sizes))
    if len(found) == 1:
        return found[0][0], by, declared
    (first, sizes), (second, others) = found
    codes = {}
    for name, shape in declared.items():
        for axis, s in enumerate(shape):
            if isinstance(s, str):
                codes.setdefault(s, f"{name}.shape[{axis}]")
    if first._expression is None or second._expression is None:
        if first.index != second.index:
            raise UnsupportedError(f"the derivative depends on the sizes: {first.index} and {second.index}")
        return first, by, declared
    united = _united(first._expression, second._expression, sizes, others, codes)
    return first.with_expression(united), by, declared


def _united(a: Expr, b: Expr, sizes: Mapping[str, int], others: Mapping[str, int], codes: Mapping[str, str]) -> Expr:
    """One expression of two draws of sizes: coefficients that differ are written with the sizes.

    Raises
    ------
    UnsupportedError
        Where they differ in more than that.
    """
    if len(a.terms) != len(b.terms):
        raise UnsupportedError(
            f"the derivative has {len(a.terms)} terms at sizes {dict(sizes)} and {len(b.terms)} at "
            f"{dict(others)}: it is not one formula in the sizes"
        )
    terms = []
    for s, t in zip(a.terms, b.terms, strict=True):
        if len(s.factors) != len(t.factors):
            raise UnsupportedError(f"the derivative differs between the sizes {dict(sizes)} and {dict(others)}")
        waiting = list(t.factors)
        factors: list[tuple[Factor, Fraction]] = []
        for f, e in s.factors:
            match = next((g for g in waiting if g[1] == e and type(g[0].atom) is type(f.atom) and _like(f.atom, g[0].atom)), None)
            if match is None:
                raise UnsupportedError(f"the derivative differs between the sizes {dict(sizes)} and {dict(others)}")
            waiting.remove(match)
            factors.append((Factor(_united_atom(f.atom, match[0].atom, sizes, others, codes), f.letters), e))
        coefficient = s.coefficient
        if s.coefficient != t.coefficient:
            coefficient, powers = _in_sizes(s.coefficient, t.coefficient, sizes, others)
            factors += [
                (Factor(Leaf(name, (), positive=True, code=codes[name]), ()), Fraction(e)) for name, e in powers.items() if e
            ]
        terms.append(Monomial(coefficient, s.slots, s.sizes, tuple(factors)))
    return Expr(a.shape, tuple(terms))


def _like(a: Atom, b: Atom) -> bool:
    if isinstance(a, Leaf) and isinstance(b, Leaf):
        return a.name == b.name
    if isinstance(a, Function | Whole) and isinstance(b, Function | Whole):
        return a.operation is b.operation
    return all(len(x.terms) == len(y.terms) for x, y in zip(a.inner, b.inner, strict=True))


def _united_atom(a: Atom, b: Atom, sizes: Any, others: Any, codes: Any) -> Atom:
    inner = tuple(_united(x, y, sizes, others, codes) for x, y in zip(a.inner, b.inner, strict=True))
    if isinstance(a, Softmax):
        return Softmax(inner[0], a.axes)
    if isinstance(a, Group):
        return type(a)(inner[0])
    if isinstance(a, Function):
        return Function(a.operation, inner, a.parameters)
    if isinstance(a, Power):
        return Power(*inner)
    return a


def _in_sizes(a: Any, b: Any, sizes: Mapping[str, int], others: Mapping[str, int]) -> tuple[Any, dict[str, int]]:
    """A number that is one at two draws of sizes: a constant times powers of the sizes."""
    names = list(sizes)
    for powers in sorted(product(range(-3, 4), repeat=min(len(names), 3)), key=lambda p: sum(map(abs, p))):
        first, second = Fraction(1), Fraction(1)
        for name, e in zip(names, powers, strict=False):
            first *= Fraction(sizes[name]) ** e
            second *= Fraction(others[name]) ** e
        if abs(float(a) / float(first) - float(b) / float(second)) < 1e-12 * abs(float(a) / float(first)):
            constant = a / first if isinstance(a, Fraction) else float(a) / float(first)
            return constant, dict(zip(names, powers, strict=False))
    raise UnsupportedError(
        f"the coefficient is {a} at sizes {dict(sizes)} and {b} at {dict(others)}: no product of powers of the sizes"
    )
