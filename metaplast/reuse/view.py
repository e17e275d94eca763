"""The view that a rule reads, built from a user's arrays. Errors are one line."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.aggregates import AGGREGATES, aggregates
from metaplast.language.grammar import MIXING, SIGNALS, field_of
from metaplast.registry import BadInput, nearest
from metaplast.reuse.text import quote
from metaplast.signals import Key, NeuronView, SynapseView

_ARGUMENTS = ("pre", "post", "weight", "error")
_UNNAMED = ("weight_initial", "weight_max", "eligibility")
"""The signals that no term names."""
_OTHERS = (*(name for name in SIGNALS if name not in _ARGUMENTS), *_UNNAMED)
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

    A missing signal is None. A rule that reads it refuses the view. Sums over synapses, such as
    `predicted` = W^T post and norms, are computed from the weights where they are missing.

    Args:
        pre: activities [n_pre].
        post: activities [n_post].
        weight: weights [n_post, n_pre].
        error: credit signal [n_post]; d loss / d potential under backprop.
        modulators: {channel: number}.
        key: a jax.random key, for rules with noise.
        signals: `weight_initial`, `weight_max`, `eligibility`, and any other signal of the term
            grammar, such as `pre_error` and `post_gain`.

    Raises: BadInput for an unknown name, or a value that is no array of real numbers.
    """
    for name in signals:
        if name not in _OTHERS:
            known = ", ".join((*_ARGUMENTS, *_OTHERS))
            fix = nearest(name, _OTHERS, "correct the name")
            raise BadInput(f"signal {quote(name)}", f"one of {known}", fix)
    values = {"pre": pre, "post": post, "weight": weight, "error": error, **signals}
    dtype = _dtype(weight)
    arrays = {}
    for name, value in values.items():
        if value is not None:
            arrays[name] = _array(name, value, dtype)
    sides: dict[str, dict[str, Array]] = {"pre": {}, "post": {}}
    for name, (side, field) in SIGNALS.items():
        if side in sides and name in arrays:
            sides[side][field] = arrays[name]
    channels = {}
    for name, value in (modulators or {}).items():
        channels[name] = _array(f"modulator.{name}", value, dtype)
    fields: dict[str, Any] = {
        "weight": arrays.get("weight"),
        "credit": arrays.get("synaptic_credit"),
        "key": key,
    }
    for name in _UNNAMED:
        fields[name] = arrays.get(name)
    return SynapseView(
        pre=_neurons(sides["pre"]),
        post=_neurons(sides["post"]),
        modulators=channels,
        **fields,
    )


def complete(
    view: Any, connection: AbstractConnection, reads: frozenset[str], rule: str
) -> SynapseView:
    """The view with every field filled.

    Missing sums over synapses are computed. Fields that the rule does not read are 0.

    Args:
        view: the view of the user.
        connection: its synapses.
        reads: the fields that the rule reads.
        rule: the name of the rule, for errors.

    Raises: BadInput for a signal that is missing, or of a wrong shape or dtype.
    """
    if not isinstance(view, SynapseView):
        raise BadInput(
            f"view of type {type(view).__name__}",
            "a SynapseView",
            "build it with metaplast.synapse_view(...)",
        )
    fields = _fields(view)
    if fields.get("weight") is None:
        raise BadInput(
            "view without weight",
            "the weights that the rule changes",
            "give weight=... to synapse_view",
        )
    dtype = _dtype(fields["weight"])
    arrays: dict[str, Array] = {}
    for name, value in fields.items():
        if value is None or name == "key":
            continue
        short = _SHORT.get(name, name)
        array = _array(short, value, dtype)
        shape = _shape_of(name, connection)
        if array.shape != shape:
            raise BadInput(f"{short} of shape {array.shape}", f"{shape}", "correct its shape")
        arrays[name] = array
    present = {*arrays, *MIXING.values()}
    if view.key is not None:
        present.add("key")
    sums = (reads - present) & set(AGGREGATES)
    needed = set(reads - sums)
    for name in sums:
        needed |= set(AGGREGATES[name].needs)
    _check_present(needed - present, rule)
    sides = aggregates(connection, arrays["weight"], arrays.__getitem__, sums)
    for side, sums_of_side in sides.items():
        for field, value in sums_of_side.items():
            arrays[f"{side}.{field}"] = value
    return _filled(arrays, connection, view.key)


