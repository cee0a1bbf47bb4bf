"""Derivations of expressions with declared shapes, numbers or letters: ``W=mxn``."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jacobians.errors import JacobiansError, ShapeError, UnsupportedError
from jacobians.tracing.running import name_of, parameter_names
from jacobians.transforms.deriving.derivations import Derivation, derive_at
from jacobians.transforms.deriving.language import as_function, literals, parsed
from jacobians.transforms.deriving.symbolic_sizes import in_letters
from jacobians.transforms.library import LibraryOperation
from jacobians.transforms.structured import diagonal as as_diagonal
from jacobians.transforms.structured import symmetric as as_symmetric

_LETTERS = 6
_TRIES = 12
_MOST = 64
SizeName = int | str


def shapes_of(
    declared: Sequence[str],
    names: Sequence[str],
    called: str = "the expression",
    said: str = "--shape",
) -> dict[str, tuple[SizeName, ...]]:
    """``W=3x4 x=n`` as shapes; a name without one is a number.

    Raises
    ------
    ShapeError
        For a declaration that cannot be read, and a name that the expression has not.
    """
    found: dict[str, tuple[SizeName, ...]] = dict.fromkeys(names, ())
    for one in declared:
        name, sign, sizes = one.partition("=")
        if not sign or not re.fullmatch(r"(scalar|[^\W_]+(x[^\W_]+)*|)", sizes):
            raise ShapeError(
                f"{said} {one!r}: write NAME=SIZES, as in W=3x4, W=mxn, x=4 or c=scalar"
            )
        if name not in found:
            raise ShapeError(
                f"{said} {one}: {called} has no {name}; it has {', '.join(names) or 'no names'}"
            )
        parts = [] if sizes in ("scalar", "") else re.split(r"x(?=\w)", sizes)
        shape: list[SizeName] = []
        for part in parts:
            if part.isdigit():
                if not 1 <= int(part) <= _MOST:
                    raise ShapeError(f"{said} {one}: a size is from 1 to {_MOST} here, not {part}")
                shape.append(int(part))
            elif part.isidentifier():
                shape.append(part)
            else:
                raise ShapeError(
                    f"{said} {one}: the size {part!r} is neither a number nor a letter"
                )
        if len(shape) > 4:
            raise ShapeError(f"{said} {one}: at most 4 axes")
        found[name] = tuple(shape)
    return found


def points(
    function: Any,
    shapes: Mapping[str, tuple[int, ...]],
    seed: int,
    structured: Mapping[str, Any],
    called: str,
) -> list[Any]:
    """Random arguments at which the function is defined.

    Raises
    ------
    UnsupportedError
        Where none was found.
    """
    rng = np.random.default_rng(seed)
    error: Exception | None = None
    for k in range(_TRIES):
        arrays = []
        for name, shape in shapes.items():
            square = len(shape) == 2 and shape[0] == shape[1]
            if k % 3 == 0:
                array = rng.uniform(0.2, 0.9, shape)
                if square:
                    array = array + len(array) * np.eye(shape[0])
            elif k % 3 == 1:
                array = rng.normal(size=shape)
            else:
                array = rng.uniform(0.1, 0.4, shape)
            if name in structured:
                array = structured[name](array)
            arrays.append(np.asarray(array, float))
        with np.errstate(all="ignore"):
            try:
                value = np.asarray(function(*arrays))
            except np.linalg.LinAlgError as found:
                error = found
                continue
        if (value.dtype.kind == "f" and np.isfinite(value).all()) or value.dtype.kind in "iu":
            return arrays
    raise UnsupportedError(
        f"{called} is defined at none of {_TRIES} random points" + (f": {error}" if error else "")
    )


STRUCTURES: dict[str, Any] = {
    "symmetric": lambda X: (X + X.T) / 2,
    "diagonal": lambda X: np.diag(np.diag(X)),
}


def derive(
    f: Callable[..., Any], *args: Any, wrt: int | str = 0, order: int = 1, layout: str | None = None
) -> Derivation:
    """The derivation of a derivative: its steps, and the result in index and matrix notation.

    Parameters
    ----------
    f : callable
        A NumPy function, or an operation of ``jb.ops``.
    *args : array_like or str
        Its arguments: their shapes matter, and no formula depends on their values. Or, for all of them, their
        sizes as text, ``"mxn"``, ``"3x4"`` or ``"scalar"``: sizes that are letters stay letters.
    wrt : int or str
        The argument to differentiate by, its position or its name.
    order : {1, 2}
        2 is the Hessian.
    layout : {"numerator", "denominator", "vec", "operator"}, optional
        Of the matrix notation, see :meth:`Derivation.with_layout`.

    Returns
    -------
    Derivation
        Prints; has ``steps``, ``index``, ``matrix``, ``conditions``, ``numpy`` and ``latex()``.

    Raises
    ------
    UnsupportedError
        For a layout or an order that there is none of, what has no Jacobian here, and what is not one formula
        in the sizes.

    Examples
    --------
    >>> import numpy as np, jacobians as jb
    >>> d = jb.derive(jb.ops.matmul, np.ones((2, 3)), np.ones((3, 4)), wrt="B")
    >>> print(d)
    coordinate form
        A_ij = Σ_r B_ir C_rj
    derivative, factor by factor
        ∂A_ij/∂B_kl = Σ_r ∂B_ir/∂B_kl C_rj
    entries of one array are independent: a Kronecker delta for each index
        = Σ_r δ_ik δ_rl C_rj
    δ_rl removes the sum over r (r → l)
        = δ_ik C_lj
    result
        ∂A_ij/∂B_kl = δ_ik C_lj
    in matrix notation (row-major vec)
        ∂vec(A)/∂vec(B) = I ⊗ Cᵀ
    >>> jb.derive(lambda W, x, t: np.mean((W @ x - t) ** 2), "mxn", "n", "m").matrix
    '2 (W x − t) xᵀ / m'
    """
    if not args or not all(isinstance(a, str) for a in args):
        return derive_at(f, args, wrt, order, layout)
    names = parameter_names(f, args, {})
    if isinstance(f, LibraryOperation):
        names = list(f.arguments[: len(args)])
    if not names:
        return derive_at(f, args, wrt, order, layout)
    by = names[wrt] if isinstance(wrt, int) and -len(names) <= wrt < len(names) else wrt
    if by not in names:
        raise UnsupportedError(f"derive: wrt={wrt!r}; {name_of(f)} has {', '.join(names)}")
    shapes = [f"{n}={sizes}" for n, sizes in zip(names, args, strict=False)]
    called = name_of(f)
    shapes_of(shapes, names, called, "derive:")
    return derive_declared(f, names, str(by), shapes, order=order, layout=layout, called=called)[0]


def derive_text(
    text: str, wrt: str | None = None, shapes: Sequence[str] = (), *, order: int = 1, layout: str | None = None,
    seed: int = 0, symmetric: Sequence[str] = (), diagonal: Sequence[str] = (),
) -> tuple[Derivation, str, dict[str, tuple[SizeName, ...]]]:  # fmt: skip
    """The derivation of an expression, what it is by, and the shapes of its names.

    Sizes that are letters are drawn twice; what depends on them is written with the letters.

    Raises
    ------
    JacobiansError
        For an expression that cannot be read, with a caret at the place; for shapes that do not fit; where
        the derivation differs between sizes by more than numbers.
    """
    function, names = as_function(text)
    if not names:
        raise JacobiansError(f"the expression {text!r} has no variable to differentiate by")
    return derive_declared(
        function, names, wrt, shapes, order=order, layout=layout, seed=seed, symmetric=symmetric,
        diagonal=diagonal, numbers=literals(parsed(text)),
    )  # fmt: skip


def derive_declared(
    function: Callable[..., Any], names: Sequence[str], wrt: str | None = None, shapes: Sequence[str] = (), *,
    order: int = 1, layout: str | None = None, seed: int = 0, symmetric: Sequence[str] = (),
    diagonal: Sequence[str] = (), called: str = "the expression", numbers: Any = frozenset(),
) -> tuple[Derivation, str, dict[str, tuple[SizeName, ...]]]:  # fmt: skip
    """As ``derive_text``, of a function whose arguments have these names; ``called`` is what errors call it.

    Sizes are drawn apart from the ``numbers``.
    """
    by = names[0] if wrt is None else wrt
    if by not in names:
        raise JacobiansError(f"--wrt {by}: {called} has no {by}; it has {', '.join(names)}")
    declared = shapes_of(shapes, names, called)
    kinds = _structures({"symmetric": symmetric, "diagonal": diagonal}, declared, called)
    letters = dict.fromkeys(s for shape in declared.values() for s in shape if isinstance(s, str))
    if len(letters) > _LETTERS:
        raise ShapeError(f"at most {_LETTERS} letters for sizes, not {len(letters)}")

    def at(sizes: Mapping[str, int]) -> Derivation:
        concrete = {
            n: tuple(sizes[s] if isinstance(s, str) else s for s in shape)
            for n, shape in declared.items()
        }
        arrays = points(
            function, concrete, seed, {n: STRUCTURES[k] for n, k in kinds.items()}, called
        )
        known = zip(names, arrays, strict=True)
        wrapped = [_wrapped(a, kinds.get(n), n == by) for n, a in known]
        return derive_at(function, wrapped, by, order, layout)

    if not letters:
        return at({}), by, declared
    codes: dict[str, str] = {}
    for name, shape in declared.items():
        for axis, size in enumerate(shape):
            if isinstance(size, str):
                codes.setdefault(size, f"{name}.shape[{axis}]")
    return in_letters(at, codes, numbers), by, declared


def _structures(
    asked: Mapping[str, Sequence[str]], declared: Mapping[str, tuple[SizeName, ...]], called: str
) -> dict[str, str]:
    """What kind of matrix each name is said to be; raises JacobiansError for names that cannot be."""
    found = {}
    for kind, which in asked.items():
        for name in which:
            if name not in declared:
                raise JacobiansError(
                    f"--{kind} {name}: {called} has no {name}; it has {', '.join(declared)}"
                )
            shape = declared[name]
            if len(shape) != 2 or shape[0] != shape[1]:
                raise ShapeError(
                    f"--{kind} {name}: it must be a square matrix, not of shape {shape}"
                )
            found[name] = kind
    return found


def _wrapped(array: Any, kind: str | None, chosen: bool) -> Any:
    """An argument that is known to be symmetric, or is by its diagonal."""
    if kind == "symmetric":
        return as_symmetric(array)
    return as_diagonal(array) if kind == "diagonal" and chosen else array
