"""Has the population moved? Pure functions: a profile and the current columns in, findings and a verdict out.

"Any column with p < 0.05" is always wrong: with 30 columns it fires three times out of four when nothing has changed.
Here a finding needs a p-value that survives the false-discovery control over everything tested (Benjamini & Hochberg
1995) at the level that a year of checks may spend, and an effect that would matter.
"""
from collections.abc import Mapping

import numpy as np

from lib.drift_cells import code, typed
from lib.drift_classifier import domain_classifier
from lib.drift_columns import measure_column
from lib.drift_records import OUTPUTS, TOGETHER, Floors, Measure
from lib.drift_relations import compare_relations
from lib.record import Record

HOURS = 8760  # in a year
SAVED = 0.1  # of a year's false alarms, for checks that come seldom
SPENT = 0.2  # of what is saved, by one check
# Shares of the level: more for what changes most often and shows in no other measure, little for what shows in others too.
WEIGHTS = {"rank shift": 3, "categories": 6, "residual shift": 2, "slope": 2, "domain classifier": 2, "outputs": 2, "out of range": 0.25, "vanished category": 0.25,
           "unseen category": 3, "missing share": 2, "turned constant": 0.5, "left constant": 0.5, "not whole": 0.5}


class Limits(Record):
    level: float = 0.5 / HOURS  # chance of a false alarm in one look; drift and data quality get half each, so that neither's rules dilute the other's
    floors: Floors = Floors()
    limits: Mapping = {}  # psi, js, ks_p, …: these then decide on drift instead


def spend(false_alarms_per_year: float, left: float | None, hours: float) -> tuple[float, float]:
    """(the chance of a false alarm that a check may take, what is left for the next), `hours` after one that left `left`; None: the first.

    An hourly check takes what an hour brings in: so little that only a strong change is found at once. Where checks are less
    frequent, what the hours bring in is saved up, and each check takes a fifth of it. In its first year a model gets a tenth
    to begin with and the rest by the hour, so the sum keeps to what was asked for, of checks that are no more frequent than hourly.
    """
    most = SAVED * false_alarms_per_year
    hourly = (1 - SAVED) * false_alarms_per_year / HOURS
    saved = most if left is None else min(most, left + hourly * max(hours, 0.0))
    level = min(0.5, max(SPENT * saved, hourly))
    return level, max(0.0, saved - level)


class Judged(Record):
    measure: Measure
    p_corrected: float | None
    limit: float | None
    verdict: str  # quality, drift, notice or ok

    @property
    def severity(self) -> tuple:
        """Orders the worst first: wrong rows, then drift, then notices; by how often the floor goes into the effect."""
        rank = ("quality", "drift", "notice", "ok").index(self.verdict)
        return rank, -abs(self.measure.value) / (self.measure.floor or 0.01)


class Report(Record):
    rows: int
    verdict: str  # quality, drift or ok
    findings: tuple[Judged, ...]  # worst first


def compare(profile: dict, window: Mapping, outputs: Mapping | None = None, rules: Limits = Limits()) -> Report:
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
            measured += [measure.but(family="drift") for measure in found]  # whatever the model says, it says nothing of the rows
    if profile["relations"]:
        found = compare_relations(profile["relations"], profile["columns"], coded)
        measured += [Measure(name, what, m.value, m.p, "drift", floors.residual if what == "residual shift" else floors.relation) for name, what, m in found]
    if told := profile.get("sample") and domain_classifier(profile["sample"], profile["columns"], coded, rows):  # versions of before have no sample
        measured.append(Measure(TOGETHER, "domain classifier", told[0].value, told[0].p, "drift", floors.classifier, now=told[1]))
    return measured


def judge(measured: list[Measure], rules: Limits) -> tuple[Judged, ...]:
    """Every measure with its corrected p-value and verdict, worst first."""
    corrected = {}
    for family in ("drift", "quality"):
        groups = _groups(measured, family)
        total = sum(WEIGHTS.get(kind, 1) for kind in groups)
        for kind, tested in groups.items():
            adjusted = false_discovery([measured[i].p for i in tested])
            corrected |= dict(zip(tested, (min(1.0, p * total / WEIGHTS.get(kind, 1)) for p in adjusted)))
    findings = [_finding(m, corrected.get(i), rules) for i, m in enumerate(measured)]
    return tuple(sorted(findings, key=lambda finding: finding.severity))


def _groups(measured, family: str) -> dict[str, list[int]]:
    """The tests of a family by kind of measure, the model's outputs by themselves: each kind gets a share of the level
    of its own (weighted Bonferroni), so that two category columns or the one prediction are not drowned by a hundred numbers."""
    groups = {}
    for i, m in enumerate(measured):
        if m.p is not None and m.decides and m.family == family:
            groups.setdefault("outputs" if m.column in OUTPUTS else m.measure, []).append(i)
    return groups


def _finding(m: Measure, p_corrected, rules: Limits) -> Judged:
    if m.family == "drift" and rules.limits:
        limit, beyond = _beyond(m, rules.limits)
        return Judged(m, p_corrected, limit, "drift" if beyond else "ok")
    significant = p_corrected is not None and p_corrected <= rules.level / 2
    if significant and abs(m.value) >= m.floor:
        return Judged(m, p_corrected, m.floor or None, m.family)
    return Judged(m, p_corrected, m.floor or None, "notice" if m.notice else "ok")


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
