"""make report: the page is whole, sound HTML, escaped, small, and fits a phone in a real browser; the metrics file is always of all models."""
import html
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
import simulated

from lib import db, files, readings, recent, report_drift, watched
from lib.errors import UserError

NOW = "2026-05-20T08:00:00+00:00"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
VOID = {"meta", "link", "line", "circle", "rect", "path", "br", "img", "tr", "th", "td"}  # and those whose end may be left out


def filled(template, folder: Path, count: int, days: int = 365):
    project = template.copy(folder / "project")
    for name in ("cancer", "diabetes"):
        shutil.rmtree(project.root / "models" / name)
    simulated.fill(project.root, count, days)
    return project


def report(project, **options) -> str:
    project.run("report", LEAN_NOW=NOW, **options)
    return (project.root / "models/report.html").read_text()


@pytest.fixture(scope="module")
def ten(template, tmp_path_factory):
    """Ten models with a year behind them, and their page."""
    project = filled(template, tmp_path_factory.mktemp("ten"), 10)
    done = project.run("report", LEAN_NOW=NOW)
    return project, (project.root / "models/report.html").read_text(), done


@pytest.fixture
def one(template, tmp_path):
    """One model, a week old, with drift."""
    return filled(template, tmp_path / "one", 1, 7)


class Page(HTMLParser):
    """What a browser's reader would find: elements with their attributes, and the text in them."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
            self.open.pop()

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, text):
        self.texts.append((self.open[-1] if self.open else "", text))

    def named(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def parsed(ten):
    return Page(ten[1])


def test_ten_models_with_a_year_are_under_a_megabyte_and_said_so(ten):
    _, text, done = ten
    assert len(text.encode()) < 1_000_000
    assert done.stdout.splitlines()[0] == f"models/report.html written: 10 models, {len(text.encode()) / 1000:,.0f} kB; open it in a browser, or mail it"
    assert re.fullmatch(r"models/metrics.prom written: \d+ figures of 10 models, for Prometheus", done.stdout.splitlines()[1])


def test_the_page_needs_nothing_from_anywhere_and_runs_no_script(parsed):
    assert not parsed.named("script") and not parsed.named("img") and not parsed.named("iframe")
    assert [link["href"] for link in parsed.named("link")] == ["data:,"]
    assert {link["href"][0] for link in parsed.named("a")} == {"#"}
    assert "default-src 'none'" in next(meta["content"] for meta in parsed.named("meta") if meta.get("http-equiv") == "Content-Security-Policy")


def test_every_element_is_closed_and_no_id_is_there_twice(parsed):
    assert parsed.open == []
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in parsed.named("a")} <= set(ids)


def test_headings_go_down_one_level_at_a_time(parsed):
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:]))


def test_plots_have_names_and_tables_captions_and_headings_of_rows_and_columns(parsed, ten):
    outer = [svg for svg in parsed.named("svg") if "class" in svg]
    assert outer and all(svg.get("role") == "img" and svg.get("aria-label") or svg.get("aria-hidden") == "true" for svg in outer)
    assert len(parsed.named("caption")) == len(parsed.named("table")) > 50
    assert all(head["scope"] in ("col", "row") for head in parsed.named("th"))
    assert all(box.get("tabindex") == "0" and box.get("aria-label") for box in parsed.named("div") if box.get("class") == "scroll")
    assert [tag for tag in ("header", "main", "footer") if not parsed.named(tag)] == []
    assert ten[1].index('class="skip"') < ten[1].index("<h1>")


def test_every_plot_has_its_figures_in_a_table(ten):
    figures = re.findall(r"<figure>.*?</figure>", ten[1], re.S)
    without = [figure for figure in figures if "<details>" not in figure]
    assert len(figures) > 40 and all("the figures are in the table above" in figure for figure in without)


def test_a_column_and_a_description_full_of_markup_stay_text(parsed):
    assert any("<script>alert(1)</script>" in text for _, text in parsed.texts)
    assert any("</style><script>alert(2)</script> & more" in text for _, text in parsed.texts)
    assert all(tag != "script" for tag, _ in parsed.texts)


def test_the_overview_begins_with_what_needs_a_look(ten):
    rows = re.findall(r'<th scope="row"><a href="#m-(\w+)">.*?<td><span class="(\w+)">(.*?)</span>', ten[1])
    assert [kind for _, kind, _ in rows] == ["bad"] * 4 + ["good"] * 6
    assert rows[:2] == [("churn", "bad", "▲ drift"), ("fraud", "bad", "▲ accuracy too low")]
    assert "10 models, 10 live. churn, fraud, leads, quality need a look." in ten[1]


def test_the_metric_shows_its_limit_its_deployments_and_the_retraining_that_found_nothing(ten):
    quality = ten[1].split('id="m-quality"')[1].split("</section>")[0]
    assert "Accuracy fell below 0.9 on 11 May and is not back: 0.815 since then" in quality
    assert "≥ 0.9" in quality and quality.count('<g class="mark">') == 3 and 'class="ring"' in quality  # v1 went live a year and a day ago
    assert "retrained (accuracy dropped); no candidate was significantly better" in quality
    assert "v4 deployed by retraining by ada: the newest" in quality


def test_the_limit_is_the_one_that_the_check_goes_by_where_that_asks_for_more_than_model_toml(template, tmp_path):
    project = filled(template, tmp_path, 3, 7)
    simulated_db(project, "UPDATE checks SET floor = 0.96 WHERE model = 'churn'")
    assert "≥ 0.96" in report(project, MODEL="churn")


def test_drifted_columns_are_shown_beside_training(ten):
    churn = ten[1].split('id="m-churn"')[1].split("</section>")[0]
    assert "5 columns had moved on 20 May: age, income, amount and 2 more" in churn
    assert "age moved up: median 40 → 43" in churn and "now, 400 rows" in churn
    assert churn.count('class="strip" role="img"') == 6  # five that moved, and one with a notice


def test_a_page_of_one_model_leaves_the_others_in_the_metrics_file(ten, tmp_path):
    project = ten[0].copy(tmp_path / "project")
    whole = (project.root / "models/metrics.prom").read_text()
    text = report(project, MODEL="churn")
    assert re.findall(r'class="model(?: only)?" id="m-(\w+)"', text) == ["churn"] and "<h1>How churn does</h1>" in text
    assert models_of((project.root / "models/metrics.prom").read_text()) == models_of(whole) == 10


def models_of(text: str) -> int:
    return len(set(re.findall(r'model="([^"]+)"', text)))


def test_the_number_of_queries_does_not_grow_with_the_models(template, tmp_path):
    def queries(count: int) -> int:
        project, seen = filled(template, tmp_path / str(count), count, 3), []
        connection = db.connect(project.root / "metrics.db")
        connection.set_trace_callback(seen.append)
        readings.read(connection, NOW)
        connection.close()
        return len(seen)

    assert queries(1) == queries(5) < 25


@pytest.mark.slow
def test_a_hundred_models_with_a_year_take_under_three_seconds_of_the_processor(template, tmp_path):
    project = filled(template, tmp_path, 100)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    report(project)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3


def test_no_data_library_is_loaded(one):
    code = "import sys; sys.path.insert(0, 'scripts'); import report; report.main([]); print(sorted({name.partition('.')[0] for name in sys.modules} & {'numpy', 'pandas', 'scipy', 'sklearn', 'joblib'}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=one.root, env={**one.env, "LEAN_NOW": NOW}, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_empty_states_say_what_to_type(project):
    text = report(project)
    assert "There is no version yet. Train one with <code>make train MODEL=cancer</code>" in text
    assert "2 models, none live" in text and "There has been no alert." in text
    simulated.fill(project.root, 1, 7, drift=False)
    simulated_db(project, "DELETE FROM outcomes")
    text = report(project)
    assert "No predictions are on record yet. Score rows with <code>make predict MODEL=churn CSV=rows.csv</code>" in text
    assert "What v3 sees has not been compared with its training data yet. Do it with <code>make drift MODEL=churn</code>" in text
    simulated_db(project, "INSERT INTO batches (uuid, run_id, model, version, source, sha256, rows, log, time) VALUES ('x', 1, 'churn', 3, 'a.csv', 'y', 12, 'z', '2026-05-20T07:00:00Z')")
    assert "12 predictions in the log, none of them counted in the last year. Count them with <code>make check MODEL=churn</code>" in report(project)
    simulated_db(project, "INSERT INTO outcomes (model, version, hour, metric, predictions) VALUES ('churn', 3, '2026-05-20T07', 'accuracy', 12)")
    text = report(project)
    assert "12 predictions, and no outcome known yet. Take outcomes in with <code>make label MODEL=churn CSV=outcomes.csv</code>" in text


def simulated_db(project, statement: str) -> None:
    connection = db.connect(project.root / "metrics.db")
    connection.execute(statement)
    connection.close()


def test_a_registered_version_that_is_not_live_says_how_to_deploy_it(template, tmp_path):
    project = template.copy(tmp_path / "project")
    simulated.fill(project.root, 1, 7)
    for statement in ("DROP TRIGGER deployments_remain", "DELETE FROM deployments"):
        simulated_db(project, statement)
    assert "v4 is registered, and nothing is live. Make it live with <code>make deploy MODEL=churn</code>" in report(project)


def test_a_check_of_an_earlier_version_says_nothing_about_the_live_one(one):
    simulated_db(one, "UPDATE checks SET version = 2")
    simulated_db(one, "UPDATE drift_windows SET version = 2")
    text = report(one)
    assert "○ live, not checked yet" in text and "What v3 sees has not been compared with its training data yet." in text
    assert "lean_mlops_live_metric{" not in (one.root / "models/metrics.prom").read_text()


def test_a_lost_metrics_db_is_not_taken_for_a_model_without_versions(one):
    (one.root / "metrics.db").unlink()
    (one.root / "models/churn/production").symlink_to("v3")
    assert "metrics.db does not know it. Bring its records back from the tags with <code>make restore MODEL=churn</code>" in report(one)


def test_errors_counted_before_their_unit_was_on_record_have_no_interval(template, tmp_path):
    project = filled(template, tmp_path, 3, 7)
    with_mae = report(project, MODEL="demand")
    simulated_db(project, "UPDATE outcomes SET bound = NULL")
    without = report(project, MODEL="demand")
    assert "The mean error holds" in with_mae and "The mean error holds" in without
    value = re.compile(r'<tr><th scope="row">2026-05-1\d<td>v\d<td>\d+<td>\d+<td>[\d.]+<td>([^<]+)')
    assert value.findall(with_mae) and all(" to " in interval for interval in value.findall(with_mae)) and set(value.findall(without)) == {"–"}


def test_no_model_at_all(project):
    for name in ("cancer", "diabetes"):
        shutil.rmtree(project.root / "models" / name)
    assert "There is no model yet. Make one with: make new MODEL=name CSV=rows.csv TARGET=column" in report(project)
    assert (project.root / "models/metrics.prom").read_text().endswith("# EOF\n")


def test_a_damaged_holdout_is_named_and_the_rest_of_the_page_is_there(one):
    path = one.root / "models/churn/v3/holdout.csv"
    path.write_text(path.read_text().replace("yes", "no", 1))
    text = report(one)
    assert "models/churn/v3/holdout.csv is not what the tag churn/v3 says: it was changed or damaged. Bring it back with: make restore MODEL=churn" in text
    assert "how sure it is" not in text and "v4 is the best of 4 versions" in text


def test_a_broken_model_toml_is_said_and_does_not_hide_the_figures(one):
    (one.root / "models/churn/model.toml").write_text("task = 3")
    text = report(one)
    assert "▲ Its model.toml can&#x27;t be read" in text and "`target` is missing" in text
    assert "The outcome is known for" in text


def test_a_killed_report_leaves_the_old_page_and_the_next_one_sweeps_up(one):
    old = report(one)
    (one.root / "models/.report.html.4711.tmp").write_text("half")
    running = one.start("report", LEAN_NOW=NOW)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert (one.root / "models/report.html").read_text().endswith("</html>\n") and len(old) > 10_000
    report(one)
    assert sorted(path.name for path in (one.root / "models").iterdir() if path.is_file()) == [".report.lock", "metrics.prom", "report.html"]
    assert one.git("status", "--short", "models/report.html", "models/metrics.prom", "models/.report.lock") == ""


def test_the_page_is_the_same_when_nothing_has_changed_but_the_runs(one):
    texts = [re.sub(r"(?s)<h2 id=\"h-machine\".*?</section>", "", report(one)) for _ in range(2)]
    assert texts[0] == texts[1]


def in_browser(pages: dict[str, tuple[str, int]], height: int = 3000) -> tuple[dict, list[str]]:
    """Each page in a frame of its width, by a real browser: ({name: [width of the content, what sticks out of it]}, the console's lines)."""
    frames = "".join(f'<iframe id="{name}" width="{width}" height="{height}" style="border:0" srcdoc="{html.escape(text)}"></iframe>' for name, (text, width) in pages.items())
    script = """onload = () => document.body.setAttribute('data-found', JSON.stringify(Object.fromEntries([...document.querySelectorAll('iframe')].map(frame => {
        const inner = frame.contentDocument, wide = inner.documentElement.clientWidth
        const out = [...inner.querySelectorAll('body *')].filter(e => !e.closest('.scroll > *') && !e.closest('.skip') && e.getBoundingClientRect().right > wide + 1)
        return [frame.id, [inner.documentElement.scrollWidth - wide, out.map(e => e.outerHTML.slice(0, 100)), inner.querySelectorAll('svg').length]]}))))"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.html"
        path.write_text(f"<!DOCTYPE html><meta charset=utf-8><link rel=icon href='data:,'><body>{frames}<script>{script}</script>")
        done = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={folder}/profile", "--enable-logging=stderr", "--dump-dom", path.as_uri()],
                              capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": folder})
    found = re.search(r'data-found="(.*?)"', done.stdout, re.S)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found[1])), [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
def test_in_a_browser_nothing_sticks_out_on_a_phone_and_the_console_is_silent(ten, one, project):
    pages = {"phone": (ten[1], 390), "wide": (ten[1], 1200), "single": (report(one), 390), "empty": (report(project), 390)}
    faulty = ("<body><script>nonsense()</script><p style='width:900px'>wide</p>", 390)  # so that silence means something
    found, console = in_browser({**pages, "faulty": faulty})
    assert len(console) == 1 and "nonsense is not defined" in console[0]
    beyond, out, _ = found.pop("faulty")
    assert beyond > 0 and len(out) == 1
    assert {name: (beyond, out) for name, (beyond, out, _) in found.items()} == {name: (0, []) for name in pages}
    assert found["phone"][2] > 100 and found["single"][2] > 10


def test_the_newest_rows_are_told_apart_from_our_own_columns_by_place(tmp_path):
    paths = files.ModelPaths(tmp_path, "m")
    paths.predictions.mkdir(parents=True)
    (paths.predictions / "2026-05-01.csv").write_text("id,time,version,prediction,score,time,version\n" + "".join(f"{i},2026-05-01T{i:02d}:00:00Z,{1 + i % 2},yes,0.{i},t{i},v{i}\n" for i in range(10)))
    found = recent.columns(paths, 2, "2026-05-01T03:00:00Z", "2026-05-01T07:00:00Z", ["time", "version", "(score)", "gone"])
    assert found == {"time": ["t3", "t5", "t7"], "version": ["v3", "v5", "v7"], "(score)": ["0.3", "0.5", "0.7"], "gone": []}
    (paths.predictions / "2026-05-01.csv").write_bytes(b"id,time,version,prediction,score\n1,2026-05-01T03:00:00Z,2," + b"x" * (1 << 25) + b",1\n")
    with pytest.raises(UserError, match="2026-05-01.csv can't be read as a prediction log"):
        recent.columns(paths, 2, "2026-05-01T03:00:00Z", "2026-05-01T07:00:00Z", ["(score)"])


@pytest.mark.parametrize("matures, day", [("0d", "2026-05-02"), ("30m", "2026-05-01"), ("24h", "2026-04-30"), ("12h", "2026-05-01"), ("13h", "2026-04-30")])
def test_a_day_has_matured_once_its_last_prediction_has(matures, day):
    from lib.settings import Monitor
    assert watched.mature_day(SimpleNamespace(monitor=Monitor(matures=matures)), "2026-05-02T12:00:00Z") == day


@pytest.mark.parametrize("days, apart, width", [(56, 1, 1), (60, 1, 1), (61, 1, 7), (200, 1, 7), (5, 1, 1), (9, 7, 7), (3, 7, 1)])
def test_the_heat_map_s_fields_are_as_wide_as_what_they_stand_for(days, apart, width):
    rows = readings.thinned([{"id": i, "day": (date(2026, 3, 2) + timedelta(days=i * apart)).isoformat(), "verdict": "ok"} for i in range(days)])
    grid = report_drift.grid(SimpleNamespace(drift_windows=rows, drift_found=[], last_drift=None))
    assert grid.days == width and len(set(grid.starts.values())) == len(rows)
