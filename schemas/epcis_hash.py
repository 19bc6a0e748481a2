"""EPCIS events in one spelling, and the event hash id of CBV 2.0 made of it.

The spelling loses nothing: comments, the order of somebody's own lists, and what a link says beside
its key are in it. They are not in the hash.

The hash is the SHA-256 of the *pre-hash string*: 25 fields in a fixed order, times in UTC with ms,
numbers without trailing zeros, lists sorted, GS1 keys as Digital Links, words as web URIs,
extensions by their namespace. eventID, recordTime and errorDeclaration are not in it: an error
declaration has the hash id of the event that it cancels. Where the text of the standard and the
published test vectors of its reference tool differ (a type comes before its value, destinations
before sources), the vectors count: everybody else's ids were made that way.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from supplytwin.schemas.epcis_check import EVENTS
from supplytwin.schemas.epcis_words import (
    ALERT,
    BIZ_STEP,
    COMPONENT,
    DISPOSITION,
    MEASUREMENT,
    NO_TYPE,
    PARTY,
    REASON,
    TRANSACTION,
    VOC,
    Vocabulary,
    instant,
    is_uri,
    number_text,
    time_text,
    web_uri,
    word,
)
from supplytwin.schemas.gs1 import canonical as gs1_canonical
from supplytwin.schemas.gs1 import kept

Prefixes = Mapping[str, str]
"""Prefix -> namespace, as @context declares them."""
Spelled = dict[str, Any]
"""An event in one spelling; names of extensions are `{namespace}name`."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_COMMENT = "rdfs:comment"
_COMMENTS = frozenset((_COMMENT, "comment"))
"""Kept, but not in the hash."""
_RDFS_COMMENT = "{http://www.w3.org/2000/01/rdf-schema#}comment"


def expanded(text: str, prefixes: Prefixes) -> str:
    """A CURIE written out; anything else as it is."""
    prefix, colon, rest = text.partition(":")
    if colon and prefix in prefixes and not rest.startswith("//"):
        return prefixes[prefix] + rest
    return text


def _name(text: str, prefixes: Prefixes) -> str:
    prefix, colon, rest = text.partition(":")
    if colon and prefix in prefixes and not rest.startswith("//"):
        name = f"{{{prefixes[prefix]}}}{rest}"
        return _COMMENT if name == _RDFS_COMMENT else name
    return text


# ---- one spelling


Speller = Callable[[Any, Prefixes], Any]


def _time(value: str, prefixes: Prefixes) -> str:
    return time_text(instant(value))


def _plain(value: Any, prefixes: Prefixes) -> Any:
    return value


def _number(value: Decimal, prefixes: Prefixes) -> Decimal:
    return Decimal(number_text(value))


def _key(value: str, prefixes: Prefixes) -> str:
    return kept(expanded(value.strip(), prefixes))


def _word_of(vocabulary: Vocabulary) -> Speller:
    return lambda value, prefixes: word(vocabulary, expanded(value, prefixes))


def _sorted(values: Iterable[Any]) -> list[Any]:
    return sorted(values, key=str)


def _keys(values: Any, prefixes: Prefixes) -> list[str]:
    return sorted(_key(value, prefixes) for value in values)


def _words_of(vocabulary: Vocabulary) -> Speller:
    spell = _word_of(vocabulary)
    return lambda values, prefixes: sorted(spell(value, prefixes) for value in values)


def _certified(value: Any, prefixes: Prefixes) -> Any:
    return _keys(value, prefixes) if isinstance(value, list) else _key(value, prefixes)


def _foreign(value: Any, prefixes: Prefixes) -> Any:
    """The value of an extension: names and CURIEs written out, nothing left out or moved."""
    if isinstance(value, dict):
        named: dict[str, list[Any]] = {}
        for name, one in value.items():
            named.setdefault(_name(name, prefixes), []).append(_foreign(one, prefixes))
        return {name: _joined(said) for name, said in sorted(named.items())}
    if isinstance(value, list):
        return [_foreign(one, prefixes) for one in value]
    if isinstance(value, Decimal):
        return _number(value, prefixes)
    return expanded(value, prefixes) if isinstance(value, str) else value


def _joined(said: list[Any]) -> Any:
    """What is said under one name: with two prefixes of one namespace a list of both."""
    if len(said) == 1:
        return said[0]
    lists = (one if isinstance(one, list) else [one] for one in _sorted(said))
    return [one for each in lists for one in each]


def _object(fields: Mapping[str, Speller]) -> Speller:
    """An object with its fields in this order, and extensions behind them by name."""

    def spell(value: dict[str, Any], prefixes: Prefixes) -> Spelled:
        known = {name: one(value[name], prefixes) for name, one in fields.items() if name in value}
        own = {name: one for name, one in value.items() if name not in fields}
        return {**known, **_foreign(own, prefixes)}

    return spell


