"""Who may speak: control data that says which sources are admitted on which topic.

A POLICY record with the body ``{"sources": [{"topic": ..., "source": pattern, "organisation":
...}]}``, as canonical JSON, replaces the policy before it. A topic without a rule admits everybody;
on one with rules a source is admitted when a pattern (shell wildcards, whole name) matches it.
"""

import re
from fnmatch import translate
from functools import lru_cache

import msgspec
from msgspec import Struct

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.records import Control


class SourceRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One admitted group of sources, and whose they are."""

    topic: str
    source: str
    organisation: str


class Sources(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole policy."""

    sources: tuple[SourceRule, ...]


class _Body(Struct, frozen=True, kw_only=True):
    sources: tuple[SourceRule, ...] | None = None


_body = msgspec.json.Decoder(_Body)


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
    return None if found.sources is None else Sources(sources=found.sources)


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


def check_source(policy: Sources, topic: str, source: str) -> None:
    """Raise RecordError(FORBIDDEN_SOURCE) when `source` may not speak on `topic`."""
    reason = _reason(policy, topic, source)
    if reason:
        raise RecordError(Code.FORBIDDEN_SOURCE, "source", reason)
