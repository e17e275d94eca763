"""The compilation of a run's programs: quick, since a run compiles more than it computes.

CPU seconds to compile and median milliseconds of a run (JAX 0.10.2, an x86-64 core with AVX-512,
shared):

| program | by itself | level 1 |
|---|---|---|
| a step of bptt on `categories`, 8 lives | 6.34 s, 226 ms | 4.98 s, 217 ms |
| 256 of its lives, judged | 3.30 s, 1256 ms | 2.78 s, 1241 ms |
| 256 of its lives, sampled | 0.91 s, 54 ms | 0.77 s, 63 ms |
| a step on `digits` | 9.92 s, 49.7 ms | 8.41 s, 46.3 ms |
| a step on `oja` | 3.14 s, 1.9 ms | 3.00 s, 1.8 ms |
| a step on `spiking` | 6.19 s, 4.2 ms | 6.01 s, 4.2 ms |

Small programs that a run calls a few times compile 1.6 to 1.9 times faster by the older emitters of
XLA, with equal bits. Larger programs are not always so: evaluation on `digits` takes 2.2 times as
long, and last digits change.
"""

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Generic, ParamSpec, TypeVar

import jax
from jax.core import Tracer

P = ParamSpec("P")
R = TypeVar("R")
CPU_OPTIONS = {"xla_backend_optimization_level": 1}
# From JAX 0.11 on there is one kind of emitters, and no option.
OLDER_EMITTERS = {"xla_cpu_use_fusion_emitters": False} if jax.__version_info__ < (0, 11) else {}


def options(small: bool = False) -> dict[str, Any]:
    """The options of XLA for the device in use.

    It asks which device that is: JAX starts here at the latest.

    Args:
        small: whether the program is small and seldom called.
    """
    quicker = jax.config.read("jax_disable_most_optimizations")
    if jax.default_backend() != "cpu" or quicker:
        return {}
    return {**CPU_OPTIONS, **OLDER_EMITTERS} if small else CPU_OPTIONS


class Program(Generic[P, R]):
    """`jax.jit` of a function with these options.

    Within another program, whose options rule, it is the function itself.
    """

    def __init__(self, function: Callable[P, R], static: tuple[str, ...], small: bool) -> None:
        self.__wrapped__ = function
        self.__doc__ = function.__doc__
        self.static = static
        self.small = small

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if any(isinstance(x, Tracer) for x in jax.tree.leaves((args, kwargs))):
            return self.__wrapped__(*args, **kwargs)
        jitted = _jitted(self)
        known = jitted._cache_size()
        result = jitted(*args, **kwargs)
        if jitted._cache_size() > known:
            give_back()
        return result

    def _cache_size(self) -> int:
        return _jitted(self)._cache_size()

    def clear_cache(self) -> None:
        """Forget the compiled programs."""
        _jitted(self).clear_cache()


@cache
def _jitted(program: Program[..., Any]) -> Any:
    """The jitted function. It is made at the first call, because the device is known only then."""
    return jax.jit(
        program.__wrapped__,
        static_argnames=program.static,
        compiler_options=options(program.small),
    )


def give_back() -> None:
    """Return the free memory of the compiler to the system.

    With glibc that is 310 of 670 MB after a step of bptt.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def program(*static: str, small: bool = False) -> Callable[[Callable[P, R]], Program[P, R]]:
    """Decorate a function that is compiled anew for each value of its arguments `static`.

    Args:
        static: the names of these arguments.
        small: whether the program is small and seldom called.
    """
    return lambda function: Program(function, static, small)
