"""Findings in plain words, one line a column."""
from lib.drift_records import RELATIONS, TOGETHER, Measure
from lib.drift_verdict import Judged, Report

UNIT = ("scale", "far out of range")
SUBJECTS = {"(prediction)": "the prediction", "(score)": "the score"}


def describe(report: Report) -> list[tuple[Judged, str]]:
    """The findings worth a line, worst first; each column once, and what the columns have lost of each other once."""
    lines, told = [], set()
    related = any(finding.verdict == "drift" and finding.measure.measure in RELATIONS for finding in report.findings)
    for finding in report.findings:
        if finding.measure.column == TOGETHER:
            lines += [(finding, classified(finding.measure))] if news(finding, report) else []
            continue
        relation = finding.measure.measure in RELATIONS
        # A spoiled column takes its relations with it: one line is enough.
        key = RELATIONS if relation and related else finding.measure.column
        if finding.verdict == "ok" or key in told or relation and report.verdict == "quality":
            continue
        told.add(key)
        lines.append((finding, together(report) if relation else f"{subject(finding.measure.column)} {words(finding, report)}"))
    return lines


def news(finding: Judged, report: Report) -> bool:
    """Whether what tells the rows from those of training is more than has its own line."""
    others = {each.measure.column for each in report.findings if each.verdict in ("quality", "drift") and each is not finding}
    return finding.verdict == "drift" and report.verdict != "quality" and not others.issuperset(finding.measure.now)


def classified(m: Measure) -> str:
    """The domain classifier's finding."""
    together = " taken together" if len(m.now) > 1 else ""
    return f"the rows are unlike those of training in {some(m.now)}{together}: a classifier tells them apart, AUC {m.value:.2f} where chance gives 0.50"


def words(finding: Judged, report: Report) -> str:
    m = finding.measure
    if m.measure == "missing share":
        return f"missing in {m.now:.1%} of rows, in training {m.before:.1%}"
    if m.measure == "left constant":
        return f"was always {number(m.before)} in training, is not in {m.value:.1%} of rows (e.g. {number(m.now)})"
    if m.measure == "turned constant":
        return f"turned constant: one value in every row, in training {m.before:,}"
    if m.measure == "not whole":
        return f"was whole in training, has fractions in {m.value:.1%} of rows (e.g. {number(m.now)}), a unit error?"
    if m.measure == "unseen category":
        return f"has categories not seen in training in {m.value:.1%} of rows: {', '.join(map(number, m.now))}"
    if m.measure == "vanished category":
        return f"lost the category {number(m.before)}, {m.value:.1%} of the training rows"
    mine = {each.measure.measure: each.measure for each in report.findings if each.measure.column == m.column}
    said = shares(mine["categories"]) if "categories" in mine else moved(mine, m.measure in UNIT and finding.verdict == "quality")
    return f"{said}; {past(finding)}" if finding.limit not in (None, m.floor) else said


def subject(column: str) -> str:
    return SUBJECTS.get(column, f"`{column}`")


def past(finding: Judged) -> str:
    """The familiar limit that it is beyond."""
    m = finding.measure
    return f"{m.measure} {m.value:.3g} > {finding.limit:g}" if m.p is None else f"{m.measure} p = {m.p:.2g} < {finding.limit:g}"


def shares(m: Measure) -> str:
    return f"changed its shares: {m.before} → {m.now.rsplit(' ', 1)[1]}"


def moved(mine: dict[str, Measure], unit: bool) -> str:
    shift, outside = mine["rank shift"], mine["out of range"]
    low, high = (number(end) for end in outside.before)
    change = f"median {shift.of + ' ' if shift.of else ''}{number(shift.before)} → {number(shift.now)}"
    if 2 * abs(shift.value) >= abs(mine["rank spread"].value):
        said = f"moved {'up' if shift.value > 0 else 'down'}: {change}"
    else:
        said = f"spread {'wider' if mine['rank spread'].value > 0 else 'narrower'}: {change}"
    beyond = f" ({outside.value:.1%} of rows outside the training range, {low} to {high})" if outside.value >= 0.01 and outside.column not in SUBJECTS else ""
    return said + (", a unit error?" if unit else "") + beyond


def together(report: Report) -> str:
    found = [finding.measure.column for finding in report.findings if finding.measure.measure in RELATIONS and finding.verdict == "drift"]
    names = list(dict.fromkeys(found))
    return f"{some(names)} no longer {'goes' if len(names) == 1 else 'go'} with the other columns as in training (permuted, swapped, or a new source?)"


def some(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def number(value) -> str:
    if not isinstance(value, (int, float)):
        return str(value) if len(str(value)) <= 40 else str(value)[:39] + "…"
    size = abs(value)
    if value == 0 or 1e-3 <= size < 1e9:
        return f"{value:,.{0 if size >= 1000 else 1 if size >= 10 else 3}f}"
    return f"{value:.3g}"
