"""A rule as one Python module with an optax transformation, for JAX and optax alone."""

from metaplast.reuse.export._header import header
from metaplast.reuse.export.exported import Exported, Subject
from metaplast.reuse.export.lowered import program
from metaplast.reuse.export.python import functions, signals_of

REASON = "JAX computes the same equations, in its default float."
_TRANSFORMATION = '''

def transformation(dt=DT, layout="post_pre"):
    """The rule as an optax transformation.

    layout: "post_pre" for weights [n_post, n_pre] (equinox), "pre_post" for [n_pre, n_post] (flax).
    `update(updates, state, params, signals=...)` takes {path of a weight matrix: {name of a signal:
    its values [n_examples, n]}}. The examples come one after the other at held weights; the update
    is their mean. It does not read the gradients. Whatever has no signals gets an update of 0.
    """

    def oriented(matrix):
        return matrix.T if layout == "pre_post" else matrix

    def path_of(keys):
        return jax.tree_util.keystr(keys, simple=True, separator=".").removesuffix(".value")

    def matrices(params):
        leaves = jax.tree_util.tree_flatten_with_path(params)[0]
        return {path_of(keys): oriented(leaf) for keys, leaf in leaves if np.ndim(leaf) == 2}

    def begin(params):
        return {path: init(weight) for path, weight in matrices(params).items()}

    def changes(updates, state, params=None, *, signals, **_):
        weights = matrices(params)
        state = dict(state)
        means = {}
        for path, given in signals.items():

            def step(carry, example, weight=weights[path]):
                return update(**example, weight=weight, state=carry, dt=dt)

            of_rule = {name: np.asarray(given[name], float) for name in SIGNALS if name in given}
            state[path], deltas = jax.lax.scan(step, state[path], of_rule)
            means[path] = oriented(deltas.mean(axis=0))

        def change(keys, leaf):
            return means.get(path_of(keys), np.zeros_like(leaf)).astype(leaf.dtype)

        return jax.tree_util.tree_map_with_path(change, params), state

    return optax.GradientTransformationExtraArgs(begin, changes)
'''


def export(subject: Subject) -> Exported:
    """The module of a rule, with `init`, `update` and `transformation`.

    Args:
        subject: the rule.
    """
    equations = program(subject.rule)
    names = [name for name, _ in signals_of(equations) if name != "weight"]
    usage = [
        "Use, with this file saved as rule.py:",
        "    optimiser = rule.transformation()",
        "    state = optimiser.init(params)",
        "    signals = {path: {name: values [n_examples, n]}}   # of every weight matrix",
        "    updates, state = optimiser.update(None, state, params, signals=signals)",
        f"Names of its signals: {', '.join(names)}.",
        "metaplast.layer_signals computes them for perceptrons of equinox and flax.",
    ]
    lines = header(subject, "optax", "faithful", (REASON,), usage)
    lines += ["", "import jax", "import jax.numpy as np", "import optax", ""]
    lines += [f"DT = {float(subject.dt or 1e-3)!r}  # seconds of a step"]
    listed = "".join(f'"{name}", ' for name in names)
    lines += [f"SIGNALS = ({listed.rstrip()})", *functions(equations)]
    return Exported("\n".join(lines) + "\n" + _TRANSFORMATION, "faithful", (REASON,))
