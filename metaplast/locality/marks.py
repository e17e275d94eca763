"""Marks of arrays: the marks of the result of each operation."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from metaplast.locality.known import Known

Marks = np.ndarray
"""An array of uint64, of the shape of the value."""

ELEMENTWISE = frozenset(
    """
    abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil
    clamp clz complex conj convert_element_type copy cos cosh digamma div eq eq_to erf erf_inv
    erfc exp exp2 expm1 floor ge gt igamma igamma_grad_a igammac imag integer_pow is_finite le
    le_to lgamma log log1p logistic lt lt_to max min mul mulhi ne neg nextafter not or polygamma
    population_count pow real reduce_precision regularized_incomplete_beta rem round rsqrt
    select_n shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt square
    stop_gradient sub tan tanh xor zeta
    """.split()  # noqa: SIM905 (one name to a line would fill two pages)
)
REDUCTIONS = {
    "argmax",
    "argmin",
    "reduce_and",
    "reduce_max",
    "reduce_min",
    "reduce_or",
    "reduce_prod",
    "reduce_sum",
    "reduce_xor",
}
CUMULATIVE = {"cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum"}
SAME_SHAPE = {"reshape", "squeeze"}
SCATTERS = {"scatter", "scatter-add", "scatter-max", "scatter-min", "scatter-mul", "scatter-sub"}


def nothing(shape: tuple[int, ...]) -> Marks:
    """No mark at any element.

    Args:
        shape: the shape of the value.
    """
    return np.zeros(shape, np.uint64)


def everywhere(marked: Sequence[Marks], shapes: Sequence[tuple[int, ...]]) -> list[Marks]:
    """Every mark at every element.

    Args:
        marked: the marks of the operands.
        shapes: the shapes of the results.
    """
    return [np.full(shape, every(marked), np.uint64) for shape in shapes]


def every(marked: Sequence[Marks]) -> np.uint64:
    """All marks of all elements, as one number; 0 where there are no elements.

    Args:
        marked: the marks of several arrays.
    """
    total = np.uint64(0)
    for marks in marked:
        total |= np.bitwise_or.reduce(marks, axis=None)
    return total


def union(several: Sequence[Marks]) -> Marks:
    """The marks of several arrays of one shape together, element by element.

    Args:
        several: the marks of the arrays.
    """
    together = several[0].copy()
    for marks in several[1:]:
        together |= marks
    return together


def _pointwise(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    shape = equation.outvars[0].aval.shape
    same_shape = [np.broadcast_to(marks, shape) for marks in marked]
    return [union(same_shape)]


def _reduced(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    return [np.bitwise_or.reduce(marked[0], axis=tuple(equation.params["axes"]))]


def _accumulated(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    axis = equation.params["axis"]
    if equation.params["reverse"]:
        return [np.flip(np.bitwise_or.accumulate(np.flip(marked[0], axis), axis=axis), axis)]
    return [np.bitwise_or.accumulate(marked[0], axis=axis)]


def _reshaped(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    moved = marked[0]
    # The `dimensions` of a squeeze are no order: they are the axes that it removes.
    if equation.primitive.name == "reshape" and equation.params["dimensions"] is not None:
        moved = moved.transpose(equation.params["dimensions"])
    return [moved.reshape(equation.outvars[0].aval.shape)]


def _broadcast_in_dim(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    shape = tuple(equation.params["shape"])
    placed = [1] * len(shape)
    for axis, place in enumerate(equation.params["broadcast_dimensions"]):
        placed[place] = marked[0].shape[axis]
    return [np.broadcast_to(marked[0].reshape(placed), shape)]


def _moved(equation: Any, marked: list[Marks], known: Known) -> list[Marks]:
    """The marks of an operation that only moves elements.

    The operation is applied to the numbers of the places. Where its positions are unknown, elements
    have the marks of all places along the unknown axes.
    """
    operand, *others = equation.invars
    shape = equation.outvars[0].aval.shape
    if every(marked[1:]):
        return _chosen(equation, marked, shape)
    marks = marked[0]
    positions = list(map(known.value, others))
    if any(position is None for position in positions):
        marks = _along(equation, marks)
        positions = [np.zeros(atom.aval.shape, np.int32) for atom in others]
    n_places = math.prod(operand.aval.shape)
    # Place 0 stands for an element that the operation fills in.
    places = np.arange(1, n_places + 1, dtype=np.int32).reshape(operand.aval.shape)
    parameters = dict(equation.params)
    if "fill_value" in parameters:
        parameters["fill_value"] = 0
    moved = np.asarray(equation.primitive.bind(places, *positions, **parameters))
    return [np.concatenate([nothing((1,)), marks.reshape(-1)])[moved]]


def _along(equation: Any, marks: Marks) -> Marks:
    """The marks of all elements along the axes in which places are unknown, at every element."""
    sizes = equation.params["slice_sizes"]
    axes = tuple(np.flatnonzero(np.less(sizes, marks.shape)).tolist())
    return np.broadcast_to(np.bitwise_or.reduce(marks, axis=axes, keepdims=True), marks.shape)


def _chosen(equation: Any, marked: list[Marks], shape: tuple[int, ...]) -> list[Marks]:
    """The marks of a gather whose positions carry marks.

    Where it gathers single elements, each has the marks of its position and of the whole operand.
    """
    operand, *positions = marked
    one_by_one = equation.primitive.name == "gather" and shape == positions[0].shape[:-1]
    if not one_by_one:
        return everywhere(marked, [shape])
    return [np.bitwise_or.reduce(positions[0], axis=-1) | every([operand])]


def _concatenated(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    return [np.concatenate(marked, axis=equation.params["dimension"])]


def _padded(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    places = np.arange(1, marked[0].size + 1, dtype=np.int32).reshape(marked[0].shape)
    moved = np.asarray(jax.lax.pad(places, np.int32(0), equation.params["padding_config"]))
    inside = np.concatenate([nothing((1,)), marked[0].reshape(-1)])[moved]
    return [np.where(moved == 0, marked[1], inside)]


def _updated(equation: Any, marked: list[Marks], known: Known) -> list[Marks]:
    """The marks of dynamic_update_slice. An element that is not overwritten keeps its marks."""
    operand, update, *starts = marked
    shape = operand.shape
    if every(starts):
        return everywhere(marked, [shape])
    slices = []
    for atom, whole, part in zip(equation.invars[2:], shape, update.shape, strict=True):
        start = known.value(atom)
        if start is None:
            return everywhere(marked, [shape])
        first = int(np.clip(start, 0, whole - part))
        slices.append(slice(first, first + part))
    result = operand.copy()
    result[tuple(slices)] = update
    return [result]


def _scattered(equation: Any, marked: list[Marks], known: Known) -> list[Marks]:
    """The marks of a scatter.

    Each mark is scattered alone, as a number that is added. Where the places are unknown, it goes
    along whole axes.
    """
    operand, indices, updates = marked
    if indices.any():
        return everywhere(marked, [operand.shape])
    numbers = equation.params["dimension_numbers"]
    mode = equation.params["mode"]
    where = known.value(equation.invars[1])
    is_unknown = where is None
    if is_unknown:
        where = np.zeros(indices.shape, np.int32)
    result = operand.copy()
    for bit in range(64):
        mark = np.uint64(1) << np.uint64(bit)
        if not (updates & mark).any():
            continue
        ones = ((updates & mark) > 0).astype(np.float32)
        zeros = np.zeros(operand.shape, np.float32)
        sums = np.asarray(jax.lax.scatter_add(zeros, where, ones, numbers, mode=mode))
        reached = sums > 0
        if is_unknown:
            axes = tuple(numbers.scatter_dims_to_operand_dims)
            reached = np.broadcast_to(reached.any(axis=axes, keepdims=True), operand.shape)
        result |= np.where(reached, mark, np.uint64(0))
    return [result]


def _product(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    """The marks of dot_general. An element has the marks of its left row and its right column."""
    (left_sum, right_sum), (left_batch, right_batch) = equation.params["dimension_numbers"]
    left, right = marked
    left_free = sorted({*range(left.ndim)} - {*left_sum, *left_batch})
    right_free = sorted({*range(right.ndim)} - {*right_sum, *right_batch})
    shape = equation.outvars[0].aval.shape
    n_batch = len(left_batch)
    rows = _gathered(left, tuple(left_sum), [*left_batch, *left_free])
    columns = _gathered(right, tuple(right_sum), [*right_batch, *right_free])
    rows = rows.reshape(rows.shape + (1,) * len(right_free))
    columns = columns.reshape(
        columns.shape[:n_batch] + (1,) * len(left_free) + columns.shape[n_batch:]
    )
    return [np.broadcast_to(rows, shape) | np.broadcast_to(columns, shape)]


def _gathered(marks: Marks, over: tuple[int, ...], order: list[int]) -> Marks:
    """The marks of all elements along some axes together, with the other axes in a new order.

    Args:
        marks: the marks.
        over: the axes that are reduced.
        order: the other axes, in their new order.
    """
    reduced = np.bitwise_or.reduce(marks, axis=over, keepdims=True)
    shape = [marks.shape[axis] for axis in order]
    return np.transpose(reduced, [*order, *over]).reshape(shape)


def _stacked(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    return [np.stack(marked, axis=equation.params["axis"])]


def _unstacked(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    return list(np.moveaxis(marked[0], equation.params["axis"], 0))


def _tiled(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    return [np.tile(marked[0], equation.params["reps"])]


def _split(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    ends = np.cumsum(equation.params["sizes"])[:-1]
    return list(np.split(marked[0], ends, axis=equation.params["axis"]))


def _bits_kept(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    """The marks of bitcast_convert_type: element by element where the width stays the same."""
    shape = tuple(equation.outvars[0].aval.shape)
    if marked[0].shape == shape:
        return marked
    return everywhere(marked, [shape])


def _sorted(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    axis = equation.params["dimension"]
    along = np.bitwise_or.reduce(union(marked), axis=axis, keepdims=True)
    return [np.broadcast_to(along, marks.shape) for marks in marked]


def _largest(equation: Any, marked: list[Marks], _: Known) -> list[Marks]:
    """The marks of top_k."""
    axis = equation.params.get("axis", -1)
    along = np.bitwise_or.reduce(marked[0], axis=axis, keepdims=True)
    return [np.broadcast_to(along, v.aval.shape) for v in equation.outvars]


OPERATIONS: dict[str, Callable[[Any, list[Marks], Known], list[Marks]]] = {
    **dict.fromkeys(ELEMENTWISE, _pointwise),
    **dict.fromkeys(REDUCTIONS, _reduced),
    **dict.fromkeys(CUMULATIVE, _accumulated),
    **dict.fromkeys(SAME_SHAPE, _reshaped),
    **dict.fromkeys(SCATTERS, _scattered),
    "bitcast_convert_type": _bits_kept,
    "broadcast_in_dim": _broadcast_in_dim,
    "concatenate": _concatenated,
    "dot_general": _product,
    "dynamic_slice": _moved,
    "dynamic_update_slice": _updated,
    "gather": _moved,
    "optimization_barrier": lambda equation, marked, known: marked,
    "pad": _padded,
    "rev": _moved,
    "slice": _moved,
    "split": _split,
    "stack": _stacked,
    "tile": _tiled,
    "sort": _sorted,
    "top_k": _largest,
    "transpose": _moved,
    "unstack": _unstacked,
}
