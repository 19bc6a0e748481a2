"""Simulated chains that are told of again, long after they ended."""

from msgspec.structs import replace

from supplytwin.processors import simulate
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US

LATER_US = 45 * DAY_US


def messages_of(chains: int, seed: int) -> list[Message]:
    """Every eleventh message once more, and every seventh under a higher revision, weeks later."""
    made = simulate.chains(
        chains, seed, facts_per_chain=12, late=0.2, duplicates=0.1, corrections=0.2, revocations=0.2
    )
    messages = list(made.messages)
    again = []
    for at, message in enumerate(messages):
        moved = replace(message, arrival=message.arrival + LATER_US)
        if at % 11 == 0:
            again.append(moved)
        if at % 7 == 0 and isinstance(message.body, Event):
            body = replace(message.body, revision=message.body.revision + 1)
            again.append(replace(moved, body=body))
    return sorted([*messages, *again], key=lambda message: message.arrival)
