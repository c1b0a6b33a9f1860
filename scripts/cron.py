"""Install the entries of crontab.txt in your crontab, between markers of their own; typed again, it changes nothing.

make cron
make uncron      # takes them out again
"""
from lib import crontab, runs
from lib.errors import Failed
from lib.runs import Run


def work(run: Run) -> int:
    block = crontab.block(run.root)
    try:
        changed = crontab.change(lambda table: with_block(crontab.without_block(table, run.root), block) if block not in table else table)
    except Failed:
        print(f"These lines would have gone into your crontab:\n{block}", end="")
        raise
    print("installed in your crontab:" if changed else "in your crontab already:")
    print(block, end="")
    return 0


def with_block(table: str, block: str) -> str:
    return (table if not table or table.endswith("\n") else table + "\n") + block


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, (), work, argv)


if __name__ == "__main__":
    runs.leave(main())
