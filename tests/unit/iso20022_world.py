"""Payments of many kinds, and what banks answer to them, for the tests of the ISO 20022 messages.

The answers are written here with the standard library alone, not with the code under test.
"""

import datetime as dt
import random
from collections.abc import Iterable
from decimal import Decimal
from xml.etree import ElementTree

from supplytwin.schemas.ids import Micros, settlement_id
from supplytwin.sinks.iso20022_out import File, Payment, Sent, payment_file
from supplytwin.sinks.iso20022_parties import Account, Address, Agent, Party

NOW = Micros(1_795_000_000_000_000)
"""2026-11-18T11:06:40Z."""
DESK = "Supply Chain Desk"
DECIMALS = {"CNY": 2, "JPY": 0, "KWD": 3, "USD": 2, "EUR": 2, "BHD": 3, "CLF": 4, "VND": 0}
"""ISO 4217 list one, copied by hand: not from the library that the code uses."""
_TAKEN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-?:().,'+ "


def iban(country: str, account: str) -> str:
    """An IBAN with the check digits of ISO 13616."""
    digits = "".join(str(int(one, 36)) for one in f"{account}{country}00")
    return f"{country}{98 - int(digits) % 97:02}{account}"


def lei(base: str) -> str:
    """An LEI from its first 18 characters."""
    digits = "".join(str(int(one, 36)) for one in f"{base}00")
    return f"{base}{98 - int(digits) % 97:02}"


BUYER = Party(
    name="Gulf Tools (FZE)",
    address=Address(town="Dubai", country="AE", street="Sheikh Zayed Road", building="12"),
    agent=Agent(bic="EBILAEAD"),
    account=Account(iban=iban("AE", "0331234567890123456")),
    lei=lei("549300TESTGULFTOOL"),
)
SELLER = Party(
    name="Shenzhen Light, Ltd.",
    address=Address(town="Shenzhen", country="CN", post_code="518000", subdivision="Guangdong"),
    agent=Agent(clearing_system="CNAPS", member_id="102584002110"),
    account=Account(other="4000023009200345678"),
)


def payment(**changes: object) -> Payment:
    """One payment that can be written, with other fields where a test says so."""
    fields: dict[str, object] = {
        "settlement_id": settlement_id("C-2026-1", "T1", "lot-1"),
        "attempt": 1,
        "contract_id": "C-2026-1",
        "tranche_id": "T1",
        "amount_minor": 24_000_050,
        "currency": "CNY",
        "execution_date": dt.date(2026, 11, 19),
        "debtor": BUYER,
        "creditor": SELLER,
        "purpose_code": "CGODDR",
    }
    return Payment(**{**fields, **changes})  # type: ignore[arg-type]


def some_text(rng: random.Random, most: int) -> str:
    """1 to `most` characters that banks take, no space at an end."""
    while True:
        text = "".join(rng.choice(_TAKEN) for _ in range(rng.randint(1, most))).strip()
        if text:
            return text


def some_id(rng: random.Random) -> str:
    """A contract or tranche id."""
    letters = _TAKEN[:62] + "-"
    return "".join(rng.choice(letters) for _ in range(rng.randint(1, 35)))


def some_party(rng: random.Random) -> Party:
    """A party with any of the fields that it may leave out."""
    country = rng.choice(("AE", "CN", "DE", "JP", "KW", "US", "HK"))
    digits = "".join(rng.choice("0123456789") for _ in range(18))

    def maybe(most: int) -> str:
        return some_text(rng, most) if rng.random() < 0.5 else ""

    return Party(
        name=some_text(rng, 140),
        address=Address(
            town=some_text(rng, 35),
            country=country,
            street=maybe(70),
            building=maybe(16),
            post_code=maybe(16),
            subdivision=maybe(35),
        ),
        agent=Agent(bic=f"BANK{country}2{rng.choice(('A', 'LXXX'))}")
        if rng.random() < 0.5
        else Agent(clearing_system="CNAPS", member_id=digits[:12]),
        account=Account(iban=iban(country, digits))
        if rng.random() < 0.5
        else Account(other=digits),
        lei=lei(f"LEI0{digits[:14]}") if rng.random() < 0.3 else "",
    )


def some_payment(rng: random.Random) -> Payment:
    """Any payment that can be written; amounts from one minor unit to 13 digits."""
    contract, tranche = some_id(rng), some_id(rng)
    return payment(
        settlement_id=settlement_id(contract, tranche, some_id(rng)),
        attempt=rng.choice((1, 1, 1, 2, 3, 40)),
        contract_id=contract,
        tranche_id=tranche,
        amount_minor=rng.randint(1, 10 ** rng.randint(1, 13)),
        currency=rng.choice(list(DECIMALS)),
        execution_date=dt.date(2026, 11, 18) + dt.timedelta(days=rng.randint(0, 400)),
        debtor=some_party(rng),
        creditor=some_party(rng),
        purpose_code=rng.choice(("CGODDR", "CSTRDR")),
        charges=rng.choice(("", "DEBT", "SHAR", "SLEV")),
    )


