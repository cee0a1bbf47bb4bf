"""The workloads are what they say, and ``jb.sweep`` and ``jacobians bench`` measure and report.

Nothing here asserts a time.
"""

import importlib.util
import json
import re
import time
import types

import numpy as np
import pytest

import jacobians as jb
from benchmarks import orders, suite
from benchmarks.report import Row, report
from benchmarks.workloads import ALL
from jacobians.cli import main
from jacobians.cli.benching import parse_shapes, parse_sizes, read_subject
from jacobians.measuring.machine import describe, machine
from jacobians.measuring.measurement import Measured, Measurement, measured
from jacobians.measuring.rivals import APPLY, NAMES, PACKAGES, NotRun, contender, value_of
from jacobians.measuring.sweeping import fitted_exponent
from jacobians.measuring.task import task
from jacobians.measuring.timing import Times, interleaved
from jacobians.measuring.translation import written_for
from tests.numerical import differences

OURS = ("explicit", "dense", "buffer", "contracted", "uncompiled")
has_matplotlib = importlib.util.find_spec("matplotlib") is not None


def ids(workload):
    return f"{workload.name}, {workload.what}".replace(" ", "_")


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Run the command in an empty folder; returns its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(["bench", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


# Workloads


def test_workloads_have_names_of_their_own_that_fit_the_table():
    names = [ids(w) for w in ALL]
    assert len(set(names)) == len(names) > 30
    assert all(len(w.name) <= 20 for w in ALL)
    assert all(w.hand is not None for w in ALL if ids(w) != "10_layers_by_W,_hessian")


@pytest.mark.parametrize("workload", ALL, ids=ids)
def test_what_is_written_by_hand_is_the_derivative(workload):
    found = workload.task(workload.small)

    def by_one(x):
        return function(*found.args[: workload.wrt], x, *found.args[workload.wrt + 1 :])

    function = workload.function
    if workload.what == "hessian":
        function = jb.grad(workload.function, workload.wrt)
    truth = differences(by_one, found.args[workload.wrt])
    scale = 1e-8 * max(1.0, float(np.max(np.abs(truth))))
    if workload.hand is not None:
        hand = workload.hand(*found.args)
        np.testing.assert_allclose(hand, truth, rtol=0, atol=scale)
        assert not any(np.shares_memory(hand, a) for a in found.args)
    if workload.hand_into is not None:
        kept = np.zeros(found.tensor_shape())
        for _ in range(2):  # nothing of the first call may be left in the second
            workload.hand_into(*found.args, out=kept)
        np.testing.assert_allclose(kept, truth, rtol=0, atol=scale)


@pytest.mark.parametrize("workload", ALL, ids=ids)
def test_our_ways_agree_with_what_is_written_by_hand(workload):
    found = workload.task(workload.small)
    want = value_of(contender(found, "hand" if workload.hand else "explicit").run())[0]
    for name in OURS:
        if name in APPLY[workload.what]:
            run = contender(found, name).run
            for _ in range(2):  # a buffer is written again
                (got,) = value_of(run())
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-9 * np.max(np.abs(want)))


def test_arguments_depend_on_the_seed_and_size_alone():
    workload = ALL[0]
    first, again = workload.task(5).args, workload.task(5).args
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], workload.task(5, seed=1).args[0])


# The suite


def test_the_suite_reports_in_80_columns_and_as_json(capsys, tmp_path):
    assert suite.main(
        ["--quick", "--only", "one layer, n", "--rivals", "contracted,hand",
         "--json", str(tmp_path / "found.json")]
    ) == 0  # fmt: skip
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if len(line) > 80] == []
    assert "one layer, n = 4     grad    3" in out
    (only,) = json.loads((tmp_path / "found.json").read_text())["workloads"]
    assert only["ok"]
    assert set(only["rivals"]) == {"contracted", "hand"}
    assert only["ours_over_hand"] > 0
    assert suite.main(["--only", "nothing is called so"]) == 2


def made_up(workload, **seconds):
    def one(t):
        return Measured(Times((t,) * 7), 1.0, 100, "")

    return Row(workload, 4, Measurement("", [], {k: one(t) for k, t in seconds.items()}, {}, {}))


def test_the_report_lists_what_is_behind_the_worst_first():
    slow = made_up(ALL[0], dense=3e-3, hand=1e-3, jax=9e-3, torch=6e-3)
    slower = made_up(ALL[1], dense=4e-3, hand=4e-3, jax=1e-3)
    tiny = made_up(ALL[2], dense=3.5e-6, hand=2e-6, jax=4e-6)  # within 2 µs of it
    lines = report([slow, slower, tiny])
    assert all(len(line) <= 80 for line in lines)
    at = next(n for n, line in enumerate(lines) if line.startswith("4  Behind"))
    assert [line.split("   ")[-1] for line in lines[at + 2 :]] == ["4.00 × jax", "3.00 × by hand"]
    assert slow.peer == "torch"
    assert slow.peers_over("ours") == 2
    assert not tiny.slower_than_hand


