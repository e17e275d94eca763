"""Names and comments of an export. Nothing that a rule file says becomes code."""

import keyword
import re
from collections.abc import Collection

from metaplast.reuse.text import printable

LONGEST = 40
"""Characters of the longest name that is made from a name of a rule file."""
_OTHER = re.compile(r"[^A-Za-z0-9_]")


def identifier(text: str, taken: Collection[str] = ()) -> str:
    """A new identifier of ASCII letters, digits and underscores that resembles a text.

    Args:
        text: any text.
        taken: names that the identifier must differ from.
    """
    plain = _OTHER.sub("_", text)[:LONGEST].strip("_")
    if not plain or not plain[0].isalpha() or keyword.iskeyword(plain):
        plain = f"x_{plain}".rstrip("_")
    name = plain
    count = 1
    while name in taken:
        count += 1
        name = f"{plain}_{count}"
    return name


def comment(text: str) -> str:
    """A text for a comment or a docstring of the export.

    It has one line of printable ASCII, without quotes and backslashes that could end it.
    """
    shown = printable(text).encode("ascii", "backslashreplace").decode("ascii")
    return shown.replace("\\", "/").replace('"', "'")
