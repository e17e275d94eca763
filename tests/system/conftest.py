"""The order of the system lane, and what its commands keep of what they compiled."""

import pytest

LONG = (
    "test_readme.py",
    "test_packaging.py",
    "test_exact.py",
    "test_known_answer.py",
    "test_kills.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a minute and more begin first: one that begins last runs alone."""
    items.sort(key=lambda item: item.path.name not in LONG)
