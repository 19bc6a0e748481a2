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
    return f"nullif(regexp_extract(visit, '^([^;]*);([^;]*);([^;]*);(.*)$', {number}), '')"


DERIVED_VIEWS: tuple[tuple[str, str, str], ...] = (
    (
        "twin_eta",
        "When each subject is expected, who said so and how long ago, and how that is against the "
        "promise; of those that have arrived, how it was",
        f"""
        SELECT {_WHO}, coalesce(eta, planned_time) AS expected,
               CASE WHEN eta IS NOT NULL THEN 'ESTIMATED' ELSE 'PLANNED' END AS basis,
               eta, eta_source, eta_stated, {_age("eta_stated")} AS eta_age_hours,
               planned_time, promised_date, promise_delay_days, delay_days, actual_time,
               arrived
        FROM twin_state WHERE coalesce(eta, planned_time) IS NOT NULL OR promised_date IS NOT NULL
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
        SELECT {_WHO}, lifecycle AS state, last_actual, {_age("last_actual")} AS silent_hours,
               steps_required, steps_inferred,
               (steps_required - steps_inferred) / nullif(steps_required, 0) AS completeness
        FROM twin_state""",
    ),
    (
        "twin_trust",
        "How far each subject can be believed: worst grade, flags, how far sources are apart "
        "(reports: code;event_time us;source/event_id, the reported one first), what is wrong",
        f"""
        SELECT {_WHO}, trust, flags, spread_hours, reports, exceptions
        FROM twin_state""",
    ),
)
"""Name, what it is, SQL."""
