"""The filter language: what authors write, checked, explained, and matched against events by the thousand.

`parse` turns decoded JSON into a `Filter` or tells every fault in it; `to_source` turns it back. `explain` shows how
one filter came out for one event, `compile_matcher` makes one `Matcher` of many rules.
"""

from libs.filters.explain import Explanation, Outcome, Reason, explain
from libs.filters.language import All, AnyOf, Condition, Filter, Group, NoneOf, Some, to_source
from libs.filters.matcher import Matcher, compile_matcher
from libs.filters.occasion import TooCostlyError
from libs.filters.parsing import Fault, FilterError, parse

__all__ = [
    "All",
    "AnyOf",
    "Condition",
    "Explanation",
    "Fault",
    "Filter",
    "FilterError",
    "Group",
    "Matcher",
    "NoneOf",
    "Outcome",
    "Reason",
    "Some",
    "TooCostlyError",
    "compile_matcher",
    "explain",
    "parse",
    "to_source",
]
