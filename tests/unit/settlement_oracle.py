"""A second, plain reading of the state table: one branch per row, no table, no shared code.

It is told what happens and what the condition's verdict is, and says which row fires, where the
claim goes and where its money stands. It knows nothing of instructions, records or restores. Of
refused records it reads the rule of the quarantine: who deals with them clears nothing else, so
that only a claim against which nothing else has stood goes on without its review.

A hold that has run out is read from row 26 of the failure catalogue ("shrinks or expires at the
rail: back to CREATED"): at a cut it is as if the rail had told that it is lost, rows 6 and 41. A
hold has to last beyond the close by the intervals that are closed (row 2 and "effective deadline =
deadline + the closed HELD intervals"), also while another one is open.
"""

PRE = {"RESERVED", "MATCHED", "APPROVED"}
LIVE = {"INSTRUCTED", "ACCEPTED", "IN_DOUBT"}
FLYING = LIVE | {"CANCEL_PENDING"}
BEFORE = PRE | {"CREATED", "HELD"}
ENDED = {"SETTLED", "RETURNED", "VOIDED", "EXPIRED", "CLOSED"}
DESK = "supplytwin:quarantine/"
"""Before the place of a refused record: the id under which it stands against a claim."""
TRY_AGAIN = {"AB05", "AB06", "AB07", "AB08", "AM04", "AM21", "ED05", "TM01"}


class Claim:
    """One claim of the oracle."""

    def __init__(self, name, terms, promise):
        self.name, self.terms, self.promise = name, terms, promise
        self.amount = promise.amount_minor
        self.agreed_close = promise.deadline + promise.grace_us
        self.still_since, self.lost = None, 0
        self.state = "CREATED"
        self.attempt, self.sent = 1, 0
        self.hold_no, self.answered, self.live, self.expires = 1, False, False, None
        self.funding_due = terms.funding_deadline
        self.origin, self.window = None, None
        self.recalls, self.refused, self.refused_attempt, self.overpaid = 0, 0, 0, 0
        self.broken = self.awaits_entry = False
        self.entries, self.returns = {}, {}
        self.raised, self.cleared, self.noted, self.claimed = {}, set(), set(), None
        self.reserved = self.in_flight = self.seller = 0
        self.released, self.status_at = {}, 0

    # -- pieces

    def give_up(self, now):
        """To the buyer what is reserved, and RELEASE."""
        self.reserved = 0
        if self.live or not self.answered:
            self.let_go(now)

    def let_go(self, now):
        self.live = False
        self.released[self.hold_no] = now

    def ask_another(self):
        """RESERVE of the next hold; nothing is held or reserved before it is confirmed."""
        self.hold_no, self.answered = self.hold_no + 1, False
        self.live, self.expires, self.reserved = False, None, 0

    def funded_until(self):
        """None: until the close, wherever that is."""
        return self.close if self.funding_due is None else self.funding_due

    def is_enough(self, r, now):
        """Whether a confirmed hold covers the claim until its close, or until it is renewed."""
        covers = r.currency == "USD" and (r.amount_minor or 0) >= max(1, self.amount)
        least = now if self.terms.auto_renew else max(now, self.known_close)
        return covers and (r.hold_expires is None or r.hold_expires > least)

    def take_hold(self, r):
        self.answered, self.live, self.expires = True, True, r.hold_expires
        self.reserved = self.amount

    def hold_stands(self, now):
        return self.live and (self.expires is None or now < self.expires)

    def hold_lasts(self, now):
        """Until an answer may be awaited, too."""
        return self.hold_stands(now + self.terms.status_sla_us)

    @property
    def close(self):
        """The agreed close, later by the time lost to refused records; within the long stop."""
        return self.known_close if self.still_since is None else self.terms.long_stop

    @property
    def known_close(self):
        """By the time that was lost until now, without what is being lost."""
        return min(self.agreed_close + self.lost, self.terms.long_stop)

    def in_quarantine(self):
        """Refused records of the chain that nobody has dealt with yet."""
        return {key for key in self.raised if key.startswith(DESK) and key not in self.cleared}

    def clear(self, ids, now):
        """These ids stand no longer; with the last refused record the clock goes on."""
        self.cleared |= set(ids)
        if self.still_since is not None and not self.in_quarantine():
            self.lost += now - self.still_since
            self.still_since = None

    def paid(self):
        """What the one payment brought the seller, returned or not."""
        return self.seller + sum(self.returns.values()) - self.overpaid

    def kept(self):
        """The rail has refused to give back the running attempt."""
        return self.refused_attempt == self.attempt

    def quiet(self, since, now):
        return now > since + self.terms.status_sla_us


