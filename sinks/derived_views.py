"""Views over what is derived of each subject: docs/derived.md has the formulas.

Ages and open visits are up to the clock of the database; the times they are counted from stand
beside them for those who live in another time.
"""

_NOW = "make_timestamp(epoch_us(now()))"
"""Now, as a TIMESTAMP in UTC."""
_WHO = "chain_key, chain_id, subject_type, subject_id"


def _hours(micros: str) -> str:
    return f"({micros}) / 3.6e9"


def _age(since: str) -> str:
    return _hours(f"epoch_us({_NOW}) - epoch_us({since})")


def _part(number: int) -> str:
    """A field of a visit; the place is last, it may contain anything."""
    return f"nullif(regexp_extract(visit, '(?s)^([^;]*);([^;]*);([^;]*);(.*)$', {number}), '')"


_PARTS = f"""
        part AS (
            SELECT chain_key AS of_key, substr(unnest([a FOR a IN attributes
                       IF starts_with(a, 'consignment=')]), {len("consignment=") + 1}) AS of_id,
                   subject_type AS of_type, subject_id AS part_id, eta, eta_source, eta_stated,
                   planned_time, last_actual, trust
            FROM twin_state WHERE subject_type IN ('LEG', 'ORDER_LINE', 'EQUIPMENT_TRIP'))"""
"""What consignments consist of: they have from it what they are not told themselves."""
_LAST = """
        last_part AS (
            SELECT of_key, of_id, eta AS part_eta, eta_source AS part_source,
                   eta_stated AS part_stated, planned_time AS part_planned
            FROM part WHERE coalesce(eta, planned_time) IS NOT NULL
            QUALIFY row_number() OVER (PARTITION BY of_key, of_id ORDER BY
                coalesce(eta, planned_time) DESC, eta IS NULL, of_type, part_id) = 1)"""
"""Of each consignment the part that is expected last."""
_OF_PARTS = "subject_type = 'CONSIGNMENT' AND chain_key = of_key AND subject_id = of_id"

DERIVED_VIEWS: tuple[tuple[str, str, str], ...] = (
    (
        "twin_eta",
        "When each subject is expected, who said so and how long ago, and how that is against the "
        "promise; of those that have arrived, how it was",
        f"""
        WITH {_PARTS},
        {_LAST}
        SELECT {_WHO}, coalesce(eta, planned_time) AS expected,
               CASE WHEN eta IS NOT NULL THEN 'ESTIMATED'
                    WHEN planned_time IS NOT NULL THEN 'PLANNED' END AS basis,
               eta, eta_source, eta_stated, {_age("eta_stated")} AS eta_age_hours,
               planned_time, promised_date, promise_delay_days, delay_days, actual_time,
               arrived
        FROM (SELECT {_WHO}, coalesce(eta, part_eta) AS eta,
                     CASE WHEN eta IS NULL THEN part_source ELSE eta_source END AS eta_source,
                     coalesce(eta_stated, part_stated) AS eta_stated,
                     coalesce(planned_time, part_planned) AS planned_time,
                     promised_date, promise_delay_days, delay_days, actual_time,
                     coalesce(arrived, false) AS arrived
              FROM twin_state LEFT JOIN last_part ON {_OF_PARTS})
        WHERE coalesce(eta, planned_time) IS NOT NULL OR promised_date IS NOT NULL
        """,
    ),
    (
        "twin_dwell",
        "One row a stay at a place; stayed_hours is null where nobody has told the departure, "
        "hours counts a stay that is open up to now",
        f"""
        SELECT {_WHO}, coalesce(place, '') AS place, arrived, left_at, is_open, stayed_hours,
               CASE WHEN is_open THEN {_age("arrived")} ELSE stayed_hours END AS hours
        FROM (SELECT {_WHO}, {_part(4)} AS place,
                     make_timestamp({_part(1)}::BIGINT) AS arrived,
                     make_timestamp({_part(2)}::BIGINT) AS left_at,
                     {_hours(_part(3) + "::BIGINT")} AS stayed_hours,
                     {_part(2)} IS NULL AND place_no = visits_in_all AS is_open
              FROM (SELECT {_WHO}, unnest(visits) AS visit, len(visits) AS visits_in_all,
                           generate_subscripts(visits, 1) AS place_no
                    FROM twin_state))""",
    ),
    (
        "twin_freshness",
        "How long ago the last actual fact of each subject happened, and how much of what its "
        "state needs has been told",
        f"""
        WITH {_PARTS}
        SELECT {_WHO}, state, last_actual, {_age("last_actual")} AS silent_hours,
               steps_required, steps_inferred,
               (steps_required - steps_inferred) / nullif(steps_required, 0) AS completeness
        FROM (SELECT {_WHO}, lifecycle AS state, steps_required, steps_inferred,
                     greatest(last_actual, part_actual) AS last_actual
              FROM twin_state LEFT JOIN
                   (SELECT of_key, of_id, max(last_actual) AS part_actual FROM part GROUP BY ALL)
                   ON {_OF_PARTS})""",
    ),
    (
        "twin_trust",
        "How far each subject can be believed: worst grade, flags, how far sources are apart "
        "(reports: code;event_time us;source/event_id, the reported one first), what is wrong",
        f"""
        WITH {_PARTS}
        SELECT {_WHO}, greatest(trust, part_trust) AS trust, flags, spread_hours, reports,
               exceptions
        FROM twin_state LEFT JOIN
             (SELECT of_key, of_id, max(trust) AS part_trust FROM part GROUP BY ALL)
             ON {_OF_PARTS}""",
    ),
)
"""Name, what it is, SQL."""
