"""What the terms of a contract say to the evidence of one claim: what it is about, who may tell
what, and what is known besides the twin. Data alone: nothing here looks at a fact.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct, field

from supplytwin.processors.condition_view import Assent, Ordered, Scope
from supplytwin.processors.fixing import Fixing
from supplytwin.processors.signed import Counts, Nothing
from supplytwin.schemas.condition import Condition

MEASURED_BY: Mapping[str, tuple[str, ...]] = {
    "SHIPPED": ("CARRIER", "INSPECTOR", "SELLER", "WAREHOUSE"),
    "RECEIVED": ("INSPECTOR", "WAREHOUSE"),
    "ACCEPTED": ("BUYER",),
}
"""Measure -> the roles whose word a quantity is taken by, where the terms say nothing else."""
WHATEVER = "*"
Judgements = Mapping[bytes, Counts | Nothing]
"""Content hash (`slots.Version.hashes`) -> the best verdict on a record that carried it."""


class Attester(Struct, frozen=True, kw_only=True, gc=False):
    """A source that the terms list. Of several rows for one source the roles add up; they must be
    of one organisation.
    """

    source: str
    """Its name; shell wildcards over the whole name."""
    organisation: str
    roles: tuple[str, ...]
    sites: tuple[str, ...] = ()
    """Facilities or UN/LOCODEs that it may tell of; () = any."""


class ClaimLine(Struct, frozen=True, kw_only=True, gc=False):
    """An order line of the claim; how much was ordered of it stands in the scope."""

    line: str
    rivals: tuple[str, ...] = ()
    """Other consignments that the contract pays for it: their goods are not this claim's."""


class Approved(Struct, frozen=True, kw_only=True, gc=False):
    """An assent, and the hash of exactly what was approved."""

    assent: Assent
    of: str


class Footprinted(Struct, frozen=True, kw_only=True, gc=False):
    """The footprint of a consignment as the facts of now give it."""

    input_hash: str
    """Hex SHA-256 of inputs, factors and method: what a verifier names."""
    co2e_wtw_kg: Decimal | None
    """None = it could not be computed whole, or only by a plan."""
    activity_tkm: Decimal | None


class ClaimAsked(Struct, frozen=True, kw_only=True, gc=False):
    """All that `condition_facts.evidence_of` is asked for."""

    condition: Condition
    scope: Scope
    fixing: Fixing | None = None
    """By which its amount is unconditional: goods that are first heard of later are none that it is
    about. None = it is not.
    """
    consignment_id: str | None = None
    lots: tuple[str, ...] = ()
    """The claim is of these lots alone; () = of whatever comes of its lines."""
    lines: tuple[ClaimLine, ...] = ()
    ordered: tuple[Ordered, ...] = ()
    """All lines of the terms, the claim's and others."""
    attesters: tuple[Attester, ...] = ()
    min_assurance: str = "UNSIGNED"
    """One of EVIDENCE_ASSURANCE: what is told with less counts for nothing."""
    measured_by: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MEASURED_BY)
    customs_roles: tuple[str, ...] = ("CUSTOMS",)
    """Who may link a declaration with the claim, lift a hold and settle duty."""
    warehouses: tuple[str, ...] = ()
    """Facilities that are the buyer's."""
    controllers: Mapping[str, str] = {}
    """Holder of a title -> its role in the contract."""
    signatures: Judgements = {}
    hmac_allowed: bool = False
    """By which rule the signatures are judged: the same ones may count for something else by the
    other."""
    settled: Mapping[str, int] = {}
    """Tranche -> when it was settled, us UTC."""
    unique: Mapping[tuple[str, str], bool] = {}
    """(type, number) of a document -> whether it backs no other live contract."""
    approvals: tuple[Approved, ...] = ()
    approves: str = ""
    """The hash of what stands to be approved now: an assent to anything else has lapsed.
    `WHATEVER` = none lapses any more."""
    approvers: tuple[tuple[str, str], ...] = ()
    """(organisation, role) of those who may agree."""
    footprints: Mapping[str, Footprinted] = {}
    """By consignment."""
    adjusts_by: str = ""
    """The measure of footprints that the amount depends on; "" = none."""
    measures_open: bool = False
    """Series over windows that are not over are measured, too: for people, as nothing can follow
    from them."""
