"""A bank over HTTP: messages are posted to it, its own wait in a mailbox until they are confirmed.

    POST   payments   pain.001.001.09    2xx: taken. Not now (see below): again. Else: refused
    POST   recalls    camt.056.001.12    likewise
    GET    mailbox    [{"id": …, "body": "<?xml …"}], oldest first
    DELETE mailbox/id                    all that it says is published (`confirms`)
    GET    status     a document that tells of one payment; 404: the bank has never had it

A connection that fails, a time-out and the statuses 429, 500, 502, 503, 504 are tried again, a few
times and with pauses, with the same bytes and ids. 401, 407, 408 and 425 to a POST say nothing
about the message: who is not let in comes again, too, but not in a burst. So do 403 and 404 from an
address that this process has seen take nothing yet; later they refuse the one message. What a bank
answers to a POST is not read: it says the same in a document.

What the mailbox answers is kept as it came before anything is made of it (`http_rail_mailbox`), so
that nothing is lost by a mailbox that forgets what it has given. Then each document of it goes into
the folder `waiting` by itself, under a name of its own, and on from there as `file_rail` says
(3 and 4); it is deleted from the mailbox behind 4. A mail that is none goes into `refused` at once.
All of them are known by their bytes, also to another process.
"""

import hashlib
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import structlog
import urllib3
from msgspec import Struct

from supplytwin.schemas.errors import NotLetInError, TransientError
from supplytwin.schemas.records import SentMessage
from supplytwin.sinks import iso20022_ids as ids
from supplytwin.sinks.bank_rail_carrier import Asked, Document
from supplytwin.sinks.file_rail import Inbox, carry, put
from supplytwin.sinks.http_rail_mailbox import MAILBOX_MAX, Answers, Mail, mails
from supplytwin.sinks.iso20022_xml import BYTES_MAX
from supplytwin.sinks.rail import Alive

log = structlog.get_logger("supplytwin.rail")
TRIES = 3
_AGAIN = frozenset((429, 500, 502, 503, 504))
_NOT_NOW = frozenset((401, 407, 408, 425))
_NOT_THERE = frozenset((403, 404))
"""Said of an address, or of one message: of a message where the address has taken another one."""
_DIGITS = 32
_XML = "application/xml; charset=utf-8"
PAUSE_S = 60
"""Behind an answer of the mailbox that cannot be read, and a document that is not deleted."""
LOOK_S = 5
"""So long is gone on with one answer; the gateway has other work, too."""


class Addresses(Struct, frozen=True, kw_only=True):
    """Where the bank is. `recalls`, `mailbox` and `status` may be "": the bank has no such thing.

    In `status` stand {end_to_end_id}, {uetr}, {message_id}.
    """

    payments: str
    recalls: str = ""
    mailbox: str = ""
    status: str = ""
    confirms: bool = False
    """The mailbox keeps a message until it is deleted."""
    headers: dict[str, str] = {}
    """Sent with every request: an authorization, for instance."""
    timeout_s: float = 10
    poll_s: float = 1
    """Between two looks into the mailbox."""


StatusReader = Callable[[bytes, SentMessage], bytes | None]
"""From what a status address has answered to a document of ISO 20022 that can be read; None = it
does not know the payment. Banks differ here: the standard has no message for it.
"""


def as_it_is(data: bytes, kept: SentMessage) -> bytes | None:
    """For a bank whose status address answers with a document, as pain.002."""
    return data


