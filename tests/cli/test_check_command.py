"""``jacobians check``: what it prints, its exit codes, and its errors; and the benchmark of checks."""

import json
from typing import Any

import numpy as np
import pytest

import jacobians as jb
from benchmarks import checking
from jacobians.cli import main

MODULE = """
import numpy as np

RUNS = []

def forward(W, x, gain=1.0):
    return gain * np.tanh(W @ x)

def backward(G, W, x, gain=1.0):
    before = gain * G * (1 - np.tanh(W @ x) ** 2)
    return np.outer(before, x), W.T @ before, np.sum(G * np.tanh(W @ x))

def mistaken(G, W, x, gain=1.0):
    return 2 * backward(G, W, x, gain)[0]

def along(dW, W, x, gain=1.0):
    return gain * (1 - np.tanh(W @ x) ** 2) * (dW @ x)

def full(W, x, gain=1.0):
    return np.einsum("ik,i,l->ikl", np.eye(len(W)), gain * (1 - np.tanh(W @ x) ** 2), x)

def failing(W, x):
    raise RuntimeError("too\\nbad")

def opaque(x):
    return np.array([float(v) ** 2 for v in x.tolist()])
"""
SHAPES = ("--shape", "W=3x4", "x=4")


@pytest.fixture(autouse=True)
def _files(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layer.py").write_text(MODULE)
    rng = np.random.default_rng(0)
    W, x = rng.normal(size=(3, 4)), rng.normal(size=4)
    np.savez("both.npz", W=W, x=x)
    np.save("W.npy", W)
    np.savetxt("x.csv", x[None], delimiter=",")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: Any) -> tuple[int, str, str]:
        code = main(["check", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_right_is_0_and_wrong_is_1(call: Any) -> None:
    code, out, err = call("layer.py:forward", "--vjp", "layer.py:backward", "--data", "both.npz")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:4] == [
        "forward(W, x, gain)",
        "  W     3x4           both.npz",
        "  x     4             both.npz",
        "  gain  scalar        its default",
    ]
    assert lines[5].startswith("vjp of forward by W, x, gain ")
    assert lines[5].endswith(" right")
    assert max(map(len, lines)) <= 80
    code, out, err = call("layer.py:forward", "--vjp", "layer.py:mistaken", "--data", "both.npz")
    assert (code, err) == (1, "")
    assert "WRONG" in out
    assert "It is 2 × the right derivative" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80


def test_arrays_come_from_any_file(call: Any) -> None:
    options = ("layer.py:forward", "--vjp", "layer.py:backward")
    _, expected, _ = call(*options, "--data", "both.npz", "--json")
    code, out, _ = call(*options, "--data", "W=W.npy", "x=x.csv", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["arguments"]["x"] == {"shape": [4], "source": "x.csv"}
    assert found["arguments"]["W"] == {"shape": [3, 4], "source": "W.npy"}
    assert found["parts"] == json.loads(expected)["parts"]


def test_all_claims_at_once_by_several_arguments(call: Any) -> None:
    code, out, _ = call("layer.py:forward", "--vjp", "layer.py:backward", "--wrt", "W,1,gain",
                        *SHAPES, "--json")  # fmt: skip
    assert code == 0
    assert [part["wrt"] for part in json.loads(out)["parts"]] == ["W", "x", "gain"]
    code, out, _ = call("layer.py:forward", "--jvp", "layer.py:along", "--jacobian", "layer.py:full",
                        *SHAPES, "--json", "--against", "richardson", "--seed", 3)  # fmt: skip
    found = json.loads(out)
    assert code == 0
    assert found["seed"] == 3
    assert [part["kind"] for part in found["parts"]] == ["jacobian", "jvp"]
    assert all("differences" in part["reference"] for part in found["parts"])
    code, out, _ = call("layer.py:forward", "--vjp", "layer.py:backward", *SHAPES,
                        "--against", "layer.py:full")  # fmt: skip
    assert code == 0
    assert "against full" in out


def test_ours_is_checked_where_nothing_is_claimed(call: Any) -> None:
    code, out, _ = call("layer.py:forward", *SHAPES)
    assert code == 0
    assert "derivative of forward by W" in out
    code, out, _ = call("matmul", "--wrt", "C", "--shape", "B=2x3", "C=3x4")
    assert code == 0
    assert "derivative of matmul by C" in out
    code, out, _ = call("einsum", "--subscripts", "ij,jk->ik", "--wrt", "B")
    assert code == 0
    code, out, _ = call("matmul", "--wrt", "B,C")
    assert code == 0
    assert "derivative of matmul by B, C" in out


def test_tolerances(call: Any) -> None:
    options = ("layer.py:forward", "--vjp", "layer.py:mistaken", *SHAPES)
    assert call(*options)[0] == 1
    for option in (("--rtol", "1.5"), ("--atol", "50")):
        code, out, _ = call(*options, *option)
        assert code == 1
        assert "zero would pass too" in " ".join(out.split()).lower()
    assert call(*options[:2], "layer.py:backward", *SHAPES, "--rtol", "0.5")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "SUBJECT"),
        (["none.py:f"], "none.py: there is no such file"),
        (["layer.py:none"], "there is no function none; there are forward, backward"),
        (["layer.txt:f"], "module.py:function"),
        (["matmull"], "there is no operation 'matmull'"),
        (["layer.py:forward"], "no array for the argument W: add W=FILE to --data"),
        (["layer.py:forward", "--shape", "W=3x4"], "no array for the argument x"),
        (["layer.py:forward", "--shape", "W=3by4"], "--shape 'W=3by4' is no shape"),
        (["layer.py:forward", *SHAPES, "y=3"], "no argument 'y'; its arguments are W, x, gain"),
        (["layer.py:forward", *SHAPES, "x=3"], "x is given twice"),
        (["layer.py:forward", "--data", "both.npz", "--shape", "x=4"], "x is given twice"),
        (["layer.py:forward", "--data", "W.npy"], "say which argument the file is for"),
        (["layer.py:forward", "--shape", "W=3x4", "x=5"], "ValueError: matmul"),
        (["layer.py:forward", *SHAPES, "--wrt", "z"], "no argument wrt='z'"),
        (["layer.py:forward", *SHAPES, "--against", "torch"], "against='torch'"),
        (["layer.py:forward", *SHAPES, "--rtol", "-1"], "rtol=-1"),
        (["layer.py:forward", *SHAPES, "--seed", "-1"], "--seed"),
        (["layer.py:forward", *SHAPES, "--subscripts", "i->i"], "einsum only"),
        (["layer.py:failing", *SHAPES], "layer.py:failing: RuntimeError: too bad"),
        (["layer.py:opaque", "--shape", "x=3"], "opaque cannot be traced"),
        (["layer.py:forward", "--shape", "W=300000x300000", "x=4"], "GiB"),
    ],
)
def test_bad_usage_is_one_line_and_code_2(call: Any, arguments: list[str], message: str) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("jacobians: error: ")
    assert err.count("\n") == 1
    assert message in err


