"""Atoms: the smallest things that a matcher decides on their own, and the atom of each condition.

`Exact`, `Affix` and `Range` look up a quantity, taken from the parameter, in a table, in a sorted list of words, or
among sorted thresholds. `Check` is everything that has to be evaluated; equal checks are evaluated once per event.
"""

import enum
from datetime import tzinfo
from typing import NamedTuple

from libs.filters.conditions import date_bounds, scalar_key
from libs.filters.language import Condition, Filter, Number, Path


class Feature(enum.IntEnum):
    """What is taken from the values of a parameter."""

    SCALAR = enum.auto()
    ELEMENTS = enum.auto()
    TEXT = enum.auto()
    FOLDED_TEXT = enum.auto()
    NUMBER = enum.auto()
    INSTANT = enum.auto()
    LENGTH = enum.auto()


class Quantity(NamedTuple):
    """A feature of a parameter; only instants depend on a time zone."""

    path: Path
    feature: Feature
    zone: tzinfo | None = None


class Exact(NamedTuple):
    """The quantity is one of the keys."""

    quantity: Quantity
    keys: tuple[object, ...]


class Affix(NamedTuple):
    """The text starts, or ends, with the word."""

    quantity: Quantity
    word: str
    at_end: bool


class Range(NamedTuple):
    """The number lies between two bounds, or beyond the one that is given; a strict bound does not belong."""

    quantity: Quantity
    low: Number | None = None
    low_strict: bool = False
    high: Number | None = None
    high_strict: bool = False


class Check(NamedTuple):
    """A filter that has to be evaluated. `identity` tells filters apart that Python calls equal (1 and true)."""

    identity: str
    zone: tzinfo
    where: Filter


Atom = Exact | Affix | Range | Check


def atom_of(condition: Condition, zone: tzinfo) -> Atom:
    """The atom that holds exactly when the condition does."""
    if condition.type == "date":
        return _instant_range(condition, zone) or check_of(condition, zone)
    return _exact(condition) or _affix(condition) or _range(condition) or check_of(condition, zone)


def check_of(where: Filter, zone: tzinfo) -> Check:
    return Check(repr(where), zone, where)


def _exact(condition: Condition) -> Exact | None:
    feature, keys = Feature.SCALAR, tuple[object, ...]()
    match condition.type, condition.operator, condition.value:
        case "string", "EQUAL", str(text):
            feature, keys = _text_feature(condition, Feature.SCALAR), (_fold(condition, text),)
        case "string", "IN", tuple(texts):
            feature = _text_feature(condition, Feature.SCALAR)
            keys = tuple(_fold(condition, str(text)) for text in texts)
        case "number", "EQUAL", int() | float() as number:
            keys = (number,)
        case "number", "IN", tuple(numbers):
            keys = numbers
        case "boolean", operator, _:
            keys = (scalar_key(operator == "IS_TRUE"),)
        case "any", "IS_NULL", _:
            keys = (None,)
        case "array", "CONTAIN", element:
            feature, keys = Feature.ELEMENTS, (scalar_key(element),)
        case "array", "IS_EMPTY", _:
            feature, keys = Feature.LENGTH, (0,)
        case "array", "LENGTH_EQUAL", int(length):
            feature, keys = Feature.LENGTH, (length,)
        case _:
            return None
    return Exact(Quantity(condition.path, feature), tuple(dict.fromkeys(keys)))


def _affix(condition: Condition) -> Affix | None:
    match condition.operator, condition.value:
        case ("STARTS_WITH" | "ENDS_WITH") as operator, str(word):
            text = Quantity(condition.path, _text_feature(condition, Feature.TEXT))
            return Affix(text, _fold(condition, word), at_end=operator == "ENDS_WITH")
    return None


def _range(condition: Condition) -> Range | None:
    quantity = Quantity(condition.path, Feature.NUMBER if condition.type == "number" else Feature.LENGTH)
    match condition.operator, condition.value:
        case "IS_NOT_EMPTY", _:
            return Range(quantity, low=0, low_strict=True)
        case "BETWEEN", (int() | float() as low, int() | float() as high):
            return Range(quantity, low=low, high=high)
        case ("MORE" | "LENGTH_MORE" | "MORE_OR_EQUAL") as operator, int() | float() as low:
            return Range(quantity, low=low, low_strict=operator != "MORE_OR_EQUAL")
        case ("LESS" | "LENGTH_LESS" | "LESS_OR_EQUAL") as operator, int() | float() as high:
            return Range(quantity, high=high, high_strict=operator != "LESS_OR_EQUAL")
    return None


def _instant_range(condition: Condition, zone: tzinfo) -> Range | None:
    if condition.value is None:
        return None
    first, last = date_bounds(condition, zone)
    return Range(Quantity(condition.path, Feature.INSTANT, zone), low=first, high=last)


def _text_feature(condition: Condition, otherwise: Feature) -> Feature:
    return Feature.FOLDED_TEXT if condition.ignore_case else otherwise


def _fold(condition: Condition, text: str) -> str:
    return text.casefold() if condition.ignore_case else text
