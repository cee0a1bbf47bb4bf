"""``jacobians course zip``: the upload for Gradescope."""

import argparse
from pathlib import Path

from jacobians.course.packing import MINUTES, pack
from jacobians.errors import JacobiansError


def run(options: argparse.Namespace) -> int:
    """Write the zip, and say what is in it."""
    try:
        names = pack(options.assignment, options.output, options.seed, options.hints)
    except OSError as error:
        raise JacobiansError(f"{options.output}: {error.strerror}") from None
    wheels = sum(name.startswith("wheels/") for name in names)
    print(
        f"wrote {options.output}: {len(names)} files, {Path(options.output).stat().st_size:,} bytes"
    )
    if wheels:
        print(f"{wheels} wheels: the image is built without a network")
    else:
        print("no wheels/ beside the assignment: NumPy, SciPy and opt_einsum come from the network")
    print(f"every submission stays within Gradescope's {MINUTES} minutes")
    return 0
