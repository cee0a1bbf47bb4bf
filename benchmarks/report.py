"""The suite's tables, at most 80 columns."""

from collections.abc import Iterable, Sequence
from statistics import geometric_mean
from typing import Any, NamedTuple

from benchmarks.workloads import Workload
from jacobians.display.numbers import human_bytes, human_seconds
from jacobians.measuring.measurement import Measured, Measurement

RIVALS = ("jax", "torch")  # those that the targets name
TO_HAND, TO_PEERS, TO_PEERS_BUFFER, TO_FIRST = 1.1, 7, 15, 30
ABOVE_TINY = 2e-6  # seconds above what is written by hand that are granted at tiny sizes
BEHIND = 0.95
UNSTEADY = 0.5  # a distance of the quartiles that makes a median worth little


class Row(NamedTuple):
    """A workload and what was measured."""

    workload: Workload
    size: int
    measured: Measurement

    def found(self, name: str) -> Measured | None:
        """A contender; ``ours`` is the compiled one into a fresh array."""
        if name == "ours":
            name = "contracted" if self.workload.what == "grad" else "dense"
        return self.measured.contenders.get(name)

    def seconds(self, name: str) -> float | None:
        found = self.found(name)
        return None if found is None else found.times.median

    def ratio(self, above: str, below: str) -> float | None:
        """How many times longer one takes than another: the median over rounds."""
        first, second = self.found(above), self.found(below)
        return None if first is None or second is None else first.times.over(second.times)

    @property
    def peer(self) -> str | None:
        """The faster of JAX and PyTorch."""
        times = {name: t for name in RIVALS if (t := self.seconds(name)) is not None}
        return min(times, key=lambda name: times[name]) if times else None

    def peers_over(self, name: str) -> float | None:
        """How many times faster than the best peer."""
        return None if self.peer is None else self.ratio(self.peer, name)

    @property
    def slower_than_hand(self) -> bool:
        """Past the target: 1.1 times, and 2 µs at tiny sizes."""
        ratio, ours, hand = self.ratio("ours", "hand"), self.seconds("ours"), self.seconds("hand")
        if ratio is None or ours is None or hand is None:
            return False
        return ratio > TO_HAND and ours - hand > ABOVE_TINY

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.workload.name,
            "what": self.workload.what,
            "size": self.size,
            "ours_over_hand": self.ratio("ours", "hand"),
            "buffer_over_into": self.ratio("buffer", "into"),
            "best_peer": self.peer,
            "best_peer_over_ours": self.peers_over("ours"),
            "best_peer_over_buffer": self.peers_over("buffer"),
            **self.measured.to_dict(),
        }


_KINDS = {"grad": "grad", "jacobian": "jac", "hessian": "hess"}


def _head(row: Row) -> str:
    return f"{row.workload.name:<21}{_KINDS[row.workload.what]:<4}{row.size:>5}"


def _time(seconds: float | None) -> str:
    return f"{'-' if seconds is None else human_seconds(seconds):>9}"


def _ratio(ratio: float | None, width: int = 7) -> str:
    if ratio is None:
        return f"{'-':>{width}}"
    return f"{ratio:>{width},.{0 if ratio >= 100 else 1 if ratio >= 10 else 2}f}"


def _mean(ratios: Iterable[float | None]) -> float | None:
    known = [r for r in ratios if r is not None]
    return geometric_mean(known) if known else None


def report(rows: Sequence[Row]) -> list[str]:
    """All tables."""
    tables = [against(rows), others(rows), first(rows), behind(rows), on_jax(rows)]
    return [line for table in tables if table for line in ("", *table)][1:]


def against(rows: Sequence[Row]) -> list[str]:
    """Ours, by hand, and the faster of JAX and PyTorch."""
    lines = [
        "1  The derivative of each workload; medians of rounds in which contenders run in",
        "   turn, with a pause before each; a ratio is the median of the rounds' ratios.",
        "   ours: compiled, into a fresh array; buffer: into the plan's own;",
        "   peer: the faster of JAX (jit) and PyTorch, each in its fastest way",
        "",
        f"{'':<30}{'ours':>9}{'buffer':>9}{'hand':>9}{'peer':>9}{'o/hand':>7}{'peer/o':>7}",
    ]
    for row in rows:
        peer = None if row.peer is None else row.seconds(row.peer)
        lines.append(
            _head(row)
            + "".join(_time(row.seconds(name)) for name in ("ours", "buffer", "hand"))
            + _time(peer)
            + _ratio(row.ratio("ours", "hand"))
            + _ratio(row.peers_over("ours"))
        )
    fresh = _mean(row.peers_over("ours") for row in rows)
    buffer = _mean(row.peers_over("buffer") or row.peers_over("ours") for row in rows)
    hand = _mean(row.ratio("ours", "hand") for row in rows)
    lines += ["", "geometric means"]
    for what, value, target in (
        ("ours over hand", hand, f"at most {TO_HAND} on each"),
        ("best peer over ours", fresh, f"at least {TO_PEERS}"),
        ("best peer over ours into the buffer", buffer, f"at least {TO_PEERS_BUFFER}"),
    ):
        if value is not None:
            lines.append(f"  {what:<40}{value:>8.2f}   target: {target}")
    return lines


