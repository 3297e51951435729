"""One compiled rule database for all tests of the view: compiling takes two seconds."""

from tests.plan.conftest import engine_cache

__all__ = ["engine_cache"]
