"""From decoded JSON to a filter, or to every fault in it, each with its path."""

from collections.abc import Container, Iterable, Mapping
from typing import Final, NamedTuple, get_args

from libs.bodies import DEPTH_LIMIT
from libs.credentials import is_credential
from libs.filters.language import (
    OPERATORS,
    All,
    AnyOf,
    Condition,
    Filter,
    NoneOf,
    Operand,
    Path,
    Scalar,
    Some,
    Type,
)
from libs.filters.operands import check_operand
from libs.parameters import split

NESTING_LIMIT: Final = 16
CONDITIONS_LIMIT: Final = 256
PARAM_LIMIT: Final = 1_024
SIZE_LIMIT: Final = 64 * 1024
FAULTS_LIMIT: Final = 100

_GROUPS: Final[Mapping[str, type[All | AnyOf | NoneOf]]] = {"all": All, "any": AnyOf, "none": NoneOf}
_CONDITION_FIELDS: Final = ("param", "type", "operator", "value", "ignoreCase")
_TYPES: Final[tuple[Type, ...]] = get_args(Type)
_EVERYTHING: Final = All(parts=())


class Fault(NamedTuple):
    """What is wrong, and where: ``where.all[1].any[0].operator``."""

    path: str
    message: str


class FilterError(ValueError):
    """A source that is no filter. `faults` names everything that is wrong with it, at most `FAULTS_LIMIT` faults."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{path}: {message}" for path, message in self.faults))


def parse(source: object, root: str = "where") -> Filter:
    """The filter that a decoded JSON value stands for; `root` begins the path of every fault.

    Raises:
        FilterError: with all the faults.
    """
    parser = _Parser()
    where = parser.read_filter(source, root, depth=0, relative=False)
    if not parser.faults and _size(where) > SIZE_LIMIT:
        parser.report(root, f"must have at most {SIZE_LIMIT:,} characters in its parameters and values")
    if parser.faults:
        raise FilterError(parser.faults[:FAULTS_LIMIT])
    return where


class _Parser:
    """Reads one source and collects its faults; what it returns is void once there is one."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._conditions = 0

    def report(self, path: str, message: str) -> None:
        self.faults.append(Fault(path, message))

    def _count(self, path: str) -> bool:
        """Count one condition, one `some`, or one group without parts; False from the first one too many on."""
        self._conditions += 1
        if self._conditions == CONDITIONS_LIMIT + 1:
            self.report(path, f"is one condition too many: a filter has at most {CONDITIONS_LIMIT}")
        return self._conditions <= CONDITIONS_LIMIT

    def read_filter(self, source: object, path: str, *, depth: int, relative: bool) -> Filter:
        if not isinstance(source, dict):
            self.report(path, "must be an object")
            return _EVERYTHING
        if not source:
            self._count(path)
            return _EVERYTHING
        if depth > NESTING_LIMIT:
            self.report(path, f"is nested more than {NESTING_LIMIT} deep")
            return _EVERYTHING
        for name in _GROUPS:
            if name in source:
                return self._read_group(name, source, path, depth=depth, relative=relative)
        if "some" in source:
            return self._read_some(source, path, depth=depth, relative=relative)
        return self._read_condition(source, path, relative=relative)

    def _read_group(self, name: str, source: Mapping[str, object], path: str, *, depth: int, relative: bool) -> Filter:
        self._refuse_others(source, (name,), path)
        path = f"{path}.{name}"
        parts = source[name]
        if not isinstance(parts, list):
            self.report(path, "must be a list")
            return _EVERYTHING
        if not parts:
            self._count(path)
        return _GROUPS[name](
            parts=tuple(
                self.read_filter(part, f"{path}[{position}]", depth=depth + 1, relative=relative)
                for position, part in enumerate(parts)
            )
        )

    def _read_some(self, source: Mapping[str, object], path: str, *, depth: int, relative: bool) -> Filter:
        self._count(path)
        self._refuse_others(source, ("some", "where"), path)
        array = self._read_path(source["some"], f"{path}.some", relative=relative)
        if not relative and array[:1] == ("headers",):
            self.report(f"{path}.some", "must be in the body: a header is no array")
        if "where" not in source:
            self.report(f"{path}.where", "is required")
        where = self.read_filter(source.get("where", {}), f"{path}.where", depth=depth + 1, relative=True)
        return Some(path=array, where=where)

    def _read_condition(self, source: Mapping[str, object], path: str, *, relative: bool) -> Filter:
        if not self._count(path):
            return _EVERYTHING
        if source.keys().isdisjoint(_CONDITION_FIELDS):
            self.report(path, "must have all, any, none or some; or, as a condition, param, type and operator")
            return _EVERYTHING
        self._refuse_others(source, _CONDITION_FIELDS, path)
        for name in ("param", "type", "operator"):
            if name not in source:
                self.report(f"{path}.{name}", "is required")
        param = source.get("param", "body.")
        type_ = self._read_type(source.get("type"), path) if "type" in source else None
        operator = self._read_operator(type_, source.get("operator"), path) if "operator" in source else None
        return Condition(
            path=self._read_path(param, f"{path}.param", relative=relative),
            type=type_ or "any",
            operator=operator or "",
            value=self._read_value(type_, operator, source, path),
            ignore_case=self._read_ignore_case(type_, source, path),
        )

    def _read_type(self, source: object, path: str) -> Type | None:
        for type_ in _TYPES:
            if source == type_:
                return type_
        self.report(f"{path}.type", f"must be one of {', '.join(_TYPES)}")
        return None

    def _read_operator(self, type_: Type | None, source: object, path: str) -> str | None:
        if type_ is None:
            return None
        if isinstance(source, str) and source in OPERATORS[type_]:
            return source
        self.report(f"{path}.operator", f"must be, for type {type_}, one of {', '.join(OPERATORS[type_])}")
        return None

    def _read_value(self, type_: Type | None, operator: str | None, source: Mapping[str, object], path: str) -> Operand:
        if type_ is None or operator is None:
            return None
        path = f"{path}.value"
        shape = OPERATORS[type_][operator]
        if shape == "nothing":
            if "value" in source:
                self.report(path, f"must be left out: {operator} takes no value")
            return None
        if "value" not in source:
            self.report(path, "is required")
            return None
        return check_operand(
            shape,
            source["value"],
            lambda at, message: self.report(path + at, message),
            ignore_case=source.get("ignoreCase") is True,
        )

    def _read_ignore_case(self, type_: Type | None, source: Mapping[str, object], path: str) -> bool:
        ignore_case = source.get("ignoreCase", False)
        if not isinstance(ignore_case, bool):
            self.report(f"{path}.ignoreCase", "must be true or false")
        elif type_ not in {None, "string"} and "ignoreCase" in source:
            self.report(f"{path}.ignoreCase", "is only for type string")
        return ignore_case is True

    def _read_path(self, source: object, path: str, *, relative: bool) -> Path:
        if not isinstance(source, str):
            self.report(path, "must be a string")
            return ()
        try:
            segments = _segments(source) if relative else _rooted(_segments(source))
        except ValueError as fault:
            self.report(path, str(fault))
            return ()
        return segments

    def _refuse_others(self, source: Mapping[str, object], known: Container[str], path: str) -> None:
        for name in source:
            if name not in known:
                beside = name in _GROUPS or name == "some"
                message = (
                    "must not stand beside another group: put one into the other" if beside else "is not known here"
                )
                self.report(f"{path}.{name[:80]}", message)


