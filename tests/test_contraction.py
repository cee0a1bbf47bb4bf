"""The full tensor beside the shortcut, and chains."""

import json
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import jacobians as jb
from jacobians.contraction import Way
from jacobians.display.numbers import human_bytes, human_count, human_seconds
from tests.cases import PROBLEMS, problem_name

Array = NDArray[Any]


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


@pytest.fixture(scope="module")
def comparison() -> jb.Comparison:
    J = jb.ops.matmul.jacobian(random(6, 7), random(7, 8), wrt="B")
    return jb.compare(J, random(6, 8))


def test_fields(comparison: jb.Comparison) -> None:
    assert comparison.title == "∂A_ij/∂B_kl"
    assert comparison.formula == "δ_ik C_lj"
    assert comparison.shortcut == "G Cᵀ"
    assert comparison.shape == (6, 8, 6, 7)
    assert comparison.ok
    assert 0 <= comparison.largest_difference <= comparison.tolerance < 1e-10
    for name in ("explicit", "dense", "contracted"):
        way = getattr(comparison, name)
        assert isinstance(way, Way)
        assert way.name == name
        assert way.ran
        assert way.note == ""
        assert way.seconds > 0
        assert isinstance(way.flops, int)
        assert isinstance(way.bytes, int)
        assert isinstance(way.peak_bytes, int)
    assert comparison.ratio == comparison.explicit.seconds / comparison.contracted.seconds  # type: ignore[operator]


def test_predictions(comparison: jb.Comparison) -> None:
    size = 6 * 8 * 6 * 7
    gradient = 6 * 7
    assert comparison.contracted.flops == 2 * 6 * 7 * 8
    assert comparison.contracted.bytes == gradient * 8
    assert comparison.dense.flops == 2 * size
    assert comparison.dense.bytes == (size + gradient) * 8
    assert comparison.explicit.flops == size + 2 * size
    assert comparison.explicit.bytes == (size + gradient + 6 * 6) * 8


def test_measured_peaks_hold_the_tensor_or_not(comparison: jb.Comparison) -> None:
    full = 6 * 8 * 6 * 7 * 8
    assert comparison.explicit.peak_bytes is not None
    assert comparison.explicit.peak_bytes >= full
    assert comparison.dense.peak_bytes is not None
    assert full <= comparison.dense.peak_bytes < 2 * full
    assert comparison.contracted.peak_bytes is not None
    assert comparison.contracted.peak_bytes < full / 4


def test_to_dict_is_json(comparison: jb.Comparison) -> None:
    found = json.loads(json.dumps(comparison.to_dict()))
    assert found["shape"] == [6, 8, 6, 7]
    assert found["formula"] == "δ_ik C_lj"
    assert found["ok"] is True
    assert found["ratio"] == comparison.ratio
    for name in ("explicit", "dense", "contracted"):
        assert set(found[name]) == {
            "name",
            "ran",
            "seconds",
            "flops",
            "bytes",
            "peak_bytes",
            "note",
        }
        assert found[name]["flops"] == getattr(comparison, name).flops


def test_table(comparison: jb.Comparison) -> None:
    lines = str(comparison).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "∂A_ij/∂B_kl = δ_ik C_lj"
    assert "2,016 entries" in lines[1]
    assert lines[2] == "shortcut: G Cᵀ"
    assert [line.split()[0] for line in lines[5:8]] == ["explicit", "dense", "contracted"]
    assert f"{comparison.contracted.flops:,}" in lines[7].split()
    assert "values agree" in lines[-1]


@pytest.mark.parametrize("name", ["long", "huge", "not run"])
def test_table_is_80_columns_wide_at_most(name: str) -> None:
    max_bytes: float | None = None
    if name == "long":
        X, b = random(3, 3) + 3 * np.eye(3), random(3, 3)
        x = np.linalg.solve(X, b)
        J = jb.chain(
            jb.ops.tanh.jacobian(np.exp(x)),
            jb.ops.exp.jacobian(x),
            jb.ops.solve.jacobian(X, b) @ jb.ops.sigmoid.jacobian(X) @ jb.ops.inv.jacobian(X),
        )
        assert len(J.formula()) > 60
    elif name == "huge":
        wide = np.broadcast_to(1.0, (400, 30000))
        J = jb.ops.add.jacobian(wide, wide)
        max_bytes = 1e6
    else:
        J = jb.ops.matmul.jacobian(random(60, 70), random(70, 80), wrt="C")
        max_bytes = 1e3
    found = jb.compare(J, np.ones(J.out_shape), max_bytes=max_bytes)
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= 80
    table = next(n for n, line in enumerate(lines) if line.startswith("explicit "))
    for line in lines[table : table + 3]:
        assert len(line[28:].split()) in (4, 5), line  # flops, bytes, unit, peak (and its unit)


