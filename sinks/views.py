"""The views over the analyst tables: each answers a common question."""

from msgspec import Struct

from supplytwin.sinks import sensor_view
from supplytwin.sinks.derived_views import DERIVED_VIEWS
from supplytwin.sinks.documents import DUPLICATES, STANDING


class ViewSpec(Struct, frozen=True, kw_only=True):
    """A view that answers a common question."""

    name: str
    about: str
    sql: str


def _attribute(name: str) -> str:
    """SQL for the value of a `name=value` attribute; null when there is none."""
    found = f"[a FOR a IN attributes IF starts_with(a, '{name}=')][1]"
    return f"substr({found}, {len(name) + 2})"


def _attributes(name: str) -> str:
    """SQL for the list of all values of a `name=value` attribute."""
    return f"[substr(a, {len(name) + 2}) FOR a IN attributes IF starts_with(a, '{name}=')]"


_OF_TRIP = "^([A-Z0-9]+)/(.+)$"
"""Container and document in a trip's id; an identifier of others is neither."""


def _twins(view: str, about: str, subject_type: str, columns: str) -> ViewSpec:
    """The latest state of the subjects of one type."""
    return ViewSpec(
        name=view,
        about=about,
        sql=f"""
        SELECT chain_key, chain_id, {columns},
               lifecycle AS state, milestones, flags, planned_time, eta, taken_at AS since
        FROM twin_state WHERE subject_type = '{subject_type}'""",
    )


_ROLES = {
    "buyer": "BUYER", "seller": "SELLER", "carrier": "CARRIER", "declarant": "DECLARANT",
    "office": "CUSTOMS_OFFICE", "authority": "AUTHORITY", "receiver": "RECEIVER",
    "holder": "HOLDER",
}  # fmt: skip
_PARTIES = ", ".join(f"{{'role': '{role}', 'id': {name}}}" for name, role in _ROLES.items())

