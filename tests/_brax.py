"""Whether the physics of the task `ant` is installed."""

import importlib.util

import pytest

needs_brax = pytest.mark.skipif(
    importlib.util.find_spec("brax") is None, reason='needs the physics of brax: "metaplast[body]"'
)
