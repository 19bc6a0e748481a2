"""What an EPCIS event is about: its chain, consignment, goods, place, and who bears a condition."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from msgspec import Struct

from supplytwin.schemas.epcis import EpcisEvent
from supplytwin.schemas.epcis_words import OWN
from supplytwin.schemas.events import Event
from supplytwin.schemas.gs1 import CANONICAL, identity, lot_of
from supplytwin.schemas.ids import CHAIN_ID_BYTES
from supplytwin.schemas.trips import trip_id

EACH = "EA"
"""Unit of things that are counted."""
_CONTAINER = "urn:epc:id:bic:"
EQUIPMENT = (f"{CANONICAL}8003/", f"{CANONICAL}8004/", _CONTAINER)
"""How identifiers of returnable and individual assets and of containers begin."""
CONSIGNED = (f"{CANONICAL}401/", f"{CANONICAL}402/")
"""How those of consignments and shipments begin."""
KEPT = frozenset(
    ("type", "eventID", "eventTime", "eventTimeZoneOffset", "recordTime", "errorDeclaration")
)
"""Fields that every fact says in its envelope."""
_ITEM = f"{CANONICAL}01/"
_CHAIN_ORDER = ("po", "prodorder", "poc", "desadv", "bol", "inv")
_TRIP_ORDER = ("bol", "desadv", *_CHAIN_ORDER)


Payload = tuple[type[Event], str, str, dict[str, Any]]
"""(event type, subject type, subject id, payload)"""


class Thing(Struct, frozen=True, kw_only=True):
    """A quantity of a trade item or of a lot of it; None = how much was not said."""

    lot_id: str
    sku: str
    qty: Decimal | None
    uom: str


def named(uri: str) -> str:
    """What is called so here: the identifier that an export of ours made a URI of, a GS1 key in
    its one spelling, any other URI as it is.
    """
    if not uri.startswith(OWN):
        return identity(uri)
    return unquote(uri.removeprefix(OWN).partition(":")[2]) or uri


def transactions_of(fields: Mapping[str, Any], kind: str) -> list[str]:
    """The business transactions of one type, sorted."""
    found = fields.get("bizTransactionList", ())
    return sorted({named(one["bizTransaction"]) for one in found if one.get("type") == kind})


def epcs_of(fields: Mapping[str, Any]) -> list[str]:
    """The things seen, or put into the parent or taken out of it, one by one, sorted."""
    lists = ("epcList", "childEPCs")
    return sorted({named(epc) for name in lists for epc in fields.get(name, ())})


def identifiers_of(fields: Mapping[str, Any]) -> Iterator[str]:
    """Every identifier of an event, in a fixed order."""
    if "parentID" in fields:
        yield named(fields["parentID"])
    for name in ("epcList", "childEPCs", "inputEPCList", "outputEPCList"):
        yield from sorted(map(named, fields.get(name, ())))
    for name in ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"):
        yield from sorted(named(one["epcClass"]) for one in fields.get(name, ()))


def known_of(event: EpcisEvent) -> Mapping[str, Any]:
    """The event's fields; of an event of somebody's own type only those that EPCIS defines."""
    if ":" not in event.fields["type"]:
        return event.fields
    return {name: one for name, one in event.fields.items() if name in KEPT}


def chain_of(fields: Mapping[str, Any], otherwise: str) -> str:
    """The chain id of an event with these fields that nobody gave one.

    The first that there is of: its purchase order, production order, order confirmation, despatch
    advice, bill of lading, invoice, any other business transaction; parentID; the first
    identifier; readPoint, bizLocation; `otherwise`. One that is too long becomes its SHA-256.
    """
    transactions = [one for kind in _CHAIN_ORDER for one in transactions_of(fields, kind)]
    transactions += [named(one["bizTransaction"]) for one in fields.get("bizTransactionList", ())]
    points = [fields[name]["id"] for name in ("readPoint", "bizLocation") if name in fields]
    found = next(iter((*transactions, *identifiers_of(fields), *map(named, points), otherwise)))
    if len(found.encode()) <= CHAIN_ID_BYTES and not found.startswith("@"):
        return found
    return f"sha256:{hashlib.sha256(found.encode()).hexdigest()}"


def consignments_of(fields: Mapping[str, Any]) -> list[str]:
    """The consignments: despatch advices, else bills of lading, else GINCs and GSINs of EPCs."""
    for kind in ("desadv", "bol"):
        found = transactions_of(fields, kind)
        if found:
            return found
    return [epc for epc in epcs_of(fields) if epc.startswith(CONSIGNED)]


def things_of(fields: Mapping[str, Any]) -> list[Thing]:
    """Quantities by class, and serialised items counted by their lot, where the link names it,
    else by their trade item.
    """
    found = []
    for name in ("quantityList", "childQuantityList"):
        for one in fields.get(name, ()):
            lot = named(one["epcClass"])
            found.append(
                Thing(lot_id=lot, sku=_sku(lot), qty=one.get("quantity"), uom=one.get("uom", EACH))
            )
    lots: dict[str, str] = {}
    for name in ("epcList", "childEPCs"):
        for uri in fields.get(name, ()):
            item, lot_id = named(uri), lot_of(uri)
            if item.startswith(_ITEM):
                lots[item] = lot_id or lots.get(item) or _sku(item)
    counts = Counter(lots[item] for item in sorted(lots))
    found += [
        Thing(lot_id=lot, sku=_sku(lot), qty=Decimal(count), uom=EACH)
        for lot, count in counts.items()
    ]
    return found


def _sku(uri: str) -> str:
    """The trade item of a key; of anything else the identifier itself."""
    return "/".join(uri.split("/")[:5]) if uri.startswith(_ITEM) else uri


def place_of(fields: Mapping[str, Any]) -> str | None:
    """Where the things are, else where they were seen."""
    for name in ("bizLocation", "readPoint"):
        if name in fields:
            return named(fields[name]["id"])
    return None


def trip_of(equipment: str, fields: Mapping[str, Any]) -> str:
    """The trip of an asset or container: it and the first document that the event names (bill of
    lading, despatch advice, then as for the chain); without one, the equipment alone.
    """
    documents = (one for kind in _TRIP_ORDER for one in transactions_of(fields, kind))
    document = next(documents, None)
    name = equipment.removeprefix(_CONTAINER)
    return name if document is None else trip_id(name, document)


def bearers_of(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(subject type, id) of what a condition is about: every consignment, else the first of these
    that it names; at least one.
    """
    consignments = consignments_of(fields)
    if consignments:
        return [("CONSIGNMENT", one) for one in consignments]
    every = list(identifiers_of(fields))
    equipment = [one for one in every if one.startswith(EQUIPMENT)]
    if equipment:
        return [("EQUIPMENT_TRIP", trip_of(equipment[0], fields))]
    things = things_of(fields)
    if things:
        return [("LOT", things[0].lot_id)]
    return [("HANDLING_UNIT", next(iter((*every, place_of(fields) or fields["eventID"]))))]
