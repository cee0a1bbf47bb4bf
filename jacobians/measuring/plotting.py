"""The plot of a sweep: time and bytes against size, both on logarithmic axes."""

from collections.abc import Mapping, Sequence
from typing import Any

from jacobians.errors import JacobiansError

Point = tuple[int, float, int | None]


def figure(width: float, height: float, panels: int) -> tuple[Any, Any]:
    """A figure with axes beside each other.

    Raises
    ------
    JacobiansError
        Without matplotlib; names the extra that brings it.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise JacobiansError(
            "plots need matplotlib: pip install '.[plots]' in a copy of the repository"
        ) from None
    made = Figure(figsize=(width, height), layout="constrained")
    return made, made.subplots(1, panels, squeeze=False)[0]


def save(made: Any, path: str) -> None:
    """Write the figure; the path's ending says the format."""
    try:
        made.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise JacobiansError(f"{path}: the plot cannot be written: {error}") from None


def plotted(
    path: str | None,
    title: str,
    series: Mapping[str, Sequence[Point]],
    labels: Mapping[str, Sequence[str]],
) -> Any:
    """The figure of contenders' points ``(n, seconds, bytes)``; written, if there is a file."""
    made, (times, memory) = figure(10, 4.2, 2)
    made.suptitle(title)
    marks = "osD^v<>pPX*h"
    for number, (name, points) in enumerate(series.items()):
        style = {"marker": marks[number % len(marks)], "color": f"C{number % 10}"}
        sizes = [n for n, _, _ in points]
        times.plot(sizes, [1e3 * t for _, t, _ in points], label=labels[name][0], **style)
        seen = [(n, b) for n, _, b in points if b]
        if seen:
            memory.plot(*zip(*seen, strict=True), label=labels[name][1], **style)
    for axes, what in ((times, "time [ms]"), (memory, "peak memory [bytes]")):
        axes.set(xscale="log", yscale="log", xlabel="n", ylabel=what)
        axes.grid(visible=True, which="both", alpha=0.3)
        if axes.lines:
            axes.legend(fontsize="small")
    every = sorted({n for points in series.values() for n, _, _ in points})
    for axes in (times, memory):
        axes.set_xticks(every, [str(n) for n in every])
        axes.minorticks_off()
    if path is not None:
        save(made, path)
    return made
