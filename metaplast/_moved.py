"""Modules that had another path in version 0.1: the old path works until version 0.3, with a
warning.
"""

import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

MOVED = {
    "metaplast.interfaces": ("metaplast.tasks", "metaplast.outer", "metaplast.signals"),
    "metaplast.lifetime": ("metaplast.life.lifetime",),
    "metaplast.train": ("metaplast.search_loop",),
    "metaplast.rules._grammar": ("metaplast.language.grammar",),
    "metaplast.rules._account": ("metaplast.language.account",),
    "metaplast.rules._expression": ("metaplast.language.expression",),
    "metaplast.rules._learned": ("metaplast.language.constants",),
    "metaplast.rules._locality": ("metaplast.locality.reads",),
    "metaplast.rules.adam": ("metaplast.rules.wrappers.adam",),
    "metaplast.rules.bound": ("metaplast.rules.wrappers.bound",),
    "metaplast.rules.clip": ("metaplast.rules.wrappers.clip",),
    "metaplast.rules.consolidating": ("metaplast.rules.wrappers.consolidating",),
    "metaplast.rules.heterosynaptic": ("metaplast.rules.wrappers.heterosynaptic",),
    "metaplast.rules.metaplastic": ("metaplast.rules.wrappers.metaplastic",),
    "metaplast.rules.momentum": ("metaplast.rules.wrappers.momentum",),
    "metaplast.rules.normalise": ("metaplast.rules.wrappers.normalise",),
    "metaplast.rules.pathways": ("metaplast.rules.wrappers.pathways",),
    "metaplast.rules.scale": ("metaplast.rules.wrappers.scale",),
    "metaplast.rules.scaling": ("metaplast.rules.wrappers.scaling",),
    "metaplast.rules.sliding": ("metaplast.rules.wrappers.sliding",),
    "metaplast.rules.sum": ("metaplast.rules.wrappers.sum",),
    "metaplast.rules.three_factor": ("metaplast.rules.wrappers.three_factor",),
    "metaplast.launch.config": ("metaplast.runs.config",),
    "metaplast.launch.job": ("metaplast.runs.job", "metaplast.settings.names"),
    "metaplast.launch.metrics": ("metaplast.runs.metrics",),
    "metaplast.launch.row": ("metaplast.training.train_row", "metaplast.runs.row_files"),
    "metaplast.launch.side_by_side": ("metaplast.training.side_by_side",),
    "metaplast.launch.summary": ("metaplast.training.summary",),
    "metaplast.inspection.surfaces": ("metaplast.results.surfaces",),
    "metaplast.inspection.windows": ("metaplast.results.windows",),
    "metaplast.inspection.curves": ("metaplast.results.curves",),
    "metaplast.inspection.statistics": ("metaplast.results.statistics",),
}
"""Old path -> the modules that hold its names now."""

ROOMS = {"metaplast.launch"}
"""Packages that are gone, but for the modules above. `metaplast.inspection` is another room now."""


LOOP = (
    "begin",
    "steps",
    "steps_many",
    "sample",
    "stream",
    "evaluate",
    "draw_tasks",
    "forget",
)
"""Functions of metaplast.search_loop, which was metaplast.train in version 0.1."""


class OldPaths(MetaPathFinder, Loader):
    """Finds a module under its old path: a module that looks its names up in the new ones."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in MOVED or fullname in ROOMS:
            return spec_from_loader(fullname, self, is_package=fullname in ROOMS)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        if name in ROOMS:
            return
        homes = MOVED[name]
        warnings.warn(
            f"{name} has moved to {', '.join(homes)}; the old path goes with metaplast 0.3",
            FutureWarning,
            stacklevel=2,
        )
        for home in reversed(homes):
            module.__dict__.update(
                {k: v for k, v in vars(import_module(home)).items() if not k.startswith("__")}
            )


def with_loop(function: F) -> F:
    """The function `mp.train`, with the functions that the module metaplast.train had."""
    for name in LOOP:
        setattr(function, name, _of_loop(name))
    return function


def _of_loop(name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **keywords: Any) -> Any:
        warnings.warn(
            f"metaplast.train.{name} has moved to metaplast.search_loop; the old name goes with "
            f"metaplast 0.3",
            FutureWarning,
            stacklevel=2,
        )
        return getattr(import_module("metaplast.search_loop"), name)(*arguments, **keywords)

    return call


def install() -> None:
    """Once per process."""
    if not any(isinstance(finder, OldPaths) for finder in sys.meta_path):
        sys.meta_path.append(OldPaths())
