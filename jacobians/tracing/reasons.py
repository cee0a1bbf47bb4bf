"""What has no Jacobian here, and why: every NumPy function that no family implements.

Each reason is a clause that says what the matter is and, where there is one, what to write instead.
A test walks NumPy's own modules and fails on a function that is in neither table.
"""

from typing import Any

import numpy as np

from jacobians.tracing.tables import unsupported


def _refuse(module: Any, names: str, reason: str) -> None:
    """Enter the functions that this NumPy has; some were added or taken away over the versions."""
    unsupported(reason, *(getattr(module, n) for n in names.split() if hasattr(module, n)))


# Results that are complex, or depend on the matrix in jumps

_refuse(
    np.linalg, "eig eigvals",
    "eigenvalues of a matrix that is not symmetric may be complex; use np.linalg.eigh for a symmetric one",
)  # fmt: skip
_refuse(
    np.fft,
    "fft ifft fft2 ifft2 fftn ifftn rfft irfft rfft2 irfft2 rfftn irfftn hfft ihfft",
    "a Fourier transform is complex and Jacobians here are real; write it as products with the cosine and sine "
    "matrices",
)  # fmt: skip
_refuse(
    np, "roots",
    "the roots of a polynomial may be complex; they are the eigenvalues of a matrix that is not symmetric",
)  # fmt: skip
for _name in np.lib.scimath.__all__:
    _refuse(
        np.lib.scimath, _name,
        f"its result is complex for some real arguments; use np.{_name} on the domain where it is real",
    )  # fmt: skip
_refuse(np, "sort_complex", "its result is complex and Jacobians here are real; use np.sort")

# Polynomials

_refuse(
    np, "poly",
    "it goes through eigenvalues that may be complex; multiply the factors with np.convolve instead",
)  # fmt: skip
_refuse(
    np, "polyadd polysub polymul polydiv polyint",
    "it works on poly1d objects, whose length depends on leading zeros; write np.convolve for a product, "
    "and sums and differences of arrays of one length",
)  # fmt: skip
_refuse(
    np, "polyfit",
    "it is a least-squares problem in disguise; write np.linalg.lstsq(np.vander(x, degree + 1), y)[0]",
)  # fmt: skip

# Reading, writing and printing

_refuse(
    np,
    "save savetxt savez savez_compressed",
    "it writes numbers to a file, which cuts them off; write the result of the function afterwards",
)  # fmt: skip
_refuse(
    np,
    "loadtxt genfromtxt fromfile fromstring frombuffer fromiter fromfunction",
    "it makes an array from something that is not one; call it outside and pass the array as an argument",
)  # fmt: skip
_refuse(
    np,
    "array2string array_repr array_str datetime_as_string",
    "it makes text of numbers, which has no derivative; print the result of the function afterwards",
)  # fmt: skip

# Dates, records, bits and memory

_refuse(
    np, "busday_count busday_offset is_busday isnat",
    "it counts or compares dates, which have no derivative",
)  # fmt: skip
_refuse(
    np, "packbits unpackbits bitwise_count gcd lcm left_shift right_shift",
    "it works on the bits of integers, which have no derivative",
)  # fmt: skip
_refuse(
    np, "may_share_memory shares_memory",
    "a traced array has no memory of its own to share; the question has no answer here",
)  # fmt: skip
_refuse(
    np, "asanyarray ascontiguousarray asfortranarray require",
    "it asks for an array in memory, which would cut the derivative off; leave it out, or call it outside",
)  # fmt: skip

# Counting and sets: constant between the jumps, and as long as the values are

_refuse(
    np, "histogram histogram2d histogramdd histogram_bin_edges bincount digitize",
    "it counts values in bins, so that its result is constant but for jumps",
)  # fmt: skip
_refuse(
    np,
    "unique unique_all unique_counts unique_inverse unique_values "
    "intersect1d setdiff1d setxor1d union1d in1d",
    "it treats numbers as members of sets, and its length depends on which are equal; select by an index that is "
    "computed outside",
)  # fmt: skip

# Functions of functions, and special ones

_refuse(
    np, "apply_along_axis apply_over_axes",
    "it calls a function slice by slice and writes into an array; call np functions with axis=, or np.stack",
)  # fmt: skip
_refuse(np, "i0", "NumPy has no operation for its derivative, the Bessel function of order 1")
_refuse(
    np, "frexp ldexp modf nextafter spacing",
    "it takes numbers apart as they lie in memory; write the arithmetic that is meant",
)  # fmt: skip

# Modules of their own

for _module in (np.char, np.strings):
    for _name in _module.__all__:
        _function = getattr(_module, _name)
        if callable(_function) and not isinstance(_function, type):
            # Some ufuncs are shared with numpy itself: np.strings.equal is np.equal.
            if getattr(np, _name, None) is not _function:
                _refuse(_module, _name, "it works on text, which has no derivative")
