"""Full Jacobian tensors, kept as what they are: sums of einsum terms with Kronecker deltas.

For ``A(B)``, matrices both, the derivative is ``J_ijkl = ∂A_ij/∂B_kl``.

>>> import numpy as np, jacobians as jb
>>> J = jb.ops.matmul.jacobian(np.ones((2, 3)), np.ones((3, 5)), wrt="B")
>>> J.formula()
'δ_ik C_lj'

Floor 11. Imports errors, tracing, display, tensor, contraction, transforms, identities, measuring,
verification, course, numerical, testing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jacobians import numerical, testing
from jacobians.contraction import Comparison, chain, compare
from jacobians.display.explanation import Explanation
from jacobians.errors import (
    GuardWarning,
    JacobiansError,
    ShapeError,
    TensorTooLargeError,
    UnsupportedError,
    VerificationError,
)
from jacobians.identities.proving import Catalogue, catalogue
from jacobians.measuring.sweeping import sweep
from jacobians.tensor.jacobian_tensor import JacobianTensor
from jacobians.tracing.numpy.filling import array, empty, full, zeros
from jacobians.transforms.deriving.declared import derive
from jacobians.transforms.deriving.derivations import Derivation
from jacobians.transforms.functional import (
    grad,
    hessian,
    jacobian,
    jvp,
    record,
    value_and_grad,
    vjp,
)
from jacobians.transforms.library import operation, ops
from jacobians.transforms.ravelling import ravel
from jacobians.transforms.structured import diagonal, projected, symmetric, triangular
from jacobians.verification.checking import check
from jacobians.verification.layers import check_layer
from jacobians.verification.report import Report

if TYPE_CHECKING:
    from jacobians import course

__version__ = "0.1.0"

__all__ = [
    "Catalogue",
    "Comparison",
    "Derivation",
    "Explanation",
    "GuardWarning",
    "JacobianTensor",
    "JacobiansError",
    "Report",
    "ShapeError",
    "TensorTooLargeError",
    "UnsupportedError",
    "VerificationError",
    "array",
    "catalogue",
    "chain",
    "check",
    "check_layer",
    "compare",
    "course",
    "derive",
    "diagonal",
    "empty",
    "full",
    "grad",
    "hessian",
    "jacobian",
    "jvp",
    "numerical",
    "operation",
    "ops",
    "projected",
    "ravel",
    "record",
    "sweep",
    "symmetric",
    "testing",
    "triangular",
    "value_and_grad",
    "vjp",
    "zeros",
]


def __getattr__(name: str) -> Any:
    """``jb.course``: what runs processes and reads archives waits until it is used."""
    if name == "course":
        return import_module("jacobians.course")
    raise AttributeError(f"module 'jacobians' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
