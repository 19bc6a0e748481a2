"""GS1 identification keys in one spelling: the constrained canonical GS1 Digital Link URI.

A key stands in EPCIS as an EPC URI (`urn:epc:id:sgtin:…`), an EPC class or pattern, or a Digital
Link of any domain; here all of them become `https://id.gs1.org/…` with the finest level of
identification and nothing else: that is for hashes. What a thing is called here is `identity`,
what is kept of a link `kept`. Sources: GS1 Digital Link URI Syntax 1.2, section 4.11; EPC Tag
Data Standard 2.0, sections 6 and 7; CBV 2.0, event hash id.
"""

import re
from functools import lru_cache

CANONICAL = "https://id.gs1.org/"
_URN = re.compile(r"urn:epc:(id|class|idpat):([a-z]+):(\d{6,12})\.(.*)", re.ASCII)
_LINK = re.compile(r"https?://([^/?#]+)(/[^?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_RESOLVER = "id.gs1.org"
_DECIMAL = re.compile(r"\d+", re.ASCII)
_NAMES = {
    "gtin": "01", "itip": "8006", "cpid": "8010", "gln": "414", "party": "417", "gsrnp": "8017",
    "gsrn": "8018", "gcn": "255", "sscc": "00", "gdti": "253", "ginc": "401", "gsin": "402",
    "grai": "8003", "giai": "8004", "cpv": "22", "lot": "10", "ser": "21",
}  # fmt: skip
_QUALIFIERS: dict[str, tuple[str, ...]] = {
    "00": (), "01": ("21", "235", "10"), "253": (), "255": (), "401": (), "402": (),
    "414": ("254",), "417": (), "8003": (), "8004": (), "8006": ("21", "10"), "8010": ("8011",),
    "8017": (), "8018": (),
}  # fmt: skip
"""Primary key -> its qualifiers, the finest first; only the finest one stays."""
_DROPPED = frozenset(("22", "8019"))
"""Qualifiers that say nothing about which thing it is."""
_DIGITS = {"00": (18,), "01": (8, 12, 13, 14), "8006": (18,)}
"""Keys of a fixed number of digits."""
_CHECKED = {"00": 18, "01": 14, "253": 13, "255": 13, "402": 17, "414": 13, "417": 13, "8003": 14,
            "8006": 14, "8017": 18, "8018": 18}  # fmt: skip
"""Which digit of a key is its check digit; the others have none."""
_ESCAPED = {ord(sign): f"%{ord(sign):02X}" for sign in "!()*+,:"}
_ITEM_DIGITS, _PLACE_DIGITS = 13, 12
_SERVICE_DIGITS, _SHIPMENT_DIGITS = 17, 16


def check_digit(digits: str) -> str:
    """The GS1 check digit of a key without it (General Specifications, section 7.9.1)."""
    total = sum(int(one) * (1 if at % 2 else 3) for at, one in enumerate(reversed(digits)))
    return str(-total % 10)


@lru_cache(maxsize=1 << 16)
def digital_link(uri: str) -> str | None:
    """The canonical Digital Link URI of the GS1 key in `uri`; None = it is no GS1 key."""
    if uri.startswith("urn:epc:"):
        match = _URN.fullmatch(uri)
        return None if match is None else _of_urn(match[1], match[2], match[3], match[4])
    if uri[:4].lower() == "http":
        found = _LINK.match(uri)
        return None if found is None else _of_link(found[2])
    return None


def canonical(uri: str) -> str:
    """`uri` in its canonical spelling: a GS1 key as Digital Link, all else as it is."""
    return digital_link(uri) or uri


@lru_cache(maxsize=1 << 16)
def identity(uri: str) -> str:
    """What the thing is called here: its key, whoever's link it is, or `uri` itself.

    A link on somebody's own domain means the key, too. But below a path of his own
    (`https://erp.example/po/401/45`) the digits may be any: there the check digit must be right,
    and keys without one are his own names.
    """
    link, found = digital_link(uri), _LINK.match(uri)
    if link is None or found is None or found[1].lower() == _RESOLVER:
        return link or uri
    if _start(_parts(found[2])) == 0:
        return link
    key, value = link.removeprefix(CANONICAL).split("/")[:2]
    at = _CHECKED.get(key, 0)
    right = _DECIMAL.fullmatch(value[:at]) is not None and len(value) >= at
    return link if right and check_digit(value[: at - 1]) == value[at - 1] else uri


@lru_cache(maxsize=1 << 16)
def kept(uri: str) -> str:
    """`uri` in its canonical spelling when that says all that it says; else as it is: a link may
    have a lot, a weight or a domain, too.
    """
    link, found = digital_link(uri), _LINK.match(uri)
    if link is None or found is None:
        return link or uri
    plain = found[1].lower() == _RESOLVER and not found[3]
    same = len(_parts(found[2])) == len(_parts(link.removeprefix(CANONICAL)))
    return link if plain and same else uri


@lru_cache(maxsize=1 << 16)
def lot_of(uri: str) -> str | None:
    """The lot of a trade item, as a class, that a link names beside a finer qualifier."""
    link, found = digital_link(uri), _LINK.match(uri)
    if link is None or found is None or not link.startswith(f"{CANONICAL}01/"):
        return None
    parts = _parts(found[2])
    rest = parts[(_start(parts) or 0) + 2 :]
    named = {_NAMES.get(name, name): said for name, said in zip(rest[::2], rest[1::2], strict=True)}
    gtin = _parts(link)[3]
    return f"{CANONICAL}01/{gtin}/10/{named['10']}" if "10" in named else None


def _checked(digits: str, length: int) -> str | None:
    if len(digits) != length or _DECIMAL.fullmatch(digits) is None:
        return None
    return digits + check_digit(digits)


def _item(company: str, reference: str) -> str | None:
    """The GTIN-14: the indicator digit comes first."""
    return _checked(reference[:1] + company + reference[1:], _ITEM_DIGITS)


def _of_urn(form: str, scheme: str, company: str, rest: str) -> str | None:
    if form == "id":
        path = _instance(scheme, company, rest)
    elif form == "class":
        path = _item_path("01", company, rest, "/10/") if scheme == "lgtin" else None
    elif rest.endswith(".*"):
        path = _pattern(scheme, company, rest.removesuffix(".*"))
    else:
        path = None
    return None if path is None else CANONICAL + path


def _item_path(key: str, company: str, rest: str, between: str) -> str | None:
    reference, point, serial = rest.partition(".")
    gtin = _item(company, reference)
    if gtin is None or not point or not serial:
        return None
    return f"{key}/{gtin}{between}{serial.translate(_ESCAPED)}"


def _pieces(company: str, rest: str, *, serial: bool) -> str | None:
    """Path of an individual trade item piece: GTIN, piece, total, and its serial number."""
    parts = rest.split(".", 3)
    gtin = _item(company, parts[0])
    if gtin is None or len(parts) != (4 if serial else 3):
        return None
    path = f"8006/{gtin}{parts[1]}{parts[2]}"
    return f"{path}/21/{parts[3].translate(_ESCAPED)}" if serial else path


def _place_path(key: str, company: str, rest: str, lead: str = "") -> str | None:
    """A key of 12 digits and a check digit, and what stands behind the point."""
    reference, point, serial = rest.partition(".")
    digits = company + reference
    if len(digits) != _PLACE_DIGITS or _DECIMAL.fullmatch(digits) is None:
        return None
    path = f"{key}/{lead}{digits}{check_digit(lead + digits)}"
    if key == "414":
        if not point or not serial:
            return None
        return path if serial == "0" else f"{path}/254/{serial.translate(_ESCAPED)}"
    return path + serial.translate(_ESCAPED)


def _numbered(key: str, digits: str, length: int) -> str | None:
    number = _checked(digits, length)
    return None if number is None else f"{key}/{number}"


_ITEMS = {"sgtin": "/21/", "upui": "/235/"}
_PLACES = {"sgln": ("414", ""), "pgln": ("417", ""), "gdti": ("253", ""), "sgcn": ("255", ""),
           "grai": ("8003", "0")}  # fmt: skip
_NUMBERED = {"gsrn": ("8018", _SERVICE_DIGITS), "gsrnp": ("8017", _SERVICE_DIGITS),
             "gsin": ("402", _SHIPMENT_DIGITS)}  # fmt: skip
_OPEN = {"giai": "8004", "ginc": "401"}


def _instance(scheme: str, company: str, rest: str) -> str | None:
    if scheme in _ITEMS:
        return _item_path("01", company, rest, _ITEMS[scheme])
    if scheme in _PLACES:
        key, lead = _PLACES[scheme]
        return _place_path(key, company, rest, lead)
    if scheme in _NUMBERED:
        key, length = _NUMBERED[scheme]
        return _numbered(key, company + rest, length)
    if scheme in _OPEN:
        return f"{_OPEN[scheme]}/{company}{rest.translate(_ESCAPED)}" if rest else None
    if scheme == "sscc":
        return _numbered("00", rest[:1] + company + rest[1:], _SERVICE_DIGITS)
    if scheme == "itip":
        return _pieces(company, rest, serial=True)
    if scheme == "cpi":
        reference, point, serial = rest.rpartition(".")
        path = f"8010/{company}{reference.translate(_ESCAPED)}/8011/{serial}"
        return path if point else None
    return None


def _pattern(scheme: str, company: str, rest: str) -> str | None:
    """A pattern says which class, whatever the serial number."""
    if scheme in _ITEMS:
        gtin = _item(company, rest)
        return None if gtin is None else f"01/{gtin}"
    if scheme in _PLACES and not scheme.endswith("gln"):
        key, lead = _PLACES[scheme]
        return _place_path(key, company, rest, lead)
    if scheme == "itip":
        return _pieces(company, rest, serial=False)
    return f"8010/{company}{rest.translate(_ESCAPED)}" if scheme == "cpi" else None


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _start(parts: list[str]) -> int | None:
    """Where the primary key stands in a path."""
    places = range(len(parts) - 2, -1, -1)
    return next((at for at in places if _NAMES.get(parts[at], parts[at]) in _QUALIFIERS), None)


def _of_link(path: str) -> str | None:
    parts = _parts(path)
    at = _start(parts)
    if at is None:
        return None
    return _constrained(_NAMES.get(parts[at], parts[at]), parts[at + 1], parts[at + 2 :])


def _constrained(key: str, value: str, rest: list[str]) -> str | None:
    lengths = _DIGITS.get(key)
    if lengths is None:
        if len(value) < 5 or _DECIMAL.fullmatch(value[:4]) is None:
            return None
    elif len(value) not in lengths or _DECIMAL.fullmatch(value) is None:
        return None
    if key == "01":
        value = value.zfill(14)
    if len(rest) % 2:
        return None
    named = {_NAMES.get(name, name): said for name, said in zip(rest[::2], rest[1::2], strict=True)}
    finest = _QUALIFIERS[key]
    if named.keys() - _DROPPED - set(finest):
        return None
    for name in finest:
        if name in named:
            return f"{CANONICAL}{key}/{value}/{name}/{named[name]}"
    return f"{CANONICAL}{key}/{value}"
