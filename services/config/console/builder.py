"""The condition builder as its page shows it: what is typed, what a test has found, and what is to be corrected."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from libs.filters import Outcome
from services.config.console import filter_form
from services.config.console.captured import ShownSample
from services.config.console.filter_form import Group
from services.config.console.forms import Faults, Form, convert
from services.config.errors import Fault, InvalidError, RequestError
from services.config.trials import Trial, Verdict

_MARKED: Final = Fault("", "Correct what is marked in the conditions.")


class Builder(Struct, frozen=True, kw_only=True):
    """The tree as it is typed, the request to test it on, and the place to go on at.

    `revision` is what the page has been opened with, and stays so until it is opened again.
    """

    tree: Group
    name: str = ""
    revision: str = ""
    headers: str = ""
    body: str = ""
    is_sent: bool = False
    focus: str = ""
    verdict: Verdict | None = None
    outcomes: Mapping[str, Outcome] = {}  # by place


def read(form: Form) -> Builder:
    """The builder that a form was sent from."""
    return Builder(
        tree=filter_form.read(form),
        name=form.text("name"),
        revision=form.text("revision"),
        headers=form.text("headers"),
        body=form.text("body"),
        is_sent=True,
    )


def opened(builder: Builder, sample: ShownSample | None) -> Builder:
    """With the captured request to test it on, if it has room."""
    return replace(builder, headers=sample.headers, body=sample.raw) if sample is not None and sample.raw else builder


def stepped(builder: Builder, intent: str) -> Builder:
    """After a button that changes the tree."""
    tree, focus = filter_form.changed(builder.tree, intent)
    return replace(builder, tree=tree, focus=focus)


def tried(builder: Builder, verdict: Verdict) -> Builder:
    """After a test."""
    places = filter_form.source_paths(builder.tree)
    outcomes = {places[one.path]: one for one in verdict.explanation.outcomes if one.path in places}
    return replace(builder, verdict=verdict, outcomes=outcomes)


def trial(builder: Builder, integration_id: str) -> Trial:
    """The test that is asked for: on the request that is typed, or else on the captured one as it is.

    Raises:
        InvalidError: what is typed is no request.
    """
    asked: dict[str, object] = {"where": filter_form.source_of(builder.tree), "integrationId": integration_id}
    if not builder.body.strip():
        return convert(asked, Trial)
    try:
        body = msgspec.json.decode(builder.body, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidError([Fault("sample.body", f"is not a JSON object: {error}")]) from error
    pairs = [line.partition(":") for line in builder.headers.split("\n") if line.strip()]
    headers = {name.strip(): value.strip() for name, _, value in pairs}
    return convert(asked | {"sample": {"body": body, "headers": headers}}, Trial)


def sorted_faults(tree: Group, error: RequestError | None) -> tuple[Faults, Mapping[str, Faults]]:
    """What is to be corrected: in general, and of each place that the path of a fault leads to, as far as it goes."""
    if error is None:
        return Faults(), {}
    general: list[Fault] = []
    found: dict[str, list[Fault]] = {}
    places = filter_form.source_paths(tree)
    for fault in error.faults or [Fault("", error.message)]:
        path = fault.field
        while path and path not in places:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        if path:
            rest = fault.field[len(path) :].lstrip(".")
            found.setdefault(places[path], []).append(Fault(rest, fault.message))
        else:
            general.append(fault)
    if found:
        general.append(_MARKED)
    return Faults(general), {place: Faults(faults) for place, faults in found.items()}
