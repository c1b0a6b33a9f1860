"""Has the population moved? Pure functions: a profile and the current columns in, findings and a verdict out.

"Any column with p < 0.05" is always wrong: with 30 columns it fires three times out of four when nothing has changed.
Here a finding needs a p-value that survives the false-discovery control over everything tested (Benjamini & Hochberg
1995) at the level that a year of checks may spend, and an effect that would matter.
"""
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from lib.drift_cells import code, typed
from lib.drift_columns import measure_column
from lib.drift_records import OUTPUTS, Floors, Measure
from lib.drift_relations import compare_relations

CHECKS_PER_YEAR = 8760  # one an hour, as crontab.txt has it


@dataclass(frozen=True)
class Rules:
    false_alarms_per_year: float = 0.5
    looks: int = 1  # how many windows one check judges: they share what it may spend
    floors: Floors = Floors()
    limits: Mapping = field(default_factory=dict)  # psi, js, ks_p, …: these then decide on drift instead

    @property
    def level(self) -> float:
        """What one look may spend; drift and data quality get half each, so that neither's rules dilute the other's."""
        return min(0.5, self.false_alarms_per_year / CHECKS_PER_YEAR / self.looks)


@dataclass(frozen=True)
class Finding:
    measure: Measure
    p_corrected: float | None
    limit: float | None
    verdict: str  # quality, drift, notice or ok

    @property
    def severity(self) -> tuple:
        """Orders the worst first: wrong rows, then drift, then notices; by how often the floor goes into the effect."""
        rank = ("quality", "drift", "notice", "ok").index(self.verdict)
        return rank, -abs(self.measure.value) / (self.measure.floor or 0.01)


@dataclass(frozen=True)
class Report:
    rows: int
    verdict: str  # quality, drift or ok
    findings: tuple[Finding, ...]  # worst first


def compare(profile: dict, window: Mapping, outputs: Mapping | None = None, rules: Rules = Rules()) -> Report:
    """Judges a window (column -> its rows, as drift_cells.typed gives them) and the model's outputs in it (prediction, score).

    A column that the window lacks counts as missing in every row.
    """
    rows = max((len(values) for values in window.values()), default=0)
    findings = judge(measure_window(profile, window, outputs or {}, rows, rules.floors), rules)
    verdicts = {finding.verdict for finding in findings}
    return Report(rows, next((worst for worst in ("quality", "drift") if worst in verdicts), "ok"), findings)


def measure_window(profile: dict, window: Mapping, outputs: Mapping, rows: int, floors: Floors) -> list[Measure]:
    measured, coded = [], {}
    for name, base in profile["columns"].items():
        values = window[name] if name in window else typed(base["type"], [None] * rows)
        coded[name] = code(base, values)
        measured += measure_column(name, base, coded[name], values, floors)
    for name, base in profile["outputs"].items():
        if name in outputs:
            found = measure_column(f"({name})", base, code(base, outputs[name]), outputs[name], floors)
            measured += [replace(measure, family="drift") for measure in found]  # whatever the model says, it says nothing of the rows
    if profile["relations"]:
        found = compare_relations(profile["relations"], profile["columns"], coded)
        measured += [Measure(name, what, m.value, m.p, "drift", floors.residual if what == "residual shift" else floors.relation) for name, what, m in found]
    return measured


def judge(measured: list[Measure], rules: Rules) -> tuple[Finding, ...]:
    """Every measure with its corrected p-value and verdict, worst first."""
    corrected = {}
    for family in ("drift", "quality"):
        groups = _groups(measured, family)
        for tested in groups:
            adjusted = false_discovery([measured[i].p for i in tested])
            corrected |= dict(zip(tested, (min(1.0, p * len(groups)) for p in adjusted)))
    findings = [_finding(m, corrected.get(i), rules) for i, m in enumerate(measured)]
    return tuple(sorted(findings, key=lambda finding: finding.severity))


def _groups(measured, family: str) -> list[list[int]]:
    """The tests of a family by kind of measure, the model's outputs by themselves: each kind gets an equal share of
    the level, so that two category columns or the one prediction are not drowned by a hundred numbers."""
    groups = {}
    for i, m in enumerate(measured):
        if m.p is not None and m.decides and m.family == family:
            groups.setdefault("outputs" if m.column in OUTPUTS else m.measure, []).append(i)
    return list(groups.values())


def _finding(m: Measure, p_corrected, rules: Rules) -> Finding:
    if m.family == "drift" and rules.limits:
        limit, beyond = _beyond(m, rules.limits)
        return Finding(m, p_corrected, limit, "drift" if beyond else "ok")
    significant = p_corrected is not None and p_corrected <= rules.level / 2
    if significant and abs(m.value) >= m.floor:
        return Finding(m, p_corrected, m.floor or None, m.family)
    return Finding(m, p_corrected, m.floor or None, "notice" if m.notice else "ok")


def _beyond(m: Measure, limits: Mapping) -> tuple[float | None, bool]:
    """The familiar limit that is set for a measure, on its value or on its p-value, and whether it is passed."""
    if m.measure in limits:
        return limits[m.measure], m.value > limits[m.measure]
    limit = limits.get(f"{m.measure}_p")
    return limit, limit is not None and m.p < limit


def false_discovery(p_values) -> list[float]:
    """Adjusted p-values of the step-up procedure (Benjamini & Hochberg 1995); with no change anywhere it bounds
    the chance of any finding at all (Simes 1986), also for the positively dependent tests met here."""
    p = np.asarray(p_values, float)
    order = np.argsort(-p)
    adjusted = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    result = np.empty(len(p))
    result[order] = np.minimum(adjusted, 1.0)
    return result.tolist()
