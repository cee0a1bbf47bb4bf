"""Time and memory over sizes, with exponents fitted on logarithmic axes."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import ceil, isfinite
from typing import Any, NamedTuple

import numpy as np

from jacobians.display.numbers import human_bytes, human_seconds
from jacobians.errors import JacobiansError, ShapeError
from jacobians.measuring.machine import describe, machine
from jacobians.measuring.measurement import Measured, Measurement, measured
from jacobians.measuring.plotting import plotted
from jacobians.measuring.rivals import (
    APPLY,
    NAMES,
    check_names,
    default_names,
    installed,
    precision,
    warm_up,
)
from jacobians.measuring.subjects import Shape, task_maker
from jacobians.measuring.task import KINDS, What
from jacobians.transforms.library import LibraryOperation, ops

Watcher = Callable[[int, int, str], None]
Rivals = (
    Sequence[str | Callable[..., Any]]
    | Mapping[str, Callable[..., Any]]
    | Callable[..., Any]
    | str
    | None
)
_OVERHEAD = (
    3.0  # times the shortest time, below which a size shows what calls cost and not how it grows
)


class Exponents(NamedTuple):
    """``amount ∝ nᵃ``, by least squares on logarithms; of seconds from the size ``start`` on.

    None where there are too few sizes: of seconds, where too few take longer than calls cost.
    """

    seconds: float | None
    bytes: float | None
    start: int


class Sweep(NamedTuple):
    """What :func:`sweep` measured; prints as a table.

    Attributes
    ----------
    title, what : str
        Of what, and which derivative.
    sizes : list of int
        The sizes n.
    measurements : list of Measurement
        One for each size.
    exponents : dict of str to Exponents
        For each contender with at least two sizes.
    machine : dict
        What the numbers depend on.
    """

    title: str
    what: str
    sizes: list[int]
    measurements: list[Measurement]
    exponents: dict[str, Exponents]
    machine: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether all contenders agreed at all sizes."""
        return all(m.ok for m in self.measurements)

    @property
    def names(self) -> list[str]:
        """The contenders that were timed at some size."""
        return list(dict.fromkeys(name for m in self.measurements for name in m.contenders))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        rows = zip(self.sizes, self.measurements, strict=True)
        return {
            "title": self.title,
            "what": self.what,
            "sizes": [{"n": n, **m.to_dict()} for n, m in rows],
            "exponents": {name: found._asdict() for name, found in self.exponents.items()},
            "ok": self.ok,
            "machine": self.machine,
        }

    def plot(self, path: str | None = None) -> Any:
        """Time and bytes against size on logarithmic axes.

        Parameters
        ----------
        path : str, optional
            A PNG, SVG or PDF file to write; without one, nothing is written.

        Returns
        -------
        matplotlib.figure.Figure
            Which a notebook draws.

        Raises
        ------
        JacobiansError
            Without matplotlib, naming the extra that brings it, or if the file cannot be written.
        """
        labels = {}
        for name in self.names:
            fit = self.exponents.get(name)
            powers = (None, None) if fit is None else (fit.seconds, fit.bytes)
            labels[name] = [name if a is None else f"{name} ~ n^{a:.1f}" for a in powers]
        series = {}
        for name in self.names:
            points = [
                (n, found.times.median, found.peak_bytes)
                for n, m in zip(self.sizes, self.measurements, strict=True)
                if (found := m.contenders.get(name)) is not None
            ]
            series[name] = points
        return plotted(path, f"{self.title}: {self.what}", series, labels)

    def _repr_html_(self) -> str:
        """The same table, for notebooks."""
        return f"<pre>{escape(str(self))}</pre>"

    def __str__(self) -> str:
        lines = [*describe(self.machine), "", f"{self.title}: {_MEANING[self.what]}", ""]
        names = self.names
        for start in range(0, len(names), _COLUMNS):
            some = names[start : start + _COLUMNS]
            lines += [*self._table("time", some, _seconds), ""]
        seen = [n for n in names if any(_bytes(m.contenders.get(n)) for m in self.measurements)]
        for start in range(0, len(seen), _COLUMNS):
            some = seen[start : start + _COLUMNS]
            lines += [*self._table("peak bytes", some, _bytes), ""]
        notes = []
        for n, m in zip(self.sizes, self.measurements, strict=True):
            notes += [f"n = {n}: {name} not run: {why}" for name, why in m.skipped.items()]
            notes += [
                f"n = {n}: {name} DIFFERS from the others "
                + (
                    f"by {by:.2g} of the largest entry"
                    if isfinite(by)
                    else "in shape, or is not finite"
                )
                for name, by in m.differ.items()
            ]
        for name in names:
            forms = {m.contenders[name].note for m in self.measurements if name in m.contenders}
            if forms - {""}:
                notes.append(f"{name}: {', '.join(sorted(forms - {''}))}")
        lines.append("Medians of rounds in which contenders run in turn, with a pause before each.")
        timed = [
            (c.times.spread, name) for m in self.measurements for name, c in m.contenders.items()
        ]
        if timed:
            spread, name = max(timed)
            lines.append(f"Widest distance of quartiles: {spread:.0%} of the median ({name}).")
        if any(
            fit.seconds is None or fit.start > min(self.sizes) for fit in self.exponents.values()
        ):
            lines.append(
                f"Fits of time leave out sizes below {_OVERHEAD:.0f} times the shortest: overhead of calls."
            )
            fitted = [
                f"{name} n ≥ {fit.start}"
                for name, fit in self.exponents.items()
                if fit.seconds is not None
            ]
            told = f"Fitted: {', '.join(fitted)}." if fitted else "No two sizes are above: no fit."
            lines += textwrap.wrap(told, 80)
        if self.ok:
            lines.append("values agree")
        return "\n".join(line[:80] for line in lines + notes)

    def __repr__(self) -> str:
        return str(self)

    def _table(
        self, heading: str, names: Sequence[str], cell: Callable[[Measured | None], str]
    ) -> list[str]:
        lines = [f"{heading:<10}{'n':>6}" + "".join(f"{name:>12}" for name in names)]
        for n, m in zip(self.sizes, self.measurements, strict=True):
            cells = [cell(m.contenders.get(name)) or "-" for name in names]
            lines.append(f"{'':<10}{n:>6}" + "".join(f"{text:>12}" for text in cells))
        if len(self.sizes) > 1:
            marks = []
            for name in names:
                fit = self.exponents.get(name)
                power = None if fit is None else fit[heading == "peak bytes"]
                marks.append("-" if power is None else f"n^{power:.1f}")
            lines.append(f"{'fit':>16}" + "".join(f"{text:>12}" for text in marks))
        return lines