def _shape_of(field: str, connection: AbstractConnection) -> tuple[int, ...]:
    """The shape of a field of a view."""
    side = field.partition(".")[0]
    if field == "weight_max" or side == "modulators":
        return ()
    if side == "pre":
        return (connection.n_pre,)
    if side == "post":
        return (connection.n_post,)
    return connection.shape


def _check_present(missing: set[str], rule: str) -> None:
    """Raises: BadInput for the first field that is missing."""
    for name in sorted(missing):
        short = _SHORT.get(name, name)
        argument = f"{short}=..."
        if name.startswith("modulators."):
            argument = f"modulators={{{name.partition('.')[2]!r}: ...}}"
        raise BadInput(
            f"rule {rule} reads {short}", "it in the view", f"give {argument} to synapse_view"
        )


def check_step(dt: Any) -> float:
    """The time step in seconds.

    Raises: BadInput for a step that is not a positive number known before tracing.
    """
    step = math.nan
    try:
        if np.ndim(dt) == 0 and not isinstance(dt, str | bool):
            step = float(dt)
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
    """{dotted name: value} of the fields of a view."""
    flat: dict[str, Any] = {}
    for name in view.__dataclass_fields__:
        value = getattr(view, name)
        if name in ("pre", "post"):
            for field in value.__dataclass_fields__:
                flat[f"{name}.{field}"] = getattr(value, field)
        elif name == "modulators":
            for channel, number in value.items():
                flat[f"modulators.{channel}"] = number
        elif name != "transmitted":
            # A loaded rule reads this view alone, so it does not need the transmitted one.
            flat[name] = value
    return flat


def _filled(
    arrays: dict[str, Array], connection: AbstractConnection, key: Key | None
) -> SynapseView:
    """The view of some fields, with 0 or a default in all other fields."""
    dtype = arrays["weight"].dtype

    def side(name: str, n: int) -> NeuronView:
        zeros = jnp.zeros(n, dtype)
        fields = {}
        for field in NeuronView.__dataclass_fields__:
            fields[field] = arrays.get(f"{name}.{field}", zeros)
        return NeuronView(**fields)

    channels = {}
    for name, value in arrays.items():
        if name.startswith("modulators."):
            channels[name.partition(".")[2]] = value
    return SynapseView(
        pre=side("pre", connection.n_pre),
        post=side("post", connection.n_post),
        weight=arrays["weight"],
        weight_initial=arrays.get("weight_initial", arrays["weight"]),
        weight_max=arrays.get("weight_max", jnp.ones((), dtype)),
        eligibility=arrays.get("eligibility", connection.zeros()),
        credit=arrays.get("credit", connection.zeros()),
        modulators=channels,
        key=jax.random.key(0) if key is None else key,
    )


def _neurons(fields: dict[str, Array]) -> NeuronView:
    """The view of neurons, with None in every missing field."""
    every_field: dict[str, Any] = dict.fromkeys(NeuronView.__dataclass_fields__)
    return NeuronView(**every_field | fields)


def _dtype(weight: Any) -> Any:
    """JAX's default float, the dtype of all computations.

    Raises: BadInput for weights that are no floats.
    """
    if weight is not None:
        dtype = weight.dtype if isinstance(weight, Array) else np.asarray(weight).dtype
        if dtype not in (np.float32, np.float64):
            raise BadInput(
                f"weight of dtype {dtype}",
                "float32 or float64",
                "convert it, e.g. weight.astype(float)",
            )
    return jnp.zeros(()).dtype


def _array(name: str, value: Any, dtype: Any) -> Array:
    """Real numbers as an array of a dtype. Spikes may be booleans or integers."""
    if not isinstance(value, Array):
        try:
            value = np.asarray(value)
        except ValueError:
            raise BadInput(f"{name}: rows of different lengths", "an array", "correct it") from None
    if value.dtype.kind not in "fiub":
        raise BadInput(f"{name} of dtype {value.dtype}", "real numbers", "convert it")
    return jnp.asarray(value, dtype)
