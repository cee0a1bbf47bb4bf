"""Functions of the user's in every command: the same as from Python, and refusals that say what to write."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from jacobians.cli import main

TEXT = """
import numpy as np

def forward(W, x, scale=2.0):
    return np.tanh(scale * (W @ x))

def loss(W, x):
    return 0.5 * np.sum((W @ x - 1) ** 2)

def by_hand(W, x):
    return np.outer(W @ x - 1, x)

def wrong(W, x):
    return 2 * np.outer(W @ x - 1, x)

def two(x):
    return x, 2 * x

def broken(x):
    return x[7]
"""


@pytest.fixture
def layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "layer.py").write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return "layer.py"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(list(arguments)) == code
    found = capsys.readouterr()
    return found.out if code != 2 else found.err


def forward(W: Any, x: Any, scale: float = 2.0) -> Any:
    return np.tanh(scale * (W @ x))


def test_show_compare_and_explore(layer: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The judge is the transform in Python."""
    W, x = np.array([[0.1, -0.2, 0.3], [0.5, 0.4, -0.6]]), np.array([1.0, -2.0, 0.5])
    np.savez("arrays.npz", W=W, x=x)
    J = jb.jacobian(forward, "W")(W, x, 2.0)
    call = (f"{layer}:forward", "--wrt", "W", "--data", "arrays.npz")
    text = printed(capsys, "show", *call)
    assert text.startswith(
        "forward(W, x, scale)\n\n∂forward_i/∂W_kl = δ_ik (1 − tanh(scale (W x)_i)²)"
    )
    assert "W from arrays.npz, x from arrays.npz, scale from its default" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
    found = json.loads(printed(capsys, "show", *call, "--json"))
    np.testing.assert_allclose(found["entries"], J.dense(), rtol=1e-12)
    assert (found["nnz"], found["arguments"]["scale"]) == (6, {"shape": []})
    text = printed(capsys, "compare", *call)
    assert "  scale  scalar        its default" in text
    assert "values agree" in text
    found = json.loads(printed(capsys, "explore", *call, "-o", "page.html", "--json"))
    assert found["formula"] == J.formula()
    assert "<math" in Path("page.html").read_text(encoding="utf-8")
    assert json.loads(printed(capsys, "explore", *call, "--json"))["path"] == "forward-W.html"


REFUSED = {
    "show layer.py:forward --wrt W": "no array for the argument W: add W=FILE to --data, or give --shape",
    "show layer.py:forward --wrt Q --shape W=2x3 x=3": "has no argument 'Q'; its arguments are W, x, scale",
    "show layer.py:two --shape x=3": "two gives a tuple of Jacobians, and this shows one",
    "show layer.py:broken --shape x=3": "broken: IndexError",
    "show layer.py:forwrd --shape x=3": "there is no function forwrd; there are forward",
    "compare layer.py:loss --shape W=2x3 x=3 --subscripts i": "--subscripts is for einsum only",
    "explore layer.py:forward --shape W=2x3 x=4": r"letter r is 3 in W",
}


