"""Units of measure in the codes of UN/ECE Recommendation 20, as GS1 and EPCIS have them."""

import re

_CODE = re.compile(r"[A-Z0-9]{2,3}", re.ASCII)
_USUAL = {
    "KGM": "kg kgs kilo kilos kilogram kilograms kilogramme",
    "GRM": "g gr gram grams",
    "MGM": "mg milligram milligrams",
    "TNE": "t tonne tonnes metric_ton metric_tons",
    "LBR": "lb lbs pound pounds",
    "ONZ": "oz ounce ounces",
    "LTR": "l lt liter liters litre litres",
    "MLT": "ml milliliter milliliters millilitre millilitres",
    "HLT": "hl hectoliter hectoliters hectolitre hectolitres",
    "MTQ": "m3 cbm cubic_meter cubic_meters cubic_metre cubic_metres",
    "MTK": "m2 sqm square_meter square_meters square_metre square_metres",
    "MTR": "m meter meters metre metres",
    "CMT": "cm centimeter centimeters centimetre centimetres",
    "MMT": "mm millimeter millimeters millimetre millimetres",
    "KMT": "km kilometer kilometers kilometre kilometres",
    "FOT": "ft foot feet",
    "INH": "in inch inches",
    "KWH": "kwh kilowatt_hour kilowatt_hours",
    "EA": "ea each",
    "H87": "pc pcs pce piece pieces unit units",
    "DZN": "dz doz dozen",
    "PR": "pair pairs",
    "SET": "set sets",
    "XPK": "pack packs package packages pkg",
    "XBX": "box boxes bx",
    "XCT": "ctn carton cartons",
    "XCS": "case cases cs",
    "XBG": "bag bags",
    "XPX": "pallet pallets plt",
    "XRO": "roll rolls",
    "XDR": "drum drums",
}
_CODES = {name: code for code, names in _USUAL.items() for name in names.split()}


def code_of(unit: str) -> str | None:
    """The code of a unit by its usual name or symbol, however it is written; what looks like a
    code is one; None = nobody knows.
    """
    name = "_".join(unit.strip().rstrip(".").lower().split())
    found = _CODES.get(name)
    return found or (unit if _CODE.fullmatch(unit) is not None else None)
