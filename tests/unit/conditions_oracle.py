"""A second, plain reading of a claim's condition: every content is looked at, every declaration is
folded from nothing, nothing is remembered and nothing is left out.
"""

import hashlib
from decimal import Decimal

from supplytwin.processors.twin import fold, reaching
from supplytwin.schemas.localtime import day_start, happened_by, local_date, local_day

RELEASES = ("customs.released", "customs.cleared")
REMOVAL = "customs.hold_removed"
CONTRARY = ("customs.hold_placed", "customs.release_revoked")
ENDS = ("customs.cancelled", "customs.rejected")


class Reading:
    """One claim at one tick; `fields` is what a Verdict says."""

    def __init__(self, terms, claim, twin, tick):
        self.terms, self.claim, self.twin, self.tick = terms, claim, twin, tick
        self.close = claim.deadline + claim.grace_us
        self.stands, self.conflicts, self.against, self.ahead = {}, {}, set(), []
        leaves = [*self.customs(), *(self.received(line) for line in claim.lines)]
        values = [value for _, value, _ in leaves]
        value = next((one for one in ("FALSE", "UNKNOWN") if one in values), "TRUE")
        digest = hashlib.sha256()
        for identity, (slot, standing) in sorted(self.stands.items()):
            hashes = [one.hex() for one in slot.current.hashes]
            parts = [*identity, str(slot.current.revision), standing, *hashes]
            digest.update("\0".join(parts).encode() + b"\n")
        self.fields = {
            "value": value,
            "evidence": tuple(sorted("/".join(identity) for identity in self.stands)),
            "evidence_hash": digest.hexdigest(),
            "adverse": tuple(sorted(self.conflicts)),
            "adverse_ids": tuple(name for _, name in sorted(self.conflicts.items())),
            "against": tuple(sorted(self.against)),
            "leaves": tuple(leaves),
            "wakes_at": min(self.ahead) if self.ahead else None,
        }

    # -- one fact

    def in_time(self, event):
        if event.time_precision == "DAY":
            last = local_day(self.claim.deadline, self.terms.zone)
            return local_day(event.event_time, event.event_tz) <= last
        return event.event_time <= self.claim.deadline

    def qualifies(self, slot, event, test):
        corrects_without_right = event.revision in slot.powerless
        real = event.classifier == "ACTUAL" and event.correction_action != "RETRACT"
        return real and not corrects_without_right and test(event) and self.in_time(event)

    def was_in_time(self, slot, test):
        return any(
            version.arrival <= self.close and self.qualifies(slot, event, test)
            for version in slot.versions
            for event in version.contents
        )

    def counts(self, slot, test):
        now = slot.effective
        found = now is not None and self.qualifies(slot, now.event, test)
        return found and self.was_in_time(slot, test)

    def may_return(self, slot, test):
        if self.counts(slot, test):
            return not happened_by(slot.effective.event, self.tick)
        if not self.was_in_time(slot, test):
            return False
        self.against.add(slot.identity)
        self.stands.setdefault(slot.identity, (slot, "withdrawn"))
        return True

    def is_here(self, slot):
        """Not ahead of the tick: else it is waited for."""
        event = slot.effective.event
        if happened_by(event, self.tick):
            self.stands[slot.identity] = (slot, "counts")
            return True
        starts = event.event_time
        if event.time_precision == "DAY":
            starts = day_start(local_day(event.event_time, event.event_tz), event.event_tz)
        self.ahead.append(starts)
        return False

    def speaks_against(self, slot):
        if slot.effective.event.classifier != "ACTUAL":
            return False
        self.stands[slot.identity] = (slot, "contrary")
        self.against.add(slot.identity)
        return True

    def note_conflict(self, slot):
        told = [event.classifier for version in slot.versions for event in version.contents]
        if slot.conflicted and "ACTUAL" in told:
            digest = hashlib.sha256()
            for version in slot.disputed:
                digest.update(b"".join(version.hashes))
            digest.update(b"".join(doubt for _, doubt in slot.doubts))
            tail = digest.hexdigest()[:8]
            self.conflicts[slot.identity] = f"{'/'.join(slot.identity)}~{tail}"
            self.stands[slot.identity] = (slot, "conflicted")

    def leaf(self, name, why, true, may_return):
        if true:
            return name, "TRUE", why
        if self.tick <= self.close:
            return name, "UNKNOWN", f"waits for {why}"
        if may_return:
            return name, "UNKNOWN", f"a proof is withdrawn or in conflict: {why}"
        return name, "FALSE", f"too late for {why}"

    # -- customs

    def customs(self):
        home = self.claim.consignment_id
        ref = f"CONSIGNMENT:{home}"
        names = {
            name
            for slot in reaching(self.twin, "CONSIGNMENT", home)
            for event in everything(slot)
            for name in declarations_of(event)
            if is_of(event, name) and ties(event, name, ref)
        }
        live, released, release_back, removal_back = [], [], False, False
        for name in sorted(names):
            slots = [
                slot
                for slot in reaching(self.twin, "DECLARATION", name)
                if any(is_of(event, name) for event in everything(slot))
            ]
            all_that_counts = [s for s in slots if self.counts_for(s, name)]
            own = [s for s in all_that_counts if not ends_from_outside(s.effective.event, name)]
            value = fold("DECLARATION", name, own)
            everything_counts = fold("DECLARATION", name, all_that_counts)
            state = everything_counts.state
            ending = any(
                slot.effective is not None
                and slot.effective.event.event_type in ENDS
                and slot.effective.event.classifier == "ACTUAL"
                and is_of(slot.effective.event, name)
                and not happened_by(slot.effective.event, self.tick)
                for slot in slots
            )
            for slot in slots:
                back = [
                    self.may_return(slot, lambda event: event.event_type in RELEASES),
                    self.may_return(slot, lambda event: ref in event.refs),
                ]
                release_back = release_back or any(back)
                lifted = self.may_return(slot, lambda event: event.event_type == REMOVAL)
                removal_back = removal_back or lifted
            now = [slot.effective.event for slot in slots if slot.effective is not None]
            tied = [e for e in now if is_of(e, name) and ties(e, name, ref)]
            if value.state in ("CANCELLED", "REJECTED") or not tied:
                continue
            linked = any(
                happened_by(event, self.tick)
                for event in tied
                if is_about(event, name) and ref in event.refs
            )
            revoked = value.revoked or everything_counts.revoked
            live.append((name, value, state))
            if linked and state in ("RELEASED", "CLEARED") and not revoked and not ending:
                released.append(name)
        return self.of_declarations(home, live, released, release_back, removal_back)

    def counts_for(self, slot, name):
        self.note_conflict(slot)
        if slot.effective is None or not is_of(slot.effective.event, name):
            return False
        kind = slot.effective.event.event_type
        if kind in (*RELEASES, REMOVAL):
            return self.counts(
                slot,
                lambda event: (
                    event.event_type in (*RELEASES, REMOVAL)
                    and (event.subject_type, event.subject_id) == ("DECLARATION", name)
                ),
            ) and self.is_here(slot)
        if kind in CONTRARY:
            return self.speaks_against(slot)
        if slot.effective.event.classifier != "ACTUAL" or not self.is_here(slot):
            return False
        if kind in ENDS:
            self.against.add(slot.identity)
        return True

    def of_declarations(self, home, live, released, release_back, removal_back):
        held = ", ".join(name for name, value, _ in live if value.holds)
        revoked = ", ".join(name for name, value, _ in live if value.revoked)
        states = ", ".join(f"{name} is {state or 'not filed'}" for name, _, state in live)
        if released:
            why = f"declaration {', '.join(released)} of {home} is released"
        else:
            why = f"customs release of {home} ({states or 'no declaration refers to it'})"
        no_hold, no_loss = f"no customs hold is open on {home}", f"no release of {home} is revoked"
        lift = f"customs to lift the hold on {held}"
        again = f"customs to release {revoked} again: its release was revoked"
        return (
            self.leaf("release", why, bool(released), release_back),
            self.leaf("holds", lift if held else no_hold, not held, removal_back),
            self.leaf("revocation", again if revoked else no_loss, not revoked, release_back),
        )

    # -- the buyer's warehouse

    def received(self, line):
        name, back = line.line_id, False
        others = {
            claim.consignment_id
            for claim in self.terms.claims
            for one in claim.lines
            if one.line_id == name
        } - {self.claim.consignment_id}

        def is_witness(event):
            if event.event_type != "wh.received" or place_of(speaker(event)) == 2:
                return False
            return payable_line(event) == name

        def is_there(event):
            return is_witness(event) and event.facility in self.terms.warehouses

        def is_receipt(event):
            if not is_there(event):
                return False
            named = named_in(event, "CONSIGNMENT") | {event.asn}
            return not others or (self.claim.consignment_id in named and not others & named)

        on_line = reaching(self.twin, "ORDER_LINE", name)
        lots, said = {}, {}  # what a lot is or was called -> what its receipts call it
        for slot in on_line:
            if not makes_a_lot(slot) or name not in lines_it_may_be_of(slot.effective.event):
                continue
            receipt = slot.effective.event
            for known_as in self.names(slot, name, set()):
                others_of_it = [
                    one
                    for one in reaching(self.twin, "LOT", known_as)
                    if one.identity != slot.identity
                    and makes_a_lot(one)
                    and place_of(speaker(one.effective.event)) < 2
                    and known_as in lots_called(one.effective.event)
                ]
                if known_as in lots_called(receipt) or not others_of_it:
                    lots.setdefault(known_as, set()).add(receipt.lot_id)
            if slot.effective.arrival <= self.close:
                said.setdefault(receipt.lot_id, []).append((speaker(receipt), receipt.qty))
        about = {
            slot.identity: slot
            for slot in on_line
            if any(goods(event) and name in lines_in(event) for event in everything(slot))
        }
        for lot in lots:
            about |= {
                slot.identity: slot
                for slot in reaching(self.twin, "LOT", lot)
                if any(
                    event.event_type == "wh.receipt_reversed" and name not in lines_in(event)
                    for event in everything(slot)
                )
            }

        def goes_back(event):
            if event.event_type != "wh.receipt_reversed":
                return False
            if event.facility not in (None, *self.terms.warehouses):
                return False
            if name in lines_in(event):
                return True
            has_it = {
                line
                for lot in lots_called(event)
                for slot in reaching(self.twin, "LOT", lot)
                if makes_a_lot(slot) and place_of(speaker(slot.effective.event)) < 2
                for line in lines_it_may_be_of(slot.effective.event)
            }
            return bool(lots.keys() & lots_called(event)) and not lines_in(event) & has_it

        reports, returned, places = [], [], {}
        for _, slot in sorted(about.items()):
            self.note_conflict(slot)
            back |= self.may_return(slot, is_receipt)
            for version in slot.versions:
                for event in version.contents:
                    told = event.classifier == "ACTUAL" and version.arrival <= self.close
                    if told and event.revision not in slot.powerless and is_witness(event):
                        places.setdefault(event.lot_id, set()).add(place_of(speaker(event)))
            if slot.effective is None:
                continue
            now = slot.effective.event
            if goes_back(now):
                if self.speaks_against(slot):
                    of = {lot for one in lots_called(now) for lot in lots.get(one, ())}
                    lot = next(iter(of)) if len(of) == 1 else None
                    returned.append((lot, speaker(now), now.qty))
                continue
            if self.counts(slot, is_receipt) and self.is_here(slot):
                reports.append((now.lot_id, speaker(now), now.qty))
                sizes = [
                    event.qty
                    for version in slot.versions
                    for event in version.contents
                    if version.arrival <= self.close and self.qualifies(slot, event, is_receipt)
                ]
                back |= max(sizes) > now.qty
                continue
            told_in_time = now.classifier == "ACTUAL" and slot.effective.arrival <= self.close
            if told_in_time and is_there(now):
                reports.append((now.lot_id, speaker(now), Decimal(0)))
        net = Decimal(0)
        for lot in {one[0] for one in reports}:
            of_lot = [(who, qty) for one, who, qty in reports if one == lot]
            first = min(places.get(lot, set()) | {place_of(who) for who, _ in of_lot})
            heard = {who for who, _ in of_lot if place_of(who) == first}
            sums = [sum(qty for one, qty in of_lot if one == who) for who in heard]
            gone = sum(qty for one, _, qty in returned if one == lot)
            net += max(min(sums, default=Decimal(0)) - gone, Decimal(0))
        for lot, who in {one[:2] for one in returned}:
            gone = sum(qty for *of, qty in returned if of == [lot, who])
            believable = {one for one, _ in said.get(lot, ()) if place_of(one) < 2 or one == who}
            most = max(
                (sum(q for w, q in said[lot] if w == one) for one in believable), default=Decimal(0)
            )
            net -= max(gone - most, Decimal(0))
        true = net >= line.qty
        by = local_date(self.claim.deadline, self.terms.zone)
        place = f"{'is in' if true else 'to be in'} the buyer's warehouse by {by}"
        why = f"{line.qty} of line {name} {place} (received {net} of {line.qty})"
        return self.leaf(f"received:{name}", why, true, back)

    def names(self, slot, line, seen):
        """Whatever the lot of an identity was ever called, and of those that it supersedes if they
        are of the line.
        """
        if slot.identity in seen:
            return set()
        seen.add(slot.identity)
        found = set()
        for event in everything(slot):
            if goods(event):
                found |= lots_called(event)
            if event.correction_event_id is not None:
                target = (event.correction_source or event.source, event.correction_event_id)
                older = self.twin.facts.slots.get(target)
                if older is not None and any(
                    goods(one) and line in lines_in(one) for one in everything(older)
                ):
                    found |= self.names(older, line, seen)
        return found


