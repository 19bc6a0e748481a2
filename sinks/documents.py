"""SQL over the documents of all chains: what one chain alone cannot see."""

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


def duplicates(standing: str) -> str:
    """SQL of the documents that stand in several chains; `standing` = a WITH of that name."""
    brought = " UNION ALL ".join(
        f"SELECT chain_id, '{kind}' AS kind, {_normalised(number)} AS number,"
        f" {_normalised(issuer)} AS issuer FROM standing"
        f" WHERE classifier = 'ACTUAL' AND event_type = '{event_type}'"
        for kind, event_type, number, issuer in _DOCUMENTS
    )
    return f"""{standing}
        SELECT kind, number, issuer, list_sort(list(DISTINCT chain_id)) AS chains
        FROM ({brought}) WHERE number <> ''
        GROUP BY kind, number, issuer HAVING count(DISTINCT chain_id) > 1"""
