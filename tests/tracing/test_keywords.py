"""Every keyword of every supported function: what NumPy makes of it, its error, or a reason."""

import ast
import inspect
from typing import Any

import numpy as np
import pytest
from scipy import special

import jacobians as jb
from jacobians.errors import UnsupportedError
from jacobians.tracing.tables import SUPPORTED, reduced
from tests.tracing import calls, compared

VALUES: dict[str, list[str]] = {
    "axis": ["0", "-1", "None", "np.array(0)", "(0,)", "(0, 1)", "[0]", "5", "1.0", "True"],
    "keepdims": ["True", "1", "0", "np.True_", "'yes'", "None"],
    "dtype": ["np.float32", "int", "'f4'", "float"],
    "where": ["True", "m", "np.True_"],
    "initial": ["0.5", "2", "n"],
    "order": ["'C'", "'F'", "'A'", "'K'", "'Q'"],
    "casting": ["'unsafe'", "'no'", "'same_kind'", "'odd'"],
    "subok": ["True", "False"],
    "signature": ["'f->f'", "'dd->d'", "None"],
    "ddof": ["1", "0.5", "9"], "correction": ["1"], "bias": ["True"], "rowvar": ["False"],
    "copy": ["True", "False", "None"], "out": ["None"], "overwrite_input": ["True"],
    "mode": ["'wrap'", "'clip'", "'odd'", "'raise'", "'full'", "'same'"],
    "method": ["'lower'", "'weibull'", "'midpoint'"], "interpolation": ["'lower'"],
    "kind": ["'stable'", "'bogo'"], "stable": ["True"], "device": ["'cpu'", "'gpu'"],
    "n": ["0", "2"], "k": ["1", "0"], "offset": ["1"], "optimize": ["True", "'greedy'"],
    "equal_nan": ["False"], "sorted": ["False"], "weights": ["None"], "edge_order": ["2"],
    "period": ["2.0"], "decimals": ["1"], "prepend": ["0.5"], "append": ["0.5"], "dx": ["0.5"],
    "endpoint": ["False"], "retstep": ["True"], "norm": ["'ortho'", "'odd'"], "returned": ["True"],
    "upper": ["True"], "compute_uv": ["False"], "hermitian": ["True", "False"],
    "rcond": ["1e-3"], "rtol": ["1e-3"], "ord": ["1", "-1", "np.inf"], "include_initial": ["True"],
    "indexing": ["'ij'"], "sparse": ["True"], "axes": ["(0, 1)"], "shape": ["(2,)"],
}  # fmt: skip
_OF_UFUNCS = ("where", "dtype", "casting", "order", "subok", "signature", "out", "keepdims", "axis")
_OF_METHODS = ("axis", "dtype", "keepdims", "initial", "where", "out")
_NAMES = {"np": np, "special": special}


def positional() -> dict[str, list[str]]:
    """For each function some arguments, from the calls of the table of memory."""
    found: dict[str, list[str]] = {}
    for text in calls.CALLS.strip().splitlines():
        tree = ast.parse(text, mode="eval").body
        if isinstance(tree, ast.Call) and ast.unparse(tree.func).startswith("np."):
            arguments = ", ".join(ast.unparse(a) for a in tree.args)
            several = found.setdefault(ast.unparse(tree.func), [])
            if arguments not in several and len(several) < 3:
                several.append(arguments)
    for name, ufunc in vars(np).items():
        if isinstance(ufunc, np.ufunc) and ufunc.signature is None:
            found[f"np.{name}"] = ["x" if ufunc.nin == 1 else "X, x"]
    found.update({name: ["x"] for name in calls.SPECIAL.split()})
    found.update({name: ["X, x"] for name in calls.SPECIAL_OF_TWO.split()})
    found["np.full_like"] = ["x, 2.0", "X, n"]
    return {
        name: several
        for name, several in found.items()
        if _function(name) in SUPPORTED or "special" in name
    }


def _function(name: str) -> Any:
    try:
        if name.endswith((".reduce", ".accumulate")):
            ufunc, _, method = name.removeprefix("np.").partition(".")
            return reduced(getattr(np, ufunc), method)
        return eval(name, dict(_NAMES))
    except AttributeError:  # of another NumPy
        return None


def keywords(name: str) -> tuple[str, ...]:
    function = _function(name)
    if name.startswith("special."):
        return tuple(
            k for k in _OF_UFUNCS if k != "where"
        )  # SciPy's read memory that is not theirs
    if isinstance(function, np.ufunc):
        return _OF_UFUNCS
    if name.endswith((".reduce", ".accumulate")):
        return _OF_METHODS
    return tuple(inspect.signature(function).parameters)


