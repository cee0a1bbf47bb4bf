"""Arrays in files: .npy, .npz and .csv, read without pickle, each failure one clear error."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.errors import JacobiansError, TensorTooLargeError, UnsupportedError
from jacobians.ground.arguments import real_array

Array = NDArray[Any]


def read_array(path: Path, name: str) -> Array:
    """An array of real numbers from an .npy, .npz or .csv file, never through pickle.

    Parameters
    ----------
    path : Path
        The file; its ending says what it is.
    name : str
        Which array to take from an .npz file that holds several.

    Raises
    ------
    JacobiansError
        Naming the file and the reason.
    """
    ending = path.suffix.lower()
    if ending == ".npz":
        held = read_npz(path)
        if name in held:
            return held[name]
        if len(held) == 1:
            return next(iter(held.values()))
        raise JacobiansError(
            f"{path}: there is no array {name}; the file holds {', '.join(held) or 'no arrays'}"
        )
    if ending == ".npy":
        return _numbers(_load(path), path)
    if ending == ".csv":
        return _read_csv(path)
    raise JacobiansError(f"{path}: the ending {ending!r} is not one of .npy, .npz, .csv")


def _load(path: Path) -> Any:
    """``numpy.load`` without pickle; its many exceptions as one of ours."""
    try:
        with path.open("rb") as file:
            start = file.read(6)
        # Without this look NumPy would take any other file for a pickle, and say so.
        if not start.startswith((b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")):
            raise JacobiansError(f"{path}: this is no {path.suffix} file, whatever its name says")
        if start.startswith(b"PK") and not zipfile.is_zipfile(path):
            raise JacobiansError(f"{path}: cannot be read: the archive is damaged or cut short")
        return np.load(path, allow_pickle=False)
    except OSError as error:
        raise JacobiansError(f"{path}: {error.strerror or error}") from None
    except MemoryError as error:
        raise TensorTooLargeError(f"{path}: too large for the memory: {error}") from None
    except JacobiansError:
        raise
    except Exception as error:  # damaged headers and archives raise what their parsers raise
        raise JacobiansError(f"{path}: cannot be read: {_reason(error)}") from None


def read_npz(path: Path) -> dict[str, Array]:
    """All arrays of an archive by name; raises as ``read_array`` does."""
    archive = _load(path)
    if isinstance(archive, np.ndarray):
        raise JacobiansError(f"{path}: this is an .npy file, whatever its name says")
    with archive:
        held = {}
        for name in archive.files:
            try:
                array = archive[name]
            except Exception as error:
                raise JacobiansError(
                    f"{path}: array {name} cannot be read: {_reason(error)}"
                ) from None
            held[name] = _numbers(array, path, f"array {name}")
    return held


def _reason(error: Exception) -> str:
    if "allow_pickle" in str(error):
        return "it holds pickled objects, not numbers, and those are never loaded"
    return str(error) or type(error).__name__


def _numbers(array: Any, path: Path, what: str = "the array") -> Array:
    if not isinstance(array, np.ndarray):
        raise JacobiansError(f"{path}: this is an .npz file, whatever its name says")
    try:
        return real_array(array, f"{path}: {what}")
    except UnsupportedError as error:
        raise JacobiansError(str(error)) from None


def _read_csv(path: Path) -> Array:
    """Numbers separated by commas, at most one line of titles above them."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise JacobiansError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise JacobiansError(f"{path}: this is no text file in UTF-8") from None
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    rows: list[list[float]] = []
    for place, (number, line) in enumerate(lines):
        cells = [cell.strip() for cell in line.split(",")]
        try:
            row = [_number(cell) for cell in cells]
        except ValueError:
            if place == 0 and not any(_is_number(cell) for cell in cells):
                continue  # titles
            column = next(n for n, cell in enumerate(cells) if not _is_number(cell))
            raise JacobiansError(
                f"{path}: line {number}, column {column + 1}: {cells[column]!r} is no number"
            ) from None
        if rows and len(row) != len(rows[0]):
            raise JacobiansError(
                f"{path}: line {number} has {len(row)} numbers, the lines above have {len(rows[0])}"
            )
        rows.append(row)
    if not rows:
        raise JacobiansError(f"{path}: there are no numbers in it")
    return np.array(rows)


def _number(text: str) -> float:
    if "_" in text:
        raise ValueError(text)  # Python would read 1_0 as ten
    return float(text)


def _is_number(text: str) -> bool:
    try:
        _number(text)
    except ValueError:
        return False
    return True
