"""A student of spiking cells has to reproduce the spike trains of a teacher."""

from typing import Annotated

from inner_tasks.teacher_student import TeacherStudent
from metaplast.neurons.lif import Lif
from metaplast.registry import register
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import TaskShape
from metaplast.spec import Count, Natural, NonNegative, Probability, plugin, spec
from metaplast.wiring import NeuronField

STILL = Polynomial(terms=("1",), initial=(0.0,), learn="none")


@register("task", "spike_train_teacher")
@spec
class SpikeTrainTeacher(TeacherStudent):
    """Task teacher_student between spiking cells.

    Inputs are Poisson trains, and the teacher is a layer of `neuron` whose weights stay. The
    student has to send the teacher's spikes at the teacher's times, from weights of its own.

        loss = mean_j gap_j^2
        gap <- exp(-dt / tau) gap + student - teacher

    Fields: those of teacher_student, with other defaults. The student's network wants
    `source: spikes`, and cells as the teacher's.
    n_test: the last steps, in which the student stays as it is; they are the last phase.

    A student that is silent has the loss of the teacher's trains themselves.
    Source: the distance is van Rossum 2001; the task is that of Gardner & Gruning 2016.
    """

    n_in: Count = 40
    n_out: Count = 4
    n_steps: Count = 1500
    n_test: Natural = 500
    weight_sd: NonNegative = 6.0
    neuron: NeuronField = Lif()
    teacher: Annotated[AbstractRule, plugin("rule")] = STILL
    spike_probability: Probability = 0.02
    tau: NonNegative = 10e-3

    def shape(self) -> TaskShape:
        shape = super().shape()
        return shape._replace(offers=shape.offers - {"weights"})
