"""A test of each row of a long table, as one test for each group of rows: what runs them costs less."""

import functools
import inspect
import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest


def in_groups(
    name: str,
    rows: Iterable[Any],
    label: Callable[[Any], str],
    group: Callable[[Any], str] | None = None,
    every: int = 1,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator: the test's argument ``name`` is each row of a group, one after the other.

    Without a ``group``, those are eight rows each. Where a long table is read several times, a test takes
    one row of ``every`` few; all of them with the environment's ``ROWS=all``. All rows of a group run; the
    first that fails is raised, with the labels of all that do.
    """
    groups: dict[str, list[Any]] = {}
    taken = list(rows)[:: 1 if os.environ.get("ROWS") == "all" else every]
    for number, row in enumerate(taken):
        if group is not None:
            groups.setdefault(group(row), []).append(row)
        elif number % 8 == 0:
            last = groups[f"{number} {label(row)}"] = [row]
        else:
            last.append(row)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(**kwargs: Any) -> None:
            failed = {}
            for row in groups[kwargs.pop("group")]:
                try:
                    test(**{name: row}, **kwargs)
                except pytest.skip.Exception:
                    continue
                except Exception as error:
                    failed[label(row)] = error
            if failed:
                first = next(iter(failed.values()))
                first.add_note(f"of these rows: {', '.join(failed)}")
                raise first

        signature = inspect.signature(test)
        own = inspect.Parameter("group", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        others = [p for key, p in signature.parameters.items() if key != name]
        run.__signature__ = signature.replace(parameters=[own, *others])  # type: ignore[attr-defined]
        return pytest.mark.parametrize("group", groups)(run)

    return decorate
