"""The view `twin_sensor`: the `sensor=` attributes of twin_state as rows (docs/sensors.md)."""


def _name(at: int) -> str:
    """SQL for a name, in which ``;`` and ``%`` are escaped."""
    return f"replace(replace(f[{at}], '%3B', ';'), '%25', '%')"


_LINES = "[substr(a, 8) FOR a IN attributes IF starts_with(a, 'sensor=')]"

SQL = f"""
        SELECT chain_key, chain_id, subject_type, subject_id,
               {_name(1)} AS device_id, {_name(2)} AS metric, {_name(3)} AS unit,
               f[4]::BIGINT AS readings,
               f[5]::DOUBLE AS lowest_value, f[6]::DOUBLE AS highest_value,
               f[7]::DOUBLE AS last_value, make_timestamp(f[8]::BIGINT) AS first_time,
               make_timestamp(f[9]::BIGINT) AS last_time,
               f[10]::BIGINT / 60e6 AS excursion_min,
               f[11]::BIGINT / 60e6 AS longest_excursion_min,
               f[12]::BIGINT / nullif(f[9]::BIGINT - f[8]::BIGINT, 0) AS coverage,
               make_timestamp(nullif(f[13], '')::BIGINT) AS outside_since,
               nullif(f[14], '')::DOUBLE AS lower, nullif(f[15], '')::DOUBLE AS upper,
               taken_at AS since
        FROM (SELECT *, string_split(unnest({_LINES}), ';') AS f FROM twin_state)"""
