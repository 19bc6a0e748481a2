"""SQL over the documents of all chains: what one chain alone cannot see."""

from supplytwin.schemas.flow import DELEGATION

_CHAIN = "chain_key, chain_id"
_IDENTITY = f"{_CHAIN}, source, event_id"
_COPY = (
    "seq", "source_topic", "source_partition", "source_offset", "arrival", "taken_at",
    "kafka_partition", "kafka_offset",
)  # fmt: skip
"""What two records of one content may differ in."""
_ROUNDS_MAX = 99
"""Odd: after such a round none is said to stand that is not sure to."""

STANDING = f"""
        WITH RECURSIVE told AS (
            SELECT e.*, hash(*COLUMNS(e.* EXCLUDE ({", ".join(_COPY)}))) AS content,
                   correction_action IS NOT NULL AND correction_event_id IS NOT NULL
                   AND coalesce(correction_source, source) <> source
                   AND NOT list_contains([h.k FOR h IN j.headers], '{DELEGATION}') AS powerless
            FROM event AS e JOIN journal AS j USING ({_CHAIN}, seq)),
        counting AS (
            SELECT *, min(powerless) OVER same AS is_powerless,
                   min(content) OVER same <> max(content) OVER same AS is_double
            FROM told WINDOW same AS (PARTITION BY {_IDENTITY}, revision)),
        latest AS (
            SELECT * EXCLUDE (content, powerless, is_powerless, is_double),
                   is_double OR min(source_topic) OVER whole <> max(source_topic) OVER whole
                   OR classifier <> 'ACTUAL' AND bool_or(classifier = 'ACTUAL') OVER whole
                   AS conflicted
            FROM counting WINDOW whole AS (PARTITION BY {_IDENTITY})
            QUALIFY row_number() OVER (
                PARTITION BY {_IDENTITY} ORDER BY is_powerless, revision DESC, seq) = 1),
        doubted AS (
            SELECT {_CHAIN}, coalesce(t.correction_source, t.source) AS target_source,
                   t.correction_event_id AS target_id, t.revision
            FROM told AS t SEMI JOIN (FROM latest WHERE conflicted) AS l
                USING ({_IDENTITY}, revision)
            WHERE NOT t.powerless AND t.correction_action IS NOT NULL
              AND t.correction_event_id IS NOT NULL),
        aimed AS (
            SELECT {_IDENTITY}, seq, source_topic, revision, correction_event_id AS target_id,
                   coalesce(correction_source, source) AS target_source,
                   correction_action = 'RETRACT' AS retracts
            FROM latest
            WHERE correction_action IS NOT NULL AND correction_event_id IS NOT NULL
              AND NOT conflicted),
        correction AS MATERIALIZED (
            SELECT a.*,
                   (a.target_source = a.source OR list_contains([h.k FOR h IN j.headers],
                                                                '{DELEGATION}'))
                   AND (t.seq IS NULL OR t.source_topic = a.source_topic) AS by_right
            FROM aimed AS a JOIN journal AS j USING ({_CHAIN}, seq)
            LEFT JOIN latest AS t ON t.chain_key = a.chain_key AND t.chain_id = a.chain_id
                                 AND t.source = a.target_source AND t.event_id = a.target_id
            WHERE (a.target_source, a.target_id) <> (a.source, a.event_id)),
        reaching AS MATERIALIZED (
            FROM correction AS y WHERE by_right AND NOT EXISTS (
                SELECT 1 FROM correction AS x
                WHERE x.chain_key = y.chain_key AND x.chain_id = y.chain_id AND x.by_right
                  AND x.source = y.target_source AND x.event_id = y.target_id
                  AND x.target_source = y.source AND x.target_id = y.event_id
                  AND x.revision = y.revision AND (x.source, x.event_id) > (y.source, y.event_id))),
        against AS MATERIALIZED (
            SELECT x.chain_key, x.chain_id, x.seq, y.seq AS by
            FROM correction AS x JOIN reaching AS y ON y.chain_key = x.chain_key
                 AND y.chain_id = x.chain_id AND y.target_source = x.source
                 AND y.target_id = x.event_id AND y.revision >= x.revision
            WHERE x.by_right AND y.retracts),
        judged AS (
            SELECT DISTINCT {_CHAIN}, seq, true AS stands, NULL::BOOLEAN AS stood, 0 AS round
            FROM against
            UNION ALL
            SELECT a.chain_key, a.chain_id, a.seq, NOT bool_or(coalesce(y.stands, true)),
                   any_value(x.stands), any_value(x.round) + 1
            FROM against AS a JOIN judged AS x USING ({_CHAIN}, seq)
            LEFT JOIN judged AS y ON y.chain_key = a.chain_key AND y.chain_id = a.chain_id
                                 AND y.seq = a.by
            WHERE x.round < {_ROUNDS_MAX}
              AND (SELECT bool_or(stands IS DISTINCT FROM stood) FROM judged)
            GROUP BY ALL),
        fallen AS (
            SELECT {_CHAIN}, seq FROM judged QUALIFY round = max(round) OVER () AND NOT stands),
        standing AS (
            SELECT one.* FROM latest AS one
            WHERE NOT conflicted AND correction_action IS DISTINCT FROM 'RETRACT'
              AND NOT EXISTS (
                SELECT 1 FROM doubted AS d
                WHERE d.chain_key = one.chain_key AND d.chain_id = one.chain_id
                  AND d.target_source = one.source AND d.target_id = one.event_id
                  AND d.revision >= one.revision)
              AND NOT EXISTS (
                SELECT 1 FROM correction AS own
                WHERE own.chain_key = one.chain_key AND own.chain_id = one.chain_id
                  AND own.seq = one.seq AND NOT own.by_right)
              AND NOT EXISTS (
                SELECT 1 FROM (FROM reaching ANTI JOIN fallen USING ({_CHAIN}, seq)) AS other
                WHERE other.chain_key = one.chain_key AND other.chain_id = one.chain_id
                  AND other.target_source = one.source AND other.target_id = one.event_id
                  AND other.revision >= one.revision))"""