def _segments(param: str) -> Path:
    if len(param) > PARAM_LIMIT:
        raise ValueError(f"must have at most {PARAM_LIMIT:,} characters")
    segments = split(param)
    if len(segments) > DEPTH_LIMIT + 1:
        raise ValueError(f"must be at most {DEPTH_LIMIT} deep")
    return segments


def _rooted(segments: Path) -> Path:
    match segments:
        case ("body", _, *_):
            return segments
        case ("headers", name):
            if is_credential(name.lower()):
                raise ValueError("is a credential; credentials are never kept, so no event has it")
            return "headers", name.lower()
        case ("headers", _, *_):
            raise ValueError(r"must name one header: a '.' in its name is written '\.'")
    raise ValueError("must start with 'body.' or 'headers.'")


def _size(where: Filter) -> int:
    match where:
        case All(parts=parts) | AnyOf(parts=parts) | NoneOf(parts=parts):
            return sum(map(_size, parts))
        case Some(path=path, where=inner):
            return sum(map(len, path)) + _size(inner)
        case Condition(path=path, value=value):
            values = value if isinstance(value, tuple) else (value,)
            return sum(map(len, path)) + sum(map(_length, values))


def _length(scalar: Scalar) -> int:
    if isinstance(scalar, str):
        return len(scalar)
    return scalar.bit_length() // 3 if isinstance(scalar, int) else 1
