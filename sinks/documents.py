"""SQL over the documents of all chains: what one chain alone cannot see."""

STANDING = """
        WITH latest AS (
            SELECT * FROM event
            QUALIFY row_number() OVER (PARTITION BY chain_key, chain_id, source, event_id
                                       ORDER BY revision DESC, seq) = 1),
        standing AS (
            SELECT * FROM latest AS one
            WHERE correction_action IS DISTINCT FROM 'RETRACT' AND NOT EXISTS (
                SELECT 1 FROM latest AS other
                WHERE other.chain_key = one.chain_key AND other.chain_id = one.chain_id
                  AND other.source = one.source AND other.source_topic = one.source_topic
                  AND other.correction_event_id = one.event_id
                  AND coalesce(other.correction_source, other.source) = one.source
                  AND other.revision >= one.revision AND other.event_id <> one.event_id))"""
"""Facts as their own sources leave them: what was revised or retracted by them is left out."""

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
