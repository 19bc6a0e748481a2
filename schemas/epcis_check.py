"""What an EPCIS 2.0 document and event must be, and what to do when one is not.

Accepts what the published JSON schema accepts (tests compare the two; the schema itself may not be
passed on with this package), and what real documents have beside that: persistentDisposition in
every event type, measurements that GS1 has added since, sensor reports without a type. Refuses
what a schema cannot say: times that are none, numbers and names that no fact can hold, nesting
without end. Every refusal is a RecordError whose `field` is the path from the root that was given.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from supplytwin.schemas.epcis_words import (
    ACTIONS,
    ALERT,
    BIZ_STEP,
    COMPONENT,
    CONTEXT,
    DISPOSITION,
    EXACT,
    PARTY,
    REASON,
    TRANSACTION,
    Vocabulary,
    instant,
    is_uri,
)
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.localtime import check_time

Check = Callable[[Any, str], None]
"""(value, path) -> nothing, or a RecordError."""
Fields = Mapping[str, Check]

NAME_CHARS = 400
"""Characters of a URI that becomes an identity, a subject or a reference here."""
DEPTH_MAX = 40
_POWER_MAX = 300
_QUANTITY_DIGITS, _QUANTITY_DECIMALS = 18, 9
_OFFSET = re.compile(r"[+-]((0\d|1[0-3]):[0-5]\d|14:00)", re.ASCII)
_UOM = re.compile(r"[A-Z0-9]{2,3}", re.ASCII)
_HEX = re.compile(r"[A-Fa-f0-9]+", re.ASCII)
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_NONE = Vocabulary(web="", words=frozenset())
_VERSION = re.compile(r"\d+(\.\d+)*", re.ASCII)
_RETIRED = re.compile(r"urn:epcglobal:cbv|https?://ns\.gs1\.org/cbv/")
_OLD_VOC = re.compile(r"https?://(www\.)?gs1\.org/voc/")


def bad(path: str, reason: str) -> RecordError:
    """A value that is not allowed."""
    return RecordError(Code.BAD_VALUE, path, reason)


def missing(path: str, reason: str = "is required: add it") -> RecordError:
    """A field that is not there."""
    return RecordError(Code.MISSING_FIELD, path, reason)


def below(path: str, name: str) -> str:
    """The path of a field of the object at `path`."""
    return f"{path}.{name}" if path else name


def _shown(value: Any) -> str:
    if isinstance(value, str | Decimal):
        return repr(value)[:60] if isinstance(value, str) else str(value)[:60]
    names = {dict: "an object", list: "a list", bool: str(value).lower()}
    return names.get(type(value), "null")


def text(value: Any, path: str) -> None:
    """Raise RecordError unless `value` is a text."""
    if not isinstance(value, str):
        raise bad(path, f"{_shown(value)} is not a text")


def uri(value: Any, path: str) -> None:
    """Raise RecordError unless `value` is a URI or a CURIE."""
    text(value, path)
    if not is_uri(value):
        raise bad(path, f"{_shown(value)} is not a URI: write it with its scheme or prefix")


def _name(value: Any, path: str) -> None:
    uri(value, path)
    if len(value) > NAME_CHARS:
        raise bad(path, f"has {len(value)} characters, at most {NAME_CHARS} can be kept")


def time(value: Any, path: str) -> None:
    """Raise RecordError unless `value` is an RFC 3339 time that a fact can have."""
    text(value, path)
    try:
        moment = instant(value)
    except ValueError as error:
        raise bad(path, f"{_shown(value)} {error}") from None
    check_time(moment, path)


def _number(value: Any, path: str) -> None:
    if not isinstance(value, Decimal):
        raise bad(path, f"{_shown(value)} is not a number: write it without quotes")
    if max(abs(value.adjusted()), len(value.as_tuple().digits)) > _POWER_MAX:
        raise bad(path, f"is out of range: write it with at most {_POWER_MAX} digits")


def _quantity(value: Any, path: str) -> None:
    _number(value, path)
    exponent = value.normalize(EXACT).as_tuple().exponent if value else 0
    if value < 0 or value.adjusted() >= _QUANTITY_DIGITS or exponent < -_QUANTITY_DECIMALS:
        raise bad(path, "must not be negative and have at most 18 digits and 9 decimals")


def _boolean(value: Any, path: str) -> None:
    if not isinstance(value, bool):
        raise bad(path, f"{_shown(value)} is not true or false")


def _pattern(pattern: re.Pattern[str], reason: str) -> Check:
    def check(value: Any, path: str) -> None:
        text(value, path)
        if pattern.fullmatch(value) is None:
            raise bad(path, f"{_shown(value)} {reason}")

    return check


version = _pattern(_VERSION, "is no version like 2.0")


def _action(value: Any, path: str) -> None:
    text(value, path)
    if value not in ACTIONS:
        raise bad(path, f"{_shown(value)} is not one of {', '.join(sorted(ACTIONS))}")


def _word(vocabulary: Vocabulary, refused: re.Pattern[str] = _RETIRED) -> Check:
    def check(value: Any, path: str) -> None:
        text(value, path)
        if value in vocabulary.words:
            return
        if not is_uri(value):
            raise bad(
                path,
                f"{_shown(value)} is no word of CBV 2.0 for this field: use one of them, or a URI "
                "of your own vocabulary",
            )
        if refused.match(value) is not None:
            raise bad(path, f"{_shown(value)} is an old spelling: write the bare word")

    return check


def list_of(item: Check, *, least: int = 0, unique: bool = False) -> Check:
    """A JSON array; `unique` = no two equal ones."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise bad(path, f"{_shown(value)} is not a list")
        if len(value) < least:
            raise bad(path, f"must have at least {least} element")
        for at, one in enumerate(value):
            item(one, f"{path}[{at}]")
        if unique and len(set(map(str, value))) < len(value):
            raise bad(path, "has an element twice: leave one out")

    return check


