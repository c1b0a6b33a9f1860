"""How the models do: a page with plots, models/report.html, and the same figures for Prometheus, models/metrics.prom.

make report                 # a page of all models
make report MODEL=churn     # a page of this one; metrics.prom is always of all
"""
from lib import clock, files, model_names, openmetrics, readings, report, runs, watched
from lib.names import plural
from lib.progress import Progress
from lib.readings import Records
from lib.runs import Run


def work(run: Run) -> int:
    named = run.model().name if run.options["MODEL"] else ""
    now = clock.now()
    records = readings.read(run.db, now)
    models = [watched.gather(run.root, records.get(name, Records()), name, now) for name in model_names.described(run.root)]
    shown = [model for model in models if model.name == named] if named else models
    folder = run.root / "models"
    with files.lock(folder / ".report.lock", f"report by {run.user}", runs.LOCK_WAIT, "the report"):
        files.sweep_temporaries(folder)
        with Progress("report", len(shown), "models") as progress:
            text = report.page(run.root, shown, None if named else records.get("", Records()), now, f"{run.host}, {run.root}", progress.at)
        files.write(folder / "report.html", text.encode())
        figures = openmetrics.text(openmetrics.families(models, records.get("", Records()), readings.jobs(run.db, now), now))
        files.write(folder / "metrics.prom", figures.encode())
    print(f"models/report.html written: {plural(len(shown), 'model')}, {len(text.encode()) / 1000:,.0f} kB; open it in a browser, or mail it")
    print(f"models/metrics.prom written: {plural(openmetrics.samples(figures), 'figure')} of {plural(len(models), 'model')}, for Prometheus")
    return 0


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL",), work, argv, reads=True)


if __name__ == "__main__":
    runs.leave(main())
