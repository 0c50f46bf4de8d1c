"""Gradient descent of the binary perceptron: one task, two tasks, and how long it takes."""

from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from engrax.core import System, named
from engrax.nn import BinaryPerceptron
from engrax.tasks import teacher_student
from engrax.theory import bernoulli_kl_gradient


class Student(NamedTuple):
    """How a student of one teacher is trained; all of it is known before tracing."""

    alpha: float
    rate: float
    batch: int
    """Examples a step; 0 for all of them."""
    decay: float
    epochs: int
    optimizer: Literal["adam", "sgd"] = "adam"


class Prior(NamedTuple):
    """What a second task is held against: ``gamma KL(q_h || q_reference)`` an epoch."""

    reference: Float[Array, " n"]
    gamma: Float[Array, ""]


def optimizer_of(student: Student) -> optax.GradientTransformation:
    """Adam with decoupled weight decay, or plain gradient descent.

    Adam's epsilon is the authors' 1e-20: fields of weights that are nearly certain, with gradients
    far below the usual 1e-8, go on growing.
    """
    if student.optimizer == "sgd":
        return optax.sgd(student.rate)
    return optax.adamw(student.rate, eps=1e-20, weight_decay=student.decay)


def fit(
    perceptron: BinaryPerceptron,
    x: Float[Array, "examples n"],
    y: Float[Array, " examples"],
    student: Student,
    teacher: Float[Array, " n"] | None = None,
    prior: Prior | None = None,
) -> tuple[BinaryPerceptron, Float[Array, " epochs"] | None]:
    """The trained perceptron and, for a teacher, its error after each epoch.

    The examples come in their own order, the last batch of an epoch may be short, and a batch's
    loss is a sum, as in the authors' code.
    """
    batch = student.batch or len(x)
    count = -(-len(x) // batch)
    short = count * batch - len(x)
    xs = jnp.pad(x, ((0, short), (0, 0))).reshape(count, batch, -1)
    ys = jnp.pad(y, (0, short), constant_values=1.0).reshape(count, batch)
    masks = (jnp.arange(count * batch) < len(x)).astype(jnp.float32).reshape(count, batch)
    optimizer = optimizer_of(student)

    def step(carry: tuple[Any, Any], now: tuple[Array, Array, Array]) -> tuple[Any, None]:
        perceptron, state = carry
        gradient = eqx.filter_grad(lambda p: p.energy(*now))(perceptron)
        if prior is not None:
            pull = bernoulli_kl_gradient(perceptron.h, prior.reference, perceptron.beta)
            gradient = eqx.tree_at(
                lambda g: g.h, gradient, gradient.h + prior.gamma * (batch / len(x)) * pull
            )
        # Optax promotes types implicitly; under JAX's strict mode that is its own affair.
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(gradient, state, perceptron)
        return (eqx.apply_updates(perceptron, updates), state), None

    def epoch(carry: tuple[Any, Any], _: None) -> tuple[Any, Array | None]:
        carry, _ = jax.lax.scan(step, carry, (xs, ys, masks))
        return carry, None if teacher is None else carry[0].overlaps(teacher)["error"]

    begin = (perceptron, optimizer.init(eqx.filter(perceptron, eqx.is_array)))
    (perceptron, _), errors = jax.lax.scan(epoch, begin, None, student.epochs)
    return perceptron, errors


class Students(System):
    """Tick t trains the t-th student: a seed's examples are the first of the largest load's.

    Records the measured order parameters and, if asked, `trace` (epochs,), the error.
    """

    n: int = eqx.field(static=True)
    students: tuple[Student, ...] = eqx.field(static=True)
    trace: bool = eqx.field(static=True, default=False)

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key; data are drawn from it again, since they never change."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """The order parameters of student `input`."""
        most = max(student.alpha for student in self.students)
        (task,) = teacher_student(named(state["key"], "task"), self.n, (most,))
        start = BinaryPerceptron.random(self.n, key=named(state["key"], "start"))

        def trained(student: Student) -> dict[str, Array]:
            count = round(student.alpha * self.n)
            teacher = task.teacher if self.trace else None
            end, errors = fit(start, task.x[:count], task.y[:count], student, teacher)
            more = {} if errors is None else {"trace": errors}
            return {**end.overlaps(task.teacher), **more}

        branches = [lambda student=student: trained(student) for student in self.students]
        return state, jax.lax.switch(input, branches)


class FirstTask(System):
    """One tick learns the first of two tasks. State: the seed's key, which is that of the data, and
    the fields `h` (n,).
    """

    n: int = eqx.field(static=True)
    student: Student = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """Standard normal fields."""
        return {"key": key, "h": BinaryPerceptron.random(self.n, key=named(key, "start")).h}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """The first task, learned."""
        (task,) = teacher_student(named(state["key"], "task"), self.n, (self.student.alpha,))
        end, _ = fit(BinaryPerceptron(state["h"]), task.x, task.y, self.student)
        return {**state, "h": end.h}, end.overlaps(task.teacher)


class SecondTask(System):
    """One tick learns a second task from the end of the first, once for each gamma.

    Records `error1`, `error2` (gammas,), on both tasks, and `qd`. The state is that of `FirstTask`.
    """

    n: int = eqx.field(static=True)
    first_alpha: float = eqx.field(static=True)
    student: Student = eqx.field(static=True)
    similarity: Float[Array, ""]
    gammas: Float[Array, " gammas"]

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """A place for what the first task left."""
        return {"key": key, "h": jnp.zeros(self.n)}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """The second task, learned at every gamma."""
        loads = (self.first_alpha, self.student.alpha)
        first, second = teacher_student(named(state["key"], "task"), self.n, loads, self.similarity)

        def trained(gamma: Array) -> dict[str, Array]:
            prior = Prior(state["h"], gamma)
            start = BinaryPerceptron(state["h"])
            end, _ = fit(start, second.x, second.y, self.student, prior=prior)
            old, new = end.overlaps(first.teacher), end.overlaps(second.teacher)
            return {"error1": old["error"], "error2": new["error"], "qd": new["qd"]}

        return state, jax.vmap(trained)(self.gammas)


def after_first(fresh: dict[str, Array], first: dict[str, Array]) -> dict[str, Array]:
    """The second task starts from the first one's end, with its data."""
    return first
