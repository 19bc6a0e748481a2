"""A schema registry: the ids of what we write, and the schemas of what others have written.

The client is confluent-kafka's; it needs an extra, which is asked for only when a registry is set.
A registry that does not answer is asked again for a while. Then a process that is starting ends
with 75, and so does one that has met an id that it does not know: whoever cannot know what a record
says must neither take it nor refuse it.
"""

import importlib
import json
import time
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import structlog
from fastavro.schema import to_parsing_canonical_form

from supplytwin.schemas import avro, codec, compat
from supplytwin.schemas.codec import CONFLUENT, CONFLUENT_LEN
from supplytwin.schemas.errors import FatalError, RecordError, TransientError, UsageError
from supplytwin.schemas.foreign import WriterSchema, single, writer_schema
from supplytwin.streams.settings import SchemaRegistry

log = structlog.get_logger("supplytwin.registry")
T = TypeVar("T")

LEVEL = "BACKWARD_TRANSITIVE"
"""What the registry must guard: the newest schema of a subject reads all that came before it."""
_LEVELS = frozenset((LEVEL, "FULL_TRANSITIVE"))
_PATIENCE_S, _PAUSE_S, _REQUEST_S = 10.0, 0.2, 3.0
_UNKNOWN_S = 1.0
"""An id that the registry does not know is not asked about again for so long."""
_KEPT = 1024
_LATER = frozenset((408, 429, 500, 502, 503, 504))


