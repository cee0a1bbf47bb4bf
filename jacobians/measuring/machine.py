"""What measured numbers depend on: processor, Python, NumPy, its BLAS, threads and settings."""

import os
import platform
import textwrap
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

_PREFIXES = ("OPENBLAS_", "OMP_", "MKL_", "BLIS_", "VECLIB_", "NPY_DISABLE_", "XLA_")
_PEERS = ("jax", "torch", "autograd", "asdex")


def machine() -> dict[str, Any]:
    """What the numbers depend on, as plain values for JSON."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
        "settings": {k: v for k, v in sorted(os.environ.items()) if k.startswith(_PREFIXES)},
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "peers": {name: version for name in _PEERS if (version := version_of(name))},
    }


def version_of(package: str) -> str | None:
    """The installed version, or None; nothing is imported."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def describe(found: Mapping[str, Any]) -> list[str]:
    """The machine in lines of at most 80 columns."""
    settings = found["settings"]
    threads = settings.get("OPENBLAS_NUM_THREADS") or settings.get("OMP_NUM_THREADS")
    others = ", ".join(f"{k}={v}" for k, v in settings.items())
    peers = ", ".join(f"{k} {v}" for k, v in found["peers"].items())
    load = "" if found["load"] is None else f", load {found['load']}"
    lines = [
        f"{found['processor']}, {found['processors']} processors{load}, {found['system']}",
        f"Python {found['python']}, NumPy {found['numpy']}, BLAS {found['blas']}",
        f"BLAS threads: {threads or 'its own choice'}; settings: {others or 'none'}",
        f"peers: {peers or 'none installed'}",
    ]
    if found["load"] is not None and found["load"] > found["processors"] / 2:
        lines.append(
            "Other programs were running: times, above all of threaded calls, are too long."
        )
    return [part for line in lines for part in textwrap.wrap(line, 80, subsequent_indent="  ")]