def test_a_way_that_does_not_fit_is_predicted_and_not_run() -> None:
    wide = np.broadcast_to(1.0, (2000, 2000))
    J = jb.ops.multiply.jacobian(wide, wide, wrt="A")
    found = jb.compare(J, wide, max_bytes=1e6)
    for way in (found.explicit, found.dense):
        assert not way.ran
        assert way.seconds is None
        assert way.peak_bytes is None
        assert "predicted, not run" in way.note
        assert "116.4 TiB" in way.note
        assert way.bytes >= 2000**4 * 8
        assert way.flops >= 2000**4
    assert found.contracted.ran
    assert found.contracted.seconds is not None
    assert found.ratio is None
    assert found.ok
    assert found.largest_difference == 0
    text = str(found)
    assert "not run" in text
    assert "times faster" not in text
    assert json.loads(json.dumps(found.to_dict()))["explicit"]["seconds"] is None


def test_dense_runs_where_only_explicit_does_not_fit() -> None:
    X, A = random(3, 4), random(4, 4)
    J = jb.ops.quadratic.jacobian(random(4), A, wrt="x")  # two terms: explicit needs two tensors
    found = jb.compare(J, np.array(1.0), max_bytes=J.size * 8)
    assert not found.explicit.ran
    assert found.dense.ran
    assert found.ok
    everything = jb.compare(J, np.array(1.0), max_bytes=math.inf)
    assert everything.explicit.ran
    assert X.shape == (3, 4)


def test_a_wrong_value_is_noticed() -> None:
    J = jb.ops.matmul.jacobian(random(2, 3), random(3, 4), wrt="B")
    found = jb.compare(J, random(2, 4))
    found.raise_if_failed()
    wrong = found._replace(largest_difference=1e-3)
    assert not wrong.ok
    assert "DIFFER" in str(wrong)
    assert wrong.to_dict()["ok"] is False
    with pytest.raises(jb.VerificationError, match=r"0\.001"):
        wrong.raise_if_failed()


def test_differing_ways_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    J = jb.ops.matmul.jacobian(random(2, 3), random(3, 4), wrt="B")
    dense = jb.JacobianTensor.dense

    def planted(self: jb.JacobianTensor, max_bytes: float | None = None) -> Array:
        tensor = dense(self, max_bytes)
        tensor[0, 0, 0, 0] += 0.5
        return tensor

    monkeypatch.setattr(jb.JacobianTensor, "dense", planted)
    G = np.ones((2, 4))
    found = jb.compare(J, G)
    assert found.largest_difference == pytest.approx(0.5)
    assert not found.ok


def test_a_nan_is_not_agreement() -> None:
    J = jb.ops.matmul.jacobian(random(2, 3), random(3, 4), wrt="B")
    found = jb.compare(J, random(2, 4))._replace(largest_difference=math.nan)
    assert not found.ok


