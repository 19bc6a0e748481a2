"""Which payload fields an event type has, for documents and tests."""

import pytest

from supplytwin.schemas.events import ENVELOPE, EVENT_TYPES, SUPPLY_TOPICS, payload_fields
from supplytwin.schemas.shapes import shape, shapes


def test_required_and_optional_fields_are_read_off_the_struct() -> None:
    """A field without default is required, one with a default optional, all others foreign."""
    found = shape("shipment.stuffed")
    assert found.topic == "supply.shipments"
    assert found.required == ("trip_id", "container_no", "children")
    assert found.optional == ("gross_kg",)
    assert found.allowed == payload_fields(found.kind)


def test_every_event_type_has_a_shape() -> None:
    """All event types of the four topics, each once, none with an envelope field as payload."""
    assert [one.event_type for one in shapes()] == list(EVENT_TYPES)
    assert {one.topic for one in shapes()} == set(SUPPLY_TOPICS)
    for one in shapes():
        assert not set(one.allowed) & set(ENVELOPE)
        assert set(one.allowed) == set(payload_fields(one.kind))


def test_an_unknown_event_type_has_none() -> None:
    """Asking for a type that does not exist is an error of the caller."""
    with pytest.raises(KeyError):
        shape("order.teleported")