_COLUMNS = 5
_MEANING = {
    "vjp": "the gradient from an upstream G",
    "grad": "the gradient",
    "jacobian": "the full Jacobian",
    "hessian": "the full Hessian",
}


def _seconds(found: Measured | None) -> str:
    return "" if found is None else human_seconds(found.times.median)


def _bytes(found: Measured | None) -> str:
    return "" if found is None or found.peak_bytes is None else human_bytes(found.peak_bytes)


def fitted_exponent(sizes: Sequence[float], amounts: Sequence[float]) -> float | None:
    """The slope of log amount over log size by least squares; None for fewer than two points."""
    if len(sizes) < 2:
        return None
    return float(np.polyfit(np.log(sizes), np.log(amounts), 1)[0])


def sweep(
    f: Callable[..., Any] | LibraryOperation | str,
    sizes: Sequence[int],
    *,
    wrt: int | str = 0,
    what: What | None = None,
    shapes: Mapping[str, Shape] | None = None,
    rivals: Rivals = None,
    seconds: float = 0.2,
    max_bytes: float | None = None,
    seed: int = 0,
    watch: Watcher | None = None,
) -> Sweep:
    """Measure ways to one derivative over sizes.

    Parameters
    ----------
    f : callable, operation or str
        A NumPy function, an operation of ``jb.ops``, or its name.
    sizes : sequence of int
        The sizes n.
    wrt : int or str
        The argument to differentiate by.
    what : {"vjp", "grad", "jacobian", "hessian"}, optional
        ``vjp`` is the gradient from a random upstream gradient, the default; for a function that
        returns one number it is ``grad``.
    shapes : mapping of str to shape, optional
        Of the arguments: sizes and the letter ``"n"``, as in ``{"W": ("n", "n"), "x": "n"}``; for an
        argument that holds several arrays, shapes in its structure, ``{"p": {"W": "nxn", "b": "n"}}``. An
        operation's arguments have n in every axis unless given.
    rivals : sequence of str and callables, or mapping of names to callables, optional
        Of explicit, dense, buffer, contracted, uncompiled, jax, torch, autograd, asdex; by default
        ours, without peers. A function of your own takes the arguments (``G`` before them for ``vjp``)
        and gives the derivative; a mapping names several. Its values are compared with ours before it
        is timed; where no names are given, it is beside the default ones.
    seconds : float
        How long to time each contender at each size.
    max_bytes : float, optional
        The most that a way with a full tensor may need; what needs more is not run. By default a
        share of the memory that is available.
    seed : int
        Of the random arrays.
    watch : callable, optional
        Called with the number of sizes done, of all, and what comes next.

    Returns
    -------
    Sweep
        Prints as a table; ``plot(path)`` draws it; ``to_dict()`` is plain data.

    Examples
    --------
    >>> import jacobians as jb
    >>> found = jb.sweep("matmul", [4, 8], wrt="B", seconds=0.01)
    >>> found.ok, found.names
    (True, ['explicit', 'dense', 'contracted'])
    """
    sizes = list(sizes)
    if not sizes or any(n < 1 for n in sizes):
        raise ShapeError(f"sizes must be whole numbers from 1 on, not {sizes}")
    if what is not None and what not in KINDS:
        raise JacobiansError(f"what must be one of {', '.join(KINDS)}, not {what!r}")
    if isinstance(f, str):
        f = ops[f]
    listed, own = _told_apart(rivals)
    title, make = task_maker(f, wrt, shapes or {}, what, seed, own)
    first = make(sizes[0])
    if listed is None:
        known = default_names(first.what)
    else:
        known = installed(first.what) if listed == ("all",) else listed
    check_names(known)
    names = (*known, *own)
    for name in known:
        if name not in APPLY[first.what] or name in ("hand", "into"):
            fit = [n for n in APPLY[first.what] if n not in ("hand", "into")]
            raise JacobiansError(
                f"the rival {name} does not apply to {_MEANING[first.what]}; there are "
                f"{', '.join(fit)}"
            )
    found: list[Measurement] = []
    dropped: dict[str, str] = {}
    with precision(names):
        warm_up(names)
        for done, n in enumerate(sizes):
            if watch is not None:
                watch(done, len(sizes), f"n = {n}")
            running = [name for name in names if name not in dropped]
            one = measured(make(n), running, seconds=seconds, max_bytes=max_bytes)
            one.skipped.update(dropped)
            dropped.update({k: v for k, v in one.skipped.items() if "takes" in v})
            found.append(one)
            if not any(m.contenders or m.differ for m in found):
                raise JacobiansError(f"{title}: nothing ran: {next(iter(one.skipped.items()))}")
    if watch is not None:
        watch(len(sizes), len(sizes), "")
    return Sweep(title, first.what, sizes, found, exponents(sizes, found), machine())


