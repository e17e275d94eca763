"""Quick compilation for tests (tests/conftest.py), and a user's one where bits are compared."""

import os
from functools import partial
from typing import Any

import jax

from metaplast.numerics.compiler import CPU_OPTIONS

# From JAX 0.11 on these are the only emitters, and there is no option.
OLD = jax.__version_info__ < (0, 11)
EMITTERS = "xla_cpu_use_fusion_emitters"

AS_USERS = {
    **CPU_OPTIONS,
    "xla_llvm_disable_expensive_passes": False,
    **({EMITTERS: True} if OLD else {}),
}
"""The options of a user's compilation."""
as_users_jit = partial(jax.jit, compiler_options=AS_USERS)


def as_users(
    monkeypatch: Any, module: Any, *names: str, static: tuple[str, ...] = ("problem", "outer")
) -> None:
    """Compile these jitted functions of a module as in a user's run, for the length of a test."""
    for name in names:
        monkeypatch.setattr(
            module, name, as_users_jit(getattr(module, name).__wrapped__, static_argnames=static)
        )


def quickly() -> None:
    """Make all later compilations of this process quick.

    They skip optimisations and, in JAX before 0.11, the slower emitters.
    """
    jax.config.update("jax_disable_most_optimizations", True)
    if OLD:
        os.environ["XLA_FLAGS"] = f"--{EMITTERS}=false"
        jax.devices()  # reads the flag: the processes of tests do not inherit it
        del os.environ["XLA_FLAGS"]
