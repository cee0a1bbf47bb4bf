"""What has no Jacobian here, and why: every NumPy function that no family implements.

Each reason is a clause that says what the matter is and, where there is one, what to write instead.
A test walks NumPy's own modules and fails on a function that is in neither table.
"""

from typing import Any

import numpy as np

from jacobians.tracing.stand_ins import constant
from jacobians.tracing.tables import unsupported


def _refuse(module: Any, names: str, reason: str) -> None:
    """Enter the functions that this NumPy has; some were added or taken away over the versions."""
    unsupported(reason, *(getattr(module, n) for n in names.split() if hasattr(module, n)))


# Results that are complex

_refuse(
    np.linalg, "eig eigvals",
    "the eigenvalues of a matrix that is not symmetric may be complex; use np.linalg.eigh for a symmetric one",
)  # fmt: skip
_refuse(
    np.fft,
    "fft2 ifft2 fftn ifftn rfft2 irfft2 rfftn irfftn",
    "along its second axis it transforms a complex array, and Jacobians here are real; multiply by the cosine and "
    "sine matrices instead",
)  # fmt: skip
for _name in np.lib.scimath.__all__:
    _refuse(
        np.lib.scimath, _name,
        "its result is complex for some real arguments; use the function of this name in numpy itself, where it "
        "is real",
    )  # fmt: skip

# Polynomials

_refuse(
    np, "roots",
    "the roots of a polynomial may be complex: they are the eigenvalues of a matrix that is not symmetric",
)  # fmt: skip
_refuse(
    np, "poly",
    "it goes through eigenvalues that may be complex; multiply the factors with np.convolve instead",
)  # fmt: skip
_refuse(
    np, "polyadd polysub polymul polydiv polyint",
    "it works on poly1d objects, whose length depends on leading zeros; write np.convolve for a product, and "
    "add arrays of one length",
)  # fmt: skip
_refuse(
    np, "polyfit",
    "it is a least-squares problem in disguise; write np.linalg.lstsq(np.vander(x, degree + 1), y)[0]",
)  # fmt: skip

# Reading and writing

_refuse(
    np, "save savetxt savez savez_compressed",
    "it writes numbers to a file, where their derivative is lost; write the result of the function afterwards",
)  # fmt: skip
_refuse(
    np, "loadtxt genfromtxt fromfile fromstring frombuffer fromiter fromfunction",
    "it makes an array from something else; call it outside and pass the array as an argument",
)  # fmt: skip
_refuse(
    np, "datetime_as_string busday_count busday_offset is_busday isnat",
    "it is about dates, and dates have no derivative; convert them to numbers outside",
)  # fmt: skip

# Arrays in memory

_refuse(
    np, "array asarray asanyarray ascontiguousarray asfortranarray require full arange",
    "it would make a plain array of a traced one and lose its derivative; leave it out, or use jb.array([...]) or "
    "jb.full(shape, value)",
)  # fmt: skip

# Counting: constant but for jumps

_refuse(
    np, "histogram histogram2d histogramdd histogram_bin_edges",
    "it counts values in bins, so that its result is constant but for jumps; count plain arrays outside, and add "
    "up weights with np.bincount(bins, weights)",
)  # fmt: skip

# Constants that take their type from an argument: np.ones(3, like=x)

for _name in ("ones", "zeros", "empty", "eye", "identity", "tri"):
    constant(getattr(np, _name))
