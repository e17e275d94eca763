"""The model card of a rule by its name."""

from typing import NamedTuple

from metaplast.reuse import shelf
from metaplast.reuse.card import card
from metaplast.reuse.known import is_name, rule_path
from metaplast.reuse.rule_file import read_rule


class Card(NamedTuple):
    """The model card of a rule.

    text: the card, as Markdown.
    path: the path of the rule file.
    """

    text: str
    path: str


def card_of(rule: str) -> Card:
    """The model card of a rule.

    Args:
        rule: the path of a rule file, the folder of a run, or the name of a rule of the zoo, with
            or without `zoo/`.

    Raises: BadInput for a rule that cannot be read.
    """
    if is_name(rule):
        rule = shelf.PREFIX + rule
    rule = str(rule_path(rule))
    file = read_rule(rule)
    if any("account" not in slot for slot in file.document["slots"].values()):
        from metaplast.reuse.ask import whole  # imports JAX, which most cards do not need

        file = whole(file)
    if shelf.is_shelved(rule):
        return Card(card(file, rule, shelf.shelved(rule)), str(shelf.file_of(rule)))
    return Card(card(file, rule), rule)
