"""What the scripts share. This runs first: Ctrl-C while a script is still being loaded ends in one line too."""
import gc
import os
import sys


def one_line(kind, error, trace) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        return sys.__excepthook__(kind, error, trace)
    print(f"{os.path.basename(sys.argv[0]).removesuffix('.py')}: interrupted before it began.", file=sys.stderr, flush=True)
    os._exit(130)


sys.excepthook = one_line
gc.set_threshold(50_000)  # what a command loads is not garbage: with the usual 700, looking through it takes a twentieth of a short one's time
