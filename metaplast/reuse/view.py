"""From a user's arrays to the view that a rule reads: named signals in, one-line errors out."""

import difflib
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.aggregates import AGGREGATES, aggregates
from metaplast.language.grammar import MIXING, SIGNALS, field_of
from metaplast.registry import BadInput
from metaplast.reuse.text import quote
from metaplast.signals import Key, NeuronView, SynapseView

_GIVEN = ("pre", "post", "weight", "error")
_OTHERS = (*(name for name in SIGNALS if name not in _GIVEN), "weight_initial", "weight_max")
_SHORT = {field_of(name): name for name in SIGNALS}


def synapse_view(
    *,
    pre: Any = None,
    post: Any = None,
    weight: Any = None,
    error: Any = None,
    modulators: dict[str, Any] | None = None,
    key: Key | None = None,
    **signals: Any,
) -> SynapseView:
    """The view of one connection, from arrays.

    A signal that is not given stays missing (None); a rule that reads it refuses the view. Sums
    over synapses (`predicted` = W^T post, norms) are computed from the weights where they are not
    given.

    Args:
        pre: activities [n_pre].
        post: activities [n_post].
        weight: weights [n_post, n_pre].
        error: credit signal [n_post]; d loss / d potential under backprop.
        modulators: {channel: number}.
        key: a jax.random key, for rules with noise.
        signals: any other name of the term grammar (`pre_error`, `post_gain`, ...),
            `weight_initial`, `weight_max`.

    Raises: BadInput for an unknown name, or a value that is no array of real numbers.
    """
    for name in signals:
        if name not in _OTHERS:
            near = difflib.get_close_matches(name, _OTHERS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "correct the name"
            raise BadInput(
                f"signal {quote(name)}", f"one of {', '.join((*_GIVEN, *_OTHERS))}", hint
            )
    given = {"pre": pre, "post": post, "weight": weight, "error": error, **signals}
    dtype = _dtype(weight)
    arrays = {
        name: _array(name, value, dtype) for name, value in given.items() if value is not None
    }
    sides: dict[str, dict[str, Array]] = {"pre": {}, "post": {}}
    for name, (side, field) in SIGNALS.items():
        if side in sides and name in arrays:
            sides[side][field] = arrays[name]
    channels = {
        name: _array(f"modulator.{name}", value, dtype)
        for name, value in (modulators or {}).items()
    }
    fields: dict[str, Any] = {
        name: arrays.get(name) for name in ("weight", "weight_initial", "weight_max")
    }
    return SynapseView(
        pre=_neurons(sides["pre"]),
        post=_neurons(sides["post"]),
        modulators=channels,
        key=key,  # pyright: ignore[reportArgumentType]
        **fields,
    )  # pyright: ignore[reportArgumentType]


def complete(
    view: Any, connection: AbstractConnection, reads: frozenset[str], rule: str
) -> SynapseView:
    """The view with every field filled: sums over synapses computed, unread fields zero.

    Args:
        view: of the user.
        connection: of its synapses.
        reads: the fields that the rule reads.
        rule: the name of the rule, for messages.

    Raises: BadInput naming the signal that is missing or of a wrong shape or dtype.
    """
    if not isinstance(view, SynapseView):
        raise BadInput(
            f"view of type {type(view).__name__}",
            "a SynapseView",
            "build it with metaplast.synapse_view(...)",
        )
    given = _fields(view)
    if given.get("weight") is None:
        raise BadInput(
            "view without weight",
            "the weights that the rule changes",
            "give weight=... to synapse_view",
        )
    sizes = {"pre": (connection.n_pre,), "post": (connection.n_post,)}
    dtype = _dtype(given["weight"])
    arrays: dict[str, Array] = {}
    for name, value in given.items():
        if value is None or name == "key":
            continue
        array = _array(_SHORT.get(name, name), value, dtype)
        side = name.partition(".")[0]
        shape = (
            ()
            if name == "weight_max" or side == "modulators"
            else sizes.get(side, connection.shape)
        )
        if array.shape != shape:
            raise BadInput(
                f"{_SHORT.get(name, name)} of shape {array.shape}", f"{shape}", "correct its shape"
            )
        arrays[name] = array
    missing = (
        reads
        - set(MIXING.values())
        - set(arrays)
        - ({"key"} if view.key is not None else frozenset())
    )
    sums = missing & set(AGGREGATES)
    missing = (missing - sums) | {
        need for name in sums for need in AGGREGATES[name].needs if need not in arrays
    }
    for name in sorted(missing):
        short = _SHORT.get(name, name)
        how = (
            f"modulators={{{short.partition('.')[2]!r}: ...}}"
            if name.startswith("modulators.")
            else f"{short}=..."
        )
        raise BadInput(
            f"rule {rule} reads {short}", "it in the view", f"give {how} to synapse_view"
        )
    for side, found in aggregates(connection, arrays["weight"], arrays.__getitem__, sums).items():
        arrays.update({f"{side}.{field}": value for field, value in found.items()})
    return _filled(arrays, connection, view.key)


def check_step(dt: Any) -> float:
    """The time step in seconds.

    Raises: BadInput for a step that is not a positive number known before tracing.
    """
    try:
        step = float(dt) if np.ndim(dt) == 0 and not isinstance(dt, str | bool) else math.nan
    except (TypeError, jax.errors.ConcretizationTypeError):
        step = math.nan
    if not math.isfinite(step) or step <= 0:
        raise BadInput(
            f"dt={quote(dt)}",
            "a positive number of seconds, not traced",
            "close over it under jax.jit",
        )
    return step


def check_weights(weights: Any) -> Array:
    """The weights in JAX's default float. Raises: BadInput for anything but an array of floats."""
    array = _array("weight", weights, _dtype(weights))
    if array.ndim == 0:
        raise BadInput("weight of shape ()", "[n_post, n_pre]", "give a matrix")
    return array


def _fields(view: SynapseView) -> dict[str, Any]:
    """Every field of a view by its dotted name."""
    flat: dict[str, Any] = {}
    for name in view.__dataclass_fields__:
        value = getattr(view, name)
        if name in ("pre", "post"):
            flat.update(
                {f"{name}.{field}": getattr(value, field) for field in value.__dataclass_fields__}
            )
        elif name == "modulators":
            flat.update({f"modulators.{channel}": item for channel, item in value.items()})
        elif name != "transmitted":  # a loaded rule steps by the view that it is given
            flat[name] = value
    return flat


def _filled(
    arrays: dict[str, Array], connection: AbstractConnection, key: Key | None
) -> SynapseView:
    dtype = arrays["weight"].dtype

    def side(name: str, n: int) -> NeuronView:
        zeros = jnp.zeros(n, dtype)
        return NeuronView(
            **{
                field: arrays.get(f"{name}.{field}", zeros)
                for field in NeuronView.__dataclass_fields__
            }
        )

    channels = {
        name.partition(".")[2]: value
        for name, value in arrays.items()
        if name.startswith("modulators.")
    }
    return SynapseView(
        pre=side("pre", connection.n_pre),
        post=side("post", connection.n_post),
        weight=arrays["weight"],
        weight_initial=arrays.get("weight_initial", arrays["weight"]),
        weight_max=arrays.get("weight_max", jnp.ones((), dtype)),
        modulators=channels,
        key=jax.random.key(0) if key is None else key,
    )


def _neurons(fields: dict[str, Array]) -> NeuronView:
    return NeuronView(**{name: fields.get(name) for name in NeuronView.__dataclass_fields__})  # pyright: ignore[reportArgumentType]


def _dtype(weight: Any) -> Any:
    """JAX's default float, in which everything is computed. Raises: BadInput for other weights."""
    if weight is not None:
        given = weight.dtype if isinstance(weight, Array) else np.asarray(weight).dtype
        if given not in (np.float32, np.float64):
            raise BadInput(
                f"weight of dtype {given}",
                "float32 or float64",
                "convert it, e.g. weight.astype(float)",
            )
    return jnp.zeros(()).dtype


def _array(name: str, value: Any, dtype: Any) -> Array:
    """Real numbers as an array of `dtype`; spikes may come as bool or integers."""
    if not isinstance(value, Array):
        try:
            value = np.asarray(value)
        except ValueError:
            raise BadInput(f"{name}: rows of different lengths", "an array", "correct it") from None
    if value.dtype.kind not in "fiub":
        raise BadInput(f"{name} of dtype {value.dtype}", "real numbers", "convert it")
    return jnp.asarray(value, dtype)
