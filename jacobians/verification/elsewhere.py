"""Points of other sizes, at which two explanations that fit the same numbers come apart."""

import re
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from jacobians.ground.trees import flatten
from jacobians.verification.reasoning import Finding, is_vague

_SIZES = (5, 7, 3, 11, 13)  # no one a power or a product of others
_LARGEST = 1 << 11  # entries of an argument, or a result, of another size
_NEAR = 1e-3  # how far beside, as a share of the largest entry
_NUMBER = re.compile(r"[\d.,]+(?:e-?\d+)?")
_REMARK = re.compile(r" \((?:a |an |n |it |or )[^()]*\)")
_FACTORS = ("factor", "mean")
_PLAIN = ("2", "½")  # that nobody means a size by


def other_sizes(
    f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[Any] | None:
    """Arguments of other sizes that the function takes: random ones of the same magnitudes; else None.

    Equal sizes stay equal, so that what must agree still does; sizes of 1 stay. A method keeps what it
    saw, and is not asked.
    """
    arrays = [np.asarray(a) for a in args if isinstance(a, np.ndarray | list)]
    sizes = list(dict.fromkeys(n for a in arrays for n in a.shape if n > 1))
    fresh = [n for n in _SIZES if n not in sizes]
    if not sizes or len(sizes) > len(fresh) or hasattr(f, "__self__"):
        return None
    into: dict[int, int] = {0: 0, 1: 1, **dict(zip(sizes, fresh, strict=False))}
    random = np.random.default_rng(5)
    found: list[Any] = []
    for value in args:
        if not isinstance(value, np.ndarray | list):
            found.append(value)
            continue
        array = np.asarray(value)
        shape = tuple(into[n] for n in array.shape)
        if array.dtype.kind not in "fiub" or prod(shape) > _LARGEST or not array.size:
            return None
        drawn = np.asarray(random.choice(array.ravel(), shape))
        if array.dtype.kind == "f" and not np.isin(array, (0, 1)).all():
            drawn = np.asarray(drawn * random.uniform(0.8, 1.2, shape), array.dtype)
        found.append(_like(array, drawn))
    try:
        before, _ = flatten(f(*[_copied(a) for a in args], **kwargs))
        after, _ = flatten(f(*[_copied(a) for a in found], **kwargs))
        ends = [np.asarray(y) for y in after]
    except Exception:  # sizes that are fixed inside
        return None
    ranks = [np.ndim(y) for y in before] == [y.ndim for y in ends]
    finite = all(y.size <= _LARGEST and np.isfinite(y).all() for y in ends)
    return found if ranks and finite else None


def beside(args: Sequence[Any], seed: int) -> list[Any]:
    """Arguments near by, at which kinks come apart; what is symmetric stays so."""
    random = np.random.default_rng([6, seed])
    found: list[Any] = []
    for value in args:
        array = np.asarray(value)
        if not isinstance(value, np.ndarray | list) or array.dtype.kind != "f":
            found.append(value)
            continue
        size = float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array))) or 1.0
        move = _NEAR * size * random.uniform(-1, 1, array.shape)
        if array.ndim == 2 and array.shape[0] == array.shape[1] and np.array_equal(array, array.T):
            move = (move + move.T) / 2
        found.append((array + move).astype(array.dtype))
    return found


def _like(array: Any, drawn: Any) -> Any:
    """Symmetric where the other is, and positive definite."""
    square = array.ndim == 2 and array.shape[0] == array.shape[1] and array.dtype.kind == "f"
    if not square or not np.allclose(array, array.T, rtol=1e-12, atol=0):
        return drawn
    if np.linalg.eigvalsh(array)[0] <= 0:
        return (drawn + drawn.T) / 2
    return drawn @ drawn.T / len(drawn) + np.mean(np.diag(array)) * np.eye(len(drawn))


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def is_open(findings: Sequence[Finding]) -> bool:
    """Whether several readings are told, or a factor that sizes may stand behind."""
    full = [one for one in findings if one.remaining == 0]
    plain = [one for one in full if not is_vague(one)] or full
    return bool(plain) and (len(plain) > 1 or plain[0].kind in _FACTORS)


def decided(
    here: Sequence[Finding], there: Sequence[Finding], shapes: str
) -> tuple[Finding, ...] | None:
    """What holds at both points; None where the other decides nothing.

    A factor is read where its sizes are no small numbers; elsewhere the findings with the same words,
    numbers apart, are kept.
    """
    if not here or not there or there[0].remaining > 0:
        return None
    first, other = here[0], there[0]
    if first.kind in _FACTORS and other.kind in _FACTORS:
        if first.text == other.text or _factor(first) == "" or _factor(other) == "":
            return None
        if _factor(first) == _factor(other) and "ddof" in first.text:  # whatever the sizes are
            return (
                Finding("factor", f"It is {_factor(first)} × the right derivative.", 0.0),
                *here[1:],
            )
        of_sizes = " the size" in other.text or "√" in other.text
        if not of_sizes and (_factor(first) != _factor(other) or _factor(first) not in _PLAIN):
            return None  # a number that is written for a size
        if _NUMBER.sub("#", first.text) == _NUMBER.sub("#", other.text):
            return None
        return (Finding(other.kind, f"{other.text[:-1]}; seen at {shapes}.", 0.0), *here[1:])
    known = {_words(one) for one in there}
    kept = tuple(one for one in here if _words(one) in known)
    vague = bool(kept) and is_vague(kept[0]) and not is_vague(first)
    return kept if kept and len(kept) < len(here) and not vague else None


def _words(finding: Finding) -> str:
    """What it says, numbers and remarks apart."""
    return _NUMBER.sub("#", _REMARK.sub("", finding.text))


def _factor(finding: Finding) -> str:
    found = re.search(r"[Ii]t is (\S+) × the right derivative", finding.text)
    return found.group(1) if found else ""
