"""Names that a model can have, a hint at the name that was probably meant, and nouns that go with their number."""
import re

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")


def nearest(name: str, known) -> str:
    """A hint at the known name that was probably meant, whatever its case; empty if none is near."""
    import difflib
    lowered = {item.lower(): item for item in known}
    near = difflib.get_close_matches(name.lower(), list(lowered), 1, 0.5)
    return f" Did you mean {lowered[near[0]]!r}?" if near else ""


def not_learnt(columns: dict[str, str]) -> str:
    """Which columns no model learns from as they are, in words. columns: name -> type."""
    left = ", ".join(f"{name} ({kind})" for name, kind in columns.items())
    return f"not learnt from: {left}; a features.py can turn {'it' if len(columns) == 1 else 'them'} into numbers or categories"


def whose(row) -> str:
    """Who ran something, as it is shown: row has `user` and `trigger`."""
    return row["user"] + (" by cron" if row["trigger"] == "cron" else "")


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
