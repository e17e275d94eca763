"""References that learn from a stream, against scikit-learn and plain NumPy loops."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier

from metaplast.references._life import Stream
from metaplast.registry import find

N_IN, N_CLASSES, N_SHOWN, N_ASKED = 4, 3, 24, 9
RANDOM = np.random.default_rng(0)
LABELS = np.arange(N_SHOWN + N_ASKED) % N_CLASSES
CENTRES = RANDOM.normal(size=(N_CLASSES, N_IN))
INPUTS = CENTRES[LABELS] + RANDOM.normal(size=(N_SHOWN + N_ASKED, N_IN))
TARGETS = np.eye(N_CLASSES)[LABELS]
SEEN = np.arange(N_SHOWN) % 8 != 5  # the others are gated off: nothing may be learned from them
KEY = jax.random.key(1)


def _stream() -> Stream:
    shown = np.concatenate([SEEN, np.zeros(N_ASKED)])
    inputs = INPUTS.copy()
    inputs[:N_SHOWN][~SEEN] = 1e3 * INPUTS[:N_SHOWN][~SEEN]  # it would be noticed
    arrays = [jnp.asarray(x, jnp.float32) for x in (inputs, TARGETS, shown)]
    return Stream(*arrays, n_asked=N_ASKED, key=KEY)


def _answers(name: str, numbers: dict[str, float], **fields: Any) -> np.ndarray:
    given = {key: jnp.asarray(value, jnp.float32) for key, value in numbers.items()}
    return np.asarray(find("reference", name)(**fields).answers(_stream(), given))


def _learned() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return INPUTS[:N_SHOWN][SEEN], LABELS[:N_SHOWN][SEEN], INPUTS[N_SHOWN:]


def test_the_nearest_neighbour_is_that_of_scikit_learn():
    inputs, labels, asked = _learned()
    expected = KNeighborsClassifier(1).fit(inputs, labels).predict(asked)
    np.testing.assert_array_equal(np.argmax(_answers("nearest_neighbour", {}), axis=1), expected)


@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_least_squares_are_ridge_regression_and_the_recursion(penalty):
    inputs, labels, asked = _learned()
    rows, questions = (np.column_stack([x, np.ones(len(x))]) for x in (inputs, asked))
    targets = np.eye(N_CLASSES)[labels]
    found = _answers("recursive_least_squares", {"penalty": penalty})
    closed = Ridge(alpha=penalty, fit_intercept=False).fit(rows, targets).predict(questions)
    np.testing.assert_allclose(found, closed, atol=1e-4)
    spread, weights = np.eye(N_IN + 1) / penalty, np.zeros((N_CLASSES, N_IN + 1))
    for x, y in zip(rows, targets, strict=True):
        gain = spread @ x / (1.0 + x @ spread @ x)
        weights = weights + np.outer(y - weights @ x, gain)
        spread = spread - np.outer(gain, x @ spread)
    np.testing.assert_allclose(found, questions @ weights.T, atol=1e-4)


@pytest.mark.parametrize("features", [8, 40])  # fewer and more than there are examples
def test_least_squares_of_random_features_are_ridge_regression_on_them(features):
    inputs, labels, asked = _learned()
    mixing = np.asarray(jax.random.normal(KEY, (N_IN, features)), np.float64) / np.sqrt(N_IN)
    rows, questions = (
        np.column_stack([np.maximum(x @ mixing, 0.0), np.ones(len(x))]) for x in (inputs, asked)
    )
    expected = (
        Ridge(alpha=1.0, fit_intercept=False)
        .fit(rows, np.eye(N_CLASSES)[labels])
        .predict(questions)
    )
    found = _answers("recursive_least_squares", {"penalty": 1.0}, features=features)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_kernel_ridge_is_that_of_scikit_learn():
    inputs, labels, asked = _learned()
    pairs = [np.sum((a - b) ** 2) for i, a in enumerate(inputs) for b in inputs[:i]]
    machine = KernelRidge(kernel="rbf", gamma=2.0 / np.mean(pairs), alpha=0.1)
    expected = machine.fit(inputs, np.eye(N_CLASSES)[labels]).predict(asked)
    found = _answers("rbf_ridge", {"sharpness": 2.0, "penalty": 0.1})
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("shrinkage", [0.1, 0.6])
def test_discriminant_analysis_is_that_of_scikit_learn(shrinkage):
    inputs, labels, asked = _learned()
    machine = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(inputs, labels)
    found = _answers("streaming_lda", {"shrinkage": shrinkage})
    expected = machine.decision_function(asked)
    centred = [
        x - x.mean(axis=1, keepdims=True) for x in (found, expected)
    ]  # one number for all classes is free
    np.testing.assert_allclose(*centred, atol=2e-4)


def test_means_that_forget_equal_a_loop_that_answers_before_it_is_told():
    keep, stream = 0.5, _stream()
    inputs, shown = np.asarray(stream.inputs, np.float64), np.asarray(stream.shown)
    sums, counts, expected = np.zeros((N_CLASSES, N_IN)), np.zeros(N_CLASSES), []
    for x, label, on in zip(inputs, LABELS, shown, strict=True):
        apart = [
            ((x - sums[c] / counts[c]) ** 2).sum() if counts[c] else np.inf
            for c in range(N_CLASSES)
        ]
        expected.append(int(np.argmin(apart)))
        if on:
            sums[label], counts[label] = keep * sums[label] + x, keep * counts[label] + 1.0
    whole = stream._replace(n_asked=len(inputs))
    answers = find("reference", "forgetting_mean")().answers(whole, {"keep": jnp.asarray(keep)})
    np.testing.assert_array_equal(np.argmax(answers, axis=1), expected)
    late = find("reference", "forgetting_mean")().answers(stream, {"keep": jnp.asarray(keep)})
    np.testing.assert_array_equal(late, answers[-N_ASKED:])
