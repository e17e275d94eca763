"""The reach of a rule cannot be fooled, because its program is followed number by number."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from metaplast.connections.dense import Dense
from metaplast.connections.masked import Masked
from metaplast.connections.sparse import Sparse
from metaplast.language.grammar import REACHES
from metaplast.locality.reads import reach, reads
from metaplast.registry import find
from metaplast.rules.base import AbstractRule
from metaplast.rules.wrappers.clip import Clip
from metaplast.rules.wrappers.metaplastic import Metaplastic
from metaplast.rules.wrappers.momentum import Momentum
from metaplast.rules.wrappers.sum import Sum
from metaplast.signals import rule_state
from metaplast.spec import spec
from metaplast.testing.worlds import channels
from tests.contracts._enrolled import enrolled
from tests.rules._jumps import EDGE, observed

Change = Callable[[Any, Any], Any]


def ones(connection: Any) -> Any:
    return jnp.ones(connection.shape)


def rows(values: Any, connection: Any) -> Any:
    return values[:, None] * ones(connection)


def columns(values: Any, connection: Any) -> Any:
    return values[None, :] * ones(connection)


LOCAL: dict[str, Change] = {
    "product": lambda view, c: (
        view.post.activity[:, None] * view.pre.activity[None] * jnp.sign(view.weight)
    ),
    "vmap": lambda view, c: jax.vmap(lambda y, w: jnp.tanh(w * y))(view.post.activity, view.weight),
    "scan over rows": lambda view, c: jax.lax.scan(lambda s, w: (s, 2 * w), 0.0, view.weight)[1],
    "loop": lambda view, c: jax.lax.fori_loop(0, 3, lambda i, w: 0.5 * w, view.weight),
    "own place": lambda view, c: (
        view.weight * jnp.take(view.post.activity, jnp.arange(c.n_post))[:, None]
    ),
    "own segment": lambda view, c: jax.ops.segment_sum(view.weight, jnp.arange(c.n_post), c.n_post),
    "features": lambda view, c: jnp.einsum(
        "fji,f->ji", jnp.stack([view.weight, view.weight**2]), jnp.ones(2)
    ),
    "noise": lambda view, c: view.weight * jax.random.normal(view.key, c.shape),
    "custom derivative": lambda view, c: (
        jax.nn.relu(view.weight) * jax.nn.softplus(view.post.activity)[:, None]
    ),
    "there and back": lambda view, c: jnp.flip(jnp.flip(view.weight, 0).T, 1).T,
    "own branch": lambda view, c: jnp.where(view.weight > 0, view.weight, -view.weight),
    "table": lambda view, c: jnp.array([1.0, 2.0])[(view.weight > 0).astype(int)],
    "both modulators": lambda view, c: view.weight * view.weight_max,
}
NEURON: dict[str, Change] = {
    "mean input": lambda view, c: jnp.mean(view.pre.activity) * ones(c),
    "rows normalised": lambda view, c: view.weight - jnp.mean(view.weight, axis=1, keepdims=True),
    "columns normalised": lambda view, c: (
        view.weight - jnp.mean(view.weight, axis=0, keepdims=True)
    ),
    "sorted": lambda view, c: jnp.sort(view.weight, axis=1),
    "cumulated": lambda view, c: jnp.cumsum(view.weight, axis=1),
    "neighbour": lambda view, c: jnp.roll(view.weight, 1, axis=0),
    "largest two": lambda view, c: rows(jax.lax.top_k(view.weight, 2)[0].sum(axis=1), c),
    "one row on another": lambda view, c: view.weight.at[0].add(view.weight[1]),
    "loop": lambda view, c: jax.lax.fori_loop(
        0, 2, lambda i, w: w - w.mean(axis=1, keepdims=True), view.weight
    ),
    "hinge of a sum": lambda view, c: rows((view.weight.sum(axis=1) > 0).astype(float), c),
}
LAYER: dict[str, Change] = {
    "W^T post": lambda view, c: (
        columns(view.weight.T @ view.post.activity, c) * view.post.activity[:, None]
    ),
    "its sign": lambda view, c: columns(jnp.sign(view.weight.T @ view.post.activity), c),
    "argmax": lambda view, c: rows(
        (jnp.arange(c.n_post) == jnp.argmax(view.post.activity)).astype(float), c
    ),
    "a comparison": lambda view, c: rows(
        (view.post.activity > view.post.activity.mean()).astype(float), c
    ),
    "stop_gradient": lambda view, c: jax.lax.stop_gradient(view.post.activity.sum()) * ones(c),
    "top-k": lambda view, c: rows(
        (view.post.activity >= jax.lax.top_k(view.post.activity, 2)[0][-1]).astype(float), c
    ),
    "a branch": lambda view, c: jax.lax.cond(
        view.post.activity.sum() > 0, lambda: ones(c), lambda: 0.0 * ones(c)
    ),
    "a loop's end": lambda view, c: jax.lax.while_loop(
        lambda w: w.sum() < 5, lambda w: w + 1.0, view.weight
    ),
    "a scan's carry": lambda view, c: jax.lax.scan(
        lambda s, w: (s + w.sum(), w + s), 0.0, view.weight
    )[1],
    "one place": lambda view, c: view.weight * view.post.activity[0],
    "places swapped": lambda view, c: view.weight * jnp.flip(view.post.activity)[:, None],
    "error of other inputs": lambda view, c: view.pre.feedback.sum() * ones(c),
    "inverse": lambda view, c: (
        jnp.linalg.inv(view.weight @ view.weight.T + jnp.eye(c.n_post)) @ view.weight
    ),
    "largest along an axis": lambda view, c: jax.lax.top_k(
        rows(view.post.activity, c), c.n_post, axis=0
    )[0],
    "einsum": lambda view, c: jnp.einsum(
        "ji,ki,k->ji", view.weight, view.weight, view.post.activity
    ),
}
UNSEEN: dict[str, Change] = {  # no jump shows them: only the program tells
    "closed gate": lambda view, c: 0.0 * view.post.activity.sum() * ones(c),
    "callback": lambda view, c: jax.pure_callback(lambda w: w, view.weight, view.weight),
}
TRICKS = [
    *(pytest.param(change, "synapse", id=f"synapse: {name}") for name, change in LOCAL.items()),
    *(pytest.param(change, "neuron", id=f"neuron: {name}") for name, change in NEURON.items()),
    *(pytest.param(change, "layer", id=f"layer: {name}") for name, change in LAYER.items()),
]


@spec
class Computed(AbstractRule):
    """A rule that computes delta_w from the view, by a function."""

    change: Any = None

    def init(self, key: Any, connection: Any) -> Any:
        return {}

    def init_state(self, theta: Any, connection: Any) -> Any:
        return rule_state()

    def step(self, theta: Any, state: Any, connection: Any, view: Any, dt: float) -> Any:
        return state, self.change(view, connection)


def measured(rule: AbstractRule, connection: Any = EDGE) -> str:
    return reach(reads(rule, connection, ()))


@pytest.mark.parametrize(("change", "expected"), TRICKS)
def test_mixing_is_found_in_the_program(change, expected):
    assert measured(Computed(change)) == expected
    assert measured(Computed(change), Dense(40, 30)) == expected


@pytest.mark.parametrize("change", UNSEEN.values(), ids=UNSEEN)
def test_what_no_jump_shows_counts_as_the_widest(change):
    assert measured(Computed(change)) == "layer"


def _around(wrapper: AbstractRule, **parts: Any) -> AbstractRule:
    """A wrapper around rules that no registry knows."""
    for name, part in parts.items():
        object.__setattr__(wrapper, name, part)
    return wrapper


WRAPPERS = {
    "clip": lambda rule: _around(Clip(), rule=rule),
    "momentum": lambda rule: _around(Momentum(), rule=rule),
    "metaplastic": lambda rule: _around(Metaplastic(by="change"), rule=rule),
    "sum": lambda rule: _around(Sum(), rules=(("a", rule), ("b", Computed(LOCAL["product"])))),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_a_wrapper_hides_nothing(wrap):
    assert measured(wrap(Computed(LOCAL["product"]))) == "synapse"
    assert measured(wrap(Computed(NEURON["mean input"]))) == "neuron"
    assert measured(wrap(Computed(LAYER["W^T post"]))) == "layer"


SHAPES = {
    "post": lambda c: c.n_post,
    "pre": lambda c: c.n_pre,
    "synapse": lambda c: c.shape,
    "scalar": lambda c: (),
}


@spec
class Kept(AbstractRule):
    """A rule with a number `kept` on one side of its state, and perhaps with another number."""

    side: str = "post"
    change: Any = None  # (view, connection, kept number) -> (the next kept number, delta_w)
    second: str = ""

    def init(self, key: Any, connection: Any) -> Any:
        return {}

    def init_state(self, theta: Any, connection: Any) -> Any:
        sides = {}
        for side in (self.side, self.second):
            if side:
                sides[side] = {"kept": jnp.zeros(SHAPES[side](connection))}
        return rule_state(**sides)

    def step(self, theta: Any, state: Any, connection: Any, view: Any, dt: float) -> Any:
        kept = [getattr(state, side)["kept"] for side in (self.side, self.second) if side]
        *new, delta = self.change(view, connection, *kept)
        sides = {side: {"kept": x} for side, x in zip((self.side, self.second), new, strict=False)}
        return rule_state(**sides), delta


def test_state_carries_on_what_it_was_given():
    trace = Kept(
        "post",
        lambda view, c, y: (0.9 * y + view.post.activity, rows(y, c) * view.pre.activity[None]),
    )
    hidden = Kept("scalar", lambda view, c, s: (view.post.activity.sum(), s * ones(c)))
    unread = Kept("scalar", lambda view, c, s: (view.post.activity.sum(), view.weight))
    inputs = Kept("post", lambda view, c, y: (y + view.pre.activity.sum(), rows(y, c)))
    for rule, expected in (
        (trace, "synapse"),
        (hidden, "layer"),
        (unread, "synapse"),
        (inputs, "neuron"),
    ):
        assert measured(rule) == expected


def test_what_needs_two_steps_is_found():
    """The first step sums columns into the state. The second step sums these sums."""

    def change(view: Any, c: Any, before: Any, after: Any) -> Any:
        return view.weight.sum(axis=0), jnp.full(c.n_post, before.sum()), rows(after, c)

    assert measured(Kept("pre", change, second="post")) == "layer"
    assert observed(Kept("pre", change, second="post"), ()) == "layer"


@pytest.mark.parametrize(
    "connection", [Sparse(n_post=6, n_pre=5, probability=0.5), Masked(n_post=6, n_pre=5)], ids=str
)
def test_mixing_is_found_on_every_connection(connection):
    synapse = Computed(
        lambda view, c: c.at_post(view.post.activity) * c.at_pre(view.pre.activity) * view.weight
    )
    neuron = Computed(lambda view, c: c.at_post(c.reduce_post(view.weight)) * jnp.ones(c.shape))
    layer = Computed(
        lambda view, c: (
            c.at_pre(c.backpropagate(view.weight, view.post.activity)) * jnp.ones(c.shape)
        )
    )
    assert [measured(rule, connection) for rule in (synapse, neuron, layer)] == [
        "synapse",
        "neuron",
        "layer",
    ]


def _through_a_reference(view: Any, c: Any) -> Any:
    kept = jax.new_ref(jnp.zeros(c.shape))
    kept[...] = jnp.broadcast_to(view.weight.sum(), c.shape)
    return kept[...]


SQUARE = {
    "order of a ravel": (lambda view, c: jnp.ravel(view.weight, order="F").reshape(4, 4), "layer"),
    "back in its order": (lambda view, c: view.weight.reshape((4, 4), order="F"), "synapse"),
    "fixed places": (
        lambda view, c: view.weight[jax.random.permutation(jax.random.key(0), 4)],
        "neuron",
    ),
    "a reference": (_through_a_reference, "layer"),
}


@pytest.mark.parametrize(("change", "expected"), SQUARE.values(), ids=SQUARE)
def test_places_are_followed_and_what_is_written_elsewhere_is_not_trusted(change, expected):
    assert measured(Computed(change), Dense(4, 4)) == expected


def test_inputs_that_may_be_none_count_as_the_layer():
    """On a sparse graph, a neuron may have no synapse from the neuron whose activity it reads."""
    rule = Computed(lambda view, c: view.pre.activity.mean() * ones(c))
    assert measured(rule, Dense(6, 5)) == "neuron"
    assert measured(rule, Sparse(n_post=6, n_pre=5, probability=0.5)) == "layer"


def test_a_delay_line_of_a_neuron_is_its_own():
    def change(view: Any, c: Any, line: Any, step: Any) -> Any:
        place = step.astype(int) % 3
        return line.at[:, place].set(view.post.activity), step + 1, rows(line[:, place], c)

    class Line(Kept):
        def init_state(self, theta: Any, connection: Any) -> Any:
            return rule_state(
                post={"kept": jnp.zeros((connection.n_post, 3))}, scalar={"kept": jnp.zeros(())}
            )

    assert measured(spec(Line)("post", change, second="scalar")) == "synapse"


def test_a_large_matrix_is_measured_in_part():
    rule = Computed(LAYER["W^T post"])
    assert measured(rule, Dense(100_000, 100_000)) == "layer"
    assert measured(Computed(LOCAL["vmap"]), Dense(2, 3_000_000)) == "synapse"


def test_more_reach_than_read_is_said_of_the_file_and_the_run():
    """The kind of mixing stands among the fields that are read, so files and pages show it."""
    assert reads(Computed(LAYER["W^T post"]), EDGE, ()) == {
        "weight",
        "post.activity",
        "mixing.layer",
    }
    assert reads(Computed(NEURON["sorted"]), EDGE, ()) == {"weight", "mixing.neuron"}


@pytest.mark.system
@pytest.mark.parametrize(("change", "expected"), TRICKS)
def test_jumps_of_single_neurons_go_as_far_as_the_program_says(change, expected):
    assert observed(Computed(change), ()) == expected


@pytest.mark.system
@pytest.mark.parametrize("name", enrolled("rule"))
def test_no_jump_goes_further_than_the_program_says(name):
    rule = find("rule", name)()
    names = channels(rule)
    by_program = reach(reads(rule, EDGE, names))
    assert REACHES.index(observed(rule, names)) <= REACHES.index(by_program)