def makes_a_lot(slot):
    now = slot.effective
    return now is not None and (now.event.event_type, now.event.classifier) == (
        "wh.received",
        "ACTUAL",
    )


def lines_it_may_be_of(receipt):
    line = payable_line(receipt)
    return lines_in(receipt) if line is None else {line}


def lots_called(event):
    return named_in(event, "LOT") | {event.lot_id}


def place_of(source):
    """Warehouses first, then those that are simulated; nobody else counts."""
    if source.split(":")[0] == "wms":
        return 0
    return 1 if source.split(":")[:2] == ["simulated", "wms"] else 2


def speaker(event):
    """A correction is told in the name of the one whom it corrects."""
    return event.source if event.correction_source is None else event.correction_source


def goods(event):
    return event.event_type in ("wh.received", "wh.receipt_reversed")


def named_in(event, kind):
    names = {ref.partition(":")[2] for ref in event.refs if ref.startswith(f"{kind}:")}
    return names | ({event.subject_id} if event.subject_type == kind else set())


def lines_in(event):
    return named_in(event, "ORDER_LINE")


def payable_line(event):
    """The one line that a receipt may pay; one about another line pays none."""
    lines = lines_in(event)
    if event.line_id is not None:
        lines &= {event.line_id}
    if event.subject_type == "ORDER_LINE":
        lines = lines if lines == {event.subject_id} else set()
    return next(iter(lines)) if len(lines) == 1 else None


def everything(slot):
    return [event for version in slot.versions for event in version.contents]


def is_about(event, name):
    own = (event.TOPIC, event.subject_type, event.subject_id)
    return own == ("supply.customs", "DECLARATION", name)


def is_of(event, name):
    """About the declaration; or against it, with a reference to it."""
    refers = f"DECLARATION:{name}" in event.refs
    return is_about(event, name) or (refers and event.event_type in (*CONTRARY, *ENDS))


def declarations_of(event):
    named = {ref.partition(":")[2] for ref in event.refs if ref.startswith("DECLARATION:")}
    return named | ({event.subject_id} if event.subject_type == "DECLARATION" else set())


def ties(event, name, consignment):
    """Whether a fact of the declaration says that it is one of the consignment's."""
    if event.classifier != "ACTUAL":
        return False
    named = consignment in (f"{event.subject_type}:{event.subject_id}", *event.refs)
    if event.event_type in CONTRARY:
        return named
    return is_about(event, name) and consignment in event.refs


def ends_from_outside(event, name):
    return event.event_type in ENDS and not is_about(event, name)
