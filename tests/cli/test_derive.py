"""``jacobians derive``, ``catalogue`` and the steps on the page of ``explore``."""

import json
from pathlib import Path

import pytest

from jacobians.cli import main


def test_derive_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["derive", "0.5*norm(W @ x - t)**2", "--wrt", "W", "--shape", "W=3x4", "x=4", "t=3"])
        == 0
    )
    out = capsys.readouterr().out
    assert "∂Y/∂W = (W x − t) xᵀ" in out
    assert max(map(len, out.splitlines())) <= 80
    assert main(["derive", "logdet(X)", "--shape", "X=nxn", "--symmetric", "X"]) == 0
    assert "∂Y/∂X = X⁻¹" in capsys.readouterr().out
    assert (
        main(
            [
                "derive",
                "x' @ A @ x",
                "--shape",
                "x=n",
                "A=nxn",
                "--order",
                "2",
                "--layout",
                "numerator",
            ]
        )
        == 0
    )
    assert "A + Aᵀ" in capsys.readouterr().out


def test_derive_in_other_forms(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["derive", "mean(x .* a)", "--shape", "x=n", "a=n"]
    assert main([*given, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {
        "expression",
        "wrt",
        "shapes",
        "steps",
        "index",
        "matrix",
        "conditions",
        "numpy",
        "latex",
    }
    assert found["matrix"] == "a / n"
    assert main([*given, "--numpy"]) == 0
    assert capsys.readouterr().out.startswith("import numpy as np\n")
    assert main([*given, "--latex"]) == 0
    assert capsys.readouterr().out.startswith("\\begin{align*}")


def test_errors_have_a_caret(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["derive", "tr(A @ )"]) == 2
    assert capsys.readouterr().err.endswith("  tr(A @ )\n         ^\n")


def test_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalogue", "MC 49", "--verify"]) == 0
    assert "1 of 1 hold" in capsys.readouterr().out
    assert main(["catalogue", "MC 49", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["matrix"] == "det(X) X⁻ᵀ"
    assert main(["catalogue", "zebra"]) == 2


def test_the_page_has_the_steps(tmp_path: Path) -> None:
    assert main(["explore", "matmul", "-o", str(tmp_path / "page.html")]) == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<summary>coordinate form</summary><pre>A_ij = Σ_r B_ir C_rj</pre>" in text


def test_derive_of_a_function_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same as the expression gives; a parameter with a default keeps it, unless it has a shape."""
    (tmp_path / "layer.py").write_text(
        "import numpy as np\n\ndef loss(W, x, scale=2.0):\n    return np.sum(scale * (W @ x)) ** 2\n\n"
        "def picks(x):\n    return x[7]\n\ndef nothing():\n    return 1.0\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    shapes = ["--shape", "W=mxn", "x=n"]

    def index(*arguments: str) -> str:
        assert main(["derive", *arguments, "--json"]) == 0
        return str(json.loads(capsys.readouterr().out)["matrix"])

    assert index("layer.py:loss", *shapes) == index("sum(2 * (W @ x))**2", *shapes)
    assert index("layer.py:loss", *shapes, "scale=scalar") == index(
        "sum(scale * (W @ x))**2", "--wrt", "W", *shapes, "scale=scalar"
    )
    for arguments, words in [
        (["layer.py:loss", "--shape", "W=2x3"], "no shape for the argument x: give --shape x="),
        (["layer.py:loss", *shapes, "--wrt", "Q"], "--wrt Q: loss has no Q; it has W, x"),
        (["layer.py:loss", *shapes, "y=2"], "--shape y=2: loss has no y; it has W, x"),
        (["layer.py:picks", "--shape", "x=3"], "picks: IndexError: index 7 is out of bounds"),
        (["layer.py:nothing"], "nothing has no argument to differentiate by"),
        (["layer.py:los"], "there is no function los; there are loss, picks, nothing"),
    ]:
        assert main(["derive", *arguments]) == 2
        assert words in capsys.readouterr().err


def test_latex_of_second_derivatives(capsys: pytest.CaptureFixture[str]) -> None:
    """Fractions part at the sign outside brackets, and nothing is left as it is in text."""
    shapes = ["--shape", "x=n", "A=nxn"]
    assert main(["derive", "x' @ A @ x", "--wrt", "x", *shapes, "--order", "2", "--latex"]) == 0
    out = capsys.readouterr().out
    assert r"\frac{\partial (\partial Y/\partial x)_{i}}{\partial x_{k}} = A_{ik} + A_{ki}" in out
    assert r"\frac{\partial (\partial Y/\partial x)}{\partial x} = A + A^{\top}" in out
    assert "∂" not in out
