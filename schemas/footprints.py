"""Records of footprints: one of a consignment for each version, one of each of its elements."""

from supplytwin.schemas.derived import Derived


class Footprint(Derived, frozen=True, kw_only=True, gc=False):
    """Footprint of one consignment, one version. Amounts are decimals; null = could not be
    computed (see missing). Texts of lists are ``CODE:what``.
    """

    consignment_id: str
    version: int
    previous_version: int | None
    complete: bool
    input_hash: str
    """Hex SHA-256 of the canonical inputs."""
    pack: str
    pack_version: str
    """The pack of which defaults are taken first."""
    method: str
    co2e_wtw_kg: str | None = None
    co2e_wtt_kg: str | None = None
    co2e_ttw_kg: str | None = None
    activity_tkm: str | None = None
    intensity_kg_per_tkm: str | None = None
    data_type: str | None = None
    """PRIMARY | MODELLED | DEFAULT: the least of its elements."""
    missing: tuple[str, ...] = ()
    """E.g. MASS_UNKNOWN, MODE_UNKNOWN, MULTI_ORIGIN, PLACE_UNKNOWN, FACTOR_UNKNOWN."""
    planned: bool = False
    """An element of it is known by a plan alone."""
    computed_wtw_kg: str | None = None
    """The part that could be computed; of a complete one all of it."""
    intensity_ttw_kg_per_tkm: str | None = None
    hub_activity_t: str | None = None
    primary_share: str | None = None
    """By emissions (WTW), 0 to 1; so are the others but the next one."""
    primary_share_by_tkm: str | None = None
    modelled_share: str | None = None
    packs: tuple[str, ...] = ()
    """Packs, with their versions, that factors were taken from."""
    factors: tuple[str, ...] = ()
    """``PACK/ID``"""
    distance_types: tuple[str, ...] = ()
    period_first: str | None = None
    period_last: str | None = None
    """Local dates of the first and last transport fact."""
    warnings: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()
    uncertainty: str | None = None
    inputs: str | None = None
    """What it was computed from: a request for `supplytwin carbon calculate`, as JSON."""


class Leg(Derived, frozen=True, kw_only=True, gc=False):
    """One transport chain element (TCE) of a footprint: transport, or a hub (without distance)."""

    consignment_id: str
    tce_id: str
    version: int
    mode: str | None
    from_place: str | None
    to_place: str | None
    mass_kg: str | None
    distance_km: str | None
    distance_basis: str | None
    """GCD | SFD | ACTUAL"""
    daf: str | None
    factor_id: str | None
    """``PACK/ID`` of the factor, the first where there are several."""
    pack: str
    pack_version: str
    co2e_wtw_kg: str | None
    co2e_wtt_kg: str | None
    co2e_ttw_kg: str | None
    activity_tkm: str | None
    kind: str = "TRANSPORT"
    """TRANSPORT | HUB"""
    hub_type: str | None = None
    hub_activity_t: str | None = None
    prev_tce_ids: tuple[str, ...] = ()
    toc_id: str | None = None
    hoc_id: str | None = None
    planned: bool = False
    data_type: str | None = None
    primary_share: str | None = None
    """0 to 1"""
    intensity_unit: str | None = None
    intensity_wtw: str | None = None
    intensity_wtt: str | None = None
    intensity_ttw: str | None = None
    temperature_control: str | None = None
    energy: tuple[str, ...] = ()
    """``carrier;quantity;unit``: measured."""
    factors: tuple[str, ...] = ()
    complete: bool = True
    trace: tuple[str, ...] = ()
    """How the numbers came about, line by line."""