class Oracle:
    """The contract of one chain."""

    def __init__(self, terms, names):
        self.terms = terms
        self.claims = {}
        for name, promise in zip(names, terms.claims, strict=True):
            self.claims[name] = Claim(name, terms, promise)
            if promise.amount_minor == 0:
                self.claims[name].state = "CLOSED"  # row 37 before row 1
        self.frozen_by = set()
        self.cancelled = {}

    @property
    def terminated(self):
        return len(self.cancelled) == 2

    @property
    def active(self):
        return not self.terminated and any(c.state not in ENDED for c in self.claims.values())

    def adverse(self, claim, verdict):
        """Uncleared adverse ids: conflicts, holds by people, breaks, freezes by other claims."""
        ids = set(verdict.adverse_ids) if verdict is not None else set()
        ids |= set(claim.raised) | {f"settlement/{n}" for n in self.frozen_by if n != claim.name}
        return ids - claim.cleared

    def only_records(self, claim, verdict):
        """Nothing but refused records stands against it: for their sake alone it is held, and goes
        on without a review when the last of them is dealt with.
        """
        return self.adverse(claim, verdict) <= claim.in_quarantine()

    def joined_by_more(self, claim, verdict):
        """Something else has come to stand against a claim that is held for records alone: from
        then on it needs its review, whatever becomes of either.
        """
        joined = claim.state == "HELD" and claim.origin == "QUARANTINED"
        if not joined or self.only_records(claim, verdict):
            return False
        claim.origin = "RISK"
        return True

    # ---- receipts

    def receipt(self, r, now):
        """(verdict, row, claim name) of one receipt with a new id."""
        claim = self.claims.get(r.settlement_id)
        if claim is None or r.contract_id != self.terms.contract_id:
            return "ILLEGAL", None
        kind = {"QUERY": "PAY"}.get(r.kind, r.kind)
        handler = getattr(self, f"_{kind.lower()}_{r.rail_status.lower()}", None)
        if handler is None:
            return "ILLEGAL", None
        before, seller = claim.state, claim.seller
        row = handler(claim, r, now)
        self._remember(claim, r, before, seller)
        if row is None:
            return "ILLEGAL", None
        return ("STALE", None) if row == 36 else ("TAKEN", row)

    def _remember(self, claim, r, before, seller):
        """Bookings and returns are facts, whatever the table does with them."""
        if r.kind not in ("PAY", "QUERY") or r.amount_minor is None or r.currency is None:
            return
        if r.rail_status in ("ACSC", "BOOKED"):
            told = (r.attempt, r.amount_minor, r.currency)
            if r.entry_id is not None:
                claim.entries.pop(("status", r.attempt), None)
                claim.entries[r.entry_id] = told
            elif not any(one[0] == r.attempt for one in claim.entries.values()):
                claim.entries["status", r.attempt] = told
        elif r.rail_status == "RETURNED" and r.return_id is not None:
            paid = before in ("SETTLED", "RETURNED")
            fits = r.currency == "USD" and not (paid and r.amount_minor > seller)
            claim.returns[r.return_id] = r.amount_minor if fits else 0

    def _reserve_confirmed(self, c, r, now):
        if r.hold_no < c.hold_no or (r.hold_no == c.hold_no and c.answered):
            return 36
        if r.hold_no > c.hold_no:
            return None
        if c.state in ("CREATED", "HELD"):
            row = {"CREATED": 2, "HELD": 41}[c.state]
            c.answered = True
            if c.is_enough(r, now):
                c.take_hold(r)
                c.state = "RESERVED" if row == 2 else c.state
                return row
            c.let_go(now)
            if row == 41:
                c.ask_another()
                c.funding_due = None
                return 41
            if now <= c.funded_until():
                c.ask_another()
            return 38
        if c.state in ENDED:
            c.answered = True
            c.let_go(now)
            return 39
        return None

    def _reserve_refused(self, c, r, now):
        if r.hold_no < c.hold_no:
            return 36
        if r.hold_no == c.hold_no and (c.answered or c.state in ENDED):
            return 36
        if r.hold_no == c.hold_no and c.state == "CREATED":
            c.state = "VOIDED"
            return 3
        return None

    def _pending(self, c, r, now):
        if 1 <= r.attempt < c.attempt:
            return 36
        if c.state in ("INSTRUCTED", "IN_DOUBT"):
            if r.attempt != c.attempt or c.broken:
                return None
            c.state, c.status_at = "ACCEPTED", now
            return 22
        return 36 if 1 <= r.attempt <= c.sent else None

    _pay_actc = _pay_accp = _pay_acsp = _pay_acwc = _pay_pdng = _pending

    def _booked(self, c, r, now):
        fits = r.currency == "USD" and r.amount_minor == c.amount
        told = r.currency == "USD" and r.amount_minor == c.paid()
        usable = r.currency == "USD" and (r.amount_minor or 0) > 0
        mine = [key for key, told in c.entries.items() if told[0] == r.attempt]
        twin = r.entry_id is None or mine == [("status", r.attempt)]
        pair = [c.entries[key][1:] for key in mine] if twin else []
        key = r.entry_id or ("status", r.attempt)
        same = told or r.amount_minor is None or (r.amount_minor, r.currency) in pair
        believed = r.entry_id is None or c.state not in BEFORE
        if key in c.entries or (pair and same and believed) or (c.awaits_entry and told):
            c.awaits_entry = c.awaits_entry and not told
            return 36
        if c.state in FLYING:
            if not fits or c.broken:
                c.state, c.broken, c.status_at = "IN_DOUBT", True, now
                return 50
            back = min(c.amount, sum(c.returns.values()))
            c.in_flight, c.seller = 0, c.amount - back
            if r.attempt < c.attempt and c.live:  # out of which hold, nobody knows
                c.let_go(now)
            c.state = "RETURNED" if back == c.amount else "SETTLED"
            return 23
        if c.state in ("SETTLED", "RETURNED"):
            if pair:
                return 50
            c.seller += r.amount_minor if usable else 0
            c.overpaid += r.amount_minor if usable else 0
            return 53
        if not usable:
            return self._strange(c, r)
        if c.state in BEFORE:
            self._unordered(c, r.amount_minor, now)
            c.state = "SETTLED"
            return 48
        return self._after_end(c, r)

    _pay_acsc = _pay_booked = _booked

    def _unordered(self, c, paid, now):
        held = c.live or not c.answered
        c.reserved, c.seller = 0, c.seller + paid
        if held:
            c.let_go(now)

    def _strange(self, c, r):
        """Money that nobody can post stands against a claim that is not paid yet."""
        if c.state not in BEFORE:
            return None
        key = f"{r.source}/{r.input_id}"
        c.raised[key] = ""
        c.noted.add(key)
        if c.state not in PRE:
            self.joined_by_more(c, None)
            return 54
        c.state, c.origin = "HELD", "RISK"
        return 12

    def _after_end(self, c, r):
        if c.state == "CLOSED":
            return None
        self._remember(c, r, c.state, c.seller)
        booked = sum(told[1] for told in c.entries.values() if told[2] == "USD")
        c.seller = max(0, booked - sum(c.returns.values()))
        return 49

    def _pay_rjct(self, c, r, now):
        if 1 <= r.attempt < c.attempt:
            return 36
        if c.state in ("SETTLED", "RETURNED"):
            return 53
        if c.state in ("VOIDED", "EXPIRED"):
            return 36 if 1 <= r.attempt <= c.sent else None
        if c.state not in FLYING or r.attempt != c.attempt or c.broken:
            return None
        recalled = c.state == "CANCEL_PENDING"
        again = (
            not recalled and not c.kept() and r.rail_reason in TRY_AGAIN
            and c.attempt < self.terms.attempts_max and c.hold_stands(now)
            and self.active and now <= self.terms.long_stop
        )  # fmt: skip
        c.attempt += 1
        c.reserved, c.in_flight = c.in_flight, 0
        over = self.terminated or now > self.terms.long_stop
        if c.in_quarantine() and not over and now <= c.close:
            c.still_since = now
        if again:
            c.state = "APPROVED"
            return 24
        if over:
            c.state = "VOIDED"
            c.give_up(now)
        else:
            c.state, c.origin = "HELD", "REJECTED"
        return 45 if recalled else 25

    def _pay_not_found(self, c, r, now):
        if 1 <= r.attempt < c.attempt or (c.state in ENDED and 1 <= r.attempt <= c.sent):
            return 36
        if c.state not in ("INSTRUCTED", "IN_DOUBT") or r.attempt != c.attempt or c.broken:
            return None
        if c.kept():
            c.state = "CANCEL_PENDING"
            c.recalls += 1
        else:
            c.state = "INSTRUCTED"
        c.status_at = now
        return 44

    def _pay_returned(self, c, r, now):
        if r.return_id in c.returns:
            return 36
        back = r.amount_minor or 0
        if r.return_id is None or back <= 0:
            return None
        own = r.currency == "USD"
        if c.state in FLYING and (not own or c.broken or back > c.amount):
            c.state, c.broken = "IN_DOUBT", True
            c.status_at = now
            return 50
        if not own:
            return self._strange(c, r)
        if c.state == "SETTLED":
            if back > c.seller:
                return None
            c.seller -= back
            c.state = "SETTLED" if c.seller else "RETURNED"
            return 31
        if c.state in ("EXPIRED", "VOIDED"):
            return self._after_end(c, r)
        if c.state == "RETURNED" and back <= c.seller:
            c.seller -= back
            return 31
        if c.state in ("RETURNED", "CLOSED"):
            return None
        row = 47 if c.state in FLYING else 48
        paid = c.amount if row == 47 else max(back, c.amount if c.sent else 0)
        if row == 47:
            c.in_flight, c.seller = 0, paid
        else:
            self._unordered(c, paid, now)
        c.seller -= back
        c.awaits_entry = True
        c.state = "RETURNED" if back == paid else "SETTLED"
        return row

    def _release_released(self, c, r, now):
        if c.released.get(r.hold_no) is not None:
            c.released[r.hold_no] = None
            return 42
        return self._released_before(c, r)

    def _release_failed(self, c, r, now):
        if c.released.get(r.hold_no) is not None:
            c.released[r.hold_no] = now
            return 42
        return self._released_before(c, r)

    def _released_before(self, c, r):
        """None in `released` = the rail has confirmed it."""
        if r.hold_no in c.released:
            return 36
        return 36 if r.hold_no < c.hold_no else None

    def _recall_cncl(self, c, r, now):
        if 1 <= r.attempt < c.attempt:
            return 36
        if c.state in ("SETTLED", "RETURNED"):
            return 53
        if c.state in ("VOIDED", "EXPIRED"):
            return 36 if 1 <= r.attempt <= c.sent else None
        if c.state not in FLYING or r.attempt != c.attempt or c.broken:
            return None
        c.state, c.in_flight = "VOIDED", 0
        c.let_go(now)
        return 29

    def _recall_answer(self, c, r, now, refused):
        known = 1 <= r.recall_no <= c.recalls
        decided = r.recall_no < c.recalls or r.recall_no <= c.refused
        if known and (decided or c.state not in ("CANCEL_PENDING", "SETTLED", "RETURNED")):
            return 36
        if c.state in ("SETTLED", "RETURNED"):
            return 53
        if c.state != "CANCEL_PENDING" or not known:
            return None
        if refused:
            c.state, c.refused = "IN_DOUBT", r.recall_no
            c.refused_attempt = c.attempt
        c.status_at = now
        return 30

    def _recall_rjcr(self, c, r, now):
        return self._recall_answer(c, r, now, True)

    def _recall_noor(self, c, r, now):
        return self._recall_answer(c, r, now, False)

    # ---- people

    def review(self, v, now, verdict):
        """(verdict, [(claim, row)]) of one review with a new id."""
        if v.verdict == "CANCEL":
            return self._cancel(v, now)
        if v.settlement_id == "*":
            return self._of_a_record(v, now)
        c = self.claims.get(v.settlement_id)
        row = None if c is None else self._reviewed(c, v, now, verdict)
        return ("ILLEGAL", []) if row is None else ("TAKEN", [(c.name, row)])

    def _cancel(self, v, now):
        if v.role not in ("BUYER", "SELLER") or not self.active or not v.reviewer:
            return "ILLEGAL", []
        if v.role in self.cancelled or v.reviewer in self.cancelled.values():
            return "ILLEGAL", []
        self.cancelled[v.role] = v.reviewer
        moved = []
        for c in self.claims.values() if self.terminated else ():
            if c.state in BEFORE:
                c.state = "VOIDED"
                c.give_up(now)
                moved.append((c.name, 34))
            elif c.state in LIVE and not c.kept() and not c.broken:
                self._recall(c, now)
                moved.append((c.name, 28))
        return ("TAKEN" if moved else "NOTED"), moved

    def _of_a_record(self, v, now):
        """A record under the chain's key was refused (only the worker says so), or a person has
        dealt with one: every claim that is not yet instructed hears of it.
        """
        by_desk = v.source + "/" == DESK
        rule = {
            ("QUARANTINE", True): self._refused,
            ("RELEASE_RECORD", False): self._dealt_with, ("DROP_RECORD", False): self._dealt_with,
        }.get((v.verdict, by_desk))  # fmt: skip
        if rule is None:
            return "ILLEGAL", []
        rows = [(c.name, rule(c, v, now)) for c in self.claims.values()]
        moved = [(name, row) for name, row in rows if row is not None]
        return ("TAKEN" if moved else "NOTED"), moved

    def _refused(self, c, v, now):
        """Held, and its clock stands still from the first refused record on, unless it has run out;
        while a payment is under way it stands for the day on which the claim comes back.
        """
        if c.state in ENDED:
            return None
        key = f"{v.source}/{v.input_id}"
        c.raised[key] = v.reviewer
        c.noted.add(key)
        if c.state in FLYING:
            return None if c.state in LIVE else 54
        if c.still_since is None and now <= c.close:
            c.still_since = now
        if c.state not in PRE:
            return 54
        c.state, c.origin = "HELD", "QUARANTINED" if self.only_records(c, None) else "RISK"
        return 12

    def _dealt_with(self, c, v, now):
        """The claim goes on when nothing else stands against it, nor has since it was held; but not
        past the long stop.
        """
        records = {key for key in v.cleared_ids if key.startswith(DESK)}
        named = self.adverse(c, None) & records
        if not named or c.state in ENDED:
            return None
        if c.state in LIVE:
            c.cleared |= named
            return None
        alone = named == self.adverse(c, None)
        another = self._is_another(c, v)
        c.clear(records, now)
        held = c.state == "HELD" and c.origin == "QUARANTINED"
        if not (held and alone and another and now <= self.terms.long_stop):
            return 54
        c.state, c.origin = "RESERVED", None
        self._unfunded(c)
        return 13

    def _unfunded(self, c):
        """Row 13 for a claim whose hold is gone: it has until its close to be funded."""
        if not c.live:
            c.state, c.funding_due = "CREATED", None

    def _is_another(self, c, v):
        """Four eyes: a named person, and nobody who raised what still stands."""
        raisers = {who for key, who in c.raised.items() if key not in c.cleared}
        return bool(v.reviewer) and v.reviewer not in raisers

    def _recall(self, c, now):
        c.state, c.status_at = "CANCEL_PENDING", now
        c.recalls += 1

    def _reviewed(self, c, v, now, verdict):
        another = self._is_another(c, v)
        if v.verdict == "HOLD":
            if c.state in LIVE and v.reviewer:  # no row; it stands when the claim comes back
                c.raised[f"{v.source}/{v.input_id}"] = v.reviewer
                c.noted.add(f"{v.source}/{v.input_id}")
            return self._raise(c, f"{v.source}/{v.input_id}", v.reviewer)
        if v.verdict == "RECALL":
            if c.state not in LIVE or c.kept() or c.broken:
                return None
            self._recall(c, now)
            return 28
        if c.state != "HELD" or not another:
            return None
        if v.verdict == "REJECT":
            c.state = "VOIDED"
            c.give_up(now)
            return 14
        if v.verdict != "RELEASE" or v.evidence_hash != verdict.evidence_hash:
            return None
        if not set(v.cleared_ids) <= self.adverse(c, verdict) or now > self.terms.long_stop:
            return None
        if verdict.value == "FALSE" or (verdict.value == "UNKNOWN" and now > c.close):
            return None
        c.clear(v.cleared_ids, now)
        c.origin = None
        c.state, c.window = ("MATCHED", now) if verdict.value == "TRUE" else ("RESERVED", c.window)
        self._unfunded(c)
        return 13

    def _raise(self, c, key, who):
        """Row 12 or 54: a person's hold, or one input id with two contents."""
        if c.state not in PRE | {"CREATED", "HELD", "CANCEL_PENDING"}:
            return None
        c.raised[key] = who
        c.noted.add(key)
        if c.state not in PRE:
            self.joined_by_more(c, None)
            return 54
        c.state, c.origin = "HELD", "RISK"
        return 12

    def two_contents(self, message):
        """One input id came with another content than before."""
        c = self.claims.get(message.settlement_id)
        key = f"{message.source}/{message.input_id}"
        if c is not None and c.state in LIVE:  # no row; it stands when the claim comes back
            c.raised[key] = ""
            c.noted.add(key)
        row = None if c is None else self._raise(c, key, "")
        return [] if row is None else [(c.name, row)]

    # ---- cuts

    def cut(self, tick, verdicts):
        """[(claim, row)] in order, per claim; `verdicts` by claim name."""
        moved = []
        paid_first = sorted(self.claims.values(), key=lambda c: c.state != "SETTLED")
        for c in paid_first:
            verdict = verdicts[c.name]
            row = self._at_cut(c, tick, verdict)
            while row is not None:
                moved.append((c.name, row))
                row = self._follows(c, row, tick, verdict)
        return moved

    def _follows(self, c, row, tick, verdict):
        if row == 7:
            return self._row_11(c, tick, verdict)
        return self._row_21(c, tick, verdict) if row == 11 else None

    def _at_cut(self, c, tick, verdict):
        order = (
            self._row_34, self._row_4, self._rows_8_9, self._row_15, self._rows_28_32_54,
            self._row_10, self._row_12, self._row_37, self._rows_6_41, self._row_20, self._row_7,
            self._row_11, self._row_21, self._rows_26_46, self._row_42,
        )  # fmt: skip
        for attempt in order:
            row = attempt(c, tick, verdict)
            if row is not None:
                return row
        return None

    def _row_34(self, c, tick, verdict):
        if c.state not in BEFORE or tick <= self.terms.long_stop:
            return None
        c.state = "VOIDED"
        c.give_up(tick)
        return 34

    def _row_4(self, c, tick, verdict):
        if c.state != "CREATED" or tick <= c.funded_until():
            return None
        c.state = "EXPIRED"
        if not c.answered:
            c.let_go(tick)
        return 4

    def _rows_8_9(self, c, tick, verdict):
        if c.state != "RESERVED" or tick <= c.close or verdict.value == "TRUE":
            return None
        if verdict.value == "FALSE":
            c.state = "EXPIRED"
            c.give_up(tick)
            return 8
        c.state, c.origin = "HELD", "REVIVABLE"
        return 9

    def _row_15(self, c, tick, verdict):
        if c.state != "HELD" or c.origin != "RISK" or tick <= c.close or verdict.value != "FALSE":
            return None
        c.state = "EXPIRED"
        c.give_up(tick)
        return 15

    def _rows_28_32_54(self, c, tick, verdict):
        names = dict(zip(verdict.adverse_ids, map("/".join, verdict.adverse), strict=True))
        conflicts = {names[one] for one in set(verdict.adverse_ids) - c.cleared}
        speaks = conflicts | set(map("/".join, verdict.against))
        bad = verdict.value != "TRUE" or conflicts
        if c.state in LIVE and bad and not c.kept() and not c.broken:
            c.noted |= speaks
            self._recall(c, tick)
            return 28
        if c.state == "SETTLED" and bad and (c.claimed is None or speaks - c.claimed):
            c.claimed = (c.claimed or set()) | speaks
            self.frozen_by.add(c.name)
            key = f"settlement/{c.name}"
            for other in self.claims.values():
                if key in other.cleared:
                    other.cleared.remove(key)
                    other.noted.discard(key)
            return 32
        standing = {names.get(one, one) for one in self.adverse(c, verdict)}
        if c.state in ("CREATED", "HELD", "CANCEL_PENDING"):
            joined, news = self.joined_by_more(c, verdict), standing - c.noted
            c.noted |= standing
            return 54 if joined or news else None
        return None

    def _row_10(self, c, tick, verdict):
        if c.state not in ("MATCHED", "APPROVED") or verdict.value == "TRUE":
            return None
        if self.adverse(c, verdict):
            return None
        c.state = "HELD" if tick > c.close else "RESERVED"
        c.origin = "REVIVABLE" if c.state == "HELD" else c.origin
        return 10

    def _row_12(self, c, tick, verdict):
        if c.state not in PRE or not self.adverse(c, verdict):
            return None
        names = dict(zip(verdict.adverse_ids, map("/".join, verdict.adverse), strict=True))
        c.noted |= {names.get(one, one) for one in self.adverse(c, verdict)}
        c.state, c.origin = "HELD", "QUARANTINED" if self.only_records(c, verdict) else "RISK"
        return 12

    def _rows_6_41(self, c, tick, verdict):
        """The hold has run out, and nobody has renewed it before this cut. Whatever ends the claim
        or has it held comes first; no payment does.
        """
        if c.state not in PRE | {"HELD"} or not c.live or c.hold_stands(tick):
            return None
        c.ask_another()
        c.funding_due = None
        if c.state == "HELD":
            return 41
        c.state, c.window = "CREATED", None
        return 6

    def _row_20(self, c, tick, verdict):
        if c.state != "APPROVED" or c.hold_lasts(tick):
            return None
        c.state = "MATCHED"
        return 20

    def _row_37(self, c, tick, verdict):
        if c.state not in ("CREATED", "RESERVED") or c.amount:
            return None
        c.state = "CLOSED"
        c.give_up(tick)
        return 37

    def _row_7(self, c, tick, verdict):
        if c.state != "RESERVED" or verdict.value != "TRUE" or self.adverse(c, verdict):
            return None
        c.state, c.window = "MATCHED", tick
        return 7

    def _may_go_on(self, c, tick, verdict):
        clean = verdict.value == "TRUE" and not self.adverse(c, verdict)
        return clean and self.active and tick <= self.terms.long_stop and c.hold_stands(tick)

    def _row_11(self, c, tick, verdict):
        if c.state != "MATCHED" or not self._may_go_on(c, tick, verdict) or tick < c.window:
            return None
        if not c.hold_lasts(tick):
            return None
        c.state = "APPROVED"
        return 11

    def _row_21(self, c, tick, verdict):
        if c.state != "APPROVED" or not self._may_go_on(c, tick, verdict):
            return None
        c.state, c.sent, c.status_at = "INSTRUCTED", c.attempt, tick
        c.reserved, c.in_flight = 0, c.reserved
        return 21

    def _rows_26_46(self, c, tick, verdict):
        if c.state not in FLYING or not c.quiet(c.status_at, tick):
            return None
        c.status_at = tick
        if c.state in ("IN_DOUBT", "CANCEL_PENDING"):
            return 46
        c.state = "IN_DOUBT"
        return 26

    def _row_42(self, c, tick, verdict):
        late = [no for no, at in c.released.items() if at is not None and c.quiet(at, tick)]
        c.released.update(dict.fromkeys(late, tick))
        return 42 if late else None
