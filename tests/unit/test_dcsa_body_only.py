"""What DCSA says and our model has no field for is kept in the original, and counted."""

from typing import Any

import dcsa_world as w
import pytest
from test_dcsa_mapping import read

BODY_ONLY: list[tuple[dict[str, Any], set[str]]] = [
    (w.two(delayReasonCode="WEA", changeRemark="Bad weather",
           unknown={"a": [1, {"b": 2}], "n": None},
           transportCall={"transportCallID": "c", "modeOfTransport": "VESSEL",
                          "vessel": {"vesselIMONumber": "9321483", "vesselFlag": "DE"}}),
     {"delayReasonCode", "changeRemark", "unknown.a", "unknown.a.b",
      "transportCall.modeOfTransport", "transportCall.vessel.vesselFlag",
      "transportCall.transportCallReference"}),
    (w.three(eventLocaton={"UNLocationCode": "CNSZX"}),
     {"eventLocaton.UNLocationCode", "emptyIndicator"}),
    (w.three(eventClassification={"eventTypeCode": "REEFER", "eventClassifierCode": "ACT",
                                  "reeferEventTypeCode": "MEAS"},
             equipmentDetails={"equipmentReference": "C", "seals": [{"number": "S"}]},
             reeferDetails={"temperatureUnit": "CEL", "returnAirTemperature": 15,
                            "temperatureProbeMeasurements": [
                                {"measuredTemperatureValue": -18},
                                {"measuredTemperatureValue": 12}]}),
     {"reeferDetails.returnAirTemperature", "seals",
      "reeferDetails.temperatureProbeMeasurements.measuredTemperatureValue"}),
    (w.three(isRetracted=True),
     {"eventDateTime", "eventClassification.eventType", "eventClassification.eventClassifier",
      "eventClassification.equipmentEventType", "equipmentDetails.emptyIndicator"}),
]  # fmt: skip


@pytest.mark.parametrize(("said", "fields"), BODY_ONLY)
def test_fields_that_only_the_original_keeps_are_counted(
    said: dict[str, Any], fields: set[str]
) -> None:
    """By their names in the later spelling, once for each event."""
    assert read(said).body_only == dict.fromkeys(fields, 1)
    if "eventRouting" in said:
        assert read(w.in_words(said)).body_only == dict.fromkeys(fields, 1)
