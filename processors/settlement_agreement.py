"""What a claim's row may read of the terms: the one place where the table meets the contract."""

from msgspec import Struct

from supplytwin.processors.settlement_state import Claim
from supplytwin.schemas.calendars import Execution, calendar, execution
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import Receipt
from supplytwin.schemas.terms import COMMITMENT, UNDERTAKING, ClaimTerms, Disputes, Terms


class Agreement(Struct, frozen=True, kw_only=True, gc=False):
    """The terms that one claim is under, as guards and effects ask for them."""

    terms: Terms
    promise: ClaimTerms
    """The claim's own, with the deadline that is in force."""

    @property
    def contract_id(self) -> str:
        """Of the contract."""
        return self.terms.contract_id

    @property
    def rule_version(self) -> str:
        """By which rules the claim is decided."""
        return f"{self.terms.template}/{self.terms.template_version}"

    @property
    def debtor(self) -> str:
        """The buyer's account."""
        return self.terms.buyer.account

    @property
    def creditor(self) -> str:
        """The seller's account."""
        return self.terms.seller.account

    @property
    def zone(self) -> str:
        """In which local dates are told."""
        return self.terms.zone

    @property
    def needs(self) -> tuple[str, ...]:
        """Rules that somebody else has to grant."""
        return self.terms.needs

    @property
    def close(self) -> int:
        """The last instant at which evidence for the claim may arrive."""
        return self.terms.close(self.promise)

    @property
    def long_stop(self) -> int:
        """After it nothing is instructed any more."""
        return self.terms.long_stop

    @property
    def challenge_us(self) -> int:
        """How long the window after a match is open; 0 = there is none."""
        return self.promise.challenge_us

    @property
    def on_false(self) -> str:
        """EXPIRE | HOLD: what becomes of a claim whose condition can no longer become true."""
        return self.promise.on_false or self.terms.on_false

    @property
    def tolls(self) -> bool:
        """Whether deadlines stand still while the claim is HELD."""
        return self.terms.hold_tolls_deadline

    @property
    def funding_mode(self) -> str:
        """PREFUNDED_HOLD | BANK_UNDERTAKING | COMMITMENT_ONLY."""
        return self.terms.funding_mode

    @property
    def committed_only(self) -> bool:
        """Nothing is held at the rail: the buyer's word is all there is."""
        return self.funding_mode == COMMITMENT

    @property
    def undertaken(self) -> bool:
        """A bank gives its word: a person records it, or the rail confirms it."""
        return self.funding_mode == UNDERTAKING

    @property
    def auto_renew(self) -> bool:
        """Whether a hold that runs out before the close is renewed."""
        return self.terms.auto_renew

    @property
    def disputes(self) -> Disputes | None:
        """Who may dispute and who decides; None = nobody may."""
        return self.terms.disputes

    @property
    def attempts_max(self) -> int:
        """How often a payment is tried, as agreed."""
        return self.terms.attempts_max

    @property
    def status_sla_us(self) -> int:
        """How long an instruction may stay without a status."""
        return self.terms.status_sla_us

    def execution(self, at: int) -> Execution | None:
        """The day on which the bank is asked to pay what is instructed at `at`, us UTC; None = the
        terms have no calendar, or theirs does not know the day.
        """
        full = self.terms.full
        if full is None:
            return None
        agreed = full.calendar
        try:
            days = calendar(agreed.id)
            return execution(Micros(at), days, agreed.zone, agreed.cut_off)
        except RecordError:
            return None

    @property
    def release_reviewers(self) -> int:
        """How many persons release a claim that is HELD."""
        return self.terms.release_reviewers


def named(terms: Terms, claim: Claim) -> ClaimTerms | None:
    """What the terms say about a claim; None = they do not name it."""
    own = (claim.tranche_id, claim.claim_id)
    return next((one for one in terms.claims if (one.tranche_id, one.claim_id) == own), None)


def known_deadline(terms: Terms, claim: Claim) -> int:
    """The deadline of a claim as far as it is known: later by the times that are over in which it
    stood still, not by one that goes on. Nothing is extended beyond the long stop.
    """
    agreed = named(terms, claim)
    assert agreed is not None
    return min(agreed.deadline + claim.tolled_us, terms.long_stop - agreed.grace_us)


def hold_fits(agreed: Agreement, claim: Claim, receipt: Receipt, at: int) -> bool:
    """Whether a hold that is confirmed at tick time `at` is enough, stands for long enough, and was
    not lost before it was confirmed.
    """
    enough = (receipt.amount_minor or 0) >= max(1, claim.reserve_minor)
    if receipt.currency != claim.currency or not enough:
        return False
    return claim.hold_lost_no < receipt.hold_no and lasts(agreed, claim, receipt.hold_expires, at)


def lasts(agreed: Agreement, claim: Claim, expires: int | None, at: int) -> bool:
    """Whether a hold that runs out then still stands at `at`, and beyond the close, renewed if that
    is agreed. While the deadline stands still, the close is the one that is known: held against the
    last that is possible, no hold would be long enough.
    """
    if expires is None or expires <= at:
        return expires is None
    close = known_deadline(agreed.terms, claim) + agreed.promise.grace_us
    return expires > close or agreed.auto_renew
