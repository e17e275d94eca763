"""Arrays of numbers as text, for a config.

    float32 2x3 AAAAAAAAgD8AAABAAABAQAAAgEAAAKBA

It has the kind of number, the sizes (`-` for a scalar), and the bytes, little-endian, in base64.
No array of a config is larger than LARGEST.
"""

import base64
import binascii
import re
from functools import lru_cache

import numpy as np

from metaplast.registry import BadInput

LARGEST = 2**20
"""The most numbers of one text."""
_KINDS = {"float32": "<f4", "float64": "<f8"}
_TEXT = re.compile(r"(float32|float64) (-|\d{1,9}(?:x\d{1,9})*) ([A-Za-z0-9+/]*={0,2})")


def as_text(values: np.ndarray) -> str:
    """The text of an array of floats. Raises: BadInput for one that is too large."""
    if values.size > LARGEST:
        raise BadInput(f"{values.size} numbers", f"at most {LARGEST}", "start from a smaller rule")
    kind = "float64" if values.dtype == np.float64 else "float32"
    sizes = "x".join(map(str, values.shape)) or "-"
    written = base64.b64encode(np.ascontiguousarray(values, _KINDS[kind]).tobytes())
    return f"{kind} {sizes} {written.decode()}"


@lru_cache(maxsize=8)
def of_text(text: str) -> np.ndarray:
    """The array of a text, which may not be written. Raises: BadInput for another text."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise _damaged(text)
    kind, sizes, written = found.groups()
    shape = () if sizes == "-" else tuple(map(int, sizes.split("x")))
    try:
        values = np.frombuffer(base64.b64decode(written, validate=True), _KINDS[kind])
        values = values.reshape(shape)
    except (binascii.Error, ValueError):
        raise _damaged(text) from None
    if values.size > LARGEST:
        raise _damaged(text)
    return values


def _damaged(text: str) -> BadInput:
    return BadInput(
        f"numbers {text[:40]!r}", "`float32 SIZES BASE64` as rule.from wrote it", "use rule.from"
    )
