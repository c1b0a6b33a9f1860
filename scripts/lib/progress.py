"""How far a long command is, on stderr: a bar redrawn on a terminal, a new line every ten seconds in a log."""
import sys
import threading
import time

FIRST = 2.0  # seconds of silence: what is over by then needs no progress
LOG_EVERY = 10.0
TERMINAL_EVERY = 0.2
BAR = 20  # characters


class Progress:
    """Use as a context manager and call `at(done)` as often as you like; a thread shows it, so that one long step is not silent either.

    total: how many units there will be, None if that is not known; about: it is an estimate. Without a unit only the time is shown.
    """

    def __init__(self, label: str, total: int | None = None, unit: str = "", about: bool = False):
        self.label, self.total, self.unit, self.about = label, total, unit, about
        self.terminal = sys.stderr.isatty()
        self.done, self.note = 0, ""
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self) -> "Progress":
        self.started = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.thread.join()

    def at(self, done: int, note: str = "") -> None:
        self.done, self.note = done, note

    def watch(self) -> None:
        shown = False
        while not self.over.wait(TERMINAL_EVERY if shown and self.terminal else LOG_EVERY if shown else FIRST):
            text = describe(self.label, self.done, self.total, self.unit, time.monotonic() - self.started, self.about) + (f", {self.note}" if self.note else "")
            if self.terminal:
                import shutil
                print(f"\r\033[K{drawn(self.done, self.total)}{text}"[:shutil.get_terminal_size().columns + 4], end="", file=sys.stderr, flush=True)
            else:
                print(text, file=sys.stderr, flush=True)
            shown = True
        if shown and self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def drawn(done: int, total: int | None) -> str:
    if not total:
        return ""
    filled = min(BAR * done // total, BAR)
    return f"[{'#' * filled}{'.' * (BAR - filled)}] "


def describe(label: str, done: int, total: int | None, unit: str, seconds: float, about: bool = False) -> str:
    if not unit:
        return f"{label}: {seconds:.0f} s"
    if not total or done > total:
        return f"{label}: {done:,} {unit} in {seconds:.0f} s"
    left = f", about {seconds / done * (total - done):.0f} s left" if done > total / 20 else ""  # the first few are all start-up
    return f"{label}: {done:,} of {'about ' if about else ''}{total:,} {unit}{left}"
