"""JSON that every reader understands: NaN and infinities, for which it has no word, as null."""
import json
import math


def as_json(value) -> bytes:
    return (json.dumps(finite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def finite(value):
    """The same value, and all that it holds, with null for what is no finite number."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
