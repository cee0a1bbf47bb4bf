"""How much memory a dense result may take."""

import os
from collections.abc import Sequence
from math import prod
from numbers import Real
from pathlib import Path

from jacobians.errors import ShapeError, TensorTooLargeError

SHARE = 0.5  # of the available memory, for one dense tensor
SMALL = 1 << 25  # bytes, below which asking the system costs more than making the array
_FALLBACK = 4 << 30


def in_gib(number: float) -> str:
    """``1.5 GiB``; small numbers in bytes too."""
    text = f"{number / (1 << 30):.3g} GiB"
    return f"{text} ({number:,.0f} bytes)" if number < 1 << 20 else text


def available_bytes() -> int:
    """Memory that a new array can take without swapping: the system's word, else 4 GiB."""
    found = [_meminfo(), _control_group()]
    known = [number for number in found if number is not None]
    return min(known, default=_FALLBACK)


def _meminfo() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _control_group() -> int | None:
    """What is left under a container's limit."""
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text().strip()
        return int(limit) - int(used)
    except (OSError, ValueError):
        return None


def check_size(context: str, shape: Sequence[int], itemsize: int, max_bytes: float | None) -> None:
    """Raise before a dense tensor of this shape is allocated, if it would pass the limit.

    Parameters
    ----------
    context : str
        How the message begins: the operation.
    shape : sequence of int
        Of the dense tensor.
    itemsize : int
        Bytes of an entry.
    max_bytes : float, optional
        The limit; None for a share of what is available, ``math.inf`` for none.

    Raises
    ------
    TensorTooLargeError
        With the size, the limit, and the ways that need no dense tensor.
    """
    check_bytes(
        context, f"a dense tensor of shape {tuple(shape)}", prod(shape) * itemsize, max_bytes,
        "contract it with J.vjp(G) or J.jvp(dX), take a slice J[...], use J.sparse()",
    )  # fmt: skip


def check_bytes(context: str, what: str, needed: int, max_bytes: float | None, advice: str) -> None:
    """Raise if something would need more bytes than the limit; the message ends in the advice."""
    if max_bytes is None:
        if needed < SMALL:
            return
        max_bytes = SHARE * available_bytes()
    elif not isinstance(max_bytes, Real) or max_bytes != max_bytes or max_bytes < 0:
        raise ShapeError(
            f"{context}: max_bytes={max_bytes!r} is no number of bytes; use math.inf for no limit"
        )
    if needed > max_bytes:
        raise TensorTooLargeError(
            f"{context}: {what} needs {in_gib(needed)}, more than the limit of {in_gib(max_bytes)}; "
            f"{advice}, or raise max_bytes= (math.inf for no limit)"
        )
