from collections.abc import Iterator

import pytest

from tests.browser import Page, browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser that a module's tests share; each opens what it looks at afresh."""
    with browser(tmp_path_factory.mktemp("browser")) as one:
        yield one