def _told_apart(rivals: Rivals) -> tuple[tuple[str, ...] | None, dict[str, Callable[..., Any]]]:
    """The names of known rivals, None for the default ones, and the user's own by their names."""
    if rivals is None or isinstance(rivals, str):
        return (None if rivals is None else (rivals,)), {}
    if isinstance(rivals, Mapping):
        pairs: list[tuple[str, Any]] = list(rivals.items())
    else:
        several: list[Any] = [rivals] if callable(rivals) else list(rivals)
        pairs = [(r if isinstance(r, str) else getattr(r, "__name__", "own"), r) for r in several]
    own: dict[str, Callable[..., Any]] = {}
    for name, rival in pairs:
        if isinstance(rival, str):
            continue
        if not callable(rival):
            raise JacobiansError(f"the rival {name!r} is a {type(rival).__name__}; pass a function")
        if name in own or name in NAMES:
            raise JacobiansError(
                f"two rivals are called {name}; name them, as in rivals={{'mine': {name}}}"
            )
        own[name] = rival
    listed = tuple(str(rival) for _, rival in pairs if isinstance(rival, str))
    return (listed or None), own


def exponents(sizes: Sequence[int], found: Sequence[Measurement]) -> dict[str, Exponents]:
    """From the upper half of the sizes, without those where calls cost more than arithmetic."""
    distinct = sorted(set(sizes))
    start = distinct[-max(min(3, len(distinct)), ceil(len(distinct) / 2))]
    result = {}
    for name in dict.fromkeys(name for m in found for name in m.contenders):
        points = [
            (n, m.contenders[name])
            for n, m in zip(sizes, found, strict=True)
            if name in m.contenders
        ]
        shortest = min(c.times.median for _, c in points)
        grown = [(n, c) for n, c in points if n >= start and c.times.median >= _OVERHEAD * shortest]
        upper = [(n, c) for n, c in points if n >= start]
        seconds = None
        if len({n for n, _ in grown}) > 1:
            seconds = fitted_exponent([n for n, _ in grown], [c.times.median for _, c in grown])
        peaks = [(n, c.peak_bytes) for n, c in upper if c.peak_bytes]
        amount = None
        if len(peaks) == len(upper) and len({n for n, _ in peaks}) > 1:
            amount = fitted_exponent([n for n, _ in peaks], [b for _, b in peaks])
        if len({n for n, _ in upper}) > 1:
            result[name] = Exponents(seconds, amount, grown[0][0] if grown else distinct[-1])
    return result
