"""All workloads at their standard sizes: ours, by hand, and whichever peers are installed.

    python -m benchmarks.suite [--quick] [--only TEXT] [--rivals NAMES] [--out FOLDER] [--json FILE]

Values are compared before anything is timed; contenders run in turn with a pause between them.
Writes suite.json, suite.txt and, with matplotlib, suite.png into the folder, and the growth of
d(BC)/dB over sizes as matmul.json, matmul.txt and matmul.png.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import jacobians as jb
from benchmarks.report import Row, report
from benchmarks.workloads import ALL
from jacobians.errors import JacobiansError
from jacobians.ground.progress import bar
from jacobians.ground.stopwatch import Stopwatch, Thunk
from jacobians.ground.trees import plain
from jacobians.measuring.machine import describe, machine, version_of
from jacobians.measuring.measurement import measured
from jacobians.measuring.plotting import figure, save
from jacobians.measuring.rivals import APPLY, check_names, is_there, precision, warm_up

RESULTS = Path(__file__).parent / "results"
TOO_LONG = 0.25  # seconds a call may take: seven rounds of it are enough waiting


def measure(rivals: Sequence[str] | None, only: str, *, quick: bool, seconds: float) -> list[Row]:
    """Measure the workloads whose name contains ``only``."""
    chosen = [w for w in ALL if only in f"{w.name} {w.what}"]
    everyone = dict.fromkeys(name for names in APPLY.values() for name in names)
    there = [n for n in everyone if is_there(n)]
    names = list(rivals) if rivals is not None else there
    check_names(names)
    rows = []
    with precision(names):
        warm_up(names)
        for done, workload in enumerate(chosen):
            bar(done, len(chosen), f"{workload.name}, {workload.what}")
            size = max(workload.small, workload.size // 4) if quick else workload.size
            task = workload.task(size)
            apply = [name for name in names if name in APPLY[workload.what]]
            found = measured(task, apply, seconds=seconds, too_long=TOO_LONG)
            rows.append(Row(workload, size, found))
    bar(len(chosen), len(chosen), "")
    return rows


def draw(rows: Sequence[Row], path: Path) -> None:
    """Every workload's times, ours against the others, on a logarithmic axis."""
    made, (axes,) = figure(9, 1 + 0.24 * len(rows), 1)
    places = range(len(rows))
    marks = {"hand": "|", "ours": "o", "buffer": "s", "jax": "^", "torch": "v", "autograd": "x"}
    for name, mark in marks.items():
        points = [(row.seconds(name), n) for n, row in enumerate(rows)]
        known = [(1e3 * t, n) for t, n in points if t is not None]
        if known:
            axes.plot(*zip(*known, strict=True), mark, label=name, markersize=9 - 3 * (mark != "|"))
    axes.set(xscale="log", xlabel="time [ms]", ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(places, [f"{r.workload.name}, {r.workload.what}" for r in rows], fontsize=8)
    axes.grid(visible=True, axis="x", alpha=0.3)
    axes.legend(ncols=6, loc="upper center", bbox_to_anchor=(0.3, 1.05), fontsize=8)
    save(made, str(path))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suite", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds")
    parser.add_argument("--only", default="", metavar="TEXT", help="workloads named so")
    parser.add_argument("--rivals", metavar="NAMES", help="separated by commas (default: all)")
    parser.add_argument("--out", metavar="FOLDER", help="where to write (default: results/)")
    parser.add_argument("--json", metavar="FILE", help="write the suite's measurements here too")
    options = parser.parse_args(argv)
    rivals = options.rivals.split(",") if options.rivals else None
    # Not everything was measured: leave the results of a whole run as they are.
    partial = bool(options.quick or options.only or rivals)
    out = Path(options.out) if options.out else None if partial else RESULTS
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)

    watch = Stopwatch()
    here = machine()
    rows = measure(
        rivals, options.only, quick=options.quick, seconds=0.05 if options.quick else 0.2
    )
    if not rows:
        print(f"no workload is named {options.only!r}", file=sys.stderr)
        return 2
    text = "\n".join([*describe(here), "", *report(rows)])
    print(text, flush=True)
    found = {"machine": here, "quick": options.quick, "workloads": [r.to_dict() for r in rows]}
    written = json.dumps(plain(found), indent=1, ensure_ascii=False) + "\n"
    if options.json:
        Path(options.json).write_text(written, encoding="utf-8")
    if out is not None:
        (out / "suite.json").write_text(written, encoding="utf-8")
        (out / "suite.txt").write_text(text + "\n", encoding="utf-8")
        _drawn(lambda: draw(rows, out / "suite.png"))
        growth(out, quick=options.quick)
    print(f"\n{watch.seconds:.0f} s" + (f"; results are in {out}" if out else ""))
    return 0 if all(row.measured.ok for row in rows) else 1


def growth(out: Path, *, quick: bool) -> None:
    """d(BC)/dB over sizes: n⁴ for the full tensor, n² for the gradient."""
    names = ["explicit", "dense", "contracted"]
    # PyTorch is left out: some of its calls wait milliseconds for its own threads here.
    names += ["jax"] if version_of("jax") is not None else []
    sizes = [8, 16, 32] if quick else [8, 16, 32, 64, 128]
    found = jb.sweep("matmul", sizes, wrt="B", rivals=names, seconds=0.1, watch=bar)
    text = json.dumps(plain(found.to_dict()), indent=1, ensure_ascii=False) + "\n"
    (out / "matmul.json").write_text(text, encoding="utf-8")
    (out / "matmul.txt").write_text(f"{found}\n", encoding="utf-8")
    print(f"\n{found}", flush=True)
    _drawn(lambda: found.plot(str(out / "matmul.png")))


def _drawn(draw_it: Thunk) -> None:
    """Plots are left out where matplotlib is not installed."""
    try:
        draw_it()
    except JacobiansError as error:
        print(error, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
