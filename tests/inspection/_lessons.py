"""Small subjects: a student of one layer under a list of terms."""

from typing import Any

import jax
import jax.numpy as jnp

from inner_tasks.teacher_student import Lesson, TeacherStudent
from metaplast.genomes.given import Given
from metaplast.inspection.subject import Subject
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.tanh import Tanh
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import register
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.rule_file import RuleFile
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Key
from metaplast.spec import spec
from metaplast.tasks import Split


@register("task", "binary_lessons")
@spec
class BinaryLessons(TeacherStudent):
    """Lessons whose inputs are 0 or 1, so that pre and pre^2 are one signal."""

    def sample(self, key: Key, split: Split) -> Lesson:
        lesson = super().sample(key, split)
        ones = (lesson.inputs > 0).astype(lesson.inputs.dtype)
        return Lesson(weights=lesson.weights, inputs=ones)


def subject_of(terms: tuple[str, ...], initial: tuple[float, ...], task: Any) -> Subject:
    """A student of the task that learns by the terms, with a whole rule file."""
    rule = Polynomial(terms=terms, initial=initial)
    network = Feedforward(hidden=(), output=Tanh())
    lifetime = Lifetime(task=task, network=network, genome=Given(), slots=(Slot(rule=rule),))
    problem = MetaProblem(lifetime, MeanLoss())
    theta = problem.init(jax.random.key(3))
    theta = jax.tree.map(jnp.asarray, theta)
    file = RuleFile(*describe_rule(lifetime, theta))
    return Subject(problem, theta, 5, "loss", False, file)
