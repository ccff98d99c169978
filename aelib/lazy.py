"""Rooms that re-export lazily: a name's file is imported when the name is first used, and not before.

So a notebook imports from a room in one line, and a backend of Keras loads only the files that it can.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def exports(room: str, places: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of the package `room` (PEP 562), from `places`: name to the file that defines it."""

    def get(name: str) -> object:
        """What the room exports under a name, imported now."""
        if name not in places:
            raise AttributeError(f"module {room!r} has no attribute {name!r}; it has: {', '.join(sorted(places))}")
        value = getattr(import_module(f"{room}.{places[name]}"), name)
        setattr(sys.modules[room], name, value)  # the next time it is found at once
        return value

    return get, lambda: sorted(places)
