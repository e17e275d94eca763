"""The lives on which rows of a job are chosen and judged, and the references beside the rows."""

from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge, Le
from pydantic import BeforeValidator

from metaplast.objectives.base import AbstractObjective
from metaplast.objectives.final_loss import FinalLoss
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.references.base import DROP, AbstractReference
from metaplast.registry import BadInput
from metaplast.results.evaluate import PIECE
from metaplast.results.halving import LIVES
from metaplast.settings.names import DISCOVERED, NAME
from metaplast.spec import MANY, Judged, Some, decode, named, spec
from metaplast.tasks import AbstractTaskFamily

PROTOTYPE = "nearest_prototype"
References = tuple[tuple[str, AbstractReference], ...]


def _named_by_key(value: Any) -> Any:
    """References by the name of their row; the plug-in has the name of the row by default.

    `{nearest_neighbour: {}}` is a reference. `{nearest_neighbour: null}` drops a reference that
    another file names.
    """
    if not isinstance(value, Mapping):
        return value
    named_references = {}
    for key, fields in value.items():
        if isinstance(fields, Mapping):
            named_references[key] = {"name": key, **fields}
        elif fields is not None:
            named_references[key] = fields
    return named_references


def _reference(value: Any) -> AbstractReference:
    return decode("reference", value)


@spec
class Evaluation:
    """The choice and the judgement of the theta of a row.

    The theta at the start and the thetas at equally spaced outer steps are the candidates. So every
    row may stop early alike.

    validation: lives on which a candidate is chosen.
    heldout: lives on which the chosen theta is judged.
    candidates: outer steps that give a candidate, beside the start.
    prototype: whether the reference `nearest_prototype` is judged too.
    halve_dt: whether a run measures how half of dt changes the result of the searched rule
        (results/halving.py). Only a run whose rule or cells have time constants does it.
    halve_lives: lives of that measurement.
    references: competitors from outside. Each is named by its row; it has the fields of its
        plug-in, and `name` where the plug-in is named otherwise.
    """

    validation: Judged = 256
    heldout: Judged = 1024
    candidates: Some = 4
    prototype: bool = False
    halve_dt: bool = True
    halve_lives: Annotated[int, Ge(2), Le(MANY)] = LIVES
    references: Annotated[References, named(_reference), BeforeValidator(_named_by_key)] = ()

    @property
    def piece(self) -> int:
        """The lives of a call: validation and held-out lives share one compiled program."""
        return min(PIECE, max(self.validation, self.heldout))

    def beside(self) -> References:
        """Every reference under the name of its row."""
        if not self.prototype or PROTOTYPE in dict(self.references):
            return self.references
        return ((PROTOTYPE, _reference(PROTOTYPE)), *self.references)


def check_references(
    evaluation: Evaluation, family: AbstractTaskFamily, objective: AbstractObjective
) -> None:
    """Check references before anything compiles.

    Args:
        evaluation: the settings with the references.
        family: the tasks that they must be able to do.
        objective: the loss by which rows are judged.

    Raises: BadInput for a reference that cannot do the task, or whose loss would be another one.
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