def object_of(fields: Fields, required: tuple[str, ...] = (), *, extensible: bool = False) -> Check:
    """A JSON object; `extensible` = it may have fields whose name is a URI or CURIE."""

    def check(value: Any, path: str) -> None:
        entries(value, path, fields, required, extensible=extensible)

    return check


def entries(
    value: Any, path: str, fields: Fields, required: tuple[str, ...], *, extensible: bool
) -> None:
    """Raise RecordError unless `value` is an object with these fields."""
    if not isinstance(value, dict):
        raise bad(path, f"{_shown(value)} is not an object")
    for name in required:
        if name not in value:
            raise missing(below(path, name))
    for name, one in value.items():
        check = fields.get(name)
        if check is not None:
            check(one, below(path, name))
        elif not extensible:
            raise RecordError(
                Code.FOREIGN_FIELD, below(path, name), "is no field of EPCIS here: take it out"
            )
        elif not is_uri(name):
            raise RecordError(
                Code.FOREIGN_FIELD,
                below(path, name),
                "is no field of EPCIS here: a field of your own has a prefix that @context "
                "declares, like example:field",
            )
        else:
            _own(one, below(path, name))


def _own(value: Any, path: str, levels: int = DEPTH_MAX) -> None:
    """Raise RecordError unless this can be kept, whatever it says."""
    if isinstance(value, dict | list):
        if not levels:
            raise bad(path, f"is nested more than {DEPTH_MAX} levels deep")
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            place = f"{path}[{name}]" if isinstance(name, int) else below(path, name)
            if name == "#text" and isinstance(one, dict | list):
                raise bad(place, f"{_shown(one)} is no text: give it a name of its own")
            if isinstance(name, str) and name.startswith("{"):
                raise bad(place, "is no name: write it with a prefix that @context declares")
            _own(one, place, levels - 1)
    elif isinstance(value, Decimal):
        _number(value, path)


