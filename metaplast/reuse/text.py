"""Text that came from outside, made safe to print."""


def printable(text: str) -> str:
    """`text` with every character that is not printable written as an escape: control characters,
    colour codes, line breaks, invisible and direction-changing characters, lone surrogates."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in text
    )


def quote(value: object, limit: int = 60) -> str:
    """A short, printable form of any plain value, for messages."""
    text = printable(repr(value) if isinstance(value, str) else str(value))
    return text if len(text) <= limit else text[: limit - 3] + "..."
