"""Train a version again from its tag, with the code, configuration and data of then, and compare; registers nothing.

make reproduce                           # the newest version
make reproduce MODEL=churn VERSION=3     # says identical, equal within 1e-9, or different (exit code 3)
"""
import time

from lib import likeness, replay, runs, tags
from lib.runs import Run


def work(run: Run) -> int:
    paths = run.model()
    number = run.version()
    known = tags.read(paths)
    version = known.chosen(number, paths.name)
    began = time.monotonic()
    with replay.stage(run, paths, known, version) as staged:
        print(f"{version.name}: training again, by the tag {version.tag} alone: its code, configuration and data", flush=True)
        found = likeness.compare(paths, version, staged.manifest, replay.train(staged), staged.paths.train)
    for one in found:
        print(f"{version.name}: {one.what + ':':<20} {one.verdict}, {one.words}")
    differences = likeness.environment_differences(paths, version)
    for line in differences or ["the same, Python and every package"]:
        print(f"{version.name}: {'environment:':<20} {line}")
    verdict = max((one.verdict for one in found), key=likeness.VERDICTS.index)
    print(f"{version.name}: {verdict}, in {time.monotonic() - began:.1f} s")
    return 3 if verdict == likeness.DIFFERENT else 0


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "VERSION"), work, argv)


if __name__ == "__main__":
    runs.leave(main())
