"""Every outer loop keeps every promise, and its gradient estimate is unbiased for its own objective."""

import pytest

from metaplast.registry import find
from metaplast.testing import check_outer_loop
from tests.contracts._enrolled import enrolled


@pytest.mark.parametrize("name", enrolled("outer"))
def test_an_outer_loop_keeps_its_promises(name):
    check_outer_loop(find("outer", name)())
