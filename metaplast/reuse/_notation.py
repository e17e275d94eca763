"""The notation of numbers and signals in formulas, as text and in LaTeX; without JAX."""

from metaplast.reuse.text import printable

SYMBOLS = {
    "pre": "x_i",
    "post": "y_j",
    "error": r"\delta_j",
    "pre_error": r"\delta_i",
    "learning_signal": "L_j",
    "target": "t_j",
    "predicted": r"\hat{x}_i",
    "post_potential": "u_j",
    "pre_potential": "u_i",
    "post_gain": r"\phi'_j",
    "pre_gain": r"\phi'_i",
    "score": r"\psi_j",
    "dendrite": "d_j",
    "site": "s_j",
    "post_relaxed": r"\tilde{y}_j",
    "pre_relaxed": r"\tilde{x}_i",
    "post_weight_sum": r"\Sigma_j",
    "pre_weight_sum": r"\Sigma_i",
    "post_weight_norm": r"\lVert w_j \rVert",
    "pre_weight_norm": r"\lVert w_i \rVert",
    "input_gain": "g_j",
    "layer_power": r"\lVert y \rVert^2",
    "layer_backward": r"(y \cdot W \delta^{pre})",
    "layer_forward": r"(\delta \cdot W x)",
    "weight": "w_{ji}",
    "synaptic_credit": r"\delta_{ji}",
    "pre_trace": r"\bar{x}_i",
    "pre_slow": r"\bar{x}^s_i",
    "post_trace": r"\bar{y}_j",
    "post_slow": r"\bar{y}^s_j",
}


def symbol(name: str) -> str:
    """The LaTeX of a signal."""
    if name.startswith("modulator."):
        return rf"M_{{\text{{{escape(name.removeprefix('modulator.'))}}}}}"
    return SYMBOLS[name]


def four_digits(value: float) -> str:
    """A number with four digits, also where the last are zeros."""
    return f"{value:#.4g}".removesuffix(".")


def short(value: float) -> str:
    """A number with at most four digits."""
    return f"{value:.4g}"


def power_of_ten(number: str) -> str:
    """The LaTeX of a number that was written as text."""
    digits, _, exponent = number.partition("e")
    if exponent:
        return rf"{digits}\times 10^{{{int(exponent)}}}"
    return digits.replace("inf", r"\infty")


SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
}
"""character -> its LaTeX, for characters that have a meaning in LaTeX."""


def escape(plain: str) -> str:
    """A text for LaTeX's \\text. Nothing in it is a command."""
    return printable(plain).translate(str.maketrans(SPECIAL))
