"""The recipes of docs/checking.md for JAX and PyTorch run, and their checks pass and fail as they must."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from tests.test_documentation import blocks

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("default")]
PAGE = Path(__file__).parents[2] / "docs" / "checking.md"


@pytest.fixture
def names() -> dict[str, Any]:
    def layer(W: Any, x: Any) -> Any:
        return np.tanh(W @ x)

    def backward(G: Any, W: Any, x: Any) -> Any:
        before = G * (1 - np.tanh(W @ x) ** 2)
        return np.outer(before, x), W.T @ before

    rng = np.random.default_rng(0)
    return {
        "np": np, "jb": jb, "layer": layer, "backward": backward, "rng": rng,
        "W": rng.normal(size=(3, 4)), "x": rng.normal(size=4),
    }  # fmt: skip


def test_recipes(names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    pytest.importorskip("torch")
    reports: list[jb.Report] = []
    check = jb.check

    def kept(*args: Any, **options: Any) -> jb.Report:
        reports.append(check(*args, **options))
        return reports[-1]

    monkeypatch.setattr(jb, "check", kept)
    recipes = [
        block for block in blocks(PAGE.read_text(encoding="utf-8")) if block.language == "py"
    ]
    for block in recipes:
        exec(compile(block.text, str(PAGE), "exec"), names)
    assert len(reports) == len(recipes) == 4
    for report in reports:
        report.raise_if_failed()
        assert [part.wrt for part in report.parts] == ["W", "x"]
        # Float64 throughout: rounding is all that is left.
        assert all(part.worst.absolute < 1e-9 for part in report.parts)
    assert all("not traced" in " ".join(report.notes) for report in reports[2:])

    def wrong(G: Any, W: Any, x: Any) -> Any:
        dW, dx = names["vjp_by_jax"](G, W, x)
        return dW, 2 * np.asarray(dx)

    report = check(names["g"], names["W"], names["x"], vjp=wrong, wrt=(0, 1))
    assert [part.ok for part in report.parts] == [True, False]
    assert report.findings[0].kind == "factor"


def test_single_precision_modules_of_torch(names: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    linear = torch.nn.Linear(4, 3)  # float32, and refuses float64

    def f(x: Any) -> Any:
        return torch.tanh(linear(torch.from_numpy(x))).detach().numpy()

    def vjp(G: Any, x: Any) -> Any:
        at = torch.tensor(x, requires_grad=True)
        return torch.autograd.grad(torch.tanh(linear(at)), at, torch.from_numpy(G))[0].numpy()

    x = names["x"].astype(np.float32)
    report = jb.check(f, x, vjp=vjp)
    report.raise_if_failed()
    assert any("tolerances are those of float32" in note for note in report.notes)
    assert not jb.check(f, x, vjp=lambda G, x: 1.02 * vjp(G, x)).ok


def test_the_benchmark_beside_gradcheck_agrees() -> None:
    pytest.importorskip("torch")
    from benchmarks.checking import WORKLOADS, agree

    assert all(agree(workload, 4, torch=True) for workload in WORKLOADS)


def test_a_torch_function_and_a_custom_vjp_are_claims() -> None:
    torch = pytest.importorskip("torch")
    jax = pytest.importorskip("jax")

    class Square(torch.autograd.Function):
        factor = 2.0

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**2

        @classmethod
        def backward(cls, ctx: Any, G: Any) -> Any:
            (x,) = ctx.saved_tensors
            return cls.factor * G * x

    class Wrong(Square):
        factor = 3.0

        @staticmethod
        def backward(ctx: Any, G: Any) -> Any:
            return 3.0 * G * ctx.saved_tensors[0]

    x = np.array([0.5, -1.0, 2.0])
    for options in ({}, {"vjp": Square}):
        assert jb.check(Square if not options else np.square, x, **options).ok
    assert jb.check(np.square, x, vjp=Wrong).findings[0].kind == "factor"
    assert jb.check(Wrong, x).verdict == "WRONG"

    def make(factor: float) -> Any:
        f = jax.custom_vjp(lambda x: x**2)
        f.defvjp(lambda x: (x**2, x), lambda x, G: (factor * G * x,))
        return f

    report = jb.check(np.square, x.astype(np.float32), vjp=make(2.0))
    assert report.ok
    assert jb.check(np.square, x, vjp=make(3.0)).verdict == "WRONG"
    assert jb.check(make(2.0), x).ok
