"""The JSON Schemas that ship beside their Structs: what each file has to say."""

from collections.abc import Mapping
from typing import Any

from supplytwin.schemas.calculation import Request
from supplytwin.schemas.factor_form import Pack
from supplytwin.schemas.strict import json_schema

ALL: Mapping[str, dict[str, Any]] = {
    "factor_pack.schema.json": json_schema(
        Pack, "supplytwin factor pack", "urn:supplytwin:factor-pack:1"
    ),
    "calculation_request.schema.json": json_schema(
        Request, "supplytwin carbon calculation", "urn:supplytwin:carbon-calculation:1"
    ),
}
"""Schema of each file name; a test holds them together."""