class HttpBank:
    """See the module, and `bank_rail_carrier.Carrier`."""

    def __init__(
        self, addresses: Addresses, inbox: Inbox, *, status: StatusReader = as_it_is
    ) -> None:
        self._at, self._inbox, self._status = addresses, inbox, status
        self.alive: Alive = lambda: None
        self._looked = -addresses.poll_s
        self._answers = Answers(inbox.waiting.parent / "mailbox")
        self._ids: dict[str, str] = {}
        self._delete_at = -1.0
        self._kept_out: dict[str, tuple[str, int]] = {}
        self._open_for_us: set[str] = set()
        self._waiting = _digests(inbox.waiting)
        self._done = _digests(inbox.received) | _digests(inbox.refused)
        retries = _beating(self)(
            total=TRIES - 1,
            status_forcelist=_AGAIN,
            allowed_methods=None,  # a POST, too: the bank knows it by its MsgId
            backoff_factor=0.2,
            backoff_max=2,
            respect_retry_after_header=False,  # the gateway has other work meanwhile
            raise_on_status=False,
        )
        self._pool = urllib3.PoolManager(
            num_pools=4,
            maxsize=1,
            retries=retries,
            timeout=urllib3.Timeout(total=addresses.timeout_s),
            headers=addresses.headers,
        )

    @contextmanager
    def _open(
        self, method: str, url: str, body: bytes | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """A response of which nothing is read yet. Raises TransientError when nothing was answered,
        or nothing final.
        """
        headers = {**self._at.headers, "Content-Type": _XML} if body is not None else None
        try:
            response = self._pool.request(
                method, url, body=body, headers=headers, preload_content=False, redirect=False
            )
            try:
                if response.status in _AGAIN:
                    raise TransientError(f"{method} {url}: HTTP {response.status}")
                yield response
            finally:
                response.close()  # a connection of which something is left is of no more use
        except (urllib3.exceptions.HTTPError, OSError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise TransientError(f"{method} {url}: {why}") from None
        finally:
            self.alive()

    def _call(self, method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body, of which one byte more than a document may have is read."""
        with self._open(method, url, body) as response:
            data = response.read(BYTES_MAX + 1)
            if len(data) <= BYTES_MAX:
                response.release_conn()
            return response.status, data

    # ---- out

    def deliver(self, kept: SentMessage) -> None:
        """Posted. A bank that refuses the file as it stands is told of, and says so in a document
        or not at all: the claim is in doubt then, and its payment is asked about.
        """
        url = self._at.payments if kept.kind == "PAY" else self._at.recalls
        if not url:
            log.error("the bank takes no such message", message=kept.message)
            return
        status, _ = self._call("POST", url, kept.body)
        if status in _NOT_NOW or (status in _NOT_THERE and url not in self._open_for_us):
            self._not_now(kept, url, status)
        self._kept_out.pop(url, None)
        if 200 <= status < 300:
            self._open_for_us.add(url)
        else:
            log.error(
                "the bank refused a message",
                http_status=status,
                message_id=kept.message_id,
                settlement_id=kept.settlement_id,
            )

    def _not_now(self, kept: SentMessage, url: str, status: int) -> NoReturn:
        """Said once, and called again with the same message until the bank takes it."""
        if self._kept_out.get(url) != (kept.message_id, status):
            self._kept_out[url] = (kept.message_id, status)
            log.error(
                "the bank does not let a message in",
                http_status=status,
                message_id=kept.message_id,
                settlement_id=kept.settlement_id,
            )
        raise NotLetInError(f"POST {url}: HTTP {status}")

    def ask(self, kept: SentMessage) -> Asked | None:
        if not self._at.status:
            return None
        url = self._at.status.format(
            end_to_end_id=quote(kept.settlement_id),
            uetr=quote(ids.uetr(kept.settlement_id, kept.attempt)),
            message_id=quote(kept.message_id),
        )
        status, data = self._call("GET", url)
        if status == 404:
            return Asked(known=False)
        if status == 204 or not data:
            return None
        if status != 200 or len(data) > BYTES_MAX:
            log.error("the bank does not say what became of a payment", http_status=status)
            return None
        document = self._status(data, kept)
        return Asked(known=False) if document is None else Asked(known=True, data=document)

    # ---- in

    def arrivals(self, known: Collection[str]) -> list[Document]:
        now = time.monotonic()
        if self._at.mailbox and now - self._looked >= self._at.poll_s:
            self._looked = now
            self._collect()
        return self._inbox.documents(known)

    def _collect(self) -> None:
        try:
            for left in self._answers.unfinished():
                if not self._go_through(left, left=True):
                    return
            with self._open("GET", self._at.mailbox) as response:
                if response.status not in (200, 204):
                    raise TransientError(f"GET {self._at.mailbox}: HTTP {response.status}")
                answer = self._answers.take(response)
                if answer is not None:
                    response.release_conn()
            if answer is None:
                self._cannot_be_read(f"answers with more than {MAILBOX_MAX} bytes")
            self._go_through(answer)
        except OSError as error:
            raise TransientError(f"{self._inbox.waiting.parent}: {error.strerror}") from None

    def _go_through(self, answer: Path, *, left: bool = False) -> bool:
        """Keep it until each document of it is kept by itself; False = that is not yet so. `left` =
        it was left by an earlier look.
        """
        until = time.monotonic() + LOOK_S
        try:
            for mail in mails(answer):
                digest = _digest(mail.data)
                if mail.id:
                    self._ids[digest] = mail.id
                if digest in self._done:
                    self._delete(digest)
                elif digest not in self._waiting:
                    answer = self._answers.keep(answer)
                    self._store(mail, digest)
                    if time.monotonic() > until:
                        return False
        except ValueError as error:
            self._lay_aside(answer)
            if not left:
                self._cannot_be_read(str(error))
            log.warning("an answer of the mailbox broke off", why=str(error))
            return True
        answer.unlink()
        return True

    def _cannot_be_read(self, why: str) -> NoReturn:
        log.error("the mailbox of the bank cannot be read", why=why)
        self._looked = time.monotonic() + PAUSE_S
        raise TransientError(f"GET {self._at.mailbox}: {why}")

    def _lay_aside(self, answer: Path) -> None:
        """What no list is; a mailbox that keeps what it has given need not be kept here, too."""
        with answer.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]
        if self._at.confirms or digest in self._done:
            answer.unlink()
        else:
            carry(self._answers.keep(answer), self._inbox.refused / _name(digest, "json"))
            self._done.add(digest)

    def _store(self, mail: Mail, digest: str) -> None:
        if mail.good:
            put(self._inbox.waiting, _name(digest, "xml"), mail.data)
            self._waiting.add(digest)
            return
        log.error("a mail of the bank cannot be read", id=mail.id, bytes=len(mail.data))
        put(self._inbox.refused, _name(digest, "json"), mail.data)
        self._done.add(digest)
        self._delete(digest)

    def confirm(self, document: Document) -> None:
        """Kept here first; a bank that cannot be told now is told at a later look."""
        self._inbox.confirm(document)
        self._over(document)

    def refuse(self, document: Document) -> None:
        self._inbox.refuse(document)
        self._over(document)

    def _over(self, document: Document) -> None:
        digest = _digest(document.data)
        self._waiting.discard(digest)
        self._done.add(digest)
        self._delete(digest)

    def _delete(self, digest: str) -> None:
        known = self._ids.pop(digest, None)
        if known is None or not self._at.confirms or time.monotonic() < self._delete_at:
            return  # the mailbox still lists it at a later look
        try:
            self._call("DELETE", f"{self._at.mailbox}/{quote(known, safe='')}")
        except TransientError as error:
            self._delete_at = time.monotonic() + PAUSE_S
            log.warning("a document is still in the bank's mailbox", why=str(error))

    def received(self) -> Iterator[Document]:
        yield from self._inbox.kept()
        yield from self._inbox.unfinished()

    def close(self) -> None:
        self._pool.clear()


def _beating(bank: HttpBank) -> type[urllib3.Retry]:
    """Retries with a beat between two tries: a name may have several addresses that all hang."""

    class Beating(urllib3.Retry):
        def sleep(self, response: urllib3.BaseHTTPResponse | None = None) -> None:
            bank.alive()
            super().sleep(response)

    return Beating


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


def _name(digest: str, kind: str) -> str:
    """The document's own, for good."""
    return f"{time.time_ns():020}-{digest}.{kind}"


def _digests(folder: Path) -> set[str]:
    return {path.stem.partition("-")[2] for path in folder.iterdir()}
