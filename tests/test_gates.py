"""The decision to register, as tables: what passes, what does not, and in which words."""
import math

import pytest

from lib import gates
from lib.config import Thresholds
from lib.gates import Gate
from lib.paired import Comparison

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("value, limit, passed", [
    (0.9, 0.8, True), (0.8, 0.8, True), (0.7999999, 0.8, False), (1, 1, True), (0.0, 0.0, True), (-1.0, -2.0, True),
    (NAN, 0.8, False), (INF, 0.8, False), (-INF, 0.8, False), (NAN, -1e308, False), (INF, -1e308, False),
])
def test_a_minimum_passes_at_and_above_the_limit_and_never_without_a_number(value, limit, passed):
    gate, = gates.thresholds({"accuracy": value}, Thresholds(min={"accuracy": limit}))
    assert gate.passed is passed


@pytest.mark.parametrize("value, limit, passed", [
    (0.1, 0.2, True), (0.2, 0.2, True), (0.2000001, 0.2, False), (-5.0, 0, True), (NAN, 0.2, False), (-INF, 0.2, False), (INF, 1e308, False), (NAN, 1e308, False),
])
def test_a_maximum_passes_at_and_below_the_limit_and_never_without_a_number(value, limit, passed):
    gate, = gates.thresholds({"mae": value}, Thresholds(max={"mae": limit}))
    assert gate.passed is passed


def test_each_limit_is_a_gate_with_its_words():
    found = gates.thresholds({"accuracy": 0.91234, "mae": 0.25}, Thresholds(min={"accuracy": 0.95, "recall": 0.5}, max={"mae": 0.25}))
    assert found == [Gate("min accuracy", False, "accuracy 0.9123 must be at least 0.95"), Gate("min recall", False, "recall nan must be at least 0.5"),
                     Gate("max mae", True, "mae 0.25 must be at most 0.25")]


def test_a_value_that_just_misses_its_limit_does_not_read_as_if_it_met_it():
    gate, = gates.thresholds({"accuracy": 0.899999}, Thresholds(min={"accuracy": 0.9}))
    assert not gate.passed and not gate.words.startswith("accuracy 0.9 must be at least 0.9")


def test_a_metric_with_both_limits_has_two_gates():
    assert [(gate.name, gate.passed) for gate in gates.thresholds({"r2": 0.99}, Thresholds(min={"r2": 0.5}, max={"r2": 0.98}))] == [("min r2", True), ("max r2", False)]


def test_no_limits_are_no_gates():
    assert gates.thresholds({"accuracy": 0.1}, Thresholds()) == []


@pytest.mark.parametrize("values, found", [
    ({"mae": 1.0}, []), ({"mae": 0.0}, []), ({"mae": -1e300}, []),
    ({"mae": NAN}, [Gate("finite mae", False, "mae is nan, not a finite number")]),
    ({"mae": INF}, [Gate("finite mae", False, "mae is inf, not a finite number")]),
    ({"mae": -INF}, [Gate("finite mae", False, "mae is -inf, not a finite number")]),
    ({"r2": 1.0}, [Gate("finite mae", False, "mae is nan, not a finite number")]),
])
def test_the_headline_must_be_a_finite_number(values, found):
    assert gates.finite(values, "mae") == found


def compared(difference: float, p_better: float, p_worse: float, candidate: float = 0.9, production: float = 0.9) -> Comparison:
    return Comparison("accuracy", candidate, production, difference, difference - 0.1, difference + 0.1, p_better, p_worse, 1234, "McNemar exact")


@pytest.mark.parametrize("require, margin, difference, p_better, p_worse, passed", [
    # not_worse: refused only when worse by more than the margin, and surely so
    ("not_worse", 0.0, 0.05, 0.01, 0.99, True),
    ("not_worse", 0.0, 0.0, 1.0, 1.0, True),
    ("not_worse", 0.0, -0.05, 0.99, 0.01, False),
    ("not_worse", 0.0, -0.05, 0.9, 0.2, True),
    ("not_worse", 0.0, -0.05, 0.9, 0.05, True),
    ("not_worse", 0.0, -0.05, 0.9, 0.0499, False),
    ("not_worse", 0.1, -0.05, 0.99, 0.01, True),
    ("not_worse", 0.1, -0.1, 0.99, 0.01, True),
    ("not_worse", 0.1, -0.11, 0.99, 0.01, False),
    ("not_worse", 0.1, -0.11, 0.99, 0.3, True),
    ("not_worse", 0.0, 0.05, 0.01, 0.01, True),
    # better: passes only when better by more than the margin, and surely so
    ("better", 0.0, 0.05, 0.01, 0.99, True),
    ("better", 0.0, 0.05, 0.05, 0.99, False),
    ("better", 0.0, 0.05, 0.2, 0.8, False),
    ("better", 0.0, 0.0, 0.01, 1.0, False),
    ("better", 0.0, -0.05, 0.01, 0.01, False),
    ("better", 0.1, 0.05, 0.01, 0.99, False),
    ("better", 0.1, 0.1, 0.01, 0.99, False),
    ("better", 0.1, 0.11, 0.01, 0.99, True),
    ("better", 0.0, 0.05, NAN, NAN, False),
])
def test_against_production(require, margin, difference, p_better, p_worse, passed):
    gate, = gates.against_production(compared(difference, p_better, p_worse), Thresholds(require=require, margin=margin))
    assert (gate.name, gate.passed) == (require, passed)


@pytest.mark.parametrize("require", ["not_worse", "better"])
@pytest.mark.parametrize("candidate, production", [(NAN, 0.9), (0.9, NAN), (INF, 0.9), (0.9, -INF), (NAN, NAN)])
def test_a_comparison_without_two_numbers_never_passes(require, candidate, production):
    gate, = gates.against_production(compared(candidate - production, 0.0, 0.0, candidate, production), Thresholds(require=require))
    assert not gate.passed and gate.words.endswith("on the same 1,234 rows: not finite")


@pytest.mark.parametrize("comparison, require", [(None, "not_worse"), (None, "better"), (compared(-0.5, 1.0, 0.0), "off")])
def test_without_a_comparison_or_with_off_there_is_no_gate(comparison, require):
    assert gates.against_production(comparison, Thresholds(require=require)) == []


@pytest.mark.parametrize("require, found", [("not_worse", [Gate("not_worse", True, "no rows in common")]), ("better", [Gate("better", False, "no rows in common")]), ("off", [])])
@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_what_can_not_be_compared_is_not_shown_to_be_better_and_not_taken_for_worse(require, found, margin):
    assert gates.not_compared("no rows in common", Thresholds(require=require, margin=margin)) == found


@pytest.mark.parametrize("require, margin, words", [
    ("not_worse", 0.0, "accuracy 0.88 against production's 0.9 on the same 1,234 rows: must not be worse (p = 0.0123, McNemar exact)"),
    ("not_worse", 0.05, "accuracy 0.88 against production's 0.9 on the same 1,234 rows: must not be worse by more than 0.05 (p = 0.0123, McNemar exact)"),
    ("better", 0.0, "accuracy 0.88 against production's 0.9 on the same 1,234 rows: must be better (p = 0.988, McNemar exact)"),
    ("better", 0.05, "accuracy 0.88 against production's 0.9 on the same 1,234 rows: must be better by more than 0.05 (p = 0.988, McNemar exact)"),
])
def test_the_words_say_what_was_asked_and_what_was_found(require, margin, words):
    gate, = gates.against_production(compared(-0.02, 0.988, 0.0123, 0.88, 0.9), Thresholds(require=require, margin=margin))
    assert gate.words == words