# Measuring


def test_a_contender_with_other_values_is_named_and_not_timed():
    wrong = task("wrong", lambda x: np.sum(x**2), [np.ones(3)], hand=lambda x: 3 * x)
    found = measured(wrong, ["contracted", "hand"], seconds=0.01, pause=0)
    assert not found.ok
    assert list(found.contenders) == ["hand"]
    assert found.differ["contracted"] == pytest.approx(1 / 3)
    assert found.to_dict()["ok"] is False


def test_values_of_other_shapes_or_not_finite_differ():
    for hand in (lambda x: np.ones(4), lambda x: np.full(3, np.nan)):
        other = task("other", lambda x: np.sum(x**2), [np.ones(3)], hand=hand)
        assert not measured(other, ["contracted", "hand"], seconds=0.01, pause=0).ok


def test_what_would_not_fit_or_takes_too_long_is_not_run():
    big = task("big", lambda X: X.T, [np.ones((9, 9))], "jacobian")
    found = measured(big, ["explicit", "dense"], seconds=0.01, pause=0, max_bytes=110_000)
    assert list(found.contenders) == ["dense"]
    assert "157,464 bytes" in found.skipped["explicit"]
    found = measured(big, ["dense"], seconds=0.01, pause=0, too_long=0.0)
    assert found.skipped["dense"].startswith("a call takes ")


def test_a_contender_that_does_not_apply_says_why():
    with pytest.raises(NotRun, match="nothing is written by hand"):
        contender(task("f", lambda x: np.sum(x), [np.ones(2)]), "hand")


def test_ratios_are_of_the_same_rounds():
    assert Times((2.0, 4.0, 6.0)).over(Times((1.0, 2.0, 2.0))) == 2
    times = interleaved({"a": lambda: 1, "b": lambda: 2}, seconds=0.001, pause=0.0001)
    assert len(times["a"].samples) == len(times["b"].samples) >= 7


