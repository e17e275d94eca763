"""The end of a run as an error, where its files tell that it ended badly."""

from metaplast.runs.folder import NoCheckpoint
from metaplast.training.diverged import Diverged
from metaplast.watching.seen import DAMAGED, DIVERGED, RunSeen


def demand_good_end(seen: RunSeen) -> None:
    """Raises: Diverged, or NoCheckpoint, where the run ended with that error."""
    names = [part.path.name for part in seen.parts if part.state == seen.state]
    which = f"{seen.path}: {', '.join(names)}" if names else f"{seen.path}"
    if seen.state == DIVERGED:
        raise Diverged(
            f"{which}: diverged - expected finite losses - lower the step sizes of the outer loop "
            f"or of the rule"
        )
    if seen.state == DAMAGED:
        raise NoCheckpoint(
            f"{which}: no usable checkpoint - expected at least one - start a new run from the "
            f"config.yaml"
        )