@pytest.mark.parametrize("problem", PROBLEMS[::7], ids=problem_name)
def test_the_ways_agree(problem: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jacobians.contraction.repeated", lambda _: [1.0])
    monkeypatch.setattr("jacobians.contraction.peak_bytes", lambda run: len(str(run())))
    case, position = problem
    J = jb.ops[case.operation].jacobian(*case.parameters, *case.arrays(), wrt=position)
    found = jb.compare(J, random(*J.out_shape, seed=3))
    assert found.ok
    assert found.explicit.ran
    assert found.dense.ran
    assert max(map(len, str(found).splitlines())) <= 80


@pytest.mark.parametrize(
    ("name", "wrt", "shapes", "shortcut"),
    [
        ("matmul", "B", ((2, 3), (3, 4)), "G Cᵀ"),
        ("matmul", "C", ((2, 3), (3, 4)), "Bᵀ G"),
        ("matvec", "A", ((2, 3), (3,)), "G xᵀ"),
        ("matvec", "x", ((2, 3), (3,)), "Aᵀ G"),
        ("transpose", "X", ((2, 3),), "Gᵀ"),
        ("inv", "X", ((3, 3),), "−X⁻¹ᵀ G X⁻¹ᵀ"),
    ],
)
def test_shortcuts_read_as_matrix_products(name: str, wrt: str, shapes: Any, shortcut: str) -> None:
    arrays = [random(*shape) for shape in shapes]
    J = jb.ops[name].jacobian(*arrays, wrt=wrt)
    assert jb.compare(J, np.ones(J.out_shape)).shortcut == shortcut


def test_float32() -> None:
    J = jb.ops.matmul.jacobian(random(20, 30).astype("f4"), random(30, 40).astype("f4"), wrt="B")
    found = jb.compare(J, random(20, 40))
    assert found.ok
    assert 0 < found.largest_difference < 1e-3
    assert found.contracted.bytes == 20 * 30 * 4


def test_compare_takes_a_tensor_and_an_upstream_of_its_shape() -> None:
    J = jb.ops.matmul.jacobian(random(2, 3), random(3, 4), wrt="B")
    with pytest.raises(jb.ShapeError, match=r"\(4, 2\).*\(2, 4\)"):
        jb.compare(J, random(4, 2))
    with pytest.raises(jb.UnsupportedError, match="ndarray"):
        jb.compare(J.dense(), random(2, 4))  # type: ignore[arg-type]


# Chains


def test_chain_shape_errors_name_both_shapes() -> None:
    J = jb.ops.matmul.jacobian(random(2, 3), random(3, 5), wrt="B")
    K = jb.ops.exp.jacobian(random(7))
    with pytest.raises(jb.ShapeError) as caught:
        jb.chain(J, K)
    for part in ("(2, 3)", "(7,)", "∂A_ij/∂B_kl", "∂Y_i/∂X_k"):
        assert part in str(caught.value)
    with pytest.raises(jb.ShapeError, match=r"\(7,\).*\(2, 5\)"):
        _ = K @ J


def test_chain_needs_tensors() -> None:
    J = jb.ops.exp.jacobian(random(3))
    with pytest.raises(jb.ShapeError, match="at least one"):
        jb.chain()
    with pytest.raises(jb.UnsupportedError, match=r"argument 1 is of type ndarray.*vjp.*jvp"):
        jb.chain(J, random(3))  # type: ignore[arg-type]
    with pytest.raises(jb.UnsupportedError, match=r"argument 0 is of type list"):
        jb.chain([J, J])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 20, "3 MiB"), (5 << 30, "5 GiB"),
     (7 << 40, "7 TiB")],
)  # fmt: skip
def test_bytes_for_people(number: int, text: str) -> None:
    assert human_bytes(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.5, "2.5 s"), (0.012, "12 ms"), (3.4e-6, "3.4 µs"), (5e-9, "5 ns")],
)
def test_seconds_for_people(seconds: float, text: str) -> None:
    assert human_seconds(seconds) == text


def test_counts_for_people() -> None:
    assert human_count(1234567) == "1,234,567"
    assert human_count(15 * 10**14) == "1.5e+15"


def test_a_small_gradient_from_large_terms_is_no_difference() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        C, G = rng.normal(size=(2, 50)) * 1e6, rng.normal(size=(2, 50))
        G -= (G @ np.linalg.pinv(C)) @ C  # near an optimum: the gradient cancels
        assert jb.compare(jb.ops.matmul.jacobian(np.ones((2, 2)), C), G * 1e3).ok


def test_tiny_values_have_a_tiny_tolerance() -> None:
    found = jb.compare(jb.ops.scale.jacobian(1e-20, np.ones(3), wrt="X"), np.ones(3))
    assert found.ok
    assert found.tolerance < 1e-33


def test_nan_and_infinite_upstream_is_no_difference() -> None:
    J = jb.ops.matmul.jacobian(np.eye(2), np.eye(2))
    assert jb.compare(J, np.full((2, 2), np.nan)).ok


def test_the_explicit_way_is_predicted_with_its_identities() -> None:
    J = jb.ops.kron.jacobian(np.ones(60), np.ones(60))
    found = jb.compare(
        J, np.ones(3600), max_bytes=20 << 20
    )  # the tensor fits, its selections do not
    assert not found.explicit.ran
    assert found.dense.ran
    with pytest.raises(jb.TensorTooLargeError, match=r"with its identities, needs"):
        J.explicit(max_bytes=20 << 20)


def test_different_arrays_of_one_name_are_told_apart() -> None:
    x = np.ones(2)
    A, B = np.array([[1.0, 2.0], [3.0, 4.0]]), np.eye(2)
    J, K = (jb.ops.matvec.jacobian(M, x, wrt="x") for M in (A, B))
    assert jb.chain(J, K).formula() == "(A A′)_ik"