REFUSED = {
    "where": "where", "signature": "signature", "method": "method", "rcond": "cut-off", "rtol": "cut-off",
    "hermitian": "symmetric|cut-off", "mode": "mode",
}  # fmt: skip
"""The keywords of which some values are refused here, and what the reason says."""
FUNCTIONS = positional()
AS_IN_MEMORY = ("np.broadcast_arrays", "np.meshgrid")  # whose views are read-only, as is said there


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in AS_IN_MEMORY])
def test_keywords_are_numpys_or_refused(name: str) -> None:
    for arguments in FUNCTIONS[name]:
        for keyword in keywords(name):
            for value in VALUES.get(keyword, []):
                text = f"{name}({arguments}, {keyword}={value})"
                found = compared.by_tracing(text, np.float64)
                if isinstance(found, UnsupportedError):
                    assert keyword in REFUSED, text
                    assert "<string>:1" in str(found), text
                    continue
                assert compared.differences(text, np.float64) == [], text


def test_the_walk_finds_functions_and_keywords() -> None:
    assert len(FUNCTIONS) > 280
    assert {"axis", "keepdims", "where", "initial"} <= set(keywords("np.max"))
    assert sum(len(VALUES.get(k, [])) for name in FUNCTIONS for k in keywords(name)) > 3000


def test_a_swallowed_keyword_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from jacobians.tracing import dispatch

    text = "np.sum(X, axis=0, keepdims=1)"
    assert compared.differences(text, np.float64) == []
    real = dispatch.normalised
    monkeypatch.setattr(
        dispatch, "normalised", lambda f, e, a, k: real(f, e, a, {**k, "keepdims": False})
    )
    assert compared.differences(text, np.float64) != []


@pytest.mark.parametrize(
    "text",
    [
        "np.sum(X, 0, np.float32)", "np.sum(X, 0, None, None, True)", "np.mean(X, 0, np.float32, None, 1)",
        "np.var(X, 0, None, None, 1)", "np.max(X, 0, None, 1)", "np.clip(x, 0.1, 0.2, None)",
        "np.dot(x, w, None)", "np.outer(x, w, None)", "np.trace(S, 0, 0, 1, None, None)",
        "np.cumsum(X, 1, None, None)", "np.take(x, [0], 0, None, 'wrap')", "np.median(X, 0, None, False, 1)",
    ],
)  # fmt: skip
def test_keywords_by_position(text: str) -> None:
    assert compared.differences(text, np.float64) == []


def test_what_is_refused_says_why_and_where() -> None:
    x = np.array([0.2, 0.7])
    for f, reason in (
        (lambda x: np.exp(x, where=x > 0.5), r"exp\(where=...\) at test_keywords.py:\d+: .*np\.where"),
        (lambda x: np.linalg.pinv(x[None], rcond=0.1), r"pinv at test_keywords.py:\d+ with rcond=.*cut-off"),
        (lambda x: np.quantile(x, 0.5, weights=[1, 2], method="inverted_cdf"), r"weights=.*sums"),
        (lambda x: np.where(x > 0.5, x, 1j), r"where at test_keywords.py:\d+ with a complex number"),
        (lambda x: x.astype(complex), r"astype\(complex128\) at test_keywords.py:\d+"),
        (lambda x: x.tobytes(), r"x\.tobytes of a traced array at test_keywords.py:\d+"),
        (lambda x: x.flags, r"x\.flags of a traced array at test_keywords.py:\d+ .*may_share_memory"),
        (lambda x: x.data, r"x\.data of a traced array at test_keywords.py:\d+"),
        (lambda x: x.base, r"x\.base of a traced array"),
        (lambda x: x.resize(3), r"x\.resize of a traced array at .*np\.resize"),
        (lambda x: setattr(x, "shape", (2, 1)), r"x\.shape = ... of a traced array at .*reshape"),
        (lambda x: x.view(np.int64), r"x\.view\(...\) with another type .*astype"),
    ):  # fmt: skip
        with pytest.raises(UnsupportedError, match=reason):
            jb.jacobian(f)(x)


def test_every_attribute_of_numpys_arrays_is_there_or_refused() -> None:
    refused: list[str] = []

    def f(x: Any) -> Any:
        for name in dir(np.ndarray):
            if name.startswith("_"):
                continue
            if not hasattr(x, name):
                refused.append(name)
                with pytest.raises(UnsupportedError, match=r"test_keywords.py:\d+"):
                    getattr(x, name)
        with pytest.raises(AttributeError, match=r"neither has numpy\.ndarray"):
            x.nonsense  # noqa: B018
        assert (x.strides, x.device, x.nbytes) == ((16, 8), "cpu", 16)
        return np.sum(x)

    jb.grad(f)(np.ones((1, 2)))
    assert {"flags", "data", "base", "tobytes", "resize"} <= set(refused)
    assert len(refused) < 20
