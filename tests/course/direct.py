"""Submissions without a process of their own: quick, for those that only compute."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from jacobians.course import marking
from jacobians.course.confinement import Answer, Limits, Usage
from jacobians.course.runner import Runner


class Direct:
    """What ``Enclosure`` is to marking; the runner is asked in this process."""

    def __init__(self, mode: str, files: Any, modules: Any, limits: Limits) -> None:
        self._runner = Runner((-1, -1), "")
        self.start = Usage(0.0, 0)
        self.printed = ""

    def __enter__(self) -> "Direct":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def ask(self, head: Mapping[str, Any], arrays: Mapping[str, Any], most: int = 0) -> Answer:
        found, out = self._runner.answer(dict(head), {k: np.array(v) for k, v in arrays.items()})
        return Answer(found, {k: np.asarray(v, float) for k, v in out.items()})

    def usage(self) -> Usage:
        return Usage(0.0, 0)


@contextmanager
def direct() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(marking, "Enclosure", Direct)
        yield
