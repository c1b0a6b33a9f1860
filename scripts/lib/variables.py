"""What a command was asked: its variables from make's environment or its command line, and a word about each that is mistyped."""
import os
import re
import sys

from lib.errors import UserError
from lib.names import nearest

OPTIONS = {
    "MODEL": "the model's name; without it, the only model of yours there is (a sample, while you have none)",
    "CSV": "the file with the rows",
    "TARGET": "the column to predict",
    "ID": "the column that names a row; - for none",
    "TIME": "the column that says when a row was; - for none",
    "VERSION": "a version's number, as 3 or v3",
    "OUT": "the file to write",
    "FORCE": "1: do it even if nothing has changed",
    "KEY": "the SSH key to sign with",
    "QUICK": "1: only what is live",
    "ACCEPT": "1: the rows that were found spoiled are all right",
    "REASON": "why, for the record",
    "AT": "a date or time, as 2026-05-01",
    "A": "the version on the left, as 3 or v3",
    "B": "the version on the right",
    "JSON": "1: print JSON, for scripts",
    "TO": "the folder to back up into",
    "FROM": "the folder of a backup",
    "KEEP": "how many of the newest versions to keep",
    "YES": "1: really do it",
}
OF_ALL = ("check", "drift", "retrain", "status", "report", "verify", "restore", "prune")  # what these do without MODEL=
MODEL_OF = {"new": "the new model's name", **dict.fromkeys(OF_ALL, "the model's name; without it, all models")}
MAKES_OWN = ("VENV", "PYTHON", "HELP", "BASE", "BENCH", "BATCH")  # the Makefile's, whatever the target
NEAR = 0.7  # how alike (difflib) two variables' names are where one is taken for a slip of the other


def parse(script: str, doc: str, options: tuple[str, ...], argv: list[str] | None) -> dict[str, str]:
    """Each option's text: from the command line (--model churn), else from the environment (MODEL=churn), else empty."""
    check_variables(script, options)
    if os.environ.get("HELP") == "1":
        print(usage(script, doc, options))
        raise SystemExit(0)
    values = {name: os.environ.get(name, "") for name in options}
    if sys.argv[1:] if argv is None else argv:  # make gives none, and argparse takes time to import
        values = parse_arguments(script, doc, values, argv)
    for name, value in values.items():
        if any(mark in value for mark in "\0\n\r") or any("\ud800" <= mark <= "\udfff" for mark in value):
            raise UserError(f"{name}= can't contain a line break, or bytes that are no UTF-8.")
    return values


def parse_arguments(script: str, doc: str, defaults: dict[str, str], argv: list[str] | None) -> dict[str, str]:
    import argparse
    parser = argparse.ArgumentParser(f"scripts/{script}.py", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.error = lambda message: (_ for _ in ()).throw(UserError(f"{message}. See: make {script} HELP=1"))
    for name, default in defaults.items():
        parser.add_argument(f"--{name.lower()}", default=default, metavar=name, dest=name, help=OPTIONS[name])
    found, unknown = parser.parse_known_args(argv)
    if unknown:
        raise UserError(f"there is no option {unknown[0]}.{nearest(unknown[0], [f'--{name.lower()}' for name in defaults])} See: make {script} HELP=1")
    return vars(found)


def usage(script: str, doc: str, options: tuple[str, ...]) -> str:
    """What HELP=1 prints: in the words of make, which is how people call it."""
    width = max(map(len, options), default=0) + 1
    words = OPTIONS | {"MODEL": MODEL_OF.get(script, OPTIONS["MODEL"])}
    variables = "\n".join(f"  {name + '=':<{width}}  {words[name]}" for name in options) or "  none"
    return f"usage: make {' '.join((script, *(f'{name}=' for name in options)))}\n\n{doc.strip()}\n\nvariables:\n{variables}"


def check_variables(script: str, options: tuple[str, ...]) -> None:
    """UserError for a variable on make's command line that is mistyped, or that this script would silently pass over."""
    if "MAKECMDGOALS" not in os.environ:  # another Makefile's call, whose variables are its own
        return
    _, _, given = f" {os.environ.get('MAKEFLAGS', '')}".partition(" -- ")
    takes = f"{script} takes {' '.join(f'{name}=' for name in options) or 'no variable'}. See: make {script} HELP=1"
    for name in (word.partition("=")[0].rstrip(":+?!") for word in re.findall(r"(?:[^\s\\]|\\.)+", given)):
        if name not in OPTIONS and name not in MAKES_OWN and (near := likely(name, options)):
            raise UserError(f"there is no variable {name}=. Did you mean {near}=? {takes}")
        if name in OPTIONS and name not in options and os.environ["MAKECMDGOALS"] == script:  # with several targets it may be for another one
            raise UserError(f"{name}= means nothing here: {takes}")


def likely(name: str, options: tuple[str, ...]) -> str | None:
    """The variable that this one was probably to be."""
    import difflib
    return next(iter(difflib.get_close_matches(name.upper(), options, 1, NEAR)), None)
