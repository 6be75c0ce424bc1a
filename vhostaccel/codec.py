# SPDX-License-Identifier: Apache-2.0
"""Frozen dataclasses to plain JSON values and back, without loss.

Understands what the project's data is made of: dataclasses, enums, NewTypes, tuples,
lists, dicts with string keys, optional values, paths, and the four JSON scalars.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_SCALARS = (bool, int, float, str)


class CodecError(ValueError):
    """A value that does not fit its type; the message starts with its place."""


def to_plain(value: object) -> Any:
    """Return the value as JSON takes it: dicts, lists and scalars.

    Raises:
        CodecError: If JSON cannot carry it: NaN, infinity, a foreign type.
    """
    return _to_plain(value, "value")


def from_plain(kind: type[T], plain: object) -> T:
    """Return the value of the given type that ``to_plain`` made ``plain`` of.

    Raises:
        CodecError: If a key is missing or unknown, or a value has another type.
    """
    made: T = _from_plain(kind, plain, kind.__name__)
    return made


def _to_plain(value: object, place: str) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _to_plain(getattr(value, field.name), f"{place}.{field.name}")
            for field in fields(value)
        }
    if isinstance(value, tuple | list):
        return [_to_plain(item, f"{place}[{n}]") for n, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {
            _string_key(key, place): _to_plain(item, f"{place}[{key!r}]")
            for key, item in value.items()
        }
    return _plain_scalar(value, place)


def _plain_scalar(value: object, place: str) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise CodecError(f"{place}: JSON cannot carry {value}")
    if value is None or isinstance(value, _SCALARS):
        return value
    raise CodecError(f"{place}: JSON cannot carry a {type(value).__name__}")


def _string_key(key: object, place: str) -> str:
    if not isinstance(key, str):
        raise CodecError(f"{place}: the key {key!r} is no string")
    return key


def _from_plain(kind: Any, plain: object, place: str) -> Any:
    kind = getattr(kind, "__supertype__", kind)  # a NewType is its base at run time
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _optional(get_args(kind), plain, place)
    if origin in (tuple, list):
        return _sequence(kind, plain, place)
    if origin is dict:
        item = get_args(kind)[1]
        return {
            key: _from_plain(item, value, f"{place}[{key!r}]")
            for key, value in _expect(dict, plain, place).items()
        }
    if is_dataclass(kind):
        return _dataclass(kind, plain, place)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind, plain, place)
    if kind is Path:
        return Path(_expect(str, plain, place))
    return _scalar(kind, plain, place)


def _optional(options: tuple[Any, ...], plain: object, place: str) -> Any:
    some = [option for option in options if option is not NoneType]
    if len(some) != 1 or len(some) == len(options):
        raise CodecError(f"{place}: only `X | None` is understood, not {options}")
    return None if plain is None else _from_plain(some[0], plain, place)


def _sequence(kind: Any, plain: object, place: str) -> Any:
    container, kinds = get_origin(kind), get_args(kind)
    items = _expect(list, plain, place)
    if container is list or (len(kinds) == 2 and kinds[1] is Ellipsis):
        kinds = (kinds[0],) * len(items)
    if len(kinds) != len(items):
        raise CodecError(f"{place}: {len(items)} items where {len(kinds)} belong")
    pairs = zip(kinds, items, strict=True)
    return container(
        _from_plain(item_kind, item, f"{place}[{n}]")
        for n, (item_kind, item) in enumerate(pairs)
    )


@cache
def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    hints = get_type_hints(kind)
    return {
        field.name: (
            hints[field.name],
            field.default is MISSING and field.default_factory is MISSING,
        )
        for field in fields(kind)
    }


def _dataclass(kind: Any, plain: object, place: str) -> Any:
    values = _expect(dict, plain, place)
    known = _fields(kind)
    unknown = sorted(set(values) - set(known))
    missing = [
        name for name, (_, needed) in known.items() if needed and name not in values
    ]
    if unknown or missing:
        wrong = [f"unknown key {name!r}" for name in unknown]
        wrong += [f"no key {name!r}" for name in missing]
        raise CodecError(f"{place}: {', '.join(wrong)}")
    return kind(
        **{
            name: _from_plain(known[name][0], value, f"{place}.{name}")
            for name, value in values.items()
        }
    )


def _enum(kind: type[Enum], plain: object, place: str) -> Enum:
    try:
        return kind(plain)
    except ValueError:
        known = ", ".join(repr(member.value) for member in kind)
        raise CodecError(f"{place}: {plain!r} is none of {known}") from None


def _scalar(kind: Any, plain: object, place: str) -> Any:
    if kind is float and type(plain) is int:
        return float(plain)  # JSON writers of other languages drop the ".0"
    return _expect(kind, plain, place)


def _expect(kind: type[T], plain: object, place: str) -> T:
    # type(), not isinstance(): to Python, True is an int, but to a record it is not.
    if kind is Any or type(plain) is kind:
        return plain  # type: ignore[return-value]  # type() does not narrow
    raise CodecError(
        f"{place}: a {type(plain).__name__} where a {kind.__name__} belongs"
    )
