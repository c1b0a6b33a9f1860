"""HTML from plain values: everything is escaped on its way in, but what was made here."""
from collections.abc import Iterable
from html import escape


class Markup(str):
    """Text that is HTML already; any other text is escaped where it meets a page."""


def html(value) -> str:
    return value if isinstance(value, Markup) else escape(str(value))


def joined(parts: Iterable) -> Markup:
    return Markup("".join(html(part) for part in parts))


def element(name: str, *content, **attributes) -> Markup:
    """<name attribute="…">content</name>; attributes: `class_` for class, `aria_label` for aria-label."""
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items() if value is not None)
    return Markup(f"<{name}{words}>{joined(content)}</{name}>")


def table(caption, heads: list[str], rows: list[list], numbers: Iterable[int] = (), kind: str = "") -> Markup:
    """A table in a box of its own to scroll in; the first cell of a row is its heading. numbers: the columns, from 1, that are set flush right."""
    head = joined(element("th", name, scope="col") for name in heads)
    body = Markup("".join(f'<tr><th scope="row">{html(row[0])}' + "".join(f"<td>{html(cell)}" for cell in row[1:]) for row in rows))
    name = " ".join([kind, *(f"n{column}" for column in numbers)]).strip()
    inner = element("table", element("caption", caption), element("thead", element("tr", head)), element("tbody", body), class_=name or None)
    return element("div", inner, class_="scroll", tabindex="0", role="group", aria_label=caption)


def two(line, below) -> Markup:
    """A cell's figure with small print below."""
    return joined((line, element("small", below)))


def figure(title: str, plot: str, *below) -> Markup:
    """A plot under the sentence that says what to see in it."""
    return element("figure", element("figcaption", title), Markup(plot), *below)


def behind(summary: str, *content) -> Markup:
    """What is there to unfold."""
    return element("details", element("summary", summary), *content)


def empty(words: str, command: str | None = None) -> Markup:
    """Nothing to show yet, and what to type."""
    return element("p", words, " " if command else "", element("code", command) if command else "", class_="empty")


def key(*entries: tuple[str, str]) -> Markup:
    """The signs of a plot and what they mean. entries: (class of the sign, words)."""
    return element("p", *(element("span", element("i", class_=f"key {kind}", aria_hidden="true"), words) for kind, words in entries), class_="keys")
