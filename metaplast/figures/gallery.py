"""The figures of a rule, in the order of the page.

A figure is one file in this room and one line here. The file offers a function that takes the rules
of a page (`RulesShown`), draws its picture into their folder, and returns its section with the
numbers behind it; None where the rules have nothing to show.
"""

from collections.abc import Callable

from metaplast.figures import coefficients, leaves, spike_protocols, spike_windows, surfaces
from metaplast.figures.section import PagePart, RulesShown

OF_RULES: dict[str, Callable[[RulesShown], PagePart | None]] = {
    "coefficients": coefficients.of_rules,
    "numbers": leaves.of_rules,
    "windows": spike_windows.of_rules,
    "protocols": spike_protocols.of_rules,
    "surfaces": surfaces.of_rules,
}
"""{name in inspect.json: figure}"""
