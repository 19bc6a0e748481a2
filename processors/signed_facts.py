"""What a fact brings along that is signed, and what is remembered of it."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from supplytwin.processors.keys import Register
from supplytwin.processors.signed import Evidence, Mac, Signed, checked_mac, remembered
from supplytwin.processors.signed_facts_original import agrees
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import MAC, Header, Input
from supplytwin.schemas.records import Contract, Review
from supplytwin.schemas.signature import HEADER


def under(item: Input, register: Register, secrets: Mapping[str, bytes]) -> Input:
    """`item` with the register in force, where a signature may decide about it."""
    if isinstance(item.message, Contract | Review):
        return replace(item, under=register)
    if not item.record.headers or not is_signed(item):
        return item
    record = replace(item.record, headers=with_mac(item, secrets))
    return replace(item, record=record, under=register)


def is_signed(item: Input) -> bool:
    """Whether it is a fact with a signature, or with what is to pass for one."""
    headers = item.record.headers
    return any(name == HEADER for name, _ in headers) and isinstance(item.message, Event)


def signatures(item: Input, event: Event) -> tuple[Signed, ...]:
    """What is to be remembered of a fact's signature, at most one; () = it has none."""
    if not is_signed(item):
        return ()
    agreed = agrees(event) if event.original else None
    found = remembered(_evidence(item, event, agreed, _mac(item.record.headers)))
    return () if found is None else (found,)


def _evidence(item: Input, event: Event, agreed: bool | None, mac: Mac | None) -> Evidence:
    record = item.record
    return Evidence(
        source=event.source,
        value=record.value or b"",
        original=event.original,
        envelope_agrees=agreed,
        headers=record.headers,
        signed_at=event.recorded_time,
        arrival=record.arrival,
        mac=mac,
    )


# ---- the secrets of HMAC keys, which stand in no journal


def with_mac(item: Input, secrets: Mapping[str, bytes]) -> tuple[Header, ...]:
    """The headers of a fact as it is taken: with what the shared secret of its key says of its
    HMAC, and with nothing that somebody else wrote there.
    """
    headers = tuple(header for header in item.record.headers if header[0] != MAC)
    event = item.message
    if not secrets or not isinstance(event, Event):
        return headers
    mac = checked_mac(_evidence(item, event, None, None), secrets)
    if mac is None:
        return headers
    return (*headers, (MAC, f"{'right' if mac.right else 'wrong'};{mac.of}".encode()))


def _mac(headers: Iterable[Header]) -> Mac | None:
    for name, value in headers:
        if name == MAC:
            word, _, of = (value or b"").decode(errors="replace").partition(";")
            return Mac(of=of, right=word == "right")
    return None
