"""A small schema registry over HTTP, and a deployment on the broker in memory that uses it.

It answers as Confluent's does, as far as its client asks: subjects, versions, ids, compatibility,
and its error codes. Its rule of compatibility is its own, and crude: by field names and types.
"""

import base64
import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from fastavro.schema import parse_schema
from msgspec import Struct

from supplytwin.processors import chain
from supplytwin.processors import scms as scms_timeline
from supplytwin.schemas import scms as scms_file
from supplytwin.schemas.flow import Message, Record
from supplytwin.schemas.ids import DAY_US, partition_of
from supplytwin.streams import audit_run, demo, deployment, summary, topics
from supplytwin.streams.audit import Audited
from supplytwin.streams.conductor import Conductor
from supplytwin.streams.framed import FramedBroker
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import Broker, TopicPartition
from supplytwin.streams.registry import Registry
from supplytwin.streams.settings import Duck, Gateway, Kafka, SchemaRegistry, Settings, Time
from supplytwin.streams.topics import WORKER_GROUP, Meta

PARTITIONS = 2
TICK_US = 56 * DAY_US
Answer = tuple[int, Any]
Schema = dict[str, Any]


def _error(status: int, code: int, message: str) -> Answer:
    return status, {"error_code": code, "message": message}


NO_SUBJECT = _error(404, 40401, "Subject not found.")
NO_SCHEMA = _error(404, 40403, "Schema not found")


class Store:
    """What a registry remembers."""

    def __init__(self) -> None:
        self.subjects: dict[str, list[int]] = {}
        self.texts: list[str] = []
        self.kinds: dict[int, str] = {}
        self.levels: dict[str | None, str] = {None: "BACKWARD"}
        self.lost: set[int] = set()
        """Ids that it had once."""

    def id_of(self, text: str, kind: str = "AVRO") -> int:
        """One id for one schema, whatever subject it is under; from 1."""
        canonical = json.dumps(json.loads(text)) if kind == "AVRO" else text
        if canonical not in self.texts:
            self.texts.append(canonical)
        number = self.texts.index(canonical) + 1
        self.kinds[number] = kind
        return number

    def register(self, subject: str, text: str, kind: str = "AVRO") -> int:
        """A new version without any check, as under the level NONE."""
        number = self.id_of(text, kind)
        versions = self.subjects.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return number

    def level(self, subject: str) -> str:
        return self.levels.get(subject, self.levels[None])

    def compatible(self, text: str, ids: Sequence[int]) -> bool:
        """Whether the schema reads what these have written, by field names and types."""
        reader = {one["name"]: one for one in json.loads(text)["fields"]}
        for number in ids:
            written = {one["name"]: one for one in json.loads(self.texts[number - 1])["fields"]}
            for name, one in reader.items():
                if name not in written and "default" not in one:
                    return False
                if name in written and written[name]["type"] != one["type"]:
                    return False
        return True

    # ---- the interface

    def answer(self, method: str, path: Sequence[str], body: Any) -> Answer:
        match method, *path:
            case "GET", "schemas", "ids", number:
                return self._by_id(int(number))
            case "POST", "subjects", subject:
                return self._looked_up(subject, body["schema"])
            case "GET", "subjects", subject, "versions":
                known = self.subjects.get(subject)
                return NO_SUBJECT if known is None else (200, list(range(1, len(known) + 1)))
            case "GET", "subjects", subject, "versions", version:
                number = self.subjects[subject][int(version) - 1]
                return 200, self._version(subject, number)
            case "POST", "subjects", subject, "versions":
                return self._registered(subject, body["schema"])
            case "POST", "compatibility", "subjects", subject, "versions", "latest":
                if subject not in self.subjects:
                    return NO_SUBJECT
                newest = self.subjects[subject][-1:]
                free = self.level(subject) == "NONE"
                return 200, {"is_compatible": free or self.compatible(body["schema"], newest)}
            case "GET", "config":
                return 200, {"compatibilityLevel": self.levels[None]}
            case "GET", "config", subject:
                if subject not in self.levels:
                    return _error(404, 40408, "Subject has no compatibility of its own")
                return 200, {"compatibilityLevel": self.levels[subject]}
            case "PUT", "config", subject:
                self.levels[subject] = body["compatibility"]
                return 200, body
            case _:
                return _error(404, 404, "HTTP 404 Not Found")

    def _by_id(self, number: int) -> Answer:
        if not 1 <= number <= len(self.texts) or number in self.lost:
            return NO_SCHEMA
        found = {"schema": self.texts[number - 1]}
        if self.kinds[number] != "AVRO":
            found["schemaType"] = self.kinds[number]
        return 200, found

    def _version(self, subject: str, number: int) -> dict[str, Any]:
        version = self.subjects[subject].index(number) + 1
        text = self.texts[number - 1]
        return {"subject": subject, "id": number, "version": version, "schema": text}

    def _looked_up(self, subject: str, text: str) -> Answer:
        if subject not in self.subjects:
            return NO_SUBJECT
        number = self.id_of(text)
        known = number in self.subjects[subject]
        return (200, self._version(subject, number)) if known else NO_SCHEMA

    def _registered(self, subject: str, text: str) -> Answer:
        try:
            parse_schema(json.loads(text))
        except Exception as error:
            return _error(422, 42201, f"Invalid schema: {error}")
        level = self.level(subject)
        others = self.subjects.get(subject, [])
        others = [] if level == "NONE" else others if level.endswith("TRANSITIVE") else others[-1:]
        if not self.compatible(text, others):
            return _error(409, 409, "Schema being registered is incompatible with an earlier one")
        return 200, {"id": self.register(subject, text)}


