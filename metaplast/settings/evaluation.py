"""On what lives the rows of a job are chosen and judged, and the references that are judged beside
them.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge, Le
from pydantic import BeforeValidator

from metaplast.objectives.base import AbstractObjective
from metaplast.objectives.final_loss import FinalLoss
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.references.base import DROP, AbstractReference
from metaplast.registry import BadInput
from metaplast.results.halving import LIVES
from metaplast.settings.names import DISCOVERED, NAME
from metaplast.spec import MANY, Judged, Some, decode, named, spec
from metaplast.tasks import AbstractTaskFamily

PROTOTYPE = "nearest_prototype"
References = tuple[tuple[str, AbstractReference], ...]


def _named_by_key(value: Any) -> Any:
    """`{nearest_neighbour: {}}` names the plug-in by its key; null drops a reference that another
    file names.
    """
    if not isinstance(value, Mapping):
        return value
    kept = {key: item for key, item in value.items() if item is not None}
    return {
        key: {"name": key, **item} if isinstance(item, Mapping) else item
        for key, item in kept.items()
    }


def _reference(value: Any) -> AbstractReference:
    return decode("reference", value)


@spec
class Evaluation:
    """Lives on which candidates are chosen (validation) and the final theta is judged (heldout);
    the start and `candidates` equally spaced outer steps compete, so every row may stop early
    alike. references: competitors from outside, row name -> plug-in (`name`, where it is not the
    row's) and its
    fields. prototype: the reference
    `nearest_prototype` among them. halve_dt: whether a run whose rule or cells have time constants
    measures, on a few lives of the searched rule, `halve_lives` of them, what half of dt does to
    its result (results/halving.py).
    """

    validation: Judged = 256
    heldout: Judged = 1024
    candidates: Some = 4
    prototype: bool = False
    halve_dt: bool = True
    halve_lives: Annotated[int, Ge(2), Le(MANY)] = LIVES
    references: Annotated[References, named(_reference), BeforeValidator(_named_by_key)] = ()

    def beside(self) -> References:
        """Every reference under the name of its row."""
        if not self.prototype or PROTOTYPE in dict(self.references):
            return self.references
        return ((PROTOTYPE, _reference(PROTOTYPE)), *self.references)


def check_references(
    evaluation: Evaluation, family: AbstractTaskFamily, objective: AbstractObjective
) -> None:
    """Refuse, before anything compiles, references that cannot do the task or whose loss would be
    another one.

    Raises: BadInput naming the reference and the fix.
    """
    shape = family.shape()
    same_loss = isinstance(objective, FinalLoss) or (
        isinstance(objective, MeanLoss) and len(shape.phases) == 1
    )
    for name, reference in evaluation.beside():
        if not NAME.fullmatch(name) or name == DISCOVERED:
            fix = f"it becomes a folder; {DISCOVERED} is taken"
            raise BadInput(f"evaluation.references: name {name!r}", "letters, digits, _ and -", fix)
        try:
            reference.check(family)
        except BadInput as error:
            raise BadInput(
                f"evaluation.references.{name}: {error.what}", error.expected, error.fix
            ) from None
        if not shape.classes and not same_loss:
            what = (
                f"evaluation.references.{name}: another objective than the loss of the last phase"
            )
            raise BadInput(what, "objective final_loss, which references are scored by", DROP)
