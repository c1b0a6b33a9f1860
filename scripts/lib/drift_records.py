"""What the parts of the drift check hand to one another: measures of one column with their p-values, the smallest change that matters, what it came to."""
from lib.record import Record

PROFILE_FORMAT = 2  # of baseline.json; a version with an earlier one can't be checked
RELATIONS = ("residual shift", "residual spread", "slope")  # how a column goes with the others
OUTPUTS = ("(prediction)", "(score)")
TOGETHER = "(all columns)"  # where a measure is of whole rows


class Measure(Record):
    column: str
    measure: str
    value: float
    p: float | None = None
    family: str = "drift"  # or "quality": wrong rows rather than another population
    floor: float = 0.0
    before: object = None  # what the words need: medians, shares, labels
    now: object = None
    notice: bool = False  # worth a line though chance explains it
    decides: bool = True  # False: shown, and compared with a limit where one is set
    of: str = ""  # "length": of a text, not the text itself


class Look(Record):
    """What one check of a model's newest rows came to."""

    verdict: str  # quality, drift or ok; unknown where there was nothing to judge, or too little
    lines: tuple[str, ...]  # for the screen
    words: str = ""  # the worst finding


class Floors(Record):
    """Smallest change that matters, as a share of rows or as AUC - 1/2; a shift of 0.1 sd in a normal column is 0.03."""

    column: float = 0.025
    residual: float = 0.02
    relation: float = 0.05  # of R squared
    classifier: float = 0.55  # AUC, of which chance gives 0.5
    missing: float = 0.02
    out_of_range: float = 0.01
    vanished: float = 0.01
    scale: float = 0.9  # powers of ten: a factor of eight


def minute(time: str) -> str:
    return time[:16].replace("T", " ")


def turned_constant(name: str, base: dict, most: int, rows: int, share: float) -> Measure:
    """All rows the same: the chance of it, from the baseline's share of the value that `most` of the rows have.

    A weekday is the same for a day's rows, and was so in training: twice its longest run is no news.
    """
    p = min(1.0, share + 1 / base["valid"]) ** rows if most == rows > 2 * base["run"] else 1.0
    return Measure(name, "turned constant", float(most == rows), p, "quality", 0.5, base["distinct"], 1)


def how_to_accept(model: str) -> str:
    return f"If these rows are all right: make drift MODEL={model} ACCEPT=1"
