"""The arms of the perceptron: students of one teacher and of two, and their theory."""

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from engrax.lab import Arm, Reference

from . import _theory as theory
from ._config import Config
from ._perceptron import FirstTask, SecondTask, Student, Students, after_first

Lazy = dict[str, Callable[[], Arm | Reference]]


def second_name(alpha: float) -> str:
    """The arm of C2 at a load of the second task."""
    return f"second_{alpha:g}"


def perceptron_arms(config: Config) -> Lazy:
    """C1, C2 and C7."""
    return _single_arms(config) | _pair_arms(config)


def _single_arms(config: Config) -> Lazy:
    def single() -> Arm:
        rate, batch, epochs = config.single_rate, config.single_batch, config.single_epochs
        loads = (*config.loads, *config.late_loads)
        return _students(config, [Student(alpha, rate, batch, 0.0, epochs) for alpha in loads])

    def tuned() -> Arm:
        return _students(
            config,
            [
                Student(alpha, rate, batch, decay, config.single_epochs)
                for alpha, rate, batch, decay in config.tuned
            ],
        )

    return {
        "theory": lambda: Reference(functools.partial(theory.first_task, config)),
        "single": single,
        "tuned": tuned,
        "slowing": lambda: _slowing(config),
    }


def _pair_arms(config: Config) -> Lazy:
    c = config
    first = Student(c.first_load, c.first_rate, 0, c.decay, c.first_steps)

    def second(alpha: float, first_arm: str, **grid: Any) -> Arm:
        student = Student(alpha, c.second_rate, 0, c.decay, c.second_steps)
        system = SecondTask(
            c.pair_size, c.first_load, student, jnp.float32(0), jnp.asarray(c.gammas, jnp.float32)
        )
        return Arm(
            system,
            1,
            dims=dict.fromkeys(("error1", "error2", "qd"), ("gamma",)),
            coords={"gamma": list(c.gammas)},
            needs=(first_arm,),
            start=after_first,
            **grid,
        )

    similarities = {"similarity": (_similarity, np.asarray(c.similarities, np.float32))}
    return {
        "potential": lambda: Reference(functools.partial(theory.second_task, c)),
        "first": lambda: Arm(FirstTask(c.pair_size, first), 1),
        **{
            second_name(alpha): functools.partial(second, alpha, "first", grid=similarities)
            for alpha in c.second_loads
        },
        "first_strong": lambda: Arm(FirstTask(c.pair_size, first._replace(rate=c.strong_rate)), 1),
        "second_strong": lambda: second(1.0, "first_strong"),
    }


def _similarity(system: Any) -> Any:
    return system.similarity


def _students(config: Config, students: list[Student]) -> Arm:
    return Arm(
        Students(config.size, tuple(students)),
        len(students),
        coords={"tick": np.array([student.alpha for student in students])},
        seeds=config.single_seeds,
    )


def _slowing(config: Config) -> Arm:
    students = tuple(
        Student(alpha, config.slow_rate, 0, 0.0, config.slow_steps, "sgd")
        for alpha in config.slow_loads
    )
    return Arm(
        Students(config.slow_size, students, trace=True),
        len(students),
        dims={"trace": ("step",)},
        coords={"tick": np.array(config.slow_loads)},
    )
