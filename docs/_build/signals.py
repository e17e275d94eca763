"""The reference of the signals that a rule may read."""

from docs._build.docstrings import literal
from docs._build.tables import table
from metaplast.reuse.signal_words import lines, of_field

PAGE = "reference/signals.md"
INTRO = """# Signals

A term of a rule names signals, as in `rule.terms=[error*pre]`. A rule written in Python reads the
same signals as fields of its view, as in `view.post.feedback`. The classes of the view are
[`metaplast.SynapseView`](api/lives.md#metaplast.signals.SynapseView) and
[`metaplast.NeuronView`](api/lives.md#metaplast.signals.NeuronView).
"""


def pages() -> dict[str, str]:
    """{address: Markdown} of the page of signals."""
    rows = []
    for name, field, meaning in lines():
        unit = of_field(field.removeprefix("view."))[1]
        rows.append([f"`{name}`", f"`{field}`", literal(meaning), literal(unit)])
    return {
        PAGE: INTRO
        + "\n"
        + "\n".join(table(("in a term", "in Python", "meaning", "unit"), rows))
        + "\n"
    }
