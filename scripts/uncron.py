"""Take this project's entries out of your crontab; all other lines stay as they are.

make uncron
make cron      # puts them in again
"""
from lib import crontab, runs
from lib.runs import Run


def work(run: Run) -> int:
    changed = crontab.change(lambda table: crontab.without_block(table, run.root))
    print("taken out of your crontab" if changed else "your crontab has no entries of this project")
    return 0


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, (), work, argv)


if __name__ == "__main__":
    runs.leave(main())