def sent_file(*payments: Payment) -> File:
    """A file with these payments, or with the usual one."""
    return payment_file(payments or (payment(),), DESK, NOW)


# ---- what a bank answers


def grown(message: str, *parts: tuple[str, str] | tuple[str, str, str]) -> bytes:
    """A document from (path, text) or (path, text, currency).

    A step of a path that ends with '+' begins a new element; any other step goes on in the last
    one of its name, or begins it.
    """
    root = ElementTree.Element("Document", {"xmlns": f"urn:iso:std:iso:20022:tech:xsd:{message}"})
    for path, text, *currency in parts:
        place = root
        for step in path.split("/"):
            name = step.removesuffix("+")
            known = [] if step.endswith("+") else place.findall(name)
            place = known[-1] if known else ElementTree.SubElement(place, name)
        place.text = text or None
        if currency:
            place.set("Ccy", currency[0])
    return b'<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(root)


def below(prefix: str, parts: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The same parts, below a prefix."""
    return [(f"{prefix}/{path}" if path else prefix, *rest) for path, *rest in parts]


def amount(minor: int, currency: str) -> str:
    """As a bank writes it."""
    return format(Decimal(minor).scaleb(-DECIMALS[currency]), "f")


def status_report(
    sent: Sent | None,
    status: str = "ACCP",
    reason: str = "",
    version: str = "12",
    group: str = "",
    message_id: str = "",
) -> bytes:
    """A pain.002 about one payment, or (`sent` None) about a whole file."""
    parts: list[tuple[str, ...]] = [
        ("GrpHdr/MsgId", "BANK-S-1"),
        ("GrpHdr/CreDtTm", "2026-11-18T12:00:00+01:00"),
        ("OrgnlGrpInfAndSts/OrgnlMsgId", message_id or (sent.message_id if sent else "M?")),
        ("OrgnlGrpInfAndSts/OrgnlMsgNmId", "pain.001.001.09"),
    ]
    if group:
        parts.append(("OrgnlGrpInfAndSts/GrpSts", group))
        if reason and sent is None:
            parts.append(("OrgnlGrpInfAndSts/StsRsnInf/Rsn/Cd", reason))
    if sent is not None:
        parts += [
            ("OrgnlPmtInfAndSts/OrgnlPmtInfId", sent.payment_information_id),
            *below(
                "OrgnlPmtInfAndSts/TxInfAndSts",
                [
                    ("OrgnlInstrId", sent.instruction_id),
                    ("OrgnlEndToEndId", sent.settlement_id),
                    ("OrgnlUETR", sent.uetr),
                    ("TxSts", status),
                    *([("StsRsnInf/Rsn/Cd", reason)] if reason else []),
                ],
            ),
        ]
    return grown(f"pain.002.001.{version}", *below("CstmrPmtStsRpt", parts))  # type: ignore[arg-type]


def entry(
    sent: Sent,
    entry_id: str = "ASR-1",
    direction: str = "DBIT",
    status: str = "BOOK",
    returned: str = "",
    minor: int | None = None,
    currency: str = "",
) -> list[tuple[str, ...]]:
    """One Ntry of an account; `returned` is the reason of a return."""
    minor, currency = sent.amount_minor if minor is None else minor, currency or sent.currency
    return below(
        "Ntry",
        [
            ("Amt", amount(minor, currency), currency),
            ("CdtDbtInd", direction),
            ("Sts/Cd", status),
            ("BookgDt/Dt", "2026-11-19"),
            ("AcctSvcrRef", entry_id),
            ("BkTxCd/Domn/Cd", "PMNT"),
            ("BkTxCd/Domn/Fmly/Cd", "ICDT"),
            ("BkTxCd/Domn/Fmly/SubFmlyCd", "XBCT"),
            ("NtryDtls/TxDtls/Refs/MsgId", sent.message_id),
            ("NtryDtls/TxDtls/Refs/PmtInfId", sent.payment_information_id),
            ("NtryDtls/TxDtls/Refs/InstrId", sent.instruction_id),
            ("NtryDtls/TxDtls/Refs/EndToEndId", sent.settlement_id),
            ("NtryDtls/TxDtls/Refs/UETR", sent.uetr),
            ("NtryDtls/TxDtls/Amt", amount(minor, currency), currency),
            ("NtryDtls/TxDtls/CdtDbtInd", direction),
            *([("NtryDtls/TxDtls/RtrInf/Rsn/Cd", returned)] if returned else []),
        ],
    )


def _fresh(entries: Iterable[list[tuple[str, ...]]]) -> list[tuple[str, ...]]:
    """Entries one after the other: the first path of each begins a new Ntry."""
    parts: list[tuple[str, ...]] = []
    for one in entries:
        (path, *rest), *others = one
        parts += [(path.replace("Ntry", "Ntry+", 1), *rest), *others]
    return parts


def notification(*entries: list[tuple[str, ...]], version: str = "08") -> bytes:
    """A camt.054 of the buyer's account."""
    parts = [
        ("GrpHdr/MsgId", "BANK-N-1"),
        ("GrpHdr/CreDtTm", "2026-11-19T06:00:00Z"),
        ("Ntfctn/Id", "BANK-N-1"),
        ("Ntfctn/Acct/Id/IBAN", BUYER.account.iban),
        *below("Ntfctn", _fresh(entries)),
    ]
    return grown(f"camt.054.001.{version}", *below("BkToCstmrDbtCdtNtfctn", parts))  # type: ignore[arg-type]


def balance(code: str, minor: int, currency: str) -> list[tuple[str, ...]]:
    """One Bal of a statement."""
    return [
        ("Bal+/Tp/CdOrPrtry/Cd", code),
        ("Bal/Amt", amount(abs(minor), currency), currency),
        ("Bal/CdtDbtInd", "CRDT" if minor >= 0 else "DBIT"),
        ("Bal/Dt/Dt", "2026-11-19"),
    ]


def bank_statement(
    opening: int,
    closing: int,
    *entries: list[tuple[str, ...]],
    currency: str = "CNY",
    version: str = "08",
    page: tuple[str, str] | None = None,
) -> bytes:
    """A camt.053 of the buyer's account."""
    names = ("Stmt/StmtPgntn/PgNb", "Stmt/StmtPgntn/LastPgInd")
    paged = list(zip(names, page, strict=True)) if page else []
    parts = [
        ("GrpHdr/MsgId", "BANK-D-1"),
        ("GrpHdr/CreDtTm", "2026-11-20T00:10:00Z"),
        ("Stmt/Id", "STMT-324"),
        *paged,
        ("Stmt/Acct/Id/IBAN", BUYER.account.iban),
        *below("Stmt", balance("OPBD", opening, currency)),
        *below("Stmt", balance("CLBD", closing, currency)),
        *below("Stmt", _fresh(entries)),
    ]
    return grown(f"camt.053.001.{version}", *below("BkToCstmrStmt", parts))  # type: ignore[arg-type]


def resolution(
    sent: Sent | None,
    case_id: str,
    confirmed: str = "",
    status: str = "",
    reason: str = "",
    version: str = "14",
) -> bytes:
    """A camt.029 about one recall; with `sent`, the payment is named too."""
    parts: list[tuple[str, ...]] = [
        ("Assgnmt/Id", "BANK-R-1"),
        ("Assgnmt/Assgnr/Agt/FinInstnId/BICFI", "EBILAEAD"),
        ("Assgnmt/Assgne/Pty/Nm", DESK),
        ("Assgnmt/CreDtTm", "2026-11-19T09:00:00Z"),
    ]
    if case_id:
        parts += [("RslvdCase/Id", case_id), ("RslvdCase/Cretr/Pty/Nm", DESK)]
    parts.append(("Sts/Conf", confirmed) if confirmed else ("Sts/AssgnmtCxlConf", "false"))
    if sent is not None:
        parts += below(
            "CxlDtls/TxInfAndSts",
            [
                ("OrgnlGrpInf/OrgnlMsgId", sent.message_id),
                ("OrgnlGrpInf/OrgnlMsgNmId", "pain.001.001.09"),
                ("OrgnlInstrId", sent.instruction_id),
                ("OrgnlEndToEndId", sent.settlement_id),
                ("OrgnlUETR", sent.uetr),
                *([("TxCxlSts", status)] if status else []),
                *([("CxlStsRsnInf/Rsn/Cd", reason)] if reason else []),
            ],
        )
    return grown(f"camt.029.001.{version}", *below("RsltnOfInvstgtn", parts))  # type: ignore[arg-type]


def payment_return(
    sent: Sent, return_id: str = "RTR-1", minor: int | None = None, reason: str = "AC04"
) -> bytes:
    """A pacs.004 about one payment."""
    back = sent.amount_minor if minor is None else minor
    parts = [
        ("GrpHdr/MsgId", "BANK-B-1"),
        ("GrpHdr/CreDtTm", "2026-11-24T08:00:00Z"),
        ("GrpHdr/NbOfTxs", "1"),
        ("GrpHdr/SttlmInf/SttlmMtd", "INDA"),
        ("TxInf/RtrId", return_id),
        ("TxInf/OrgnlInstrId", sent.instruction_id),
        ("TxInf/OrgnlEndToEndId", sent.settlement_id),
        ("TxInf/OrgnlUETR", sent.uetr),
        ("TxInf/RtrdIntrBkSttlmAmt", amount(back, sent.currency), sent.currency),
        *([("TxInf/RtrRsnInf/Rsn/Cd", reason)] if reason else []),
    ]
    return grown("pacs.004.001.11", *below("PmtRtr", parts))  # type: ignore[arg-type]
