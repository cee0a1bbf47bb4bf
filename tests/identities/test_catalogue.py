"""The catalogue proves itself, and a planted error is found."""

import pytest

import jacobians as jb
from jacobians.errors import JacobiansError
from jacobians.identities.proving import Row
from jacobians.identities.rows import ROWS


def test_every_row_holds() -> None:
    found = jb.catalogue()
    assert len(found) >= 100
    assert len({row.number for row in found}) == len(found)
    report = found.verify(seed=1)
    assert report.ok, str(report)
    assert f"{len(found)} of {len(found)} hold" in str(report)


def test_a_planted_error_is_found() -> None:
    stated = next(s for s in ROWS if s.number == "MC 101")
    assert (
        not Row(stated._replace(closed="(A @ 1.001)' @ B'".replace("@ 1.001", "* 1.001")))
        .verify()
        .ok
    )


def test_words() -> None:
    assert [row.number for row in jb.catalogue("MC 49")] == ["MC 49"]
    assert all("det" in row.expression + row.closed for row in jb.catalogue("logdet"))
    assert jb.catalogue("MC 102")[0].matrix == "B A"
    with pytest.raises(JacobiansError, match="no identity has 'zebra'"):
        jb.catalogue("zebra")
