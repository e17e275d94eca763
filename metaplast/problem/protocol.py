"""The protocol `Problem`: everything that an outer loop and `train` ask of a problem."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from jax import Array

from metaplast.life.lifetime import Lifetime
from metaplast.objectives.base import AbstractObjective
from metaplast.problem.lives import Batch, Births, Lives, Window
from metaplast.problem.unroll import Curriculum
from metaplast.signals import Key, Metrics, TaskShape, Theta
from metaplast.tasks import Split


class LossGradient(NamedTuple):
    """The mean loss of several lives and its gradient.

    loss []: mean over the healthy lives, those whose loss and gradient are finite
    gradient: d loss / d theta, a tree like theta
    metrics: numbers about the lives
    """

    loss: Array
    gradient: Theta
    metrics: Metrics


class WindowGradient(NamedTuple):
    """Lives after a window of steps, and the gradient of the window's loss.

    lives: the lives after the window
    gradient: a tree like theta
    metrics: numbers about the window
    losses [n_lives]: the loss of each life; not a number where the life is not healthy
    """

    lives: Lives
    gradient: Theta
    metrics: Metrics
    losses: Array


def same_theta(theta: Theta) -> Theta:
    """The default `unravel` of `Problem.losses`: the members are thetas already."""
    return theta


class Problem(Protocol):
    """What is optimised: the losses of lives under a theta, and the gradients of these losses.

    `MetaProblem` is the problem itself. `SearchedProblem` and `Penalised` are problems around
    another one. An outer loop and `train` know a problem by this protocol alone.
    """

    @property
    @abstractmethod
    def lifetime(self) -> Lifetime:
        """The network, its rules and its task."""

    @property
    @abstractmethod
    def objective(self) -> AbstractObjective:
        """The loss of a life, from its scores."""

    @property
    @abstractmethod
    def n_tasks(self) -> int:
        """The number of tasks in an outer step."""

    @property
    @abstractmethod
    def n_devices(self) -> int:
        """The number of devices over which lives are spread."""

    @abstractmethod
    def chunk_size(self, tangents: int = 0) -> int:
        """The number of lives that run in lockstep.

        tangents: the copies of a life that forward mode carries beside it.
        """

    @property
    @abstractmethod
    def unroll(self) -> int:
        """The steps after which a training life ends; 0 for whole lives."""

    @property
    @abstractmethod
    def curriculum(self) -> Curriculum:
        """Pairs (outer step, unroll from that step on); () for one length of life."""

    @abstractmethod
    def check(self) -> None:
        """Refuse parts that do not fit together. Raises: BadInput."""

    @abstractmethod
    def at(self, index: int) -> "Problem":
        """The problem of outer step `index`, with the `unroll` of the curriculum."""

    @abstractmethod
    def whole(self) -> "Problem":
        """The problem whose lives are not cut short."""

    @abstractmethod
    def shape(self) -> TaskShape:
        """The shape of the task, with the phases that `unroll` leaves."""

    @abstractmethod
    def init(self, key: Key) -> Theta:
        """A theta drawn for the start of a search."""

    @abstractmethod
    def sample(self, key: Key, n: int, split: Split) -> Batch:
        """`n` tasks of a split and the keys of their lives."""

    @abstractmethod
    def losses(
        self,
        thetas: Any,
        batch: Batch,
        share: int | None = None,
        unravel: Callable[[Any], Theta] = same_theta,
    ) -> tuple[Array, Metrics]:
        """The mean loss of every member of a population, and metrics of every life.

        Args:
            thetas: members along a leading axis [n_members], in any form that `unravel` accepts.
            batch: the tasks and the keys of their lives.
            share: the number of consecutive members that live through the same tasks. By default
                all members do. An antithetic pair must share its tasks.
            unravel: the theta of one member.

        Returns:
            The losses [n_members], not finite where a life of the member blew up, and metrics.
        """

    @abstractmethod
    def value_and_grad(self, theta: Theta, batch: Batch, tangents: int = 0) -> LossGradient:
        """The mean loss of the batch and its gradient.

        Args:
            theta: the theta of all lives.
            batch: the tasks and the keys of their lives.
            tangents: 0 for reverse mode. Otherwise forward mode, with this number of directions
                of theta at a time.
        """

    @abstractmethod
    def begin(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        """The births of members x tasks lives. share: see `losses`."""

    @abstractmethod
    def unborn(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        """The places of lives before their birth: `begin` with zeros for everything born.

        Only the shapes of `batch` matter. share: see `losses`.
        """

    @abstractmethod
    def advance(self, thetas: Theta, lives: Lives, n_steps: int) -> tuple[Lives, Window]:
        """Every life `n_steps` further under the present theta of its member."""

    @abstractmethod
    def window_losses(
        self, thetas: Theta, lives: Lives, births: Births, n_steps: int
    ) -> tuple[Lives, Metrics]:
        """Every life `n_steps` further, and metrics of each life in this window.

        Args:
            thetas: members along a leading axis.
            lives: the lives before the window.
            births: the tasks whose lives begin anew before the window, and their new tasks.
            n_steps: the length of the window.

        Returns:
            The lives after the window, and metrics [n_lives]. The metric `life_loss` is the
            window's part of the loss of a life, times (steps of a life) / n_steps. Its mean over
            the windows of a life is the loss of the life. It is not finite where the life is not
            finite. Such a life stays as it was, and so does its task. `survived` and `at_bound`
            are about the window.
        """

    @abstractmethod
    def window_gradient(
        self, theta: Theta, lives: Lives, births: Births, n_steps: int
    ) -> WindowGradient:
        """Every life `n_steps` further, and the gradient of the mean loss of this window.

        The gradient goes back to the start of the window, or to a birth within it, and no further.
        Arguments: see `window_losses`, with one theta for all lives.
        """
