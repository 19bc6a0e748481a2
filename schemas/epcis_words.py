"""Words and values of EPCIS 2.0 and CBV 2.0, each in one spelling: what the reader checks against.

A word of the CBV is written bare (`receiving`), as its web URI, or as a CURIE of it; all else that
stands in its place is somebody's own URI. Sources: EPCIS 2.0 section 7, CBV 2.0 sections 7 and 8.
"""

import datetime as dt
import re
from collections.abc import Mapping
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from functools import lru_cache

from msgspec import Struct

from supplytwin.schemas.ids import Micros

CONTEXT = "https://ref.gs1.org/standards/epcis/epcis-context.jsonld"
MEDIA_TYPE = "application/ld+json;profile=epcis"
"""What `Event.original_media_type` says of an EPCIS event."""
CBV, VOC = "https://ref.gs1.org/cbv/", "https://gs1.org/voc/"
PREFIXES: Mapping[str, str] = {
    "cbv": CBV,
    "gs1": VOC,
    "epcis": "https://ref.gs1.org/epcis/",
    "cbvmda": "urn:epcglobal:cbv:mda:",
}
"""What the EPCIS context itself declares; a document may say otherwise."""
OWN = "urn:x-supplytwin:"
"""Before kind and name: the URI that an export makes of an identifier that is none."""
NO_TYPE = f"{OWN}no-type"
"""Type of a sensor report that has none, where the published schema wants one: in exports."""
ACTIONS = frozenset(("OBSERVE", "ADD", "DELETE"))


class Vocabulary(Struct, frozen=True, kw_only=True):
    """The words allowed in one place; `web` + word = the URI that stands for the word."""

    web: str
    words: frozenset[str]


def _vocabulary(web: str, words: str) -> Vocabulary:
    return Vocabulary(web=web, words=frozenset(words.split()))


BIZ_STEP = _vocabulary(
    f"{CBV}BizStep-",
    "accepting arriving assembling collecting commissioning consigning creating_class_instance "
    "cycle_counting decommissioning departing destroying disassembling dispensing encoding "
    "entering_exiting holding inspecting installing killing loading other packing picking "
    "receiving removing repackaging repairing replacing reserving retail_selling sampling "
    "sensor_reporting shipping staging_outbound stock_taking stocking storing transporting "
    "unloading unpacking void_shipping",
)
DISPOSITION = _vocabulary(
    f"{CBV}Disp-",
    "active available completeness_inferred completeness_verified conformant container_closed "
    "container_open damaged destroyed dispensed disposed encoded expired in_progress in_transit "
    "inactive mismatch_class mismatch_instance mismatch_quantity needs_replacement "
    "no_pedigree_match non_conformant non_sellable_other partially_dispensed recalled reserved "
    "retail_sold returned sellable_accessible sellable_not_accessible stolen unavailable unknown",
)
TRANSACTION = _vocabulary(
    f"{CBV}BTT-",
    "bol cert desadv inv pedigree po poc prodorder recadv rma testprd testres upevt",
)
PARTY = _vocabulary(f"{CBV}SDT-", "owning_party possessing_party location")
REASON = _vocabulary(f"{CBV}ER-", "did_not_occur incorrect_data")
COMPONENT = _vocabulary(
    f"{CBV}Comp-",
    "x y z axial_distance azimuth height spherical_radius polar_angle elevation_angle easting "
    "northing latitude longitude altitude",
)
ALERT = _vocabulary(VOC, "ALARM_CONDITION ERROR_CONDITION")
MEASUREMENT = _vocabulary(
    VOC,
    "AbsoluteHumidity AbsorbedDose AbsorbedDoseRate Acceleration Altitude AmountOfSubstance "
    "AmountOfSubstancePerUnitVolume Angle AngularAcceleration AngularMomentum AngularVelocity "
    "Area Capacitance Conductance Conductivity Count Density Dimensionless DoseEquivalent "
    "DoseEquivalentRate DynamicViscosity ElectricCharge ElectricCurrent ElectricCurrentDensity "
    "ElectricFieldStrength Energy Exposure Force Frequency Illuminance Inductance Irradiance "
    "KinematicViscosity Length LinearMomentum Luminance LuminousFlux LuminousIntensity "
    "MagneticFlux MagneticFluxDensity MagneticVectorPotential Mass MassConcentration MassFlowRate "
    "MassPerAreaTime MemoryCapacity MolalityOfSolute MolarEnergy MolarMass MolarVolume Power "
    "Pressure RadiantFlux RadiantIntensity Radioactivity RelativeHumidity Resistance Resistivity "
    "SolidAngle SpecificVolume Speed SurfaceDensity SurfaceTension Temperature Time Torque "
    "Voltage Volume VolumeFlowRate VolumeFraction VolumetricFlux Wavenumber",
)

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x1f\x7f]+", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MS = dt.timedelta(milliseconds=1)
_DIGITS_MAX = 40
"""Powers of ten up to which a number is written out."""
EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Rounds nothing, and has no number that is too large or too small."""


def is_uri(text: str) -> bool:
    """Whether `text` is a URI or CURIE: a scheme or prefix, a colon and something behind it."""
    return _URI.fullmatch(text) is not None


def word(vocabulary: Vocabulary, text: str) -> str:
    """The bare word that the (expanded) `text` stands for; `text` itself when it is none."""
    bare = text.removeprefix(vocabulary.web)
    return bare if bare in vocabulary.words else text


def web_uri(vocabulary: Vocabulary, text: str) -> str:
    """The URI of a bare word; `text` itself when it is none."""
    return vocabulary.web + text if text in vocabulary.words else text


@lru_cache(maxsize=1 << 14)
def instant(text: str) -> Micros:
    """An RFC 3339 time as us UTC, whole ms: half a ms and more is rounded up (CBV 2.0).

    Raises ValueError when it is no such time.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError("is not a time like 2026-07-22T06:45:00.000+02:00")
    zone = "+00:00" if match[4] in "Zz" else match[4]
    moment = dt.datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}")
    fraction = match[3] or ""
    ms = int(fraction[:3].ljust(3, "0")) + (fraction[3:4] >= "5")
    return Micros(((moment - _EPOCH) // _MS + ms) * 1000)


def time_text(micros: int) -> str:
    """us UTC as the event hash has it: `2026-07-22T04:45:00.000Z`."""
    moment = _EPOCH + dt.timedelta(microseconds=micros)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def number_text(value: Decimal) -> str:
    """A number without leading or trailing zeros, plus sign or exponent: all of its digits."""
    if not value:
        return "0"
    value = value.normalize(EXACT)
    return f"{value:f}" if abs(value.adjusted()) < _DIGITS_MAX else str(value)
