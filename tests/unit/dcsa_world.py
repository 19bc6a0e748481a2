"""DCSA samples of tests/data/dcsa, and the same events as others would write them."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

DATA = Path(__file__).resolve().parents[1] / "data" / "dcsa"
WRONG = ("attribute-values", "date-times", "event-ids", "structure")
THREE = tuple(sorted(path.name for path in DATA.glob("tnt-300-*.json")))

# Written from the information model of June 2026, independently of the code's own tables.
_NAMES = {
    "eventTypeCode": "eventType", "eventClassifierCode": "eventClassifier",
    "shipmentEventTypeCode": "shipmentEventType", "transportEventTypeCode": "transportEventType",
    "equipmentEventTypeCode": "equipmentEventType", "iotEventTypeCode": "iotEventType",
    "reeferEventTypeCode": "reeferEventType", "typeCode": "type",
    "emptyIndicatorCode": "emptyIndicator",
}  # fmt: skip
_CODES = {
    "ACT": "ACTUAL", "EST": "ESTIMATED", "PLN": "PLANNED", "CONF": "CONFIRMED", "APPR": "APPROVED",
    "DEPA": "DEPARTED", "ARRI": "ARRIVED", "GTIN": "GATED_IN", "DISC": "DISCHARGED",
    "LOAD": "LOADED", "MEAS": "MEASURED", "ADJU": "ADJUSTED", "BKG": "BOOKING",
    "TRD": "TRANSPORT_DOCUMENT",
}  # fmt: skip
_DETECTED = {"DRO": "DOOR_OPENED", "DRC": "DOOR_CLOSED", "LOC": "BREADCRUMB"}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
"""Anything that may stand where a field is."""


def sample(name: str) -> Any:
    """A sample as JSON."""
    return json.loads((DATA / name).read_text())


def raw(value: Any) -> bytes:
    """JSON as bytes."""
    return json.dumps(value).encode()


def in_words(document: Any) -> Any:
    """A document of 3.0.0 in its second spelling."""
    if isinstance(document, list):
        return [in_words(one) for one in document]
    if not isinstance(document, dict):
        return document
    made = {}
    for name, value in document.items():
        key = _NAMES.get(name, name)
        made[key] = in_words(value)
        if key != name and isinstance(value, str):
            made[key] = _CODES.get(value, value)
    code = document.get("iotDetails", {}).get("iotEventCode")
    if code is not None:
        made["eventClassification"]["iotEventType"] = _DETECTED[code]
        del made["iotDetails"]
    return made


def three(**changes: Any) -> dict[str, Any]:
    """A container that is loaded, of 3.0.0; None takes a field away."""
    made: dict[str, Any] = {
        "eventRouting": {"originatingParty": {"partyCode": "EXCO"}},
        "eventID": "e1",
        "eventDateTime": "2026-01-20T14:15:00Z",
        "eventUpdatedDateTime": "2026-01-20T14:20:00Z",
        "eventClassification": {
            "eventTypeCode": "EQUIPMENT",
            "eventClassifierCode": "ACT",
            "equipmentEventTypeCode": "LOAD",
        },
        "shipmentDetails": {"documentReference": {"typeCode": "BKG", "reference": "B1"}},
        "equipmentDetails": {"equipmentReference": "APZU4812090", "emptyIndicatorCode": "LADEN"},
    }
    made |= changes
    return {name: value for name, value in made.items() if value is not None}


def two(**changes: Any) -> dict[str, Any]:
    """A vessel that arrives, of 2.2; None takes a field away."""
    made: dict[str, Any] = {
        "eventID": "3CECB101-7a1a-43a4-9d62-e88a131651e2",
        "eventCreatedDateTime": "2021-01-23T12:34:56Z",
        "eventType": "TRANSPORT",
        "eventClassifierCode": "ACT",
        "eventDateTime": "2021-01-09T14:12:56+01:00",
        "transportEventTypeCode": "ARRI",
        "transportCall": {"transportCallID": "c", "vessel": {"vesselIMONumber": "9321483"}},
        "documentReferences": [
            {"documentReferenceType": "BKG", "documentReferenceValue": "B1"},
        ],
    }
    made |= changes
    return {name: value for name, value in made.items() if value is not None}
