"""``jacobians explore``: what it writes and says, and its errors."""

import json
from pathlib import Path

import numpy as np
import pytest

import jacobians as jb
from jacobians.cli import main
from tests.display.test_page import decoded, facts


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def call(capsys):
    """Run the command; returns its exit code, output and errors."""

    def run(*arguments):
        code = main(["explore", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_writes_the_page_and_says_so(call):
    code, out, err = call("matmul", "--wrt", "B", "--shape", "B=2x3", "C=3x4", "-o", "page.html")
    assert (code, err) == (0, "")
    size = Path("page.html").stat().st_size / 1024
    assert out == (
        "matmul(B, C)    at B=2x3 C=3x4\n"
        "∂A_ij/∂B_kl = δ_ik C_lj\n\n"
        f"wrote  page.html ({size:.4g} KiB); open it in a browser\n"
    )
    page = Path("page.html").read_text(encoding="utf-8")
    assert "<title>matmul(B, C), B from seed 0, C from seed 0: ∂A_ij/∂B_kl</title>" in page
    random = np.random.default_rng(0)
    B, C = random.standard_normal((2, 3)), random.standard_normal((3, 4))
    full = np.einsum("ik,lj->ikjl", np.eye(2), C).reshape(4, 12)
    assert np.array_equal(np.nan_to_num(decoded(facts(page))), full)
    assert jb.ops.matmul.jacobian(B, C, wrt="B").nnz == np.isfinite(decoded(facts(page))).sum()


def test_files_and_their_names(call):
    evil = "<b>&.npy"
    np.save(evil, np.arange(6.0).reshape(2, 3))
    np.savetxt("x.csv", [1.0, 2.0, 3.0])
    code, out, _ = call("matvec", "--wrt", "x", "--data", f"A={evil}", "x=x.csv")
    assert code == 0
    assert "wrote  matvec-x.html" in out
    page = Path("matvec-x.html").read_text(encoding="utf-8")
    assert "<b>" not in page.partition('<output id="reading"')[0]
    assert "A from &lt;b&gt;&amp;.npy, x from x.csv" in page
    assert np.array_equal(decoded(facts(page)), np.arange(6.0).reshape(2, 3))


def test_json(call):
    code, out, _ = call("einsum", "--subscripts", "bij,bjk->bik", "-o", "e.html", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["path"] == "e.html"
    assert found["bytes"] == Path("e.html").stat().st_size
    assert found["formula"] == "δ_il δ_jm B_ink"
    assert found["arguments"]["A"] == {"shape": [2, 3, 5], "source": "random"}


def test_a_large_tensor(call):
    code, _, _ = call("inv", "--shape", "X=60x60", "-o", "large.html")
    assert code == 0
    assert Path("large.html").stat().st_size < 500_000
    assert "12,960,000 entries are too many" in Path("large.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["matmul", "-o", "no/page.html"], "no/page.html: the page cannot be written: there is no folder no"),
        (["matmul", "-o", "."], ".: the page cannot be written: Is a directory"),
        (["nothing"], "nothing"),
        (["matmul", "--shape", "B=2x3", "C=4x5"], "(2, 3)"),
    ],
)  # fmt: skip
def test_errors(call, arguments, message):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("jacobians: error: ")
    assert message in err
    assert err.count("\n") == 1


def test_help_fits_the_terminal(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = call("--help")
    assert code == 0
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "--output" in out