def context(value: Any, path: str) -> None:
    """Raise RecordError unless `value` is a JSON-LD context as EPCIS uses them."""
    for at, one in enumerate(value if isinstance(value, list) else [value]):
        place = f"{path}[{at}]" if isinstance(value, list) else path
        if isinstance(one, dict):
            for prefix, target in one.items():
                named = target.get("@id") if isinstance(target, dict) else target
                said = prefix.startswith("@") or named is None
                if not said and not (isinstance(named, str) and is_uri(named)):
                    raise bad(below(place, prefix), "must be the namespace that the prefix means")
        elif not isinstance(one, str) or not is_uri(one):
            raise bad(place, f"{_shown(one)} is no address of a context and declares no prefixes")
    if isinstance(value, list) and len(set(map(str, value))) < len(value):
        raise bad(path, "has an element twice: leave one out")


def _certification(value: Any, path: str) -> None:
    (list_of(uri) if isinstance(value, list) else uri)(value, path)


def _dispositions(value: Any, path: str) -> None:
    words = list_of(_word(DISPOSITION), least=1, unique=True)
    entries(value, path, {"set": words, "unset": words}, (), extensible=False)
    if not value:
        raise missing(path, "says neither set nor unset: add one, or leave it out")


def _measurement(value: Any, path: str) -> None:
    """GS1 adds measurements to its vocabulary without a new EPCIS: any word is let through."""
    text(value, path)
    if _BARE.fullmatch(value) is None:
        _word(_NONE, _OLD_VOC)(value, path)


def _ilmd(value: Any, path: str) -> None:
    entries(value, path, {}, (), extensible=True)


_ERROR = object_of(
    {"declarationTime": time, "reason": _word(REASON), "correctiveEventIDs": list_of(_name)},
    ("declarationTime",),
    extensible=True,
)
_QUANTITY = object_of(
    {"epcClass": _name, "quantity": _quantity, "uom": _pattern(_UOM, "is no unit code like KGM")},
    ("epcClass",),
)
_POINT = object_of({"id": _name}, ("id",), extensible=True)
_META: Fields = {
    "time": time, "startTime": time, "endTime": time, "deviceID": _name,
    "deviceMetadata": uri, "rawData": uri, "dataProcessingMethod": uri, "bizRules": uri,
}  # fmt: skip
_REPORT: Fields = {
    "type": _measurement, "exception": _word(ALERT, _OLD_VOC), "deviceID": _name,
    "deviceMetadata": uri, "rawData": uri, "dataProcessingMethod": uri, "bizRules": uri,
    "time": time, "microorganism": uri, "chemicalSubstance": uri,
    "coordinateReferenceSystem": uri, "value": _number, "component": _word(COMPONENT),
    "stringValue": text, "booleanValue": _boolean, "uriValue": uri, "minValue": _number,
    "maxValue": _number, "meanValue": _number, "sDev": _number, "percRank": _number,
    "percValue": _number, "uom": text,
    "hexBinaryValue": _pattern(_HEX, "is not hexadecimal"),
}  # fmt: skip
_SENSORS = list_of(
    object_of(
        {
            "sensorMetadata": object_of(_META, extensible=True),
            "sensorReport": list_of(object_of(_REPORT, extensible=True), least=1),
        },
        ("sensorReport",),
        extensible=True,
    )
)
_IDS, _SET, _QUANTITIES = list_of(_name), list_of(_name, unique=True), list_of(_QUANTITY)


def _party(name: str) -> Check:
    return list_of(object_of({"type": _word(PARTY), name: _name}, ("type", name)))


