"""Text that came from outside, made safe to print."""


def printable(text: str) -> str:
    """The text with an escape in place of every character that is not printable.

    Such characters are control characters, colour codes, line breaks, invisible characters,
    characters that change the direction of writing, and lone surrogates.
    """
    return "".join(map(_printable_character, text))


def _printable_character(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def quote(value: object, limit: int = 60) -> str:
    """A printable form of a plain value for messages.

    Args:
        value: the value.
        limit: characters of the longest form. A longer one is cut.
    """
    bare = repr(value) if isinstance(value, str) else str(value)
    text = printable(bare)
    if len(text) > limit:
        return text[: limit - 3] + "..."
    return text