VIEWS: tuple[ViewSpec, ...] = (
    _twins(
        "twin_order_line",
        "One row an order line",
        "ORDER_LINE",
        f"""subject_id AS line_id, {_attributes("consignment")} AS consignment_ids,
               {_attribute("mode")} AS mode, {_attribute("to")} AS destination,
               qty_ordered, qty_received, promised_date, actual_time, delay_days, holds_open""",
    ),
    _twins(
        "twin_consignment",
        "One row a consignment: what it is the least of, what is still owed for it, its footprint",
        "CONSIGNMENT",
        """subject_id AS consignment_id, actual_time, delay_days, exposure_minor, currency,
               co2e_kg, trust""",
    ),
    _twins(
        "twin_declaration",
        "One row a customs declaration; it is held while holds_open is above 0",
        "DECLARATION",
        "subject_id AS declaration_id, holds_open",
    ),
    _twins(
        "twin_lot",
        "One row a lot; pledged = by how many warehouse receipts, then it cannot be dispatched",
        "LOT",
        f"""subject_id AS lot_id,
               coalesce({_attribute("pledged")}::INTEGER, 0) AS pledged""",
    ),
    ViewSpec(
        name="party",
        about="Who has which role at which subject, by which fact and since when; facts that are "
        "revised, retracted or in conflict are left out",
        sql=f"""{STANDING}
        SELECT chain_key, chain_id, named.id AS party_id, named.role, subject_type, subject_id,
               source, event_id, event_type, event_time AS since
        FROM (SELECT *, unnest([{_PARTIES}]) AS named FROM standing)
        WHERE named.id IS NOT NULL""",
    ),
    ViewSpec(
        name="place",
        about="Where something is said to happen to a subject: UN/LOCODE, facility or position; "
        "facts that are revised, retracted or in conflict are left out",
        sql=f"""{STANDING}
        SELECT chain_key, chain_id, coalesce(unlocode, facility, lat || ',' || lon) AS place_id,
               unlocode, facility, lat, lon, subject_type, subject_id, source, event_id,
               event_type, classifier, event_time
        FROM standing WHERE coalesce(unlocode, facility) IS NOT NULL OR lat IS NOT NULL""",
    ),
    _twins(
        "twin_trip",
        "One row a trip of a container under a booking or bill of lading",
        "EQUIPMENT_TRIP",
        f"""subject_id AS trip_id,
               nullif(regexp_extract(subject_id, '{_OF_TRIP}', 1), '') AS container_no,
               nullif(regexp_extract(subject_id, '{_OF_TRIP}', 2), '') AS document,
               {_attribute("seal")} AS seal_no,
               {_attributes("consignment")} AS consignment_ids""",
    ),
    _twins(
        "twin_leg",
        "One row a leg of a consignment; flag rolled = it was bound to another vehicle before",
        "LEG",
        f"""subject_id AS leg_id, {_attribute("mode")} AS mode,
               {_attribute("from")} AS from_place, {_attribute("to")} AS to_place,
               {_attribute("vehicle")} AS vehicle_id,
               {_attributes("consignment")} AS consignment_ids""",
    ),
    _twins(
        "twin_title",
        "One row a warehouse receipt; while it is PLEDGED its lots cannot be dispatched",
        "WAREHOUSE_RECEIPT",
        f"""subject_id AS wr_id, {_attribute("holder")} AS holder,
               {_attributes("lot")} AS lot_ids""",
    ),
    _twins(
        "twin_handling_unit",
        "One row a handling unit, and the unit or trip (TYPE:id) that it is in",
        "HANDLING_UNIT",
        f"""subject_id AS hu_id, {_attribute("inside")} AS inside,
               {_attributes("order_line")} AS line_ids, {_attributes("lot")} AS lot_ids""",
    ),
    ViewSpec(
        name="twin_sensor",
        about="One row a device, metric and unit of a subject: what was measured, and how long it "
        "was outside the bounds that came with the readings (docs/sensors.md)",
        sql=sensor_view.SQL,
    ),
    ViewSpec(
        name="orphan",
        about="Placeholders: subjects that others refer to and that nothing tells of (yet)",
        sql="""
        SELECT chain_key, chain_id, subject_type, subject_id, taken_at AS since
        FROM twin_state WHERE list_contains(flags, 'orphan')""",
    ),
    ViewSpec(
        name="chain",
        about="One row a chain: how long its journal is, when it was touched, what it consists of",
        sql="""
        SELECT j.chain_key, j.chain_id, j.entries, j.decisions, j.first_taken_at, j.last_taken_at,
               coalesce(s.consignments, 0) AS consignments, coalesce(s.lines, 0) AS lines,
               coalesce(s.late_lines, 0) AS late_lines, coalesce(s.holds_open, 0) AS holds_open
        FROM (SELECT chain_key, chain_id, max(seq) AS entries,
                     count(*) FILTER (kind = 'DECISION') AS decisions,
                     min(taken_at) AS first_taken_at, max(taken_at) AS last_taken_at
              FROM journal WHERE NOT starts_with(chain_id, '@') GROUP BY ALL) AS j
        LEFT JOIN (SELECT chain_key, chain_id,
                          count(*) FILTER (subject_type = 'CONSIGNMENT') AS consignments,
                          count(*) FILTER (subject_type = 'ORDER_LINE') AS lines,
                          count(*) FILTER (subject_type = 'ORDER_LINE' AND delay_days > 0)
                              AS late_lines,
                          sum(holds_open)::BIGINT AS holds_open
                   FROM twin_state GROUP BY ALL) AS s USING (chain_key, chain_id)""",
    ),
    ViewSpec(
        name="late_line",
        about="Order lines scheduled and delivered; late = on a later date than scheduled",
        sql=f"""
        SELECT chain_key, chain_id, subject_id AS line_id,
               {_attribute("mode_detail")} AS mode,
               {_attribute("consignment")} AS consignment_id,
               {_attribute("to")} AS destination,
               planned_time, actual_time, delay_days, delay_days > 0 AS late,
               list_contains(attributes, 'order_date=inferred') AS order_date_inferred
        FROM twin_state WHERE subject_type = 'ORDER_LINE' AND delay_days IS NOT NULL""",
    ),
    ViewSpec(
        name="settlement",
        about="Where each claim stands now: the last of its recorded transitions",
        sql="""
        SELECT chain_key, chain_id, contract_id, claim_id, settlement_id,
               arg_max(to_state, contract_seq) AS state,
               arg_max(public_state, contract_seq) AS public_state,
               arg_max(reason, contract_seq) AS reason,
               arg_max(amount_minor, contract_seq) AS amount_minor,
               arg_max(currency, contract_seq) AS currency,
               arg_max(tick_time, contract_seq) AS since
        FROM settlement_event GROUP BY ALL""",
    ),
    ViewSpec(
        name="current_footprint",
        about="The newest footprint of each consignment",
        sql="""
        SELECT chain_key, chain_id, consignment_id, max(version) AS version,
               arg_max(complete, version) AS complete,
               arg_max_null(co2e_wtw_kg, version) AS co2e_wtw_kg,
               arg_max_null(computed_wtw_kg, version) AS computed_wtw_kg,
               arg_max_null(activity_tkm, version) AS activity_tkm,
               arg_max_null(primary_share, version) AS primary_share,
               arg_max_null(data_type, version) AS data_type,
               arg_max(planned, version) AS planned,
               arg_max(packs, version) AS packs,
               arg_max_null(period_first, version) AS period_first,
               arg_max_null(period_last, version) AS period_last,
               arg_max(missing, version) AS missing
        FROM footprint GROUP BY ALL""",
    ),
    ViewSpec(
        name="current_leg",
        about="The transport chain elements of the newest footprint of each consignment",
        sql="""
        SELECT leg.* FROM leg
        JOIN current_footprint USING (chain_key, chain_id, consignment_id, version)""",
    ),
    ViewSpec(
        name="duplicate_document",
        about="Numbers of one issuer, spelling aside, that stand in several chains",
        sql=DUPLICATES,
    ),
    ViewSpec(
        name="open_exception",
        about="What is wrong now: exceptions that were opened and not closed since, and when they "
        "were opened",
        sql="""
        SELECT chain_key, chain_id, subject_type, subject_id, code, source, event_id,
               arg_max(reason, (seq, index)) AS reason, min(taken_at) AS since
        FROM (SELECT *, max((seq, index)) FILTER (NOT open) OVER (PARTITION BY
                  chain_key, chain_id, subject_type, subject_id, code, source, event_id) AS closed
              FROM exception)
        WHERE closed IS NULL OR (seq, index) > closed GROUP BY ALL""",
    ),
    *(ViewSpec(name=name, about=about, sql=sql) for name, about, sql in DERIVED_VIEWS),
)
