"""What people read on a terminal: columns that line up, and colour where there is somebody to see it."""
import os
import sys
from collections import namedtuple  # dataclasses take longer to import than a status takes to show

CODES = {"red": "31", "green": "32", "yellow": "33", "faint": "2"}
GAP = "  "


class Cell(namedtuple("Cell", "text colour", defaults=("",))):
    """A text and its colour, one of CODES or none."""


class Column(namedtuple("Column", "title right spare", defaults=(False, 0))):
    """right: its cells end in line. spare: on a narrow terminal the column with the highest number is left out first; 0: never."""


def coloured() -> bool:
    """Only on a terminal that can, and only for those who did not ask for none (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str) -> str:
    return f"\033[{CODES[colour]}m{text}\033[0m" if colour and text and coloured() else text


def table(columns: list[Column], rows: list[list[Cell | str]]) -> list[str]:
    """Lines under a header. A row shorter than the columns ends with a text that has no column. Whole unless a terminal is too narrow."""
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    widths = [max([len(column.title), *(len(row[i].text) for row in cells if len(row) > i and (i < len(row) - 1 or len(row) == len(columns)))]) for i, column in enumerate(columns)]
    left_out = narrowed(columns, widths)
    kept = [i for i in range(len(columns)) if i not in left_out]
    lines = [paint(line([Cell(column.title) for column in columns], columns, widths, kept), "faint")]
    lines += [line(row, columns, widths, kept) for row in cells]
    return lines + ([paint(f"(left out on this narrow terminal: {', '.join(columns[i].title for i in sorted(left_out))})", "faint")] if left_out else [])


def narrowed(columns: list[Column], widths: list[int]) -> set[int]:
    """The columns to leave out so that a line fits the terminal; none where the output goes elsewhere."""
    left_out: set[int] = set()
    if not sys.stdout.isatty():
        return left_out
    import shutil
    room = shutil.get_terminal_size((100, 24)).columns
    for i in sorted((i for i, column in enumerate(columns) if column.spare), key=lambda i: -columns[i].spare):
        if sum(width + len(GAP) for j, width in enumerate(widths) if j not in left_out) - len(GAP) <= room:
            break
        left_out.add(i)
    return left_out


def line(row: list[Cell], columns: list[Column], widths: list[int], kept: list[int]) -> str:
    pieces = []
    for i, cell in enumerate(row):
        if i in kept or len(row) < len(columns):
            last = i == len(row) - 1 and not columns[i].right
            padded = cell.text if last else cell.text.rjust(widths[i]) if columns[i].right else cell.text.ljust(widths[i])
            pieces.append(padded.replace(cell.text, paint(cell.text, cell.colour), 1))
    return GAP.join(pieces).rstrip()


def number(value: float) -> str:
    """A metric in five or six characters: 0.973, 48.00, 1,234."""
    size = abs(value)
    if size and size < 0.001:
        return f"{value:.2g}"
    return f"{value:.3f}" if size < 10 else f"{value:.2f}" if size < 100 else f"{value:,.1f}" if size < 1000 else f"{value:,.0f}"


def span(seconds: float) -> str:
    """A length of time in two or three characters: 40s, 12m, 3h, 9d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}" if size == 86400 else f"{int(seconds // size)}{unit}"
    return f"{int(max(seconds, 0))}s"
