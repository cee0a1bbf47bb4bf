"""The demo: real data, the gradient both ways, training, growth; judged by NumPy alone."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jacobians.cli import demo, main
from jacobians.cli.growth import best_time, fitted_exponent, measure_growth
from jacobians.cli.growth import text as growth_text
from jacobians.cli.iris import load_iris
from jacobians.errors import JacobiansError

DATA = Path(__file__).parents[2] / "examples" / "data" / "iris.csv"


@pytest.fixture(scope="module")
def found():
    return demo.find()


def _raw():
    with DATA.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    return (
        np.array([[float(row[name]) for name in names] for row in rows]),
        np.array([row["species"] for row in rows]),
    )


# the data


def test_the_data_is_fishers():
    measured, species = _raw()
    assert measured.shape == (150, 4)
    assert [int(np.sum(species == s)) for s in ("setosa", "versicolor", "virginica")] == [50] * 3
    # Means as in Fisher's paper, table I (setosa, versicolor, virginica).
    means = [measured[species == s].mean(axis=0) for s in ("setosa", "versicolor", "virginica")]
    expected = [
        [5.006, 3.428, 1.462, 0.246],
        [5.936, 2.770, 4.260, 1.326],
        [6.588, 2.974, 5.552, 2.026],
    ]
    assert np.allclose(means, expected, atol=5e-4)
    # The two flowers in which the UCI file differs from the paper.
    assert measured[34].tolist() == [4.9, 3.1, 1.5, 0.2]
    assert measured[37].tolist() == [4.9, 3.6, 1.4, 0.1]
    assert "Annals of Eugenics" in (DATA.parent / "README.md").read_text(encoding="utf-8")


def test_features_are_standardised_over_the_training_flowers():
    iris = load_iris()
    measured, species = _raw()
    assert iris.features.shape == (5, 150)
    assert int(iris.training.sum()) == 120
    train = iris.features[:, iris.training]
    assert np.allclose(train[:4].mean(axis=1), 0, atol=1e-12)
    assert np.allclose(train[:4].std(axis=1), 1)
    assert np.array_equal(train[4], np.ones(120))
    back = iris.features[:4].T * measured[iris.training].std(axis=0)
    assert np.allclose(back + measured[iris.training].mean(axis=0), measured)
    names = np.array(["setosa", "versicolor", "virginica"])
    assert np.array_equal(names[iris.targets.argmax(axis=0)], species)
    assert np.array_equal(iris.targets.sum(axis=0), np.ones(150))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a,b\n1,2\n", "not the iris measurements"),
        (
            "sepal_length,sepal_width,petal_length,petal_width,species\n1,2,3,4,setosa\n",
            "1 flowers with 4 measurements, not 150 with 4",
        ),
        (
            "sepal_length,sepal_width,petal_length,petal_width,species\n1,2,3,4,rose\n",
            "not the iris measurements",
        ),
        ("", "0 flowers"),
    ],
)
def test_a_damaged_data_file_is_named(content, text, tmp_path, monkeypatch):
    path = tmp_path / "iris.csv"
    path.write_text(content)
    monkeypatch.setattr("jacobians.cli.iris._find", lambda: path)
    with pytest.raises(JacobiansError, match=text) as caught:
        load_iris()
    assert str(path) in str(caught.value)


# the Jacobians


def test_formulas_speak_of_the_network(found):
    assert found.flower.output.formula() == "δ_ik x_l"
    assert found.flower.loss.formula() == "(W x − t)_k"
    assert found.flower.gradient.formula() == "(W x − t)_k x_l"
    assert found.flower.gradient.title == "∂L/∂W_kl"
    assert found.batch.output.formula() == "δ_ik X_lj"
    assert found.batch.gradient.formula() == "((W X − T) Xᵀ)_kl"


def test_jacobians_of_a_flower_by_the_definition():
    rng = np.random.default_rng(5)
    W, x, t = rng.normal(size=(3, 5)), rng.normal(size=5), rng.normal(size=3)
    layer = demo.single_layer(W, x, t)
    assert np.array_equal(layer.output.explicit(), np.einsum("ik,l->ikl", np.eye(3), x))
    assert np.allclose(layer.gradient.explicit(), np.outer(W @ x - t, x))


def test_the_gradient_of_a_batch_both_ways_and_by_numerical_differences():
    rng = np.random.default_rng(6)
    W, X, T = rng.normal(size=(3, 5)), rng.normal(size=(5, 7)), rng.normal(size=(3, 7))
    layer = demo.single_layer(W, X, T)
    by_tensor = np.einsum("ij,ijkl->kl", W @ X - T, layer.output.explicit())
    assert np.allclose(by_tensor, layer.gradient.dense())
    numerical = np.empty_like(W)
    for k, l in np.ndindex(W.shape):
        step = np.zeros_like(W)
        step[k, l] = 1e-5
        above, below = (0.5 * np.sum(((W + s) @ X - T) ** 2) for s in (step, -step))
        numerical[k, l] = (above - below) / 2e-5
    assert np.allclose(layer.gradient.dense(), numerical, atol=1e-7)


def test_the_difference_is_rounding(found):
    assert found.batch.output.shape == (3, 120, 3, 5)
    assert found.comparison.ok
    assert found.comparison.largest_difference < 1e-11
    assert found.closed_form_difference < 1e-11
    assert found.comparison.explicit.ran
    assert found.comparison.contracted.flops == 2 * 3 * 120 * 5


# training


def test_training_reaches_what_least_squares_reaches(found):
    measured, species = _raw()
    train = np.arange(150) % 5 != 4
    Z = (measured - measured[train].mean(axis=0)) / measured[train].std(axis=0)
    Z = np.column_stack([Z, np.ones(150)])
    one_hot = (species[:, None] == np.array(["setosa", "versicolor", "virginica"])).astype(float)
    weights = np.linalg.solve(Z[train].T @ Z[train], Z[train].T @ one_hot[train])
    guess = (Z @ weights).argmax(axis=1) == one_hot.argmax(axis=1)
    loss = 0.5 * np.sum((Z[train] @ weights - one_hot[train]) ** 2) / 120
    last = found.checkpoints[-1]
    assert last.step == 2000
    assert last.loss == pytest.approx(loss, abs=1e-6)
    assert last.training_accuracy == pytest.approx(guess[train].mean())
    assert last.held_out_accuracy == pytest.approx(guess[~train].mean())
    assert last.training_accuracy > 0.8
    assert found.least_squares.loss == pytest.approx(loss, abs=1e-12)
    losses = [point.loss for point in found.checkpoints]
    assert losses == sorted(losses, reverse=True)


def test_a_step_follows_the_gradient():
    iris = load_iris()
    W = np.zeros((3, 5))
    stepped, points = demo.train(iris, W, steps=1)
    X, T = iris.features[:, iris.training], iris.targets[:, iris.training]
    rate = 1 / np.linalg.norm(X, 2) ** 2
    assert np.allclose(stepped, rate * T @ X.T)
    assert [p.step for p in points] == [0, 1]
    assert np.array_equal(W, np.zeros((3, 5)))


# growth


def test_exponents_are_slopes_of_logarithms():
    sizes = [2, 4, 8, 16]
    assert fitted_exponent(sizes, [7 * n**2.5 for n in sizes]) == pytest.approx(2.5)
    assert fitted_exponent([8], [1.0]) is None


def test_growth_of_sizes(found):
    growth = found.growth
    assert growth.tensor_bytes == pytest.approx(3)
    assert growth.gradient_bytes == pytest.approx(2)
    assert growth.explicit_flops == pytest.approx(3)
    assert growth.contracted_flops == pytest.approx(2)
    for row in growth.sizes:
        assert row.tensor_bytes == 8 * row.n**3
        assert row.gradient_bytes == 8 * row.n**2
    largest = [row for row in growth.sizes if row.explicit_seconds is not None][-1]
    assert largest.explicit_seconds > 20 * largest.contracted_seconds
    assert growth.sizes[-1].explicit_seconds is None


def test_growth_where_memory_is_short(monkeypatch):
    monkeypatch.setattr("jacobians.cli.growth.available_bytes", lambda: 10**6)
    growth = measure_growth([16, 64])
    assert growth.sizes[0].explicit_seconds is not None
    assert growth.sizes[1].explicit_seconds is None
    assert growth.explicit_time is None
    assert "not run" in "\n".join(growth_text(growth))


def test_best_time_is_the_shortest(monkeypatch):
    monkeypatch.setattr("jacobians.cli.growth.repeated", lambda _: [3.0, 1.0, 2.0])
    assert best_time(lambda: None) == 1.0


# the command


def test_the_demo_prints_all_of_it_within_the_terminal(found):
    lines = demo.text(found)
    assert [line for line in lines if len(line) > 80] == []
    text = "\n".join(lines)
    assert "∂L/∂W_kl   = (W x − t)_k x_l " in text
    assert "∂L/∂W_kl = ((W X − T) Xᵀ)_kl" in text
    assert "accuracy reached: " in text
    assert f"{found.checkpoints[-1].training_accuracy:.1%} in training" in text
    assert text.count("∂y_") >= 4


def test_the_demo_as_json(found, monkeypatch, capsys):
    monkeypatch.setattr(demo, "find", lambda: found)
    assert main(["demo", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["flowers"] == 150
    assert result["held_out"] == 30
    assert result["flower"]["gradient"]["formula"] == "(W x − t)_k x_l"
    assert result["batch"]["output"]["shape"] == [3, 120, 3, 5]
    assert result["comparison"]["ok"] is True
    assert result["training"][-1]["training_accuracy"] > 0.8
    assert result["growth"]["exponents"]["tensor_bytes"] == pytest.approx(3)
    assert len(result["growth"]["sizes"]) == 7


@pytest.mark.parametrize("field", ["closed_form_difference", "comparison"])
def test_gradients_that_differ_are_exit_code_1(found, field, monkeypatch, capsys):
    wrong = (
        found._replace(closed_form_difference=0.5)
        if field == "closed_form_difference"
        else found._replace(comparison=found.comparison._replace(largest_difference=0.5))
    )
    monkeypatch.setattr(demo, "find", lambda: wrong)
    assert main(["demo"]) == 1
    capsys.readouterr()


def test_the_demo_as_a_process(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-X", "utf8", "-W", "error", "-m", "jacobians", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "4  How both grow" in ran.stdout