class Registry:
    """What one process knows of a registry. `address` = where it is, without credentials."""

    def __init__(
        self,
        section: SchemaRegistry,
        *,
        patience_s: float = _PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = _address(section.url)
        self._section, self._patience_s, self._clock = section, patience_s, clock
        self._module, self._client = _connected(section)
        self._frames: dict[str, bytes] = {}
        """What stands before a body that we write, by topic."""
        self._ours: dict[tuple[str, int], int] = {}
        """Fingerprints of our newest schemas, by topic and id."""
        self._unknown: dict[int, float] = {}
        self._schemas = lru_cache(_KEPT)(self._fetch)
        self._fingerprints = lru_cache(_KEPT)(self._fingerprint)
        self.written_with: Callable[[int], WriterSchema] = lru_cache(_KEPT)(self._writer)
        """The schema with this id, as a journal keeps it. Raises LookupError for an unknown one."""

    # ---- asking

    def _ask(self, what: str, ask: Callable[[], T]) -> T | None:
        """The answer; None = there is no such thing. TransientError when there is none in time."""
        deadline = self._clock() + self._patience_s
        while True:
            try:
                return ask()
            except self._module.SchemaRegistryError as error:
                status = error.http_status_code
                if status == 404:
                    return None
                if status in (401, 403):
                    raise UsageError(
                        f"the schema registry at {self.address} does not allow us to {what} "
                        f"({status}): see [schema_registry] client"
                    ) from None
                if status not in _LATER:
                    raise
                why = f"{status} {error.error_message}"
            except Exception as error:  # whatever its HTTP client raises
                why = f"{type(error).__name__} {error}"
            if self._clock() >= deadline:
                raise TransientError(
                    f"no schema registry answers at {self.address} ({what}): {self._shown(why)}"
                ) from None
            time.sleep(_PAUSE_S)

    def _shown(self, text: str) -> str:
        """Without credentials, whoever has put them there."""
        for url in self._section.url.split(","):
            text = text.replace(url.strip(), self.address)
        return " ".join(text.split())[:300]

    # ---- reading

    def of_id(self, schema_id: int) -> avro.Schema | None:
        """A writer's schema by its id; None = there is none (now).

        Raises FatalError when nobody tells, and nothing else: other errors would be the record's.
        """
        try:
            return self._schemas(schema_id)
        except LookupError:
            return None

    def _fetch(self, schema_id: int) -> avro.Schema:
        if self._clock() - self._unknown.get(schema_id, -_UNKNOWN_S) < _UNKNOWN_S:
            raise LookupError(schema_id)
        try:
            found = self._ask(
                f"read schema {schema_id}", lambda: self._client.get_schema(schema_id)
            )
        except self._module.SchemaRegistryError:
            found = None  # it has answered, and does not have it
        except (TransientError, UsageError) as error:
            raise FatalError(str(error)) from error
        if found is None:
            if len(self._unknown) >= _KEPT:
                self._unknown.clear()
            self._unknown[schema_id] = self._clock()
            raise LookupError(schema_id)
        return _parsed(found)

    def _writer(self, schema_id: int) -> WriterSchema:
        return writer_schema(self._schemas(schema_id))

    def _fingerprint(self, topic: str, schema_id: int) -> int | None:
        """The fingerprint of the schema with this id, if it is one of ours and means the same.

        Equal fingerprints are not enough: they say nothing about units of time, and can be forged.
        """
        writer = self._schemas(schema_id)
        try:
            node, names = avro.parsed(writer)
            fingerprint = avro.fingerprint_of_schema(writer)
            ours = avro.known().get((topic, fingerprint))
            same = (
                ours is not None
                and to_parsing_canonical_form(ours) == to_parsing_canonical_form(writer)
                and not compat.problems(ours, node, names)
            )
        except Exception:  # a foreign schema may be wrong in any way: the decoder says how
            return None
        return fingerprint if same else None

    def own(self, topic: str, value: bytes) -> bytes:
        """A value of a schema of ours as a single object; any other as it is."""
        if value[:1] != CONFLUENT or len(value) < CONFLUENT_LEN:
            return value
        number = int.from_bytes(value[1:CONFLUENT_LEN], "big")
        found = self._ours.get((topic, number))
        try:
            found = self._fingerprints(topic, number) if found is None else found
        except LookupError:
            return value
        return value if found is None else single(found, value)

    def single(self, topic: str, value: bytes) -> bytes:
        """What a value says as a single object of a schema of ours; what says nothing as it is."""
        found = self.own(topic, value)
        if found[:1] != CONFLUENT or topic not in avro.topics():
            return found
        try:
            return codec.encode(topic, codec.decode(topic, value, self.of_id).message)
        except RecordError:
            return value

    # ---- writing

    def framed(self, topic: str, value: bytes) -> bytes:
        """What we write, as it goes out: with the registry's id instead of the fingerprint."""
        if value[:2] != codec.MAGIC or topic not in avro.topics():
            return value
        if not value.startswith(codec.header(topic)):
            return value  # a record of somebody else that is sent again
        if topic not in self._frames:
            self.require((topic,))
        return self._frames[topic] + value[codec.HEADER_LEN :]

    def require(self, topics: Iterable[str]) -> None:
        """Our schemas of these topics have ids, and read everything else under their subjects.

        Raises UsageError saying what to do when the registry refuses, TransientError when it does
        not answer.
        """
        for topic in topics:
            if topic not in self._frames:
                number = self._registered(topic)
                self._frames[topic] = CONFLUENT + number.to_bytes(4, "big")
                self._ours[topic, number] = avro.fingerprint_of(topic)

    def learn(self, topics: Iterable[str]) -> list[str]:
        """The ids of our schemas of these topics are known, as far as they have one.

        Then what we write ourselves is read without asking again. Returns the topics without.
        """
        missing = []
        for topic in topics:
            number = self._lookup(topic)
            if number is None:
                missing.append(topic)
            else:
                self._ours[topic, number] = avro.fingerprint_of(topic)
        return missing

    def subject(self, topic: str) -> str:
        """Under which name the topic's schema is registered."""
        record = f"{avro.NAMESPACE}.{avro.name_of(topic)}"
        match self._section.subjects:
            case "RecordNameStrategy":
                return record
            case "TopicRecordNameStrategy":
                return f"{topic}-{record}"
            case _:
                return f"{topic}-value"

    def _schema(self, topic: str) -> Any:
        return self._module.Schema(json.dumps(avro.schema(topic)), "AVRO")

    def _lookup(self, topic: str) -> int | None:
        subject, schema = self.subject(topic), self._schema(topic)
        found = self._ask(f"look {subject} up", lambda: self._client.lookup_schema(subject, schema))
        return None if found is None else int(found.schema_id)

    def _registered(self, topic: str) -> int:
        subject = self.subject(topic)
        found = self._lookup(topic)
        if found is None and not self._section.auto_register:
            raise UsageError(
                f"subject {subject} of the schema registry does not have our schema: register "
                f"schemas/{topic}.avsc there, or set [schema_registry] auto_register = true"
            )
        new = self._ask(f"list {subject}", lambda: self._client.get_versions(subject)) is None
        if found is None:
            found = self._register(topic, subject)
        if new:
            self._guard(subject)
        else:
            self._check_others(topic, subject)
        return found

    def _register(self, topic: str, subject: str) -> int:
        schema = self._schema(topic)
        try:
            fits = self._ask(
                f"test {subject}", lambda: self._client.test_compatibility(subject, schema)
            )
            if fits is False:
                raise self._incompatible(topic, subject, "its newest version")
            number = self._ask(
                f"register {subject}", lambda: self._client.register_schema(subject, schema)
            )
        except self._module.SchemaRegistryError as error:
            raise self._incompatible(topic, subject, self._shown(error.error_message)) from None
        if number is None:
            raise UsageError(f"{self.address} is no schema registry: it registers nothing")
        return int(number)

    def _incompatible(self, topic: str, subject: str, why: str) -> UsageError:
        return UsageError(
            f"the schema registry refuses our schema of {topic}: it is not compatible with what "
            f"subject {subject} has ({why}). Who registered that writes records that we cannot "
            "read: find them first; then give this deployment subjects of its own, or delete the "
            "version in the registry"
        )

    def _guard(self, subject: str) -> None:
        """A subject that we have made guards what we need."""
        try:
            self._ask(
                f"set the compatibility of {subject}",
                lambda: self._client.set_compatibility(subject, LEVEL),
            )
        except (UsageError, self._module.SchemaRegistryError) as error:
            log.warning("compatibility is not guarded", subject=subject, why=str(error))

    def _check_others(self, topic: str, subject: str) -> None:
        """Under a registry that guards less than we need, every version is checked here."""
        level = self._ask(
            f"read the compatibility of {subject}", lambda: self._client.get_compatibility(subject)
        ) or self._ask("read the compatibility", self._client.get_compatibility)
        if level in _LEVELS:
            return
        log.warning("the registry guards less than we need", subject=subject, level=level,
                    needed=LEVEL)  # fmt: skip
        listed = self._ask(f"list {subject}", lambda: self._client.get_versions(subject))
        for number in listed or ():
            version = self._ask(
                f"read {subject} {number}", partial(self._client.get_version, subject, number)
            )
            why = "" if version is None else _problem(topic, version.schema)
            if why:
                raise self._incompatible(topic, subject, f"version {number}: {why}")


def _parsed(registered: Any) -> avro.Schema:
    """A registered schema; one that is none of Avro's says so to whoever reads it."""
    if registered.schema_type not in (None, "AVRO"):
        return {"type": registered.schema_type}
    try:
        found: avro.Schema = json.loads(registered.schema_str)
    except ValueError:
        return {"type": "no JSON"}
    return found


def _problem(topic: str, registered: Any) -> str:
    """Why ours cannot read what a registered schema writes; "" = it can."""
    try:
        node, names = avro.parsed(_parsed(registered))
        return "; ".join(str(one) for one in compat.problems(avro.schema(topic), node, names)[:1])
    except Exception as error:  # it may be wrong in any way, or no Avro at all
        return f"it cannot be used: {type(error).__name__}"


def _address(url: str) -> str:
    parts = [urlsplit(one.strip()) for one in url.split(",")]
    return ",".join(f"{part.scheme}://{part.netloc.rpartition('@')[2]}" for part in parts)


def _connected(section: SchemaRegistry) -> tuple[Any, Any]:
    """(confluent-kafka's module, a client). Nothing connects before it is asked for something."""
    try:
        module: Any = importlib.import_module("confluent_kafka.schema_registry")
    except ImportError:
        raise UsageError(
            "[schema_registry] url needs an extra: pip install 'supplytwin[registry]'"
        ) from None
    own = {"url": section.url, "max.retries": 0, "timeout": _REQUEST_S}
    if "url" in section.client:
        raise UsageError("[schema_registry] client: give url beside it, not in it")
    try:
        return module, module.SchemaRegistryClient({**own, **section.client})
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(f"[schema_registry]: {error}") from None
