"""Before any test: shapes in annotations are checked at run time, and nothing depends on the machine's speed."""

import os

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# Before the first import of reverie: only modules loaded after it have their annotations checked.
_hook = install_import_hook("reverie", "checker.check")

import torch  # noqa: E402

# Fixed, because sums of floats depend on how many threads share them; one, because several of them crawl
# when another process wants the same cores, and the tests' tensors are small.
torch.set_num_threads(1)

# No time limit for an example, and the same examples every time.
settings.register_profile("reverie", deadline=None, derandomize=True)
settings.load_profile("reverie")


@pytest.fixture(scope="session", autouse=True)
def _cache_of_names(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the command line from writing into the user's cache folder."""
    os.environ["REVERIE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
