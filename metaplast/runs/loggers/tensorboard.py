"""TensorBoard event files in the run folder."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from metaplast.registry import BadInput, register
from metaplast.runs.loggers.base import AbstractLogger, Plain, Sink
from metaplast.spec import spec


@register("logging", "tensorboard")
@spec
class Tensorboard(AbstractLogger):
    """Event files under RUN/tensorboard, with one curve for each number of each row.

    `tensorboard --logdir RUN` shows them. `check` raises BadInput without the package tensorboardX:
    pip install 'metaplast[tensorboard]'.
    Source: the package tensorboardX.
    """

    def check(self) -> None:
        if find_spec("tensorboardX") is None:
            raise BadInput(
                "logging=tensorboard",
                "the package tensorboardX",
                "pip install 'metaplast[tensorboard]'",
            )

    def open(self, run: Path, config: Plain) -> Sink:
        from tensorboardX import SummaryWriter

        writer = SummaryWriter(logdir=str(run / "tensorboard"), write_to_disk=True)

        def log(row: str, step: int, numbers: Mapping[str, float]) -> None:
            for name, value in numbers.items():
                writer.add_scalar(f"{row}/{name}", value, step)

        def finish(run: Path, summary: Plain | None) -> None:
            for entry in (summary or {}).get("scores", []):
                if entry["mean"] is not None:
                    writer.add_scalar(
                        f"heldout/{entry['metric']}/{entry['name']}", entry["mean"], 0
                    )
            writer.close()

        return Sink(log, finish)
