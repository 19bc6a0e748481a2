"""Sensor reports of EPCIS events as readings, each at its own time, and what no reading says."""

from collections.abc import Iterator, Mapping
from typing import Any

from supplytwin.processors.epcis_about import Payload, bearers_of, named, place_of
from supplytwin.schemas.epcis_words import instant
from supplytwin.schemas.events import ShipmentSensor
from supplytwin.schemas.ids import Micros

FAULT = "ERROR_CONDITION"
"""The sensor says that it is out of order: nothing about the goods."""
_NUMBERS = {"value": "", "minValue": ".min", "maxValue": ".max", "meanValue": ".mean"}
_NO_NUMBER = "1"
"""Unit of a yes."""
_SAID = frozenset(("type", "component", "exception", "deviceID", "time", "uom", *_NUMBERS))
_SAID_META: frozenset[str] = frozenset(("time", "deviceID"))


def readings(fields: Mapping[str, Any]) -> Iterator[Payload]:
    """Each number of each report for each bearer; an alarm without one is the number 1, and so is
    a fault, as a metric of its own.
    """
    bearers = bearers_of(fields) if "sensorElementList" in fields else ()
    for element in fields.get("sensorElementList", ()):
        meta = element.get("sensorMetadata", {})
        for report in element["sensorReport"]:
            device = report.get("deviceID") or meta.get("deviceID") or place_of(fields) or "unknown"
            for end, value, unit in _numbers(report):
                said = {
                    "device_id": named(device),
                    "metric": _metric(report) + end,
                    "value": float(value),
                    "unit": unit,
                    "alert": _alert(report),
                    **_time(report, meta, whole=end in (".min", ".max", ".mean")),
                }
                for kind, one in bearers:
                    yield ShipmentSensor, kind, one, said


def _numbers(report: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """(end of its metric, value, unit)"""
    unit = report.get("uom") or _NO_NUMBER
    found = [(end, report[name], unit) for name, end in _NUMBERS.items() if name in report]
    if not found and (_alert(report) is not None or "booleanValue" in report):
        found = [("", report.get("booleanValue", True), _NO_NUMBER)]
    if report.get("exception") == FAULT:
        found.append((".error", True, _NO_NUMBER))
    return found


def _metric(report: Mapping[str, Any]) -> str:
    parts = [report.get("type", "unknown")]
    parts += [report["component"]] if "component" in report else []
    return ".".join(map(named, parts))


def _alert(report: Mapping[str, Any]) -> str | None:
    alert = report.get("exception")
    return None if alert is None or alert == FAULT else named(alert)


def _time(report: Mapping[str, Any], meta: Mapping[str, Any], *, whole: bool) -> dict[str, Micros]:
    """When it was measured, where it is said; what is of a `whole` period is known at its end."""
    end, moment = meta.get("endTime"), meta.get("time")
    found = report.get("time") or ((end or moment) if whole else (moment or end))
    return {} if found is None else {"event_time": instant(found)}


def unsaid(fields: Mapping[str, Any]) -> Iterator[str]:
    """Names of what sensors say and no reading does; some may come twice."""
    for element in fields.get("sensorElementList", ()):
        meta = element.get("sensorMetadata", {})
        reports = element["sensorReport"]
        yield from (f"sensorElement.{name}" for name in element if not name.startswith("sensor"))
        taken = set(_SAID_META)
        if any("time" not in one and "time" not in meta for one in reports) or any(
            _NUMBERS.keys() & one.keys() - {"value"} for one in reports
        ):
            taken.add("endTime")
        yield from (f"sensorMetadata.{name}" for name in meta if name not in taken)
        for one in reports:
            alone = not _NUMBERS.keys() & one.keys()
            said = _SAID | {"booleanValue"} if alone else _SAID
            yield from (f"sensorReport.{name}" for name in one if name not in said)
