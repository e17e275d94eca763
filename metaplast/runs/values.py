"""Several values in one word: `5,20` or `[20],[40,40]`."""

OPENING = "[{"
CLOSING = "]}"
QUOTES = "'\""


def split_values(text: str) -> list[str]:
    """The values between the commas of a text.

    A comma inside of brackets, or of the quotes of a value, belongs to the value.

    Args:
        text: the part of a word behind `=`.
    """
    values = [""]
    depth = 0
    quote = ""
    for character in text:
        if character == "," and depth == 0 and not quote:
            values.append("")
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in QUOTES and (depth > 0 or not values[-1]):
            quote = character
        elif character in OPENING:
            depth += 1
        elif character in CLOSING:
            depth -= 1
        values[-1] += character
    return values
