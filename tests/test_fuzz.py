"""Garbage in: thousands of broken CSV files and model.toml files, by chance; each is taken whole or refused in words, and nothing changes."""
import contextlib
import importlib
import io
import os
import random
import re
import signal
import string
import warnings
from collections import Counter
from pathlib import Path

import pytest
import sweep
from conftest import Project, findings
from test_crash import copy

CASES = {"new": 300, "ingest": 500, "predict": 400, "label": 300, "evaluate": 200, "train": 700}
LIMIT = 20  # seconds for one case
STRANGE = ["", " ", '"', '""', "'", "NaN", "nan", "NA", "null", "None", "inf", "-inf", "1e999", "-1e999", "1e-400", "9" * 400, "-" + "9" * 25, "1e308", "-0", "0x10", "1_000", "1,5", "1.5.2", "+7",
           "１２", "٣", "true", "TRUE", "yes", "=1+1", "=cmd|' /C calc'!A0", "$(touch owned)", "`id`", "../../etc/passwd", "2026-13-45", "0000-00-00", "9999-12-31T23:59:59Z",
           "2026-05-01T25:61:00", "1e5-01-01", "é" * 3000, "\u202e\u200b", "🙂", "\ufeff", "\u2028", "a\nb", "a\r\nb", "a\tb", "\x07", "\x1b[31m", "\x7f", ";", "|", "\\", "\\N", "%s", "{0}", "id", "0" * 50 + "1"]
ROWS = ["id,when,size,count,kind,ok,note,answer"] + [f"r{i},2026-0{1 + i % 9}-1{i % 10}T0{i % 10}:00:00Z,{(i * 37 % 101) / 7:.3f},{i * 13 % 29},{'abc'[i % 3]},{'true' if i % 4 else 'false'},text {i % 5},"
                                                       f"{'yes' if i * 37 % 101 > 50 else 'no'}" for i in range(120)]


def rows_of(chance: random.Random, verb: str) -> list[list[str]]:
    """A valid table for the verb: header and rows."""
    table = [line.split(",") for line in [ROWS[0], *chance.sample(ROWS[1:], 60)]]
    if verb == "label":
        return [["id", "label"], *([row[0], row[-1]] for row in table[1:])]
    if verb in ("ingest", "predict"):
        for row in table[1:]:
            row[0] = f"{row[0]}-{chance.randrange(1 << 40)}"
    return table


def cell(table, chance):
    row = chance.choice(table)
    if row:
        row[chance.randrange(len(row))] = chance.choice(STRANGE)


def header_cell(table, chance):
    table[0][chance.randrange(len(table[0]))] = chance.choice([*STRANGE, *table[0], "x" * 2000])


def drop_column(table, chance):
    place = chance.randrange(len(table[0]))
    table[:] = [row[:place] + row[place + 1:] for row in table]


def double_column(table, chance):
    place = chance.randrange(len(table[0]))
    for row in table:
        row.append(row[place] if place < len(row) else "")


def shuffle_columns(table, chance):
    order = chance.sample(range(len(table[0])), len(table[0]))
    table[:] = [[row[i] for i in order if i < len(row)] for row in table]


def ragged(table, chance):
    row = chance.choice(table)
    row.extend(chance.choice(STRANGE) for _ in range(chance.choice([1, 1, 2, 5000]))) if chance.random() < 0.5 else row and row.pop()


def few_rows(table, chance):
    del table[chance.choice([0, 1, 2, 3]):]


def same_row(table, chance):
    table.extend([list(chance.choice(table))] * chance.choice([1, 3, 200]))


def column_of(table, chance):
    place, value = chance.randrange(len(table[0])), chance.choice(STRANGE)
    for row in table[1:]:
        if place < len(row):
            row[place] = value


def wide(table, chance):
    for number, row in enumerate(table):
        row.extend(f"c{i}" if number == 0 else "1" for i in range(chance.choice([50, 1000])))


TABLE = [cell] * 12 + [same_row] * 3 + [shuffle_columns] * 3 + [header_cell, drop_column, double_column, shuffle_columns, ragged, few_rows, same_row, column_of, wide]


def as_csv(table: list[list[str]], chance: random.Random) -> bytes:
    import csv
    text = io.StringIO()
    separator = chance.choice([","] * 12 + [";", "\t", "|", ":", " "])
    csv.writer(text, delimiter=separator, quoting=chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), lineterminator=chance.choice(["\n"] * 9 + ["\r\n"] * 4 + ["\r"])).writerows(table)
    return text.getvalue().encode(chance.choice(["utf-8"] * 30 + ["utf-8-sig", "utf-16", "latin-1", "utf-32"]), "replace")