@pytest.mark.parametrize("command", REFUSED)
def test_refusals(command: str, layer: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = printed(capsys, *command.split(), code=2)
    wanted = REFUSED[command].replace("in W", "in")
    assert wanted in error
    assert error.count("\n") == 1
    assert layer


def test_rivals_of_ones_own(layer: str, capsys: pytest.CaptureFixture[str]) -> None:
    bench = (
        "bench",
        f"{layer}:loss",
        "--shape",
        "W=nxn",
        "x=n",
        "--sizes",
        "3,5",
        "--seconds",
        "0.001",
    )
    found = json.loads(
        printed(
            capsys,
            *bench,
            "--rivals",
            f"contracted,{layer}:by_hand,{layer}:wrong",
            "--json",
            code=1,
        )
    )
    assert set(found["sizes"][0]["rivals"]) == {"contracted", "by_hand"}
    assert found["sizes"][0]["differ"]["wrong"] == pytest.approx(1.0)


def test_rivals_from_python() -> None:
    def loss(p: Any, x: Any) -> Any:
        return 0.5 * np.sum((p["W"] @ x + p["b"]) ** 2)

    def mine(p: Any, x: Any) -> Any:
        r = p["W"] @ x + p["b"]
        return {"W": np.outer(r, x), "b": r}

    shapes = {"p": {"W": "nxn", "b": "n"}, "x": "n"}
    found = jb.sweep(loss, [2], shapes=shapes, rivals=mine, seconds=0.001)
    assert found.ok
    assert found.names == ["explicit", "contracted", "mine"]  # beside the default ones
    late = jb.sweep(
        loss, [2], shapes=shapes, seconds=0.001,
        rivals={"right": mine, "late": lambda p, x: {"W": 0 * p["W"], "b": p["b"]}},
    )  # fmt: skip
    assert set(late.measurements[0].differ) == {"late"}
    other = jb.sweep(
        np.sum, [3], shapes={"a": "n"}, seconds=0.001, rivals=lambda a: np.ones((1, len(a)))
    )
    assert "<lambda> DIFFERS from the others in shape, or is not finite" in str(other)
    # Of vjp, G comes first.
    product = jb.sweep(
        "matmul", [3], wrt="C", rivals=["contracted", lambda G, B, C: B.T @ G], seconds=0.001
    )
    assert product.ok
    assert product.names == ["contracted", "<lambda>"]
    with pytest.raises(
        jb.JacobiansError, match="two rivals are called mine; name them, as in rivals="
    ):
        jb.sweep(loss, [2], shapes=shapes, rivals=[mine, mine])
    with pytest.raises(jb.JacobiansError, match="'other' is a int; pass a function"):
        jb.sweep(loss, [2], shapes=shapes, rivals={"other": 3})
    with pytest.raises(jb.JacobiansError, match="there is no rival 'nobody'"):
        jb.sweep(loss, [2], shapes=shapes, rivals=["nobody"])


@pytest.fixture(scope="module")
def small_sweep() -> Any:
    """Measured once, for what is done with a sweep."""
    return jb.sweep("matmul", [2, 4], wrt="B", seconds=0.001, rivals=["contracted"])


def test_reprs_for_terminal_and_notebook(small_sweep: Any) -> None:
    J = jb.ops.matmul.jacobian(np.ones((2, 3)), np.ones((3, 4)), wrt="B")
    assert repr(J.kron()) == "<I_2 ⊗ Cᵀ, of shape (8, 6), vec row-major>"
    assert "I_2 ⊗ Cᵀ" in J.kron()._repr_html_()
    assert repr(J.cost()) == str(J.cost())
    assert "<td>48</td>" in J.cost()._repr_html_()
    assert repr(J.cost().vjp) == "48 flops, 48 bytes"
    found = small_sweep
    assert repr(found) == str(found)
    assert found._repr_html_().startswith("<pre>")
    assert "contracted" in found._repr_html_()


def test_a_plot_is_drawn_inline(tmp_path: Path, small_sweep: Any) -> None:
    pytest.importorskip("matplotlib")
    figure = small_sweep.plot()
    assert [axes.get_ylabel() for axes in figure.axes] == ["time [ms]", "peak memory [bytes]"]
    assert list(tmp_path.iterdir()) == []
    assert small_sweep.plot(str(tmp_path / "s.svg")) is not None
    assert (tmp_path / "s.svg").exists()


def test_fits_leave_out_overhead() -> None:
    """Times that are made up: 10 µs for a call, and n³ above it."""
    from jacobians.measuring.machine import machine as found_machine
    from jacobians.measuring.measurement import Measured, Measurement
    from jacobians.measuring.sweeping import Sweep, exponents
    from jacobians.measuring.timing import Times

    sizes = [2, 4, 8, 16, 32, 64, 128]

    def measurement(n: int) -> Measurement:
        slow, flat = 1e-5 + 1e-9 * n**3, 1e-5
        rows = {"cubic": slow, "flat": flat, "pure": 1e-6 * n**2}
        made = {k: Measured(Times([t, t, t]), t, 8 * n * n, "") for k, t in rows.items()}
        return Measurement("t", [(n, n)], made, {}, {})

    found = [measurement(n) for n in sizes]
    fits = exponents(sizes, found)
    assert fits["cubic"].seconds == pytest.approx(3, abs=0.25)
    assert fits["cubic"].start == 32
    assert fits["flat"].seconds is None
    assert fits["pure"].seconds == pytest.approx(2)
    assert fits["flat"].bytes == pytest.approx(2)
    text = str(Sweep("t", "grad", sizes, found, fits, found_machine()))
    assert "Fits of time leave out sizes below 3 times the shortest" in text
    assert "Fitted: cubic n ≥ 32, pure n ≥ 16" in text.replace("\n", " ")


def test_the_colour_bar_is_as_tall_as_the_axes() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    for shape in ((9, 3), (2, 40)):
        J = jb.jacobian(lambda M: M * 2)(np.ones(shape))
        drawn = J.plot()
        drawn.axes.figure.canvas.draw()
        picture, bar = (a.get_window_extent() for a in (drawn.axes, drawn.colorbar.ax))
        assert bar.height == pytest.approx(picture.height, rel=1e-6)
        matplotlib.pyplot.close(drawn.axes.figure)