class Server:
    """A store that listens on 127.0.0.1; `user` = name:password that every request must bring."""

    def __init__(self, store: Store | None = None, user: str = "") -> None:
        self.store = store or Store()
        self.user = user
        self.requests: list[str] = []
        self.failing = 0
        """So many of the next requests are answered with 503."""
        self._http = self._listen(0)
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def _listen(self, port: int) -> ThreadingHTTPServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _any(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                path = urlsplit(self.path).path.strip("/")
                status, answer = outer.asked(
                    self.command, path, body, self.headers.get("Authorization", "")
                )
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = _any

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing on standard error."""

        http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        return http

    def asked(self, method: str, path: str, body: Any, authorization: str) -> Answer:
        self.requests.append(f"{method} /{path}")
        if self.failing:
            self.failing -= 1
            return _error(503, 503, "not now")
        wanted = "Basic " + base64.b64encode(self.user.encode()).decode()
        if self.user and authorization != wanted:
            return _error(401, 40101, "Unauthorized")
        return self.store.answer(method, [unquote(part) for part in path.split("/")], body)

    def down(self) -> None:
        """Nobody listens any more."""
        self._http.shutdown()
        self._http.server_close()

    def up(self) -> None:
        """The same again, at the same place."""
        self._http = self._listen(self.port)

    def settings(self, **more: Any) -> SchemaRegistry:
        return SchemaRegistry(url=self.url, **more)


# ---- a deployment


class Deployment(Struct, kw_only=True, eq=False):
    """Worker, gateway and sink over one log in memory, turned by hand."""

    broker: Broker
    log: MemoryBroker
    settings: Settings
    meta: Meta
    parts: list[Any] = []

    def start(self) -> None:
        """As processes that start: nothing is in memory but what the log says."""
        worker = deployment.worker(self.broker, self.settings, self.meta)
        gateway = deployment.gateway(self.broker, self.settings, self.meta)
        path = Path(self.settings.duck.path)
        subscriber, _ = deployment.duck(self.broker, path, self.meta)
        self.parts = [worker, gateway, subscriber]

    def pump(self) -> None:
        for part in self.parts:
            part.turn(0.0)

    def settle(self) -> None:
        """Until nobody is behind."""
        conductor = Conductor(
            self.broker, partitions=PARTITIONS, timeline="scms", pump=self.pump, patience_s=20.0
        )
        conductor.quiet()
        for _ in range(40):
            self.parts[2].turn(0.01)

    def stop(self) -> None:
        for part in self.parts:
            part.close()
        self.parts = []

    def play(self, messages: list[Message]) -> None:
        conductor = Conductor(
            self.broker, partitions=PARTITIONS, timeline="scms", pump=self.pump, patience_s=20.0
        )
        conductor.play(messages, TICK_US)
        self.settle()

    def send(self, topic: str, key: bytes, value: bytes, arrival: int) -> TopicPartition:
        """One record as somebody else would write it, past all that is ours."""
        producer = self.log.producer(None)
        producer.produce(topic, key, value, timestamp_us=arrival)
        producer.flush()
        producer.close()
        return TopicPartition(topic, partition_of(key, PARTITIONS))

    def raw(self, topic: str) -> list[Record]:
        """The records of a topic as they are."""
        return list(summary.read_all(self.log, topic, PARTITIONS))

    def reopened(self, database: Path) -> "Deployment":
        """The same log, and nothing else that this process knows; the sink fills a new file."""
        section = self.settings.schema_registry
        settings = msgspec.structs.replace(self.settings, duck=Duck(path=str(database)))
        broker = FramedBroker(self.log, Registry(section, patience_s=0.5), as_it_came=WORKER_GROUP)
        again = Deployment(broker=broker, log=self.log, settings=settings, meta=self.meta)
        again.start()
        for _ in range(60):
            again.pump()
        again.settle()
        return again

    def states(self) -> dict[str, Any]:
        """What the worker has in memory: canonical state, hash chain, schemas of others."""
        stores = self.parts[0].stores.values()
        return {
            key: (chain.canonical(state), state.head, state.schemas)
            for store in stores
            for key, state in store.states.items()
        }

    def hashes(self) -> summary.Hashes:
        return summary.fold_journal(self.broker, PARTITIONS)

    def audit(self) -> Audited:
        return audit_run.run(
            self.broker, self.meta, lambda *_: None, database=Path(self.settings.duck.path)
        )


def deploy(folder: Path, registry: SchemaRegistry | None = None) -> Deployment:
    """An initialised deployment whose parts have been started."""
    folder.mkdir(exist_ok=True)
    settings = Settings(
        kafka=Kafka(partitions=PARTITIONS),
        time=Time(simulated=True, timeline="scms"),
        duck=Duck(path=str(folder / "twin.duckdb")),
        gateway=Gateway(ledger=str(folder / "rail.sqlite")),
        schema_registry=registry or SchemaRegistry(),
    )
    log = MemoryBroker()
    broker: Broker = log
    if registry is not None:
        broker = FramedBroker(log, Registry(registry, patience_s=0.5), as_it_came=WORKER_GROUP)
    topics.init(broker, settings)
    meta = topics.require_meta(broker)
    found = Deployment(broker=broker, log=log, settings=settings, meta=meta)
    found.start()
    return found


def deliveries(chains: int) -> list[Message]:
    return scms_timeline.timeline(demo.first_chains(scms_file.read(), chains))