def others(rows: Sequence[Row]) -> list[str]:
    """The other contenders."""
    names = ("explicit", "jax", "torch", "autograd", "asdex")
    lines = [
        "2  The others; explicit: identity tensors",
        "",
        f"{'':<30}" + "".join(f"{name:>9}" for name in names),
    ]
    lines += [_head(row) + "".join(_time(row.seconds(name)) for name in names) for row in rows]
    return lines


def first(rows: Sequence[Row]) -> list[str]:
    """First results, memory and spread."""
    lines = [
        "3  Until the first result (derive and compile; JAX: trace and compile), the call",
        "   uncompiled, and the most memory at once, the result included",
        "",
        f"{'':<30}{'ours':>9}{'jax':>9}{'jax/o':>7}{'uncomp.':>9}{'memory':>9}{'spread':>7}",
    ]
    ratios = []
    for row in rows:
        ours, jax = row.found("ours"), row.found("jax")
        ratio = ours and jax and jax.first_seconds / ours.first_seconds
        ratios.append(ratio)
        memory = "-" if ours is None or ours.peak_bytes is None else human_bytes(ours.peak_bytes)
        spread = "-" if ours is None else f"{ours.times.spread:.0%}"
        lines.append(
            _head(row)
            + _time(ours and ours.first_seconds)
            + _time(jax and jax.first_seconds)
            + _ratio(ratio)
            + _time(row.seconds("uncompiled"))
            + f"{memory.replace('iB', ''):>9}{spread:>7}"
        )
    mean = _mean(ratios)
    if mean is not None:
        lines += ["", f"geometric mean of jax/o: {mean:.1f}, target: at least {TO_FIRST}"]
    return lines


def behind(rows: Sequence[Row]) -> list[str]:
    """Where a target is missed, the worst first; and what was not run."""
    lines = ["4  Behind: over 1.1 times by hand (2 µs above it if tiny), or a peer is ahead", ""]
    worst = []
    for row in rows:
        peer, hand = row.peers_over("ours"), row.ratio("ours", "hand")
        said = []
        if row.slower_than_hand and hand is not None:
            said.append((hand, f"{hand:.2f} × by hand"))
        if peer is not None and peer < BEHIND:
            said.append((1 / peer, f"{1 / peer:.2f} × {row.peer}"))
        if said:
            ours = row.found("ours")
            texts = [text for _, text in said]
            if ours is not None and ours.times.spread > UNSTEADY:
                texts.append(f"unsteady: spread {ours.times.spread:.0%}")
            worst.append((max(said)[0], f"{_head(row)}   {', '.join(texts)}"))
    lines += [text for _, text in sorted(worst, reverse=True)] or ["none"]
    for row in rows:
        lines += [
            f"{row.workload.name}: {name} DIFFERS by {by:.1g} of the largest entry"[:80]
            for name, by in row.measured.differ.items()
        ]
        lines += [
            f"{row.workload.name}, {_KINDS[row.workload.what]}: {name} not run: {why}"[:80]
            for name, why in row.measured.skipped.items()
            if not why.startswith("nothing is written")
        ]
    return lines


def on_jax(rows: Sequence[Row]) -> list[str]:
    """The plans on JAX, of NumPy's arrays and of JAX's, beside NumPy's plan and JAX's own."""
    if not any(row.found("on-jax") or row.found("in-jax") for row in rows):
        return []
    lines = [
        "5  The same steps on JAX; on-jax: NumPy arrays in and out, in-jax: JAX arrays;",
        "   jax: JAX's own derivative, its fastest way, jitted",
        "",
        f"{'':<30}{'ours':>9}{'on-jax':>9}{'in-jax':>9}{'jax':>9}{'jax/on':>7}{'jax/in':>7}",
    ]
    for row in rows:
        names = ("ours", "on-jax", "in-jax", "jax")
        times = "".join(_time(row.seconds(name)) for name in names)
        lines.append(
            _head(row)
            + times
            + _ratio(row.ratio("jax", "on-jax"))
            + _ratio(row.ratio("jax", "in-jax"))
        )
    for name in ("on-jax", "in-jax"):
        mean = _mean(row.ratio("jax", name) for row in rows)
        lines += [] if mean is None else ["", f"geometric mean of jax over {name}: {mean:.2f}"]
    return lines