def _measured(value: str, prefixes: Prefixes) -> str:
    """A bare word, or a CURIE for what GS1 has added to its vocabulary since."""
    text = word(MEASUREMENT, expanded(value, prefixes))
    if text in MEASUREMENT.words:
        return text
    bare = text.removeprefix(VOC)
    return text if bare == text and is_uri(text) else f"gs1:{bare}"


def _objects(fields: Mapping[str, Speller]) -> Speller:
    spell = _object(fields)
    return lambda values, prefixes: _sorted(spell(value, prefixes) for value in values)


_QUANTITIES = _objects({"epcClass": _key, "quantity": _number, "uom": _plain})
_POINT = _object({"id": _key})
_META: Mapping[str, Speller] = {
    "time": _time, "startTime": _time, "endTime": _time, "deviceID": _key, "deviceMetadata": _key,
    "rawData": _key, "dataProcessingMethod": _key, "bizRules": _key,
}  # fmt: skip
_REPORT: Mapping[str, Speller] = {
    "type": _measured, "exception": _word_of(ALERT), "deviceID": _key,
    "deviceMetadata": _key, "rawData": _key, "dataProcessingMethod": _key, "bizRules": _key,
    "time": _time, "microorganism": _key, "chemicalSubstance": _key, "value": _number,
    "component": _word_of(COMPONENT), "stringValue": _plain, "booleanValue": _plain,
    "hexBinaryValue": _plain, "uriValue": _key, "minValue": _number, "maxValue": _number,
    "meanValue": _number, "sDev": _number, "percRank": _number, "percValue": _number,
    "uom": _plain, "coordinateReferenceSystem": _key,
}  # fmt: skip
_spell_reports = _objects(_REPORT)


def _reports(values: Any, prefixes: Prefixes) -> list[Spelled]:
    """Sensor reports; the type that an export gave one without a type is taken off again."""
    typed = ({k: v for k, v in one.items() if (k, v) != ("type", NO_TYPE)} for one in values)
    found: list[Spelled] = _spell_reports(typed, prefixes)
    return found


_EVENT: Mapping[str, Speller] = {
    "type": _plain, "eventTime": _time, "eventTimeZoneOffset": _plain, "recordTime": _time,
    "eventID": _plain, "certificationInfo": _certified,
    "errorDeclaration": _object(
        {
            "declarationTime": _time,
            "reason": _word_of(REASON),
            "correctiveEventIDs": lambda values, _: sorted(values),
        }
    ),
    "parentID": _key, "epcList": _keys, "inputEPCList": _keys, "childEPCs": _keys,
    "quantityList": _QUANTITIES, "childQuantityList": _QUANTITIES,
    "inputQuantityList": _QUANTITIES, "outputEPCList": _keys, "outputQuantityList": _QUANTITIES,
    "action": _plain, "transformationID": _key, "bizStep": _word_of(BIZ_STEP),
    "disposition": _word_of(DISPOSITION),
    "persistentDisposition": _object(
        {"set": _words_of(DISPOSITION), "unset": _words_of(DISPOSITION)}
    ),
    "readPoint": _POINT, "bizLocation": _POINT,
    "sensorElementList": _objects({"sensorMetadata": _object(_META), "sensorReport": _reports}),
    "bizTransactionList": _objects({"type": _word_of(TRANSACTION), "bizTransaction": _key}),
    "destinationList": _objects({"type": _word_of(PARTY), "destination": _key}),
    "ilmd": _foreign,
    "sourceList": _objects({"type": _word_of(PARTY), "source": _key}),
}  # fmt: skip
_COMMON = (
    "type", "eventTime", "eventTimeZoneOffset", "recordTime", "eventID", "certificationInfo",
    "errorDeclaration",
)  # fmt: skip
"""All that an event of somebody's own type has of EPCIS."""
_spell_event = _object(_EVENT)
_spell_own = _object({name: _EVENT[name] for name in _COMMON})


def spelled(event: Mapping[str, Any], prefixes: Prefixes) -> Spelled:
    """A checked event in one spelling of times, words, names and keys, with all that it says.

    Lists of EPCIS are sorted, those of extensions stay as they are.
    """
    own = {name: value for name, value in event.items() if name != "@context"}
    spell = _spell_event if event["type"] in EVENTS else _spell_own
    found: Spelled = spell(own, prefixes)
    return found


# ---- the pre-hash string


@lru_cache(maxsize=1 << 14)
def _text(text: str) -> str:
    text = text.strip()
    if _NUMBER.fullmatch(text) is not None:
        return number_text(Decimal(text))
    return gs1_canonical(text)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return number_text(value)
    return "" if value is None else _text(value)


def _said(name: str, value: Any) -> str:
    said = _value(value)
    return f"{name}={said}" if said else name


