"""models/metrics.prom: read by a strict reader of OpenMetrics 1.0 and by one of the older Prometheus format, as node_exporter's collector has it."""
import math
import re
import shutil
from datetime import datetime, timezone

import pytest
import simulated

from lib import openmetrics
from lib.openmetrics import Family

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\+Inf|-Inf|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\Z")
OPENMETRICS_SUFFIXES = ("_total", "_created", "_bucket", "_count", "_sum", "_gcount", "_gsum", "_info")  # which belong to other types


def read_openmetrics(text: str) -> dict[str, dict]:
    """Families of a text in OpenMetrics 1.0 that has gauges only; AssertionError where it strays from the specification."""
    assert text.endswith("\n# EOF\n") and text.count("# EOF") == 1 and "\r" not in text and "\n\n" not in text
    families: dict[str, dict] = {}
    current = None
    for line in text.splitlines()[:-1]:
        if line.startswith("#"):
            word, name, rest = re.fullmatch(rf"# (TYPE|UNIT|HELP) ({NAME}) (.+)", line).groups()
            if name != current:
                assert name not in families, f"{name} comes in two places"
                families[name] = {"samples": {}}
                current = name
            assert word not in families[name] and not families[name]["samples"], f"{word} of {name} is late or there twice"
            assert word != "HELP" or re.fullmatch(r'(?:[^\\]|\\[\\n"])*', rest)
            families[name][word] = rest
            continue
        found = SAMPLE.fullmatch(line)
        assert found, f"no sample: {line}"
        name, labels, value = found.groups()
        assert name == current, f"{name} is not under its TYPE"
        pairs = re.findall(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"', labels or "")
        assert len({key for key, _ in pairs}) == len(pairs), f"a label twice: {line}"
        key = tuple(sorted((key, re.sub(r"\\(.)", lambda mark: {"n": "\n"}.get(mark[1], mark[1]), text)) for key, text in pairs))
        assert key not in families[name]["samples"], f"a sample twice: {line}"
        families[name]["samples"][key] = float(value)
    for name, family in families.items():
        assert family["TYPE"] == "gauge" and family["HELP"] and family["samples"]
        assert not name.endswith(OPENMETRICS_SUFFIXES)
        assert "UNIT" not in family or name.endswith("_" + family["UNIT"])
        assert "UNIT" in family or not name.endswith(("_seconds", "_bytes", "_ratio"))
    return families


def read_prometheus(text: str) -> int:
    """Samples of a text in the Prometheus format 0.0.4, by the rules of node_exporter's textfile collector: known types, no timestamps."""
    types, samples = {}, 0
    for line in text.splitlines():
        words = line.split(" ")
        if line.startswith("#"):
            if words[1] == "TYPE":
                assert words[3] in ("counter", "gauge", "histogram", "summary", "untyped") and words[2] not in types
                types[words[2]] = words[3]
            continue
        assert SAMPLE.fullmatch(line) and SAMPLE.fullmatch(line)[1] in types  # a timestamp would be one word more
        samples += 1
    return samples


@pytest.fixture(scope="module")
def ten(template, tmp_path_factory):
    project = template.copy(tmp_path_factory.mktemp("metrics") / "project")
    for name in ("cancer", "diabetes"):
        shutil.rmtree(project.root / "models" / name)
    simulated.fill(project.root, 4, 10)
    done = project.run("report", LEAN_NOW="2026-05-20T08:00:00+00:00")
    return (project.root / "models/metrics.prom").read_text(), done.stdout


def test_both_readers_take_the_file_and_find_as_many_figures_as_the_command_said(ten):
    families = read_openmetrics(ten[0])
    count = sum(len(family["samples"]) for family in families.values())
    assert read_prometheus(ten[0]) == count > 100
    assert f"metrics.prom written: {count} figures of 4 models" in ten[1]


def test_the_client_librarys_parser_agrees_where_it_is_installed(ten):
    client = pytest.importorskip("prometheus_client.openmetrics.parser")
    found = {family.name: len(family.samples) for family in client.text_string_to_metric_families(ten[0])}
    assert found == {name: len(family["samples"]) for name, family in read_openmetrics(ten[0]).items()}


def samples(text: str, name: str) -> dict:
    return {tuple(value for _, value in key): figure for key, figure in read_openmetrics(text)[f"lean_mlops_{name}"]["samples"].items()}


def test_the_figures_are_those_of_the_records(ten):
    text = ten[0]
    noon = datetime(2026, 5, 20, 8, tzinfo=timezone.utc).timestamp()
    assert samples(text, "versions") == {("churn",): 4, ("credit",): 4, ("demand",): 4, ("fraud",): 4}
    assert samples(text, "live_version") == {("churn",): 3, ("credit",): 4, ("demand",): 3, ("fraud",): 4}
    assert samples(text, "live_metric") == {("accuracy", "churn"): 0.957, ("mae", "demand"): 36.0, ("accuracy", "fraud"): 0.84, ("accuracy", "credit"): 0.957}
    assert samples(text, "live_metric_floor")["mae", "demand"] == 50
    assert samples(text, "matured_labels")["churn",] == 40_000 and samples(text, "matured_predictions")["churn",] == 45_000
    assert samples(text, "check_verdict")["fraud", "dropped"] == 1 and samples(text, "check_verdict")["fraud", "healthy"] == 0
    assert samples(text, "open_alerts") == {("churn",): 0, ("credit",): 0, ("demand",): 0, ("fraud",): 1}
    assert samples(text, "check_timestamp_seconds")["churn",] == noon
    assert samples(text, "last_success_timestamp_seconds")["retrain",] == noon
    assert samples(text, "last_failure_timestamp_seconds")["train",] == noon - 2 * 86400
    assert samples(text, "failed_runs_last_day")["train",] == 0
    assert samples(text, "drift_columns")["churn",] == 5 and samples(text, "drift_columns")["credit",] == 0
    assert samples(text, "drift_effect_ratio")["<script>alert(1)</script>", "credit"] == pytest.approx(0.4)
    assert samples(text, "drift_verdict")["churn", "drift"] == 1


def test_labels_and_help_are_escaped_and_come_back_as_they_were():
    odd = 'a "quoted" \\ back\\slash\nand a line, {brace}='
    text = openmetrics.text([Family("x", "help with \\ and\na line", [({"model": "m", "column": odd}, 1.5)])])
    assert text.count("\n") == 4
    family = read_openmetrics(text)["lean_mlops_x"]
    assert family["samples"] == {(("column", odd), ("model", "m")): 1.5}
    assert family["HELP"] == "help with \\\\ and\\na line"


@pytest.mark.parametrize("value, words", [(3, "3"), (3.0, "3"), (0.1, "0.1"), (1e-7, "1e-07"), (2e15, "2000000000000000.0"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (-0.5, "-0.5")])
def test_numbers_are_written_as_both_formats_read_them(value, words):
    assert openmetrics.number(value) == words and float(words) == value
    assert SAMPLE.fullmatch(f"x {words}")


def test_what_is_not_known_has_no_sample_and_a_family_without_samples_no_lines():
    assert openmetrics.text([Family("x", "of x", [({"model": "a"}, None), ({"model": "b"}, math.nan)])]) == "# EOF\n"
    assert openmetrics.braces({"model": "a", "script": ""}) == '{model="a"}' and openmetrics.braces({}) == ""


def test_the_strict_reader_finds_faults():
    good = "# TYPE a gauge\n# HELP a of a\na 1\n# EOF\n"
    assert read_openmetrics(good)
    for old, new in (("# EOF\n", ""), ("a 1", "a 1 123"), ("a 1", "b 1"), ("a 1", "a 1\na 2"), ("gauge", "counter"), ("a 1", 'a{x="\\q"} 1'), ("a 1", "a NaN"), ("# HELP a of a\na 1", "a 1\n# HELP a of a")):
        with pytest.raises((AssertionError, AttributeError)):
            read_openmetrics(good.replace(old, new))
    with pytest.raises(AssertionError):
        read_prometheus("# TYPE a info\na 1\n")
