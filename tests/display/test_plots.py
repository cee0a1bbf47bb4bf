"""What is drawn, artist by artist, against the dense tensor."""

import builtins
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot

import jacobians as jb
from tests.display.cases import FUNCTIONS, jacobian, random, unfolded


@pytest.fixture(autouse=True)
def _figures(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pyplot.switch_backend("agg")

    def shown(*_: Any, **__: Any) -> None:
        raise AssertionError("a plot was shown")

    monkeypatch.setattr(pyplot, "show", shown)
    yield
    pyplot.close("all")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_image_holds_the_unfolded_tensor(name: str) -> None:
    J = jacobian(name)
    figure, (left, right) = pyplot.subplots(1, 2)
    drawn, marked = J.plot(left), J.spy(right)
    assert (drawn.axes, marked.axes) == (left, right)
    assert drawn.image in left.images
    D = unfolded(J.explicit(), J.out_ndim)
    np.testing.assert_allclose(np.asarray(drawn.image.get_array()), D, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(np.asarray(marked.image.get_array()), D != 0)
    figure.canvas.draw()


def test_one_scale_is_centred_at_zero_and_labelled() -> None:
    J = jacobian("inverse")
    drawn = J.plot()
    low, high = drawn.image.get_clim()
    assert (low, high) == (-np.abs(J.dense()).max(), np.abs(J.dense()).max())
    assert drawn.image.get_cmap().name == "RdBu_r"
    assert drawn.colorbar.mappable is drawn.image
    assert drawn.axes.get_ylabel() == "blocks i (3), rows k (3)"
    assert drawn.axes.get_xlabel() == "blocks j (3), columns l (3)"
    assert drawn.axes.get_title(loc="left") == f"{J.title}\nevery entry, 3×3 blocks of 3×3"
    assert [t.get_text() for t in drawn.axes.get_xticklabels()] == ["0", "1", "2"]
    assert list(drawn.axes.get_xticks()) == [1, 4, 7]


def test_borders_stand_between_blocks() -> None:
    drawn = jb.ops.matmul.jacobian(random(2, 3), random(3, 5), wrt="B").plot()
    lines = [np.asarray(line) for line in drawn.borders.get_segments()]
    assert drawn.borders in drawn.axes.collections
    assert [line[0, 1] for line in lines if line[0, 1] == line[1, 1]] == [1.5]
    assert [line[0, 0] for line in lines if line[0, 0] == line[1, 0]] == [2.5, 5.5, 8.5, 11.5]
    assert not jacobian("vector by vector").plot().borders.get_segments()


def test_clipped_values_nan_and_infinities_are_marked() -> None:
    C = np.linspace(-1, 1, 40).reshape(5, 8)
    C[1, 2], C[0, 0], C[2, 3] = -1e4, np.nan, np.inf
    J = jb.ops.matmul.jacobian(random(2, 5), C, wrt="B")
    drawn = J.plot()
    D = unfolded(J.dense(), 2)
    for name, where in (
        ("clipped", D == -1e4),
        ("nan", np.isnan(D)),
        ("infinite", np.isinf(D)),
    ):
        places = {(int(y), int(x)) for x, y in drawn.marks[name].get_offsets()}
        assert places == set(zip(*map(np.ndarray.tolist, np.nonzero(where)), strict=True))
    assert drawn.image.get_clim()[1] <= 1
    assert drawn.colorbar.extend == "min"
    note = drawn.axes.get_title(loc="left")
    assert "2 clipped (up to 1e+04), 2 nan, 2 infinite" in note
    assert np.ma.getmaskarray(drawn.image.get_array()).sum() == 4
    assert drawn.image.get_cmap().get_under().tolist() != drawn.image.get_cmap()(0)


def test_large_tensors_are_drawn_as_norms() -> None:
    C = random(300, 300)
    J = jb.ops.matmul.jacobian(random(300, 300), C, wrt="B")
    drawn = J.plot()
    np.testing.assert_allclose(drawn.image.get_array()[7], np.linalg.norm(C, axis=0))
    assert drawn.colorbar.ax.get_ylabel() == "norm"
    assert "block norms, 300×300 of 300×300 blocks" in drawn.axes.get_title(loc="left")
    assert "27,000,000 of 8,100,000,000 can be nonzero" in J.spy().axes.get_title(loc="left")


def test_nothing_can_be_drawn_too() -> None:
    J = jb.ops.matmul.jacobian(np.ones((0, 4)), random(4, 3), wrt="B")
    for drawn in (J.plot(), J.spy()):
        assert "no entries" in drawn.axes.get_title(loc="left")
        drawn.axes.figure.canvas.draw()


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    J = jacobian("gram")
    monkeypatch.setattr(builtins, "__import__", missing)
    for draw in (J.plot, J.spy):
        with pytest.raises(jb.JacobiansError, match=r"pip install '\.\[plots\]'"):
            draw()