def test_a_file_is_run_once_for_all_its_functions(call: Any) -> None:
    with open("layer.py", "a") as file:
        file.write("\nwith open('runs', 'a') as log:\n    log.write('x')\n")
    call("layer.py:forward", "--vjp", "layer.py:backward", "--jacobian", "layer.py:full", *SHAPES)
    with open("runs") as log:
        assert log.read() == "x"


# python -m benchmarks.checking


def test_the_benchmark_knows_right_from_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert checking.main(["--quick", "--json", "found.json"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "all verdicts are right" in lines
    with open("found.json") as file:
        found = json.load(file)
    assert [row["workload"] for row in found["checks"]] == [w.name for w in checking.WORKLOADS]
    for row in found["checks"]:
        assert row["ok"]
        assert row["diagnosis"]
        assert {"auto", "richardson"} <= set(row["times"])
    if "torch" not in found["machine"]["peers"]:
        assert "gradcheck is left out: torch is not installed" in printed.err


def test_the_benchmark_notices_a_backward_that_is_not_right() -> None:
    workload = checking.WORKLOADS[0]
    assert checking.agree(workload, 3, torch=False)
    assert not checking.agree(workload._replace(backward=workload.mistaken), 3, torch=False)
    assert not checking.agree(workload._replace(mistaken=workload.backward), 3, torch=False)


def test_reports_are_public() -> None:
    assert isinstance(jb.check(np.sin, np.ones(2)), jb.Report)