_COMMON: Fields = {
    "@context": context, "type": text, "eventTime": time, "recordTime": time,
    "eventTimeZoneOffset": _pattern(_OFFSET, "is no offset like +02:00"), "eventID": _name,
    "certificationInfo": _certification, "errorDeclaration": _ERROR,
}  # fmt: skip
_SHARED: Fields = {
    **_COMMON, "bizStep": _word(BIZ_STEP), "disposition": _word(DISPOSITION),
    "readPoint": _POINT, "bizLocation": _POINT, "sourceList": _party("source"),
    "destinationList": _party("destination"), "sensorElementList": _SENSORS,
    "bizTransactionList": list_of(
        object_of({"type": _word(TRANSACTION), "bizTransaction": _name}, ("bizTransaction",))
    ),
    "persistentDisposition": _dispositions,
}  # fmt: skip
_WHOLE: Fields = {
    "parentID": _name, "childEPCs": _IDS, "childQuantityList": _QUANTITIES, "action": _action,
}  # fmt: skip
EVENTS: Mapping[str, Fields] = {
    "ObjectEvent": {
        **_SHARED, "epcList": _SET, "quantityList": _QUANTITIES, "action": _action,
        "ilmd": _ilmd,
    },
    "AggregationEvent": {**_SHARED, **_WHOLE},
    "AssociationEvent": {**_SHARED, **_WHOLE},
    "TransactionEvent": {
        **_SHARED, "parentID": _name, "epcList": _IDS, "quantityList": _QUANTITIES,
        "action": _action,
    },
    "TransformationEvent": {
        **_SHARED, "inputEPCList": _SET, "inputQuantityList": _QUANTITIES, "outputEPCList": _SET,
        "outputQuantityList": _QUANTITIES, "transformationID": _name,
        "ilmd": _ilmd,
    },
}  # fmt: skip
"""Event type -> its fields."""
_TIMES = ("eventTime", "eventTimeZoneOffset")
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "ObjectEvent": (*_TIMES, "action"),
    "AggregationEvent": (*_TIMES, "action"),
    "AssociationEvent": (*_TIMES, "action", "parentID"),
    "TransactionEvent": (*_TIMES, "action", "bizTransactionList"),
    "TransformationEvent": _TIMES,
}


def event(value: Any, path: str, *, bare: bool) -> None:
    """Raise RecordError unless `value` is an EPCIS event; a `bare` one has its own @context."""
    if not isinstance(value, dict):
        raise bad(path, f"{_shown(value)} is not an event")
    kind = value.get("type")
    if kind is None:
        reason = "is required: without it this is no EPCIS document and no event of one"
        raise missing(below(path, "type"), reason)
    text(kind, below(path, "type"))
    if bare and "@context" not in value:
        raise missing(below(path, "@context"), f'is required: add ["{CONTEXT}"]')
    fields = EVENTS.get(kind)
    if fields is None:
        if not is_uri(kind):
            reason = f"{_shown(kind)} is none of {', '.join(EVENTS)}, and no URI of another type"
            raise bad(below(path, "type"), reason)
        _own(value, path, DEPTH_MAX + 1)
        common = {name: value[name] for name in _COMMON if name in value}
        entries(common, path, _COMMON, _TIMES, extensible=False)
        return
    entries(value, path, fields, REQUIRED[kind], extensible=True)
    _things(kind, value, path)


def _things(kind: str, value: dict[str, Any], path: str) -> None:
    """Raise RecordError unless an event says what it is about."""
    deleted = value.get("action") == "DELETE"
    match kind:
        case "ObjectEvent":
            if value.get("action") != "ADD" and "ilmd" in value:
                raise bad(below(path, "ilmd"), "goes with action ADD only: leave it out")
            seen = "epcList" in value or value.get("quantityList")
            if not seen and not (value.get("sensorElementList") and "readPoint" in value):
                reason = "is required, or quantityList, or sensorElementList with readPoint"
                raise missing(below(path, "epcList"), reason)
        case "TransactionEvent":
            if not value["bizTransactionList"]:
                raise bad(below(path, "bizTransactionList"), "must have at least one element")
            if not deleted and "epcList" not in value and not value.get("quantityList"):
                raise missing(below(path, "epcList"), "is required, or quantityList")
        case "TransformationEvent":
            inputs = value.get("inputEPCList") or value.get("inputQuantityList")
            outputs = value.get("outputEPCList") or value.get("outputQuantityList")
            either = "transformationID" in value and (inputs or outputs)
            if not (inputs and outputs) and not either:
                wanted = "inputEPCList" if not inputs else "outputEPCList"
                reason = "is required, or its quantities; one side alone needs transformationID"
                raise missing(below(path, wanted), reason)
        case _:
            if not deleted and not value.get("childEPCs") and not value.get("childQuantityList"):
                raise missing(below(path, "childEPCs"), "is required, or childQuantityList")