"""The facts that stand, as `processors.facts` has it: of each identity the highest revision that
has the right to what it says, unless it is in conflict: two contents, two topics, a plan above what
has happened, or the target of a correction in conflict. Corrections with authority over what they
aim at count, unless they are themselves retracted; of two that aim at each other the later one by
name stands. SQL ends where the fold goes on: in a ring of three or more corrections of one revision
no name goes before another (of those that only replace each other none stands), a doubt is not
followed from one correction to the next, and what aims at another topic hides the revision below.
"""

_DOCUMENTS = (
    ("declaration", "customs.declared", "declaration_id", "office"),
    ("MRN", "customs.accepted", "mrn", "source"),
    ("invoice", "order.invoiced", "invoice_id", "source"),
    ("lot", "wh.received", "lot_id", "source"),
    ("warehouse receipt", "wh.warehouse_receipt", "wr_id", "source"),
)
"""Kind, event type that brings it, number, issuer."""


def _normalised(column: str) -> str:
    return f"upper(regexp_replace({column}, '[^\\p{{L}}\\p{{N}}]', '', 'g'))"


def _duplicates() -> str:
    brought = " UNION ALL ".join(
        f"SELECT chain_id, '{kind}' AS kind, {_normalised(number)} AS number,"
        f" {_normalised(issuer)} AS issuer FROM standing"
        f" WHERE classifier = 'ACTUAL' AND event_type = '{event_type}'"
        for kind, event_type, number, issuer in _DOCUMENTS
    )
    return f"""{STANDING}
        SELECT kind, number, issuer, list_sort(list(DISTINCT chain_id)) AS chains
        FROM ({brought}) WHERE number <> ''
        GROUP BY kind, number, issuer HAVING count(DISTINCT chain_id) > 1"""


DUPLICATES = _duplicates()
"""The documents that stand in several chains."""