def _generic(items: Mapping[str, Any]) -> list[str]:
    """Extensions, sorted; an element of a list repeats the name."""
    found = []
    for name, value in items.items():
        if name in _COMMENTS:
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                text = _value(one["#text"]) if "#text" in one else ""
                rest = {key: item for key, item in one.items() if key != "#text"}
                inner = "".join(_generic(rest))
                found.append(f"{name}={text}{inner}" if text else name + inner)
            elif isinstance(one, list):
                found.append(name + "".join(_generic({"": one})))
            else:
                found.append(_said(name, one))
    return sorted(found)


_WORDS = {
    "bizStep": BIZ_STEP, "disposition": DISPOSITION, "set": DISPOSITION, "unset": DISPOSITION,
    "exception": ALERT, "component": COMPONENT,
}  # fmt: skip


def _flat(value: Mapping[str, Any], fields: Iterable[str], kind: Vocabulary | None = None) -> str:
    """Fields in this order, then extensions; `kind` is the vocabulary of a field `type`."""
    parts = []
    for name in fields:
        if name in value:
            words = kind if name == "type" else _WORDS.get(name)
            one = value[name]
            if words is MEASUREMENT and one.startswith("gs1:"):
                one = VOC + one.removeprefix("gs1:")
            parts.append(_said(name, one if words is None else web_uri(words, one)))
    parts += _generic({name: one for name, one in value.items() if name not in fields})
    return "".join(parts)


def _sensor(element: Mapping[str, Any]) -> str:
    parts = ["sensorElement"]
    if "sensorMetadata" in element:
        parts.append("sensorMetadata" + _flat(element["sensorMetadata"], _META))
    parts += sorted(
        "sensorReport" + _flat(report, _REPORT, MEASUREMENT) for report in element["sensorReport"]
    )
    own = ("sensorMetadata", "sensorReport")
    parts += _generic({name: one for name, one in element.items() if name not in own})
    return "".join(parts)


_QUANTITY = ("epcClass", "quantity", "uom")


def _part(name: str, value: Any) -> str:
    """One field of the event with its name; "" when there is nothing in it."""
    match name:
        case "epcList" | "inputEPCList" | "childEPCs" | "outputEPCList":
            inner = "".join(sorted(_said("epc", one) for one in value))
        case "quantityList" | "childQuantityList" | "inputQuantityList" | "outputQuantityList":
            inner = "".join(sorted("quantityElement" + _flat(one, _QUANTITY) for one in value))
        case "persistentDisposition":
            inner = "".join(
                "".join(sorted(_said(verb, web_uri(DISPOSITION, one)) for one in value[verb]))
                for verb in ("set", "unset")
                if verb in value
            )
        case "readPoint" | "bizLocation":
            inner = _flat(value, ("id",))
        case "sensorElementList":
            inner = "".join(sorted(map(_sensor, value)))
        case "bizTransactionList":
            pair = ("type", "bizTransaction")
            inner = "".join(sorted(_flat(one, pair, TRANSACTION) for one in value))
        case "destinationList" | "sourceList":
            pair = ("type", name.removesuffix("List"))
            inner = "".join(sorted(_flat(one, pair, PARTY) for one in value))
        case "ilmd":
            inner = "".join(_generic(value))
        case "certificationInfo":
            return "".join(
                sorted(_said(name, one) for one in (value if isinstance(value, list) else [value]))
            )
        case _:
            words = _WORDS.get(name)
            return _said(name, value if words is None else web_uri(words, value))
    return name + inner if inner else ""


_ORDER = (
    "eventTime", "eventTimeZoneOffset", "certificationInfo", "parentID", "epcList", "inputEPCList",
    "childEPCs", "quantityList", "childQuantityList", "inputQuantityList", "outputEPCList",
    "outputQuantityList", "action", "transformationID", "bizStep", "disposition",
    "persistentDisposition", "readPoint", "bizLocation", "sensorElementList", "bizTransactionList",
    "destinationList", "ilmd", "sourceList",
)  # fmt: skip
_APART = frozenset(("type", "eventID", "recordTime", "errorDeclaration"))
"""The type comes first; the others are not in it."""


def pre_hash(event: Spelled) -> str:
    """The pre-hash string of a spelled event."""
    known: Iterable[str] = _ORDER if event["type"] in EVENTS else _COMMON
    parts = ["eventType=" + event["type"]]
    parts += [_part(name, event[name]) for name in known if name in event and name not in _APART]
    rest = {name: one for name, one in event.items() if name not in known and name not in _APART}
    parts += _generic(rest)
    return "".join(parts)


def event_hash(event: Spelled) -> str:
    """The CBV 2.0 event hash id of a spelled event: `ni:///sha-256;…?ver=CBV2.0`."""
    digest = hashlib.sha256(pre_hash(event).encode(errors="surrogatepass")).hexdigest()
    return f"ni:///sha-256;{digest}?ver=CBV2.0"
