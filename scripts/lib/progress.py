"""How far a long command is, on stderr: a line redrawn on a terminal, a new line every ten seconds in a log."""
import sys
import time

FIRST = 2.0  # seconds of silence: what is over by then needs no progress
LOG_EVERY = 10.0
TERMINAL_EVERY = 0.2


class Progress:
    """Call `at(done)` as often as you like; use as a context manager so that the terminal's line is cleared at the end."""

    def __init__(self, label: str, total: int | None, unit: str):
        self.label, self.total, self.unit = label, total, unit
        self.terminal = sys.stderr.isatty()
        self.started = time.monotonic()
        self.next = self.started + FIRST
        self.shown = False

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_) -> None:
        if self.terminal and self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def at(self, done: int, note: str = "") -> None:
        moment = time.monotonic()
        if moment < self.next:
            return
        self.next = moment + (TERMINAL_EVERY if self.terminal else LOG_EVERY)
        self.shown = True
        text = describe(self.label, done, self.total, self.unit, moment - self.started) + (f", {note}" if note else "")
        print(f"\r\033[K{text}" if self.terminal else text, end="" if self.terminal else "\n", file=sys.stderr, flush=True)


def describe(label: str, done: int, total: int | None, unit: str, seconds: float) -> str:
    if not total:
        return f"{label}: {done:,} {unit} in {seconds:.0f} s"
    left = f", about {seconds / done * (total - done):.0f} s left" if done > total / 20 else ""  # the first few are all start-up
    return f"{label}: {done:,} of {total:,} {unit}{left}"