def test_the_machine_is_described_in_80_columns(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.setenv("OPENBLAS_VERBOSE_NAME_THAT_IS_LONG", "x" * 60)
    lines = describe({**machine(), "load": 1e3})
    assert max(map(len, lines)) <= 80
    assert any("BLAS threads: 3" in line for line in lines)
    assert any(np.__version__ in line for line in lines)
    assert "Other programs were running" in lines[-1]


HELD = np.arange(3.0)


def helper(x):
    return np.linalg.norm(x) + np.sum(HELD)


def outer_function(x):
    scale = 2.0

    def inner(y):
        return scale * np.tanh(y)

    return np.sum(inner(x)) + helper(x)


def test_a_function_is_translated_with_its_helpers():
    called = []

    class Linear:
        def norm(self, x):
            called.append("norm")
            return np.linalg.norm(x)

    fake = types.SimpleNamespace(
        sum=lambda x: called.append("sum") or np.sum(x),
        tanh=lambda x: called.append("tanh") or np.tanh(x),
        linalg=Linear(),
    )
    arrays = []
    new = written_for(outer_function, fake, array=lambda a: arrays.append(a) or a)
    x = np.array([3.0, 4.0])
    assert new(x) == outer_function(x)
    assert called == ["tanh", "sum", "norm", "sum"]
    assert len(arrays) == 1
    assert arrays[0] is HELD
    assert new is not written_for(outer_function, fake)
    assert written_for(np.tanh, fake) is fake.tanh


# jb.sweep


def test_sweep_of_an_operation():
    found = jb.sweep("matmul", [2, 4], wrt="B", seconds=0.005)
    assert (found.what, found.sizes, found.ok) == ("vjp", [2, 4], True)
    assert found.names == ["explicit", "dense", "contracted"]
    assert found.exponents["explicit"].bytes is not None
    text = str(found)
    assert "the gradient from an upstream G" in text
    assert [line for line in text.splitlines() if len(line) > 80] == []
    json.dumps(found.to_dict())


def test_sweep_of_a_function_with_shapes():
    def loss(W, x, power=2):
        return np.sum((W @ x) ** power)

    seen = []
    found = jb.sweep(
        loss, [2, 3], wrt="W", shapes={"W": ("n", 5), "x": "5"}, seconds=0.005,
        watch=lambda *step: seen.append(step),
    )  # fmt: skip
    assert (found.what, found.title) == ("grad", "loss(W, x) by W")
    assert [m.shapes for m in found.measurements] == [[(2, 5), (5,)], [(3, 5), (5,)]]
    assert seen == [(0, 2, "n = 2"), (1, 2, "n = 3"), (2, 2, "")]
    hessian = jb.sweep(
        loss, [2], wrt="W", what="hessian", shapes={"W": "nx5", "x": "5"},
        rivals=["explicit", "dense", "buffer", "uncompiled"], seconds=0.005,
    )  # fmt: skip
    assert hessian.ok
    assert hessian.names == ["explicit", "dense", "buffer", "uncompiled"]
    assert hessian.exponents == {}, "one size has no slope"


@pytest.mark.parametrize("name", [n for n in jb.ops if jb.ops[n].arguments])
def test_every_operation_can_be_swept(name, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)  # contenders need no pause to be right
    for argument in jb.ops[name].arguments:
        found = jb.sweep(name, [3], wrt=argument, seconds=0.0005)
        assert found.ok, found
        assert found.names


def test_bad_sweeps_say_what_is_wrong():
    def f(x, y):
        return x * y

    bad = [
        (("matmul", []), {}, r"not \[\]"),
        (("matmul", [0]), {}, r"not \[0\]"),
        (("matmul", [2]), {"what": "all"}, "'all'"),
        (("matmul", [2]), {"wrt": "Q"}, "B, C"),
        (("matmul", [2]), {"rivals": ["matlab"]}, "no rival 'matlab'; there are explicit"),
        (("matmul", [2]), {"rivals": ["buffer"]}, "buffer does not apply"),
        (("matmul", [2]), {"rivals": ["hand"]}, "hand does not apply"),
        (("einsum", [2]), {}, "einsum"),
        ((f, [2]), {"shapes": {"x": "n"}}, "no shape for the argument y"),
        ((f, [2]), {"shapes": {"x": "n", "y": "n", "z": "n"}}, "no argument 'z'"),
        ((f, [2]), {"shapes": {"x": "3", "y": "3"}}, "letter n"),
        ((f, [2]), {"shapes": {"x": "n", "y": "n"}, "wrt": 2}, "positions 0 to 1"),
        (("nope", [2]), {}, "no operation 'nope'"),
    ]
    for arguments, named, message in bad:
        with pytest.raises(jb.JacobiansError, match=message):
            jb.sweep(*arguments, **named)


def test_exponents_are_slopes_on_logarithmic_axes():
    assert fitted_exponent([2, 4, 8], [12, 48, 192]) == pytest.approx(2)
    assert fitted_exponent([2], [12]) is None


def test_bytes_grow_as_the_full_tensor_and_as_the_gradient():
    for name, sizes, power in (("explicit", [8, 16, 24], 4), ("contracted", [64, 96, 128], 2)):
        found = jb.sweep("matmul", sizes, wrt="B", rivals=[name], seconds=0.005)
        assert found.exponents[name].bytes == pytest.approx(power, abs=0.2)


# jacobians bench


def test_bench_prints_a_table(call):
    code, out, err = call("matmul", "--sizes", "2:8", "--wrt", "B", "--seconds", "0.005")
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if len(line) > 80] == []
    assert "matmul(B, C) by B: the gradient from an upstream G" in out
    assert "explicit       dense  contracted" in out
    assert "values agree" in out


def test_bench_as_json(call):
    code, out, err = call(
        "matmul",
        "--sizes",
        "2,4",
        "--rivals",
        "explicit,contracted",
        "--seconds",
        "0.005",
        "--json",
    )
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["title"], found["what"], found["ok"]) == ("matmul(B, C) by B", "vjp", True)
    assert [size["n"] for size in found["sizes"]] == [2, 4]
    assert found["sizes"][0]["shapes"] == [[2, 2], [2, 2]]
    one = found["sizes"][0]["rivals"]["contracted"]
    assert {"seconds", "spread", "rounds", "first_seconds", "peak_bytes", "note"} == set(one)
    assert set(found["exponents"]) == {"explicit", "contracted"}
    assert {"processor", "numpy", "blas", "settings", "load"} <= set(found["machine"])


def test_bench_of_the_users_function(call, tmp_path):
    (tmp_path / "aside.py").write_text("FACTOR = 2.0\n")
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nfrom aside import FACTOR\n"
        "def loss(W, x):\n    return FACTOR * np.sum(np.tanh(W @ x))\n"
    )
    code, out, err = call(
        "mine.py:loss", "--sizes", "2,3", "--shape", "W=nx4", "x=4", "--seconds", "0.005", "--json"
    )
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["title"] == "loss(W, x) by W"
    assert found["what"] == "grad"
    assert found["sizes"][1]["shapes"] == [[3, 4], [4]]


