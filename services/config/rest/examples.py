"""One example of everything that the API takes and answers, for its description. Together they tell one story."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from libs import messages, topics
from libs.activity import Input
from services.config import drafts
from services.config.api_keys import ApiKeyChanges, NewApiKey
from services.config.audit import Difference
from services.config.business_events import BusinessEventChanges, NewBusinessEvent
from services.config.identity import ROLES
from services.config.rest import (
    activity,
    api_keys,
    business_events,
    captures,
    dead_letters,
    integration_answers,
    sessions,
    tokens,
    users,
)
from services.config.rest.workspace import WorkspaceAnswer
from services.config.tokens import Jwk
from services.config.trials import GivenSample, Trial
from services.config.users import NewUser, UserChanges
from services.config.workspace import WorkspaceChanges

ID: Final = "01a20c91-b4de-72bf-b106-c0dd032b4c6c"
DEAD_LETTER_ID: Final = "7-3"

_KEY_ID: Final = "01a20c91-b4f3-7ea6-8de4-3ffa6a7eb834"
_CREATED: Final = datetime(2026, 1, 31, 9, 15, tzinfo=UTC)
_CHANGED: Final = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
_EXPIRES: Final = datetime(2027, 1, 31, tzinfo=UTC)
_EMAIL: Final = "author@example.com"
_PASSWORD: Final = "correct horse battery"  # noqa: S105 an example
_SECRET: Final = "inlet_0EDmPm1mWyQyWxR3yPdnqvJqfPz0bYc2"  # noqa: S105 an example
_JWT: Final = "eyJhbGciOiJSUzUxMiJ9.eyJpc3MiOiJpbmxldCJ9.c2lnbmF0dXJl"
_WHERE: Final[dict[str, object]] = {
    "param": "body.complaint.priority",
    "type": "string",
    "operator": "EQUAL",
    "value": "high",
}
_BODY: Final[dict[str, object]] = {"complaint": {"priority": "high"}}

_WORKSPACE: Final = WorkspaceAnswer(id=ID, name="Acme", time_zone="Europe/Warsaw")
_DEDUPLICATION: Final = messages.Deduplication(parameters=("body.complaint.id",))
_CONTENT: Final = integration_answers.Content(
    name="Complaints",
    icon="bell",
    auth=messages.JwtAuth(api_key_id=_KEY_ID),
    deduplication=_DEDUPLICATION,
    rate_limit=messages.RateLimit(per_second=50, burst=100),
)
_INTEGRATION: Final = integration_answers.IntegrationAnswer(
    **msgspec.structs.asdict(_CONTENT),
    id=ID,
    state="published",
    has_unpublished_changes=False,
    version=3,
    url=f"https://hooks.example.com/automation-endpoint/endpoints/authorized/{ID}/trigger",
    published=_CONTENT,
    warnings=[],
    created_at=_CREATED,
    updated_at=_CHANGED,
)
_BUSINESS_EVENT: Final = business_events.BusinessEventAnswer(
    id=ID,
    name="Urgent",
    integration_id=ID,
    where=_WHERE,
    state="active",
    version=1,
    created_at=_CREATED,
    updated_at=_CHANGED,
)
_API_KEY: Final = api_keys.ApiKeyAnswer(
    id=_KEY_ID,
    name="Shop",
    prefix=_SECRET[:14],
    state="active",
    permissions=["INCOMING_WEBHOOK_EXECUTE"],
    warnings=[],
    allowed_ips=["203.0.113.0/24"],
    expires_at=_EXPIRES,
    revoked_at=None,
    created_at=_CREATED,
    updated_at=_CREATED,
)
_SIGNING_KEY: Final = tokens.SigningKeyAnswer(
    id=ID, state="signing", signs_from=_CREATED, verifies_until=None, created_at=_CREATED
)
_USER: Final = users.UserAnswer(
    id=ID, email=_EMAIL, permissions=ROLES["author"], role="author", warnings=[], created_at=_CREATED
)
_CAPTURE: Final = captures.CaptureAnswer(
    generation=1,
    state="received",
    expires_at=_CHANGED,
    sample=captures.SampleAnswer(
        parameters=[captures.ParameterAnswer(name="body.complaint.priority", type="string", value="high")],
        body=msgspec.Raw(msgspec.json.encode(_BODY)),
        headers={},
        received_at="2026-01-31T09:15:30.123456Z",
    ),
    refused=[],
)
_CONDITION: Final = business_events.ConditionAnswer(
    path="",
    param="body.complaint.priority",
    type="string",
    operator="EQUAL",
    value="high",
    actual="low",
    matched=False,
    reason="different value",
)
_PLACE: Final = activity.PlaceAnswer(topic=topics.EVENTS, partition=7, offset=42)
_ENTRY: Final = activity.EntryAnswer(
    id=ID,
    at=_CREATED,
    outcome="matched",
    status=None,
    reason=None,
    cause=None,
    matches=1,
    matched=[activity.MatchedAnswer(id=ID, name="Urgent")],
    inputs=[],
    place=_PLACE,
    request_id=None,
)
_EXPLANATION: Final = activity.ExplanationAnswer(
    id=ID,
    at=_CREATED,
    integration_id=ID,
    recorded=_ENTRY,
    event=activity.EventAnswer(
        request_id=None,
        integration=messages.IntegrationRef(id=ID, name="Complaints", version=3),
        received_at=_CREATED,
        headers={"x-form-id": "7"},
        body=_BODY,
        parameters={"body.complaint.priority": "high", "headers.x-form-id": "7"},
        place=_PLACE,
    ),
    deduplication=activity.DeduplicationExplanationAnswer(
        rules=_DEDUPLICATION, inputs=[Input(parameter="body.complaint.id")], hash=None, duplicate_of=None
    ),
    business_events=[
        activity.EvaluationAnswer(
            id=ID, name="Urgent", state="active", version=1, matched=False, conditions=[_CONDITION]
        )
    ],
    complete=True,
)
_DEAD_LETTER: Final = dead_letters.DeadLetterAnswer(
    id=DEAD_LETTER_ID,
    at=_CREATED,
    cause="too-costly",
    service="trigger",
    event_id=ID,
    received_at="2026-01-31T09:15:30.123456Z",
    integration=messages.IntegrationRef(id=ID, name="Complaints", version=3),
    origin=_PLACE,
    size_bytes=312,
)
_CAUSES: Final = [dead_letters.CauseAnswer(cause="too-costly", count=1)]
_AUDIT_ENTRY: Final = users.AuditEntryAnswer(
    id=ID,
    at=_CHANGED,
    user_id=ID,
    user_email=_EMAIL,
    action="changed",
    subject_kind="integration",
    subject_id=ID,
    subject_name="Complaints",
    changes={"draft.name": Difference(before="Claims", after="Complaints")},
)

_ALL: Final[tuple[Struct, ...]] = (
    sessions.Login(email=_EMAIL, password=_PASSWORD),
    sessions.SessionAnswer(token="cWf2mLzM0ZrY3p4", expires_at=_CHANGED),  # noqa: S106 an example
    sessions.MeAnswer(id=ID, email=_EMAIL, permissions=ROLES["author"], role="author", workspace=_WORKSPACE),
    WorkspaceChanges(name="Acme", time_zone="Europe/Warsaw"),
    _WORKSPACE,
    drafts.NewIntegration(
        name="Complaints",
        auth=drafts.JwtAuth(api_key_id=UUID(_KEY_ID)),
        deduplication=drafts.Deduplication(parameters=_DEDUPLICATION.parameters),
    ),
    drafts.IntegrationChanges(name="Complaints, Poland", rate_limit=None),
    _INTEGRATION,
    integration_answers.IntegrationsAnswer(items=[_INTEGRATION], next_cursor=ID),
    _CAPTURE,
    activity.ActivityAnswer(
        items=[_ENTRY],
        next_cursor=None,
        series=[activity.BucketAnswer(at=_CREATED, accepted=120, duplicates=3, rejected=1)],
    ),
    _EXPLANATION,
    dead_letters.DeadLettersAnswer(items=[_DEAD_LETTER], causes=_CAUSES, next_cursor=None),
    dead_letters.InspectedDeadLetterAnswer(
        **msgspec.structs.asdict(_DEAD_LETTER),
        state="open",
        resolved_at=None,
        kafka_headers={"inlet-cause": "too-costly", "inlet-service": "trigger"},
        body=None,
    ),
    dead_letters.ResolveDeadLetters(cause="too-costly", dry_run=False, count=1),
    dead_letters.ResolvedAnswer(done=1, left=[]),
    NewBusinessEvent(name="Urgent", integration_id=UUID(ID), where=_WHERE),
    BusinessEventChanges(name="Urgent complaints"),
    _BUSINESS_EVENT,
    business_events.BusinessEventsAnswer(items=[_BUSINESS_EVENT], next_cursor=None),
    Trial(where=_WHERE, sample=GivenSample(body={"complaint": {"priority": "low"}})),
    business_events.TrialAnswer(matched=False, conditions=[_CONDITION]),
    NewApiKey(name="Shop", expires_at=_EXPIRES, allowed_ips=("203.0.113.0/24",)),
    ApiKeyChanges(expires_at=None),
    _API_KEY,
    api_keys.NewApiKeyAnswer(**msgspec.structs.asdict(_API_KEY), secret=_SECRET),
    api_keys.ApiKeysAnswer(items=[_API_KEY], next_cursor=None),
    tokens.ProfileLogin(api_key=_SECRET),
    tokens.TokenAnswer(token=_JWT),
    tokens.JwksAnswer(keys=[Jwk(kty="RSA", use="sig", alg="RS512", kid=ID, n="sXchDaQebSXKcG", e="AQAB")]),
    _SIGNING_KEY,
    tokens.SigningKeysAnswer(items=[_SIGNING_KEY]),
    NewUser(email=_EMAIL, role="author"),
    UserChanges(role="publisher"),
    _USER,
    users.NewUserAnswer(**msgspec.structs.asdict(_USER), password="xVq3bn0k2TtQ"),  # noqa: S106 an example
    users.UsersAnswer(items=[_USER], next_cursor=None),
    users.OwnPassword(current_password=_PASSWORD, password="another long password"),  # noqa: S106 an example
    users.AuditLogAnswer(items=[_AUDIT_ENTRY], next_cursor=None),
)

EXAMPLES: Final[Mapping[type[Struct], Struct]] = {type(one): one for one in _ALL}
STREAM: Final = f"event: capture\ndata: {msgspec.json.encode(_CAPTURE).decode()}\n\n"
