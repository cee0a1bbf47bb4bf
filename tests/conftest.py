"""What all tests share: random examples are the same in every run."""

import gc
import os

# Tests run in processes side by side: BLAS's own threads would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=int(os.environ.get("EXAMPLES", "30")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("fixed")


_MEASURED = (
    "measuring",
    "test_contraction",
    "test_jacobian_tensor",
    "tests/cli",
    "test_documentation",
)


def pytest_runtest_setup(item) -> None:
    """Measurements collect garbage; what other tests have left they need not walk over."""
    if any(part in item.nodeid for part in _MEASURED):
        gc.freeze()


def pytest_collection_finish() -> None:
    """What the tests are made of stays: measurements collect garbage, and need not walk over it."""
    gc.collect()
    gc.freeze()
