"""Before any test: shapes in annotations are checked at run time, and nothing depends on the machine's speed."""

import os

# Before torch is imported, and for all processes that tests start: several threads crawl when another process wants the
# same cores, because they wait for each other in busy loops.
os.environ["OMP_NUM_THREADS"] = "1"

import checker
import jaxtyping
import pytest
from hypothesis import settings

# Before the first import of reverie: only modules loaded after it have their annotations checked.
_hook = jaxtyping.install_import_hook("reverie", "checker.check")
jaxtyping.jaxtyped = checker.jaxtyped

import torch  # noqa: E402

# Fixed, because sums of floats depend on how many threads share them.
torch.set_num_threads(1)

# No time limit for an example, and the same examples every time.
settings.register_profile("reverie", deadline=None, derandomize=True)
settings.load_profile("reverie")


@pytest.fixture(scope="session", autouse=True)
def _cache_of_names(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the command line from writing into the user's cache folder."""
    os.environ["REVERIE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _check_anew() -> None:
    """In each test, the first calls of every function are checked."""
    checker.calls.clear()
