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
            event.subject_id
            for slot in reaching(self.twin, "CONSIGNMENT", home)
            for event in everything(slot)
            if is_of(event, event.subject_id) and event.classifier == "ACTUAL" and ref in event.refs
        }
        live, released, release_back, removal_back = [], [], False, False
        for name in sorted(names):
            slots = [
                slot
                for slot in reaching(self.twin, "DECLARATION", name)
                if any(is_of(event, name) for event in everything(slot))
            ]
            value = fold("DECLARATION", name, [s for s in slots if self.counts_for(s, name)])
            for slot in slots:
                back = [
                    self.may_return(slot, lambda event: event.event_type in RELEASES),
                    self.may_return(slot, lambda event: ref in event.refs),
                ]
                release_back = release_back or any(back)
                lifted = self.may_return(slot, lambda event: event.event_type == REMOVAL)
                removal_back = removal_back or lifted
            now = [slot.effective.event for slot in slots if slot.effective is not None]
            links = [
                e for e in now if is_of(e, name) and e.classifier == "ACTUAL" and ref in e.refs
            ]
            if value.state in ("CANCELLED", "REJECTED") or not links:
                continue
            live.append((name, value))
            linked = any(happened_by(event, self.tick) for event in links)
            if linked and value.state in ("RELEASED", "CLEARED") and not value.revoked:
                released.append(name)
        return self.of_declarations(home, live, released, release_back, removal_back)

    def counts_for(self, slot, name):
        self.note_conflict(slot)
        if slot.effective is None or not is_of(slot.effective.event, name):
            return False
        kind = slot.effective.event.event_type
        if kind in (*RELEASES, REMOVAL):
            return self.counts(
                slot, lambda event: event.event_type in (*RELEASES, REMOVAL)
            ) and self.is_here(slot)
        if kind in CONTRARY:
            return self.speaks_against(slot)
        if slot.effective.event.classifier != "ACTUAL" or not self.is_here(slot):
            return False
        if kind in ENDS:
            self.against.add(slot.identity)
        return True

    def of_declarations(self, home, live, released, release_back, removal_back):
        held = ", ".join(name for name, value in live if value.holds)
        revoked = ", ".join(name for name, value in live if value.revoked)
        states = ", ".join(f"{name} is {value.state or 'not filed'}" for name, value in live)
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
        name, net, back = line.line_id, Decimal(0), False
        own = f"ORDER_LINE:{name}"

        def reaches(event):
            return (event.subject_type, event.subject_id) == ("ORDER_LINE", name) or (
                own in event.refs
            )

        def is_receipt(event):
            if event.event_type != "wh.received" or event.facility not in self.terms.warehouses:
                return False
            if not reaches(event):
                return False
            if event.line_id is not None:
                return event.line_id == name
            return all(ref == own for ref in event.refs if ref.startswith("ORDER_LINE:"))

        for slot in reaching(self.twin, "ORDER_LINE", name):
            kinds = {event.event_type for event in everything(slot) if reaches(event)}
            if not kinds & {"wh.received", "wh.receipt_reversed"}:
                continue
            self.note_conflict(slot)
            back |= self.may_return(slot, is_receipt)
            now = None if slot.effective is None else slot.effective.event
            places = (None, *self.terms.warehouses)
            back_out = now is not None and now.event_type == "wh.receipt_reversed"
            if back_out and reaches(now) and now.facility in places:
                net -= now.qty if self.speaks_against(slot) else 0
                continue
            if self.counts(slot, is_receipt) and self.is_here(slot):
                net += now.qty
                sizes = [
                    event.qty
                    for version in slot.versions
                    for event in version.contents
                    if version.arrival <= self.close and self.qualifies(slot, event, is_receipt)
                ]
                back |= max(sizes) > now.qty
        true = net >= line.qty
        by = local_date(self.claim.deadline, self.terms.zone)
        place = f"{'is in' if true else 'to be in'} the buyer's warehouse by {by}"
        why = f"{line.qty} of line {name} {place} (received {net} of {line.qty})"
        return self.leaf(f"received:{name}", why, true, back)


def everything(slot):
    return [event for version in slot.versions for event in version.contents]


def is_of(event, name):
    own = (event.TOPIC, event.subject_type, event.subject_id)
    return own == ("supply.customs", "DECLARATION", name)
