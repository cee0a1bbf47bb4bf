"""Fisher's iris measurements, as a single-layer network takes them."""

import csv
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import JacobiansError

Array = NDArray[np.float64]
SPECIES = ("setosa", "versicolor", "virginica")
_HELD_OUT = 5  # every fifth flower


class Iris(NamedTuple):
    """The flowers, one per column.

    Attributes
    ----------
    features : numpy.ndarray
        Shape (5, flowers): the four measurements, standardised over the training flowers, and a 1.
    targets : numpy.ndarray
        Shape (3, flowers): one-hot, in the order of ``SPECIES``.
    training : numpy.ndarray of bool
        Which flowers are trained on; the others are held out.
    path : str
        The file they were read from.
    """

    features: Array
    targets: Array
    training: NDArray[np.bool_]
    path: str


def load_iris() -> Iris:
    """Read the file that the package carries, or the one in a checkout's examples/data.

    Raises
    ------
    JacobiansError
        If the file is missing or is not what it should be.
    """
    path = _find()
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        measured = np.array([[float(v) for v in list(row.values())[:4]] for row in rows])
        species = np.array([SPECIES.index(row["species"]) for row in rows])
    except (KeyError, ValueError, TypeError) as error:
        raise JacobiansError(f"{path}: not the iris measurements: {error}") from None
    if measured.shape != (150, 4):
        raise JacobiansError(
            f"{path}: {measured.shape[0]} flowers with {measured.shape[-1]} measurements, not 150 with 4"
        )
    training = np.arange(len(rows)) % _HELD_OUT != _HELD_OUT - 1
    mean, spread = measured[training].mean(axis=0), measured[training].std(axis=0)
    features = np.vstack([((measured - mean) / spread).T, np.ones(len(rows))])
    return Iris(features, np.eye(3)[species].T, training, str(path))


def _find() -> Path:
    packaged = resources.files("jacobians") / "data" / "iris.csv"
    checkout = Path(__file__).parents[2] / "examples" / "data" / "iris.csv"
    for path in (Path(str(packaged)), checkout):
        if path.is_file():
            return path
    raise JacobiansError(f"the iris measurements are in neither {packaged} nor {checkout}")