def spoil(content: bytes, chance: random.Random) -> bytes:
    """Some bytes of it changed, whatever they mean."""
    for _ in range(chance.choice([0] * 9 + [1, 1, 2, 5])):
        place, length = chance.randrange(len(content) + 1), chance.choice([1, 1, 2, 10, 100])
        content = chance.choice([
            lambda: content[:place] + bytes(chance.randrange(256) for _ in range(length)) + content[place:],
            lambda: content[:place] + content[place + length:],
            lambda: content[:place] + content[max(0, place - length):],
            lambda: content[:place],
            lambda: content[:place] + chance.choice([b'"', b"\0", b"\n", b"\r", b",", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\x1a", b"'''", b'"""', b"#", b"\\", b"=", b"[", b"]", b"{", b"}", b"."]) + content[place:],
        ])()
    return content


def broken_csv(verb: str, chance: random.Random) -> bytes:
    if chance.random() < 0.02:
        return chance.choice([b"", b"\n", b"\n\n\n", b",,,\n", b'"', b"\0", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 3\n", b"PK\x03\x04" + bytes(500), b"a" * 5_000_000])
    table = rows_of(chance, verb)
    for _ in range(chance.choice([1, 1, 1, 1, 2, 3, 6])):
        if table and table[0]:
            chance.choice(TABLE)(table, chance)
    return spoil(as_csv(table, chance), chance)


def value(chance: random.Random, depth: int = 0) -> str:
    """Any TOML value, right or wrong."""
    if depth < 4 and chance.random() < 0.25:
        inner = [value(chance, depth + 1) for _ in range(chance.choice([0, 1, 2, 5]))]
        return chance.choice(["[" + ", ".join(inner) + "]", "{" + ", ".join(f"{chance.choice(string.ascii_lowercase)}{i} = {text}" for i, text in enumerate(inner)) + "}"])
    return chance.choice(["true", "false", "0", "1", "-1", "0.5", "1e308", "1e999", "nan", "inf", "-inf", "9" * 30, "9" * 5000, "0x1F", "1_0", "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", '""', '"a"', "'a'",
                          '"""a\nb"""', '"\\u0000"', '"\\ud800"', '"classification"', '"regression"', '"answer"', '"accuracy"', '"text"', '"number"', '"24h"', '"all"', "[" * 50 + "]" * 50, "[" * 5000 + "]" * 5000,
                          "=", "", '"sklearn.linear_model.Ridge"', '"sklearn.dummy.DummyClassifier"', '"os.system"', '"sklearn.nothing"', '"' + chance.choice(STRANGE).replace("\\", "").replace('"', "").replace("\n", " ") + '"'])


def broken_toml(text: str, chance: random.Random) -> bytes:
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        lines = text.splitlines()
        place = chance.randrange(len(lines))
        key = lines[place].partition("=")[0].strip() or "x"
        change = chance.randrange(9)
        if change < 3 and "=" in lines[place]:
            lines[place] = f"{key} = {value(chance)}"
        elif change == 3:
            lines[place] = re.sub(r"(?<==)\s*[^,{}\[\]]+(?=[,}])", lambda _: " " + value(chance), lines[place], count=1)
        elif change == 4:
            del lines[place]
        elif change == 5:
            lines.insert(chance.randrange(len(lines)), lines[place])
        elif change == 6:
            lines.insert(place, chance.choice(["x", "a.b.c", key, '""', '"a b"', "monitor.floor", "retrain.windows", "columns.size", "é", "min"]) + " = " + value(chance))
        elif change == 7:
            lines.insert(place, chance.choice(["[columns]", "[[columns]]", "[train.params]", "[x.y.z]", "[]", "[monitor]", "[retrain]", "[evaluate]", "[thresholds]\nmin = {accuracy = 2}"]))
        else:
            lines[place] = lines[place].replace(chance.choice(["=", '"', "{", "}", "[", "]", ","]), chance.choice(["", "=", '"', "{", "]", ".", "\t"]), 1)
        text = "\n".join(lines) + "\n"
    return spoil(text.encode(chance.choice(["utf-8"] * 10 + ["utf-8-sig", "utf-16", "latin-1"]), "replace"), chance) if chance.random() < 0.3 else text.encode()


@pytest.fixture(scope="module")
def mixed(template, tmp_path_factory):
    """A model with a column of each type, v1 live."""
    base = tmp_path_factory.mktemp("mixed")
    project = copy(template, base / "project")
    (base / "rows.csv").write_text("\n".join(ROWS) + "\n")
    path = project.root / "models/mixed/model.toml"
    for verb, options in (("new", {"CSV": base / "rows.csv", "TARGET": "answer", "ID": "id", "TIME": "when"}), ("train", {}), ("deploy", {})):
        done = sweep.run(project, verb, {"MODEL": "mixed", **options})
        assert done.code == 0, done
        if verb == "new":
            path.write_text(re.sub(r"^min = .*$", "min = {}", path.read_text(), flags=re.M))
    return project


def state(project: Project) -> dict[str, bytes]:
    """All that a refused command must leave as it was."""
    kept = [path for folder in ("data", "models") for path in (project.root / folder).rglob("*") if path.is_file() and "rejected" not in path.parts and path.name not in (".lock", ".check.lock")]
    return {str(path): path.read_bytes() for path in kept}


def call(project: Project, verb: str, options: dict[str, str], monkeypatch) -> tuple[int, str, str]:
    """The script's main() in this process, on the project."""
    from lib import runs
    monkeypatch.setattr(runs, "ROOT", project.root)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings(record=True) as warned:
        code = importlib.import_module(verb).main([part for name, text in options.items() for part in (f"--{name.lower()}", text)])
    return code, out.getvalue(), err.getvalue() + "".join(f"{one.category.__name__}: {one.message} ({one.filename}:{one.lineno})" for one in warned)


def try_case(project: Project, verb: str, seed: int, monkeypatch) -> tuple[int, list[str]]:
    """One broken input; the exit code, and what was wrong with how it was met."""
    chance = random.Random(f"{verb} {seed}")
    source, toml = project.root.parent / f"{verb}.csv", project.root / "models/mixed/model.toml"
    text = toml.read_text()
    options = {"MODEL": "mixed", **({"CSV": str(source)} if verb != "train" else {}), **({"MODEL": f"f{seed}", "TARGET": chance.choice(["answer", "answer", "count", "size", ""])} if verb == "new" else {})}
    if verb == "train":
        toml.write_bytes(broken_toml(text, chance))
    else:
        source.write_bytes(broken_csv(verb, chance))
    before = state(project)
    signal.alarm(LIMIT)
    try:
        code, out, err = call(project, verb, options, monkeypatch)
        if verb == "new" and code == 0:
            learnt, said, told = call(project, "train", {"MODEL": options["MODEL"]}, monkeypatch)  # what was taken in can be learnt from, or not: in words
            code, err = (learnt if learnt not in (0, 2, 3) else 0), err + told
    except BaseException as error:
        return 70, [f"{type(error).__name__}: {error}"]
    finally:
        signal.alarm(0)
        after = state(project)
        toml.write_text(text)
    wrong = [] if code in (0, 2, 3) else [f"exit code {code}: {err[-600:]}"]
    if "Traceback" in err or verb not in ("new", "train") and re.search(r"\w+Warning:", err):  # where scikit-learn learns, it may say its own
        wrong.append(f"on the screen: {err[-600:]}")
    if code and not re.search(rf"^{verb}: .+", err, re.M):
        wrong.append(f"exit code {code} without a word: {err!r}")
    audit = str(project.root / "models/mixed/audit.jsonl")
    if code and {name: content for name, content in after.items() if name != audit or verb != "train"} != {name: content for name, content in before.items() if name != audit or verb != "train"}:
        wrong.append(f"exit code {code}, and changed: {[name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]}")
    return code, wrong


def fuzz(mixed: Project, verb: str, seeds: range, place: Path, monkeypatch) -> tuple[Counter, list[str]]:
    for name in os.environ.keys() - mixed.env.keys():
        monkeypatch.delenv(name)
    for name, text in mixed.env.items():
        monkeypatch.setenv(name, text)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    codes, failures, project = Counter(), [], None
    for number, seed in enumerate(seeds):
        if number % 100 == 0:
            project = copy(mixed, place / f"project-{verb}-{number}")  # so that what was taken in does not grow for ever
        code, wrong = try_case(project, verb, seed, monkeypatch)
        codes[code] += 1
        failures += [f"{verb} {seed}: {text}" for text in wrong]
        if number % 100 == 99 or seed == seeds[-1]:
            failures += [f"{verb}, up to {seed}: {finding.words}" for finding in findings(project)]
    return codes, failures


@pytest.mark.slow
@pytest.mark.parametrize("verb", CASES)
def test_a_few_broken_inputs(mixed, verb, tmp_path, monkeypatch):
    codes, failures = fuzz(mixed, verb, range(8), tmp_path, monkeypatch)
    assert not failures, "\n".join(failures)
    assert codes.total() == 8


@pytest.mark.slow
@pytest.mark.parametrize("verb", CASES)
def test_whatever_comes_in_is_taken_whole_or_refused_in_words(mixed, verb, tmp_path, monkeypatch, capsys):
    codes, failures = fuzz(mixed, verb, range(1000, 1000 + CASES[verb]), tmp_path, monkeypatch)
    with capsys.disabled():
        print(f"\n{verb}: {codes.total()} broken inputs, exit codes {dict(sorted(codes.items()))}, {len(failures)} failures")
    assert not failures, "\n".join(failures)
