"""Equations in the plain notation of docstrings, as LaTeX and as MathML."""

import xml.etree.ElementTree as ElementTree

import pytest
from latex2mathml.converter import convert

from docs._build.plugins_latex import Unreadable, equation, expression, name

AS_LATEX = {
    "delta_w_ji = rate x_i y_j": r"\Delta w_{ji} = \text{rate}\, x_{i}\, y_{j}",
    "x_i <- exp(-dt/tau_pre) x_i + z_i": (
        r"x_{i} \leftarrow e^{-dt / \tau_{\text{pre}}}\, x_{i} + z_{i}"
    ),
    "tau_m dV/dt = -(V - E_L) + I": r"\tau_{m}\, \frac{dV}{dt} = -(V - E_{L}) + I",
    "a b / c d": r"\frac{a\, b}{c}\, d",
    "a b/c d": r"a\, b / c\, d",
    "(a + b) / (2 c^2)": r"\frac{a + b}{2\, {c}^{2}}",
    "1/2 x": r"\frac{1}{2}\, x",
    "mean_j (r_j - t)^2 / (r_j + 1)": (
        r"\operatorname{mean}_{j}\, \frac{{(r_{j} - t)}^{2}}{r_{j} + 1}"
    ),
    "theta - s H^-1 d loss / d theta": (
        r"\theta - s\, {H}^{-1}\, \frac{d\, \text{loss}}{d\, \theta}"
    ),
    "m^ = m / (1 - b1^t)": r"\hat{m} = \frac{m}{1 - {b_{1}}^{t}}",
    "[u-_j - theta_minus]_+": r"{[u^{-}_{j} - \theta_{-}]}_{+}",
    "phi'(V*_j)": r"\phi\text{′}(V^{\ast}_{j})",
    "B_{l+1}^T e_{l+1}": r"{B_{l+1}}^{\top}\, e_{l+1}",
    "||w_j|| |x|": r"\lVert w_{j} \rVert\, \lvert x \rvert",
    "P(y | a) = softmax(a)_k": (r"P(y \mid a) = {\operatorname{softmax}(a)}_{k}"),
    "x ~ N(0, input_sd^2)": r"x \sim \mathcal{N}(0,\; {\text{input_sd}}^{2})",
    "exp((V - v_t) / delta_t)": r"\exp\left(\frac{V - v_{t}}{\delta_{t}}\right)",
    "x_i1 + x_ik": "x_{i1} + x_{ik}",
    "n_in e_ji": r"n_{\text{in}}\, e_{ji}",
}
NO_EQUATIONS = (
    "w <- the change of a rule",
    "loss = mean over units of (a - b)",
    "a + ",
    "a = (b",
    "= b",
    "a / / b",
    "rate `code`",
    "a ? b",
)


@pytest.mark.parametrize("plain", AS_LATEX)
def test_the_plain_notation_is_read_as_a_mathematician_reads_it(plain: str) -> None:
    assert expression(plain) == AS_LATEX[plain]


@pytest.mark.parametrize("plain", AS_LATEX)
def test_the_latex_becomes_mathml_without_a_command_left_over(plain: str) -> None:
    mathml = convert(AS_LATEX[plain], display="block")
    words = "".join(ElementTree.fromstring(mathml).itertext())
    assert "\\" not in words and "&" not in words


@pytest.mark.parametrize("words", NO_EQUATIONS)
def test_what_is_no_equation_is_refused(words: str) -> None:
    with pytest.raises(Unreadable):
        expression(words)


def test_words_around_an_equation_stay_words() -> None:
    assert equation("V <- v_reset", "where z = 1") == (
        r"V \leftarrow v_{\text{reset}}\qquad \text{where }z = 1"
    )
    assert equation("post spike: w = a", "(once)") == (
        r"\text{post spike:}\quad w = a\qquad \text{(once)}"
    )


def test_a_name_of_a_field_is_a_symbol_or_the_name_itself() -> None:
    assert name("a2_plus") == "a^{+}_{2}"
    assert name("tau_pre") == r"\tau_{\text{pre}}"
    assert name("target_rate") == r"\text{target_rate}"
    assert name("log_rate") == r"\text{log_rate}"
    with pytest.raises(Unreadable):
        name("2 plus")
