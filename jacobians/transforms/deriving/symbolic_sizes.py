"""Derivations whose sizes are letters: made at two draws of sizes, and one formula at both."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

import numpy as np

from jacobians.algebra.atoms import Atom, Expr, Leaf
from jacobians.algebra.constants import Fixed
from jacobians.errors import JacobiansError, UnsupportedError
from jacobians.transforms.deriving.derivations import Derivation
from jacobians.transforms.deriving.language import ExpressionError
from jacobians.transforms.deriving.programs import run_program

_PRIMES = (5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43)


def in_letters(
    at: Callable[[Mapping[str, int]], Derivation],
    codes: Mapping[str, str],
    numbers: Iterable[float],
) -> Derivation:
    """The derivation that is one in the sizes.

    Parameters
    ----------
    at : callable
        The derivation at sizes by their letters.
    codes : mapping
        For each letter, how NumPy reads the size.
    numbers : iterable of float
        Sizes are drawn apart from these.

    Raises
    ------
    JacobiansError
        Where the derivation is refused at all sizes, or differs between them by more than numbers.
    """
    refused: JacobiansError | None = None
    found: list[tuple[Derivation, Mapping[str, int]]] = []
    for sizes in _draws(list(codes), numbers):
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
                return other
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
