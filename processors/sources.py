"""Who may speak, who may correct whom, and whether contracts need a template: control data.

A POLICY record with the body ``{"sources": [{"topic": ..., "source": pattern, "organisation":
...}], "delegations": [{"topic": ..., "source": pattern, "target": pattern}], "free_conditions":
false}``, as canonical JSON, replaces the policy before it. Patterns are shell wildcards over the
whole name. A topic without a rule admits everybody; on one with rules a source is admitted when a
pattern matches it. A source may correct its own events, and those of a target on the same topic by
a delegation that is in force when the correction is first taken. That is recorded with it, as a
header of its journal entry, and stays true whatever the policy becomes; so is, with a contract,
that terms were permitted which no template makes.
"""

import re
from fnmatch import translate
from functools import lru_cache

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import DELEGATION, PERMIT, Input, Record
from supplytwin.schemas.foreign import WriterSchema
from supplytwin.schemas.records import Contract, Control

_FREE = b"free_conditions"


class SourceRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One admitted group of sources, and whose they are."""

    topic: str
    source: str
    organisation: str


class Delegation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """On this topic a source may correct the events of these targets."""

    topic: str
    source: str
    target: str


class Sources(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole policy."""

    sources: tuple[SourceRule, ...]
    delegations: tuple[Delegation, ...] = ()
    free_conditions: bool = False
    """Whether contracts are taken that name no template."""


class _Body(Struct, frozen=True, kw_only=True):
    sources: tuple[SourceRule, ...] | None = None
    delegations: tuple[Delegation, ...] = ()
    free_conditions: bool = False


_body = msgspec.json.Decoder(_Body)
POLICY_MEMBERS = _Body.__struct_fields__
"""What a policy may say, beside who says so (`act`)."""


def sources_of(control: Control) -> Sources | None:
    """The policy that a control record says; None = it says none.

    Raises RecordError(BAD_VALUE) for a POLICY whose sources cannot be read.
    """
    if control.kind != "POLICY":
        return None
    try:
        found = _body.decode(control.body)
    except msgspec.DecodeError as error:
        raise RecordError(Code.BAD_VALUE, "body", f"is not a policy: {error}") from None
    if found.sources is None:
        return None
    return Sources(
        sources=found.sources,
        delegations=found.delegations,
        free_conditions=found.free_conditions,
    )


def permits_free(policy: Sources | None) -> bool:
    """Whether terms without a template may be agreed under a policy: only where it says so."""
    return policy is not None and policy.free_conditions


def is_permitted(record: Record) -> bool:
    """Whether a contract was taken under a policy that permits free conditions."""
    return (PERMIT, _FREE) in record.headers


@lru_cache(maxsize=4096)
def _pattern(source: str) -> re.Pattern[str]:
    return re.compile(translate(source))


@lru_cache(maxsize=65536)
def _reason(policy: Sources, topic: str, source: str) -> str:
    """Why not; "" = admitted."""
    rules = [rule for rule in policy.sources if rule.topic == topic]
    if not rules or any(_pattern(rule.source).match(source) for rule in rules):
        return ""
    owners = ", ".join(sorted({rule.organisation for rule in rules}))
    return f"{source[:60]!r} may not speak on {topic}, which is for {owners}"


@lru_cache(maxsize=65536)
def _delegation(policy: Sources, topic: str, source: str, target: str) -> bytes | None:
    """The first delegation that lets `source` correct the events of `target`, as JSON."""
    for rule in policy.delegations:
        if (
            rule.topic == topic
            and _pattern(rule.source).match(source)
            and _pattern(rule.target).match(target)
        ):
            return msgspec.json.encode(rule)
    return None


def admitted(policy: Sources | None, item: Input) -> Input:
    """`item` as it is taken under `policy`: with the delegation that gives a correction authority,
    or the permission that a contract has, and with none that somebody else wrote into its headers.
    Raises RecordError(FORBIDDEN_SOURCE).
    """
    record, message = item.record, item.message
    if policy is not None and not isinstance(message, Control | WriterSchema):
        check_source(policy, record.topic, getattr(message, "source", ""))
    by = None
    if policy is not None and isinstance(message, Event) and message.correction_action is not None:
        target = message.correction_source
        if target is not None and target != message.source:
            by = _delegation(policy, record.topic, message.source, target)
    free = isinstance(message, Contract) and permits_free(policy)
    if by is None and not free and not record.headers:
        return item
    headers = tuple(one for one in record.headers if one[0] not in (DELEGATION, PERMIT))
    if by is not None:
        headers = (*headers, (DELEGATION, by))
    if free:
        headers = (*headers, (PERMIT, _FREE))
    if headers == record.headers:
        return item
    return replace(item, record=replace(record, headers=headers))


def check_source(policy: Sources, topic: str, source: str) -> None:
    """Raise RecordError(FORBIDDEN_SOURCE) when `source` may not speak on `topic`."""
    reason = _reason(policy, topic, source)
    if reason:
        raise RecordError(Code.FORBIDDEN_SOURCE, "source", reason)
