"""What a user gives is a number of Python or NumPy, and a rule has a name."""

from pathlib import Path

import numpy as np
import pytest

from metaplast.api.checks import name_of, whole
from metaplast.registry import BadInput


def test_a_whole_number_of_python_or_numpy_is_taken() -> None:
    assert whole("lives", np.int64(32), 2) == 32
    for wrong in (1, True, 2.0, "3", None):
        with pytest.raises(BadInput, match=r"lives=.* at least 2"):
            whole("lives", wrong, 2)


def test_a_path_object_is_never_the_name_of_a_known_rule(tmp_path: Path) -> None:
    assert name_of("zoo/oja") == "zoo/oja"
    assert name_of(Path("oja")) == "./oja"
    assert name_of(tmp_path / "a.safetensors") == str(tmp_path / "a.safetensors")
    with pytest.raises(BadInput, match=r"mp\.save_rule"):
        name_of(3)
