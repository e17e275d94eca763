"""metaplast: meta-learning of local synaptic plasticity rules.

The public names are in `__all__` and are imported when first used: `import metaplast` alone loads
nothing else.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from metaplast import _moved

if TYPE_CHECKING:
    from metaplast.api import plot
    from metaplast.api.at_birth import InnateScores, innate
    from metaplast.api.comparing import Comparison, compare, compare_loops
    from metaplast.api.diagnosing import Diagnosed, diagnose
    from metaplast.api.fitting import fit
    from metaplast.api.information import Information, information
    from metaplast.api.inspecting import Inspection, inspect
    from metaplast.api.listing import list
    from metaplast.api.living import LivedLife, live
    from metaplast.api.merging import Merge
    from metaplast.api.opening import open
    from metaplast.api.pictures import SavedPicture
    from metaplast.api.plots import Plots
    from metaplast.api.rows import Rows, Score, Scores
    from metaplast.api.run import Run
    from metaplast.api.sweeping import sweep
    from metaplast.api.taking_away import card, export
    from metaplast.api.training import resume, train
    from metaplast.api.transferring import Transfer, transfer
    from metaplast.life.lifetime import Lifetime, Slot
    from metaplast.problem.meta_problem import MetaProblem
    from metaplast.registry import BadInput, find, register
    from metaplast.reuse.as_optax import layer_signals, optax
    from metaplast.reuse.combine import combine
    from metaplast.reuse.describe import describe_rule
    from metaplast.reuse.export.exported import Exported
    from metaplast.reuse.load import Rule, load_rule
    from metaplast.reuse.rule_file import read_rule, save_rule
    from metaplast.reuse.view import synapse_view
    from metaplast.signals import NeuronView, SynapseView
    from metaplast.spec import spec

    __version__: str

_HOMES = {
    "BadInput": "metaplast.registry",
    "Comparison": "metaplast.api.comparing",
    "Diagnosed": "metaplast.api.diagnosing",
    "Exported": "metaplast.reuse.export.exported",
    "Information": "metaplast.api.information",
    "InnateScores": "metaplast.api.at_birth",
    "Inspection": "metaplast.api.inspecting",
    "Lifetime": "metaplast.life.lifetime",
    "LivedLife": "metaplast.api.living",
    "Merge": "metaplast.api.merging",
    "MetaProblem": "metaplast.problem",
    "NeuronView": "metaplast.signals",
    "Plots": "metaplast.api.plots",
    "Rows": "metaplast.api.rows",
    "Rule": "metaplast.reuse.load",
    "Run": "metaplast.api.run",
    "SavedPicture": "metaplast.api.pictures",
    "Score": "metaplast.api.rows",
    "Scores": "metaplast.api.rows",
    "Slot": "metaplast.life.lifetime",
    "SynapseView": "metaplast.signals",
    "Transfer": "metaplast.api.transferring",
    "card": "metaplast.api.taking_away",
    "combine": "metaplast.reuse.combine",
    "compare": "metaplast.api.comparing",
    "compare_loops": "metaplast.api.comparing",
    "describe_rule": "metaplast.reuse.describe",
    "diagnose": "metaplast.api.diagnosing",
    "export": "metaplast.api.taking_away",
    "find": "metaplast.registry",
    "fit": "metaplast.api.fitting",
    "information": "metaplast.api.information",
    "innate": "metaplast.api.at_birth",
    "inspect": "metaplast.api.inspecting",
    "layer_signals": "metaplast.reuse.as_optax",
    "list": "metaplast.api.listing",
    "live": "metaplast.api.living",
    "load_rule": "metaplast.reuse.load",
    "open": "metaplast.api.opening",
    "optax": "metaplast.reuse.as_optax",
    "read_rule": "metaplast.reuse.rule_file",
    "register": "metaplast.registry",
    "resume": "metaplast.api.training",
    "save_rule": "metaplast.reuse.rule_file",
    "spec": "metaplast.spec",
    "sweep": "metaplast.api.sweeping",
    "synapse_view": "metaplast.reuse.view",
    "train": "metaplast.api.training",
    "transfer": "metaplast.api.transferring",
}

_MODULES = {"plot": "metaplast.api.plot"}
"""{public name of a module: its path}"""

__all__ = [
    "BadInput",
    "Comparison",
    "Diagnosed",
    "Exported",
    "Information",
    "InnateScores",
    "Inspection",
    "Lifetime",
    "LivedLife",
    "Merge",
    "MetaProblem",
    "NeuronView",
    "Plots",
    "Rows",
    "Rule",
    "Run",
    "SavedPicture",
    "Score",
    "Scores",
    "Slot",
    "SynapseView",
    "Transfer",
    "__version__",
    "card",
    "combine",
    "compare",
    "compare_loops",
    "describe_rule",
    "diagnose",
    "export",
    "find",
    "fit",
    "information",
    "innate",
    "inspect",
    "layer_signals",
    "list",
    "live",
    "load_rule",
    "open",
    "optax",
    "plot",
    "read_rule",
    "register",
    "resume",
    "save_rule",
    "spec",
    "sweep",
    "synapse_view",
    "train",
    "transfer",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'metaplast' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> Any:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("metaplast")
    except PackageNotFoundError:
        return "0+checkout"


class _Package(ModuleType):
    """`metaplast.spec` is the decorator and `metaplast.train` the function.

    They are so also once a submodule of that name has been imported and would hide them.
    """

    @property
    def spec(self) -> Any:
        return __getattr__("spec")

    @spec.setter
    def spec(self, module: ModuleType) -> None:
        pass

    @property
    def train(self) -> Any:
        return __getattr__("train")

    @train.setter
    def train(self, module: ModuleType) -> None:
        pass


_moved.install()
sys.modules[__name__].__class__ = _Package
