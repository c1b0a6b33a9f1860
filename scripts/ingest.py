"""Check new rows and add them to the model's training data; bad rows stop the whole file.

make ingest                              # from the source that model.toml names
make ingest MODEL=churn CSV=march.csv    # from a file
"""
from lib import config, parts, registry, runs


def work(run: runs.Run) -> int:
    from lib import intake  # pandas takes a second to import: not before the options are known to be right
    paths = run.model()
    conf = config.load(paths.config)
    with run.lock(paths):
        registry.settle(run, paths)
        named = run.path("CSV") if run.options["CSV"] else None
        added, known = intake.take_in(run, paths, conf, named)
    report(paths.name, added, known)
    return 0


def report(model: str, added: list[parts.Part], known: int) -> None:
    for part in added:
        print(f"{model}: part {part.path.stem} added, {part.rows:,} rows")
    if known:
        print(f"{model}: {known:,} rows were there already")
    if not added and not known:
        print(f"{model}: no rows")


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "CSV"), work, argv)


if __name__ == "__main__":
    runs.leave(main())
