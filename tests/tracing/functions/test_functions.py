"""Every case of every family, through one driver."""

from importlib import import_module
from pathlib import Path

from tests.grouping import in_groups
from tests.tracing.functions.driver import Case, hold

FAMILIES = sorted(p.stem for p in Path(__file__).parent.glob("cases_*.py"))
CASES: list[Case] = [
    case for family in FAMILIES for case in import_module(f"tests.tracing.functions.{family}").CASES
]


@in_groups("case", CASES, lambda case: case.name, every=4)
def test_case(case: Case) -> None:
    hold(case)


def test_names_are_distinct() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