@pytest.mark.skipif(not has_matplotlib, reason="needs matplotlib")
@pytest.mark.parametrize(
    ("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_bench_draws_a_plot(call, tmp_path, ending, start):
    code, out, _ = call("matvec", "--sizes", "2,4", "--seconds", "0.005", "--plot", f"out.{ending}")
    assert code == 0
    assert f"plot: out.{ending}" in out
    assert (tmp_path / f"out.{ending}").read_bytes().startswith(start)


def test_without_matplotlib_the_error_names_the_extra(call, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    code, out, err = call("matvec", "--sizes", "2", "--plot", "out.png")
    assert (code, out) == (2, "")
    assert "pip install '.[plots]' in a copy" in err


def test_bench_exits_with_1_where_values_differ(call, monkeypatch):
    good = jb.ops.matvec.explicit
    monkeypatch.setattr(
        type(jb.ops.matvec), "explicit", lambda _, *args, **named: good(*args, **named) + 1.0
    )
    code, out, _ = call("matvec", "--sizes", "3", "--rivals", "explicit,contracted")
    assert code == 1
    assert "DIFFERS" in out
    assert "values agree" not in out


def test_sizes():
    assert parse_sizes("8:128") == [8, 16, 32, 64, 128]
    assert parse_sizes("8:100") == [8, 16, 32, 64]
    assert parse_sizes("8:32:8") == [8, 16, 24, 32]
    assert parse_sizes("5") == [5]
    assert parse_sizes("3,1:4,100") == [3, 1, 2, 4, 100]
    for text, message in (
        ("", "write 8:128"), ("a", "write 8:128"), ("1:2:3:4", "write 8:128"), ("-1", "write"),
        ("0", "start at 1"), ("8:4", "no lower"), ("1:9:0", "grow"), ("1:1000:1", "than 100"),
    ):  # fmt: skip
        with pytest.raises(jb.JacobiansError, match=message):
            parse_sizes(text)


def test_shapes():
    assert parse_shapes(["W=nxn", "x=500xn", "c=scalar"]) == {"W": "nxn", "x": "500xn", "c": ""}
    for texts in (["W"], ["W=m"], ["W=nx"], ["x=n", "x=3"]):
        with pytest.raises(jb.JacobiansError, match="--shape"):
            parse_shapes(texts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "no operation 'nope'"),
        (["matmul", "--sizes", "x"], "--sizes 'x'"),
        (["matmul", "--rivals", "matlab"], "no rival 'matlab'"),
        (["matmul", "--what", "all"], "--what 'all'"),
        (["matmul", "--what", "grad", "--sizes", "2"], "(2, 2)"),
        (["matmul", "--wrt", "Q"], "B, C"),
        (["matmul", "--seconds", "0"], "--seconds"),
        (["matmul", "--seed", "-1"], "--seed"),
        (["matmul", "--plot", "out.txt"], ".png, .svg or .pdf"),
        (["matmul", "--plot", "none/out.png"], "no such folder"),
        (["matmul", "--max-bytes", "few"], "--max-bytes"),
        (["none.py:f"], "no such file"),
        (["module:f"], "module.py:function"),
        (["--sizes"], "--help"),
    ],
)
def test_bad_usage_is_one_line_and_code_2(call, arguments, message):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("jacobians: error: ")
    assert err.count("\n") == 1
    assert message in err


def test_a_file_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.py").write_text("import numpy\n1 / 0\n")
    with pytest.raises(jb.JacobiansError, match=r"bad\.py: ZeroDivisionError"):
        read_subject("bad.py:f")
    (tmp_path / "good.py").write_text("def there(x):\n    return x\n")
    with pytest.raises(jb.JacobiansError, match="no function f; there are there"):
        read_subject("good.py:f")


# Peers


@pytest.mark.peers
@pytest.mark.parametrize("peer", ["jax", "on-jax", "in-jax", "torch", "autograd", "asdex"])
@pytest.mark.filterwarnings("default")
def test_peers_agree_on_every_workload(peer):
    pytest.importorskip(PACKAGES[peer])
    from jacobians.measuring.rivals import precision

    ran = 0
    with precision([peer]):
        for workload in ALL:
            if peer not in APPLY[workload.what] or workload.name.startswith("100"):
                continue
            found = workload.task(workload.small)
            try:
                got = value_of(contender(found, peer).run())[0]
            except NotRun:
                continue  # the peer lacks an operation
            want = value_of(contender(found, "hand" if workload.hand else "dense").run())[0]
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-9 * np.max(np.abs(want)))
            ran += 1
    assert ran > 10


def test_names_are_all_described():
    assert {name for names in APPLY.values() for name in names} == set(NAMES)


def test_orders_are_compared_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert orders.main(["--quick"]) == 0
    printed = capsys.readouterr().out
    assert all(len(line) <= 80 for line in printed.splitlines())
    predicted = [
        [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) flop", line)]
        for line in printed.splitlines()
        if " flop" in line
    ]
    forward, reverse, cut = predicted
    assert 3 * forward[0] < forward[1]
    assert forward[2] == forward[0]
    assert 3 * reverse[1] < reverse[0]
    assert reverse[2] == reverse[1]
    assert 3 * cut[2] < min(cut[:2])
