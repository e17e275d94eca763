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
    from metaplast.life.lifetime import Lifetime, Slot
    from metaplast.problem.meta_problem import MetaProblem
    from metaplast.registry import BadInput, find, register
    from metaplast.reuse.as_optax import layer_signals, optax
    from metaplast.reuse.combine import combine
    from metaplast.reuse.describe import describe_rule
    from metaplast.reuse.load import Rule, load_rule
    from metaplast.reuse.rule_file import read_rule, save_rule
    from metaplast.reuse.view import synapse_view
    from metaplast.signals import NeuronView, SynapseView
    from metaplast.spec import spec

    __version__: str

_HOMES = {
    "BadInput": "metaplast.registry",
    "Lifetime": "metaplast.life.lifetime",
    "MetaProblem": "metaplast.problem",
    "NeuronView": "metaplast.signals",
    "Rule": "metaplast.reuse.load",
    "Slot": "metaplast.life.lifetime",
    "SynapseView": "metaplast.signals",
    "combine": "metaplast.reuse.combine",
    "describe_rule": "metaplast.reuse.describe",
    "find": "metaplast.registry",
    "layer_signals": "metaplast.reuse.as_optax",
    "load_rule": "metaplast.reuse.load",
    "optax": "metaplast.reuse.as_optax",
    "read_rule": "metaplast.reuse.rule_file",
    "register": "metaplast.registry",
    "save_rule": "metaplast.reuse.rule_file",
    "spec": "metaplast.spec",
    "synapse_view": "metaplast.reuse.view",
}

__all__ = [
    "BadInput",
    "Lifetime",
    "MetaProblem",
    "NeuronView",
    "Rule",
    "Slot",
    "SynapseView",
    "__version__",
    "combine",
    "describe_rule",
    "find",
    "layer_signals",
    "load_rule",
    "optax",
    "read_rule",
    "register",
    "save_rule",
    "spec",
    "synapse_view",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        raise AttributeError(f"module 'metaplast' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("metaplast")
    except PackageNotFoundError:
        return "0+checkout"


class _Package(ModuleType):
    """`metaplast.spec` is the decorator, also once the submodule of that name has been imported and
    would hide it.
    """

    @property
    def spec(self) -> Any:
        return __getattr__("spec")

    @spec.setter
    def spec(self, module: ModuleType) -> None:
        pass


_moved.install()
sys.modules[__name__].__class__ = _Package
