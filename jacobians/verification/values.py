"""Mistakes in values: pointwise functions, terms of the formula, factors along axes, noise.

The tensors have one shape here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from math import prod
from typing import Any

import numpy as np

from jacobians.graph.node import Array
from jacobians.verification import arrangements, places
from jacobians.verification.case import Case, allowance, norm, numbers, positive
from jacobians.verification.judging import Diagnosis, Guess, Judge, is_earned

_FEW_TERMS = 8
_NOISE = 0.05  # the largest relative size of what is called noise
_MANY = 8  # so many entries must speak before larger differences are called noise
_SMALL = 1e-3  # differences this small are noise where no explanation holds, patterned or not
_WHOLE = 1e-6  # how near to a whole number a term's coefficient is


def pointwise(case: Case) -> Iterator[Guess]:
    """A function of each entry: absolute value, conjugate, reciprocal, square."""
    if not case.same_shape:
        return

    def keep(tol: Array) -> Array:
        return tol

    if np.iscomplexobj(case.expected) or np.iscomplexobj(case.claimed):
        parts: tuple[tuple[str, Callable[[Array], Array]], ...] = (
            ("it is the complex conjugate", np.conj),
            ("it is the real part alone", np.real),
            ("it is the imaginary part alone", np.imag),
        )
        for clause, function in parts:
            yield Guess("conjugate", clause, 1.2, function, tolerance=keep)
    else:
        signs = np.sign(np.where(case.size > case.tol, case.expected, 0))
        if (signs < 0).any() and (signs > 0).any():  # of one sign, it is a wrong sign or none
            clause = "it is the absolute value: negative entries have lost their sign"
            yield Guess("absolute", clause, 1.45, np.abs, tolerance=keep)

    def inverse(array: Array) -> Array:
        return np.divide(1, array, out=np.zeros_like(array), where=array != 0)

    others: tuple[tuple[str, Callable[[Array], Array]], ...] = (
        ("each entry is one over the right one", inverse),
        ("each entry is the square of the right one", np.square),
    )
    for clause, function in others:
        yield Guess("pointwise", clause, 1.9, function, tolerance=keep, scaled=False)


def by_terms(case: Case) -> Iterator[Diagnosis]:
    """A term of the formula that is missing, doubled, of the wrong sign, or itself mistaken."""
    if not case.same_shape:
        return
    terms = _term_arrays(case)
    difference = case.claimed - case.expected
    weight_of = case.size + np.abs(case.claimed)
    rounding = replace(case, tol=case.tol + 4 * case.eps * np.nan_to_num(weight_of))
    for text, term in terms:
        if not (np.abs(term) > case.tol).any():
            continue
        part = replace(rounding, claimed=difference + term, expected=term)
        yield from _one_term(part, text)
    if 2 <= len(terms) <= _FEW_TERMS:
        found = _several_terms(rounding, terms, difference)
        if found is not None:
            yield found


def _one_term(part: Case, text: str) -> Iterator[Diagnosis]:
    """What happened to one term, if all the others are right."""
    missing = norm(part.excess(part.claimed))
    if missing == 0:
        yield Diagnosis("term", (f"the term {text} is missing",), 1.2)
        return
    judge = Judge(part)
    fit = judge(Guess("", "", 0, lambda a: a))
    if fit is not None and fit.full and fit.weight <= 1.4:
        if fit.kind == "sign":
            clause = f"the term {text} has the wrong sign"
        elif "it is 2 × the right derivative" in fit.clauses[0]:
            clause = f"the term {text} is there twice"
        else:
            said = " and ".join(fit.clauses).replace("the right derivative", "what it should be")
            clause = f"in the term {text}, {said}"
        yield Diagnosis("term", (clause,), fit.weight + 0.15)
        return
    for guess in (*arrangements.moved(part), *arrangements.deltas(part)):
        found = judge(guess)
        if found is not None and found.full and found.weight < 2.3:
            clause = f"in the term {text}, {' and '.join(found.clauses)}"
            yield Diagnosis("term", (clause,), found.weight + 0.5)
            return


def _several_terms(
    case: Case, terms: Sequence[tuple[str, Array]], difference: Array
) -> Diagnosis | None:
    """Several terms at once, each with a whole coefficient where 1 is meant."""
    columns = [np.nan_to_num(array).ravel() for _, array in terms]
    gram = np.array([[np.vdot(a, b).real for b in columns] for a in columns])
    right = np.array([np.vdot(a, np.nan_to_num(difference).ravel()).real for a in columns])
    if not (np.isfinite(gram).all() and np.isfinite(right).all()):
        return None
    found = np.linalg.pinv(gram, rcond=1e-12, hermitian=True) @ right + 1
    whole = np.round(found)
    if not np.abs(found - whole).max() <= _WHOLE + 1e3 * case.eps:
        return None
    if np.abs(whole).max() > 3:
        return None
    left = difference - sum((n - 1) * t for n, (_, t) in zip(whole, terms, strict=True))
    if norm(case.excess(left)) > 0:
        return None
    said = {0: "{} is missing", 2: "{} is there twice", -1: "{} has the wrong sign"}
    clauses = [
        "the term " + said.get(int(n), f"{{}} stands {int(n)} times").format(text)
        for n, (text, _) in zip(whole, terms, strict=True)
        if n != 1
    ]
    return Diagnosis("term", tuple(clauses), 1.3 + 0.1 * len(clauses))


def local(case: Case) -> Iterator[Diagnosis]:
    """What is the same for all wrong entries: where they are, and how they are wrong."""
    if not case.same_shape:
        return
    fails, relevant = case.fails, case.relevant
    place = places.find(fails, relevant, case.names, case.out_ndim)
    if place.kind == "all":
        return  # the whole tensor: no place, and its factors are tried elsewhere
    count, total = int(np.count_nonzero(fails)), fails.size
    where = f" {place.words}" if place.words else ""
    kind, weight, how = _how(case, place, where)
    if place.kind == "entry":
        index = tuple(int(a[0]) for a in places.indices(fails))
        text = f"one entry is wrong, {places.entry(index, case.names)}: it is "
        text += f"{case.claimed[index] * case.unit:.6g} where "
        text += f"{case.expected[index] * case.unit:.6g} is right"
        few = np.count_nonzero(relevant) < 4
        yield Diagnosis("entry", (text,), 3.0 if few and how else 1.3)
        if few and how:
            yield Diagnosis(kind, (how,), 2.0)
        return
    amount = f"all {count} wrong entries (of {total}) are there"
    if how is not None:
        yield Diagnosis(kind, (f"{how}; {amount}",), weight)
    elif place.axes and max(place.axes) < case.fixed:
        text = f"only some results are wrong, {place.words}"
        yield Diagnosis("results", (text,), 2.2)
    elif place.narrow and place.kind in ("row", "column", "block"):
        yield _part(case, place, amount)
    elif place.narrow:
        few_text = f"{count} entries are wrong{where}; all others are right"
        yield Diagnosis("entries", (few_text,), 2.1)


def _how(case: Case, place: places.Region, where: str) -> tuple[str, float, str | None]:
    """How all wrong entries are wrong: the kind, how plain it is, and the words; None where it is no one way."""
    fails, count = case.fails, int(np.count_nonzero(case.fails))
    claimed, expected, tol = case.claimed[fails], case.expected[fails], case.tol[fails]
    if (np.abs(claimed) <= tol).all():
        return "zeros", 1.9, f"it is zero{where}, and should not be"
    if (np.abs(expected) <= tol).all():
        return "structure", 2.9, f"it is not zero{where}, where zero is right"
    fit = (
        Judge(case).fit(claimed, expected, tol) if place.kind != "scattered" or count <= 4 else None
    )
    if fit is not None and is_earned(fit.free if fit.named else 4, count):
        left = np.abs(claimed - fit.factor * expected)
        if (left <= allowance(case, tol, expected, fit.factor)).all():
            return fit.kind, 1.9 + fit.weight / 10, f"{' and '.join(fit.clauses)}{where}"
    return place.kind, 2.0, None


def _part(case: Case, place: places.Region, amount: str) -> Diagnosis:
    """A row, a column or a block that is wrong, without a reason; or several."""
    used = [len(np.unique(places.indices(case.fails)[axis])) for axis in place.axes]
    kind = "entries" if case.expected.ndim == 1 else place.kind
    singular = {"row": "a row is", "column": "a column is", "block": "a block is"}
    plural = {"row": "rows are", "column": "columns are", "block": "a part is"}
    name = "entries are" if kind == "entries" else (singular if max(used) == 1 else plural)[kind]
    return Diagnosis(kind, (f"{name} wrong {place.words}; {amount}",), 2.05)


def axis_factors(case: Case) -> Iterator[Diagnosis]:
    """A factor that depends on some axes only: missing, or one too many."""
    if not case.same_shape:
        return
    axes = [a for a in case.free_axes if case.expected.shape[a] > 1]
    groups: list[tuple[int, ...]] = [(a,) for a in axes]
    groups += combinations(axes, 2)
    groups += [case.out_axes, case.in_axes]
    pairs = arrangements.diagonal_pairs(case) if case.same_shape else []
    explained: list[set[int]] = []
    for group in dict.fromkeys(group for group in groups if group):
        # Beside a delta, a factor of i is a factor of k.
        alike = {*group, *(b for a, b in pairs if a in group), *(a for a, b in pairs if b in group)}
        if any(smaller <= alike for smaller in explained):
            continue
        for inverse in (False, True):
            found = _axis_factor(case, group, inverse)
            if found is not None:
                explained.append(set(group))
                yield found
                break


def _axis_factor(case: Case, group: tuple[int, ...], inverse: bool) -> Diagnosis | None:
    """Whether one tensor is the other times a factor of the axes of ``group``."""
    base, other = case.expected, case.claimed
    if inverse:
        base, other = other, base
    rest = tuple(a for a in range(base.ndim) if a not in group)
    known = np.isfinite(base) & np.isfinite(other)
    base, other = np.where(known, base, 0), np.where(known, other, 0)
    above = np.sum(np.conj(base) * other, axis=rest, keepdims=True)
    below = np.sum(np.abs(base) ** 2, axis=rest, keepdims=True)
    factor = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    predicted = base * factor
    allowed = case.tol * np.maximum(1, np.abs(factor)) + 16 * case.eps * np.abs(predicted)
    left = positive(np.abs(other - predicted) - allowed)
    if left.any():
        return None
    significant = np.abs(base) > case.tol
    fitted = int(np.count_nonzero(significant.any(axis=rest)))
    free = fitted + max(1, fitted // 2 - 1)  # a factor of each index, and which axes they are
    if not is_earned(free, int(np.count_nonzero(significant))):
        return None
    values = factor.reshape([base.shape[a] for a in group])
    return _factor_words(case, group, values, inverse)


def _factor_words(
    case: Case, group: tuple[int, ...], values: Array, inverse: bool
) -> Diagnosis | None:
    names = [case.names[a] for a in group]
    flat = values.ravel()
    if np.abs(flat - 1).max() <= _NOISE / 10:
        return None  # nearly 1 everywhere: noise in an operand looks like that
    shown = ", ".join(f"{v:.4g}" for v in flat[:4]) + (", …" if flat.size > 4 else "")
    index = "".join(names) if all(len(name) == 1 for name in names) else ",".join(names)
    which = places.listed(names)
    two = ("the right derivative", "yours") if inverse else ("yours", "the right derivative")
    text = (
        f"{two[0]} = {two[1]} × v_{index} with v = [{shown}]: a factor that depends on {which} "
        f"alone is missing{'' if inverse else ', or one too many'}"
    )
    if ((flat == 0) | (np.abs(flat - 1) <= 1e-9)).all():
        text += "; v is a mask of zeros and ones"
    elif len(group) == 2 and min(values.shape) > 1 and prod(values.shape) > sum(values.shape):
        u, s, _ = np.linalg.svd(values)
        if s[1] <= 1e-6 * s[0] + case.eps * s[0] * u.shape[0]:
            text += f"; v is a factor of {names[0]} times a factor of {names[1]}"
    return Diagnosis("axis factor", (text,), 2.3 + 0.2 * len(group) + (0.01 if inverse else 0))


def noise(case: Case) -> Iterator[Diagnosis]:
    """Small differences without a pattern, and what has such a size."""
    if not case.same_shape:
        return
    fails, relevant = case.fails, case.relevant
    difference = np.nan_to_num(case.claimed - case.expected)
    expected = np.nan_to_num(case.expected)
    size = norm(expected)
    count = int(np.count_nonzero(fails))
    if not size > 0 or count < 4 or 4 * count < np.count_nonzero(relevant):
        return
    level = norm(difference) / size
    largest = np.abs(difference).max() / (norm(difference) / np.sqrt(count))
    aligned = abs(np.vdot(difference, expected)) / (norm(difference) * size)
    patterned = largest > 10 or aligned > max(0.3, 4 / np.sqrt(count))
    if level > _NOISE or (level > _SMALL and (patterned or count < _MANY)):
        return
    cause = _cause(level)
    text = "it is close to the right derivative, but not it: differences without a pattern, of relative size "
    text += f"{level:.1e}" + (f" (of {cause}?)" if cause else "")
    yield Diagnosis("noise", (text,), 3.0)


def _cause(level: float) -> str:
    """What makes differences of such a relative size."""
    if level > 1e-2:
        return "an approximation of a function in it"
    if level > 2e-4:
        return (
            "an approximation of a function or a number in it, half precision, a coarse finite-difference "
            "step, an iteration that has not converged"
        )
    if level > 1e-6:
        return "a finite-difference step, or single precision after cancellation"
    if level > 1e-8:
        return "single precision, or a finite-difference step"
    if level > 1e-13:
        return "a finite-difference step, or cancellation"
    return "rounding"


def _term_arrays(case: Case) -> list[tuple[str, Array]]:
    """The terms as arrays of the expected tensor's shape; none where they do not add up to it."""
    if case.sources.terms is None:
        return []
    found: list[tuple[str, Array]] = []
    for text, array in case.sources.terms():
        values = numbers(array)
        if values is None or not np.isfinite(values).all():
            return []
        values = values / case.unit if case.unit != 1 else values
        try:
            found.append((str(text), np.broadcast_to(values, case.expected.shape)))
        except ValueError:
            return []
    total: Any = sum(array for _, array in found)
    scale = sum(np.abs(array) for _, array in found)
    off = np.abs(total - case.expected)
    if len(found) < 2 or (off > case.tol + 1e3 * case.eps * scale).any():
        return []
    return found
