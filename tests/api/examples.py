"""The examples in the API's document: what real requests got, kept in a file that is looked at.

A test makes each request again and compares the shape of what comes; run it with
``KVITT_WRITE_EXAMPLES=1`` to write anew what has another shape; all others stay as they are.
"""

import json
import os
from typing import Any

from billing.api.schema import EXAMPLES

LISTED = 1


def check_example(operation: str, request: Any, response: Any) -> None:
    """Whether a request and its answer are like the example of their operation."""
    example = {"request": request, "response": _shortened(response)}
    kept = json.loads(EXAMPLES.read_text()) if EXAMPLES.exists() else {}
    if os.environ.get("KVITT_WRITE_EXAMPLES") and shape(kept.get(operation)) != shape(example):
        kept[operation] = example
        text = json.dumps(kept, ensure_ascii=False, indent=2, sort_keys=True)
        EXAMPLES.write_text(text + "\n")
    known = kept.get(operation)
    assert shape(known) == shape(example), f"The example of {operation} is not what happens."


def _shortened(response: Any) -> Any:
    if isinstance(response, dict) and isinstance(response.get("results"), list):
        kept = response["results"]
        return response | {"results": kept if "key" in str(kept[:1]) else kept[:LISTED]}
    return response


def shape(value: Any) -> Any:
    """What there is, without what it says: names of fields, and kinds of values."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return None if value is None else type(value).__name__
