"""The pace of a map: how it gives way to refusals and comes back."""

from __future__ import annotations

import random

import pytest

from glm_jupyter.mapping.concurrency import ConcurrencyLimit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_known_rights_are_used_at_once() -> None:
    assert ConcurrencyLimit.of(40).limit == 40


def test_unknown_rights_are_felt_out() -> None:
    pace = ConcurrencyLimit.of(None)
    begun = pace.limit
    for _ in range(10):
        pace.succeeded()
    assert pace.limit == begun + 10
    for _ in range(1000):
        pace.succeeded()
    assert pace.limit == pace.most


def test_each_refusal_takes_one_and_successes_give_it_back(clock: Clock) -> None:
    pace = ConcurrencyLimit(40, 40, clock)
    for _ in range(35):
        pace.refused()
    assert pace.limit == 5
    for _ in range(10):
        pace.succeeded()
    assert pace.limit == 6
    for _ in range(1000):
        pace.succeeded()
    assert pace.limit == 40


def test_one_request_is_always_left(clock: Clock) -> None:
    pace = ConcurrencyLimit(3, 3, clock)
    for _ in range(10):
        pace.refused()
    assert pace.limit == 1


def test_two_refusals_in_a_hundred_hardly_slow_it(clock: Clock) -> None:
    pace, chance = ConcurrencyLimit(40, 40, clock), random.Random(5)
    limits = []
    for _ in range(5000):
        if chance.random() < 0.02:
            pace.refused()
        else:
            pace.succeeded()
        limits.append(pace.limit)
    assert sum(limits) / len(limits) > 39
    assert pace.wait == 0


def test_it_waits_longer_and_longer_while_nothing_succeeds(clock: Clock) -> None:
    pace = ConcurrencyLimit(2, 2, clock)
    waits = []
    while not pace.hopeless:
        pace.failed()
        waits.append(pace.wait)
        clock.now += pace.wait
    assert waits[0] == 0
    pauses = [wait for wait in waits if wait]
    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0]


def test_a_success_between_gives_hope(clock: Clock) -> None:
    pace = ConcurrencyLimit(1, 1, clock)
    for _ in range(100):
        pace.failed()
        clock.now += pace.wait
        pace.succeeded()
    assert not pace.hopeless


def test_the_service_is_given_the_time_it_asks_for(clock: Clock) -> None:
    pace = ConcurrencyLimit(10, 10, clock)
    pace.refused(retry_after=7)
    assert pace.wait == 7
    clock.now += 7
    assert pace.wait == 0
