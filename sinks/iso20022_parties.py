"""Who pays, who is paid, and where: the parts of a message that come from the signed terms."""

from msgspec import Struct

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.sinks import iso20022_text as take
from supplytwin.sinks.iso20022_xml import Element, put


class Address(Struct, frozen=True, kw_only=True, gc=False):
    """A structured postal address: town and country are required, free lines are not written."""

    town: str
    country: str
    street: str = ""
    building: str = ""
    post_code: str = ""
    subdivision: str = ""


class Agent(Struct, frozen=True, kw_only=True, gc=False):
    """A bank: by its BIC, or by its number in a national clearing system (`CNAPS`, `USABA`)."""

    bic: str = ""
    clearing_system: str = ""
    member_id: str = ""


class Account(Struct, frozen=True, kw_only=True, gc=False):
    """An account: its IBAN, or its other number where a country has none. Never both."""

    iban: str = ""
    other: str = ""


class Party(Struct, frozen=True, kw_only=True, gc=False):
    """One side of a payment, by the legal name under which its bank knows it."""

    name: str
    address: Address
    agent: Agent
    account: Account
    lei: str = ""


def countries(party: Party) -> frozenset[str]:
    """Where a party is: by its address, its IBAN and its bank's BIC."""
    bic, iban = party.agent.bic[4:6], party.account.iban[:2]
    return frozenset(one for one in (party.address.country, bic, iban) if one)


def check_party(party: Party, field: str) -> None:
    """Raise RecordError, with the path of the field, unless every part can be written."""
    take.text(party.name, f"{field}.name", 140)
    _check_address(party.address, f"{field}.address")
    check_agent(party.agent, f"{field}.agent")
    _check_account(party.account, f"{field}.account")
    if party.lei:
        take.lei(party.lei, f"{field}.lei")


def _check_address(address: Address, field: str) -> None:
    take.text(address.town, f"{field}.town", 35)
    take.country(address.country, f"{field}.country")
    for name, most in (("street", 70), ("building", 16), ("post_code", 16), ("subdivision", 35)):
        value = getattr(address, name)
        if value:
            take.text(value, f"{field}.{name}", most)


def check_agent(agent: Agent, field: str) -> None:
    """Raise RecordError unless a bank is named, and in one way."""
    if bool(agent.bic) == bool(agent.member_id):
        raise RecordError(Code.BAD_VALUE, field, "needs a BIC or a clearing member id, and one")
    if agent.bic:
        take.bic(agent.bic, f"{field}.bic")
        if agent.clearing_system:
            raise RecordError(
                Code.FOREIGN_FIELD, f"{field}.clearing_system", "says nothing beside a BIC"
            )
        return
    take.text(agent.clearing_system, f"{field}.clearing_system", 5)
    take.reference(agent.member_id, f"{field}.member_id", 35)


def _check_account(account: Account, field: str) -> None:
    if bool(account.iban) == bool(account.other):
        raise RecordError(Code.BAD_VALUE, field, "needs an IBAN or another number, and one")
    if account.iban:
        take.iban(account.iban, f"{field}.iban")
    else:
        take.reference(account.other, f"{field}.other", 34)


def put_party(parent: Element, name: str, party: Party) -> Element:
    """The element `name` (Dbtr, Cdtr) with legal name, address and LEI."""
    element = put(parent, name)
    put(element, "Nm", party.name)
    address, place = party.address, put(element, "PstlAdr")
    for tag, value in (
        ("StrtNm", address.street),
        ("BldgNb", address.building),
        ("PstCd", address.post_code),
        ("TwnNm", address.town),
        ("CtrySubDvsn", address.subdivision),
        ("Ctry", address.country),
    ):
        if value:
            put(place, tag, value)
    if party.lei:
        put(element, "Id/OrgId/LEI", party.lei)
    return element


def put_agent(parent: Element, name: str, agent: Agent) -> None:
    """The element `name` (DbtrAgt, CdtrAgt) with the bank's BIC or clearing member id."""
    institution = put(parent, f"{name}/FinInstnId")
    if agent.bic:
        put(institution, "BICFI", agent.bic)
        return
    member = put(institution, "ClrSysMmbId")
    put(member, "ClrSysId/Cd", agent.clearing_system)
    put(member, "MmbId", agent.member_id)


def put_account(parent: Element, name: str, account: Account) -> None:
    """The element `name` (DbtrAcct, CdtrAcct) with IBAN or other number."""
    path = f"{name}/Id/IBAN" if account.iban else f"{name}/Id/Othr/Id"
    put(parent, path, account.iban or account.other)
