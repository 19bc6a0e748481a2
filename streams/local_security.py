"""A local Apache Kafka that refuses: TLS, SCRAM credentials, and an authorizer without exceptions.

For trying rights out, and for tests: the certificates are our own, made when the data directory is
formatted, and so are the users. Clients speak SASL_SSL; the node and its controller know each other
by the node's certificate, so there is no listener that lets anybody in.
"""

import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from supplytwin.schemas.errors import FatalError
from supplytwin.streams.kafka import Client

MECHANISM = "SCRAM-SHA-512"
CA = "ca.pem"
_STORE, _SECRET = "broker.p12", "broker.secret"
_NODE = "CN=broker"
_DAYS = "30"


class Security(Struct, frozen=True, kw_only=True):
    """Who may connect (password by name), and who of them may do everything."""

    superuser: str
    users: Mapping[str, str]

    def client(self, state_dir: Path, user: str) -> Client:
        """`[kafka.client]` of a user of the broker in `state_dir`."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": MECHANISM,
            "sasl.username": user,
            "sasl.password": self.users[user],
            "ssl.ca.location": str(state_dir / CA),
        }

    def format_words(self) -> list[str]:
        """For the tool that formats the storage: the credentials are its first records."""
        words = []
        for name, password in self.users.items():
            words += ["--add-scram", f"{MECHANISM}=[name={name},password={password}]"]
        return words

    def properties(
        self, state_dir: Path, client_port: int, inner_port: int, controller_port: int
    ) -> dict[str, str]:
        """What the node needs beyond the settings of an open one."""
        clients = f"CLIENT://127.0.0.1:{client_port},INNER://127.0.0.1:{inner_port}"
        return {
            "listeners": f"{clients},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": clients,
            "listener.security.protocol.map": "CLIENT:SASL_SSL,INNER:SSL,CONTROLLER:SSL",
            "inter.broker.listener.name": "INNER",
            "sasl.enabled.mechanisms": MECHANISM,
            "listener.name.client.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "listener.name.inner.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.keystore.type": "PKCS12",
            "ssl.keystore.location": str(state_dir / _STORE),
            "ssl.keystore.password": (state_dir / _SECRET).read_text(),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(state_dir / CA),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{_NODE};User:{self.superuser}",
        }


def certify(state_dir: Path) -> None:
    """A certificate of the node for 127.0.0.1 is in `state_dir`, and the one that signed it as PEM.

    The signing key is thrown away, so that nobody can make another that clients would believe.
    """
    if (state_dir / CA).exists():
        return
    password = secrets.token_hex(16)
    (state_dir / _SECRET).touch(mode=0o600)
    (state_dir / _SECRET).write_text(password)
    key = ("-keyalg", "EC", "-groupname", "secp256r1", "-validity", _DAYS)
    _keytool(state_dir, "-genkeypair", "-alias", "ca", "-dname", "CN=supplytwin local CA",
             "-ext", "bc:c", *key)  # fmt: skip
    _keytool(state_dir, "-genkeypair", "-alias", "broker", "-dname", _NODE, "-signer", "ca",
             "-ext", "san=ip:127.0.0.1", *key)  # fmt: skip
    _keytool(state_dir, "-exportcert", "-rfc", "-alias", "ca", "-file", str(state_dir / CA))
    _keytool(state_dir, "-delete", "-alias", "ca")


def _keytool(state_dir: Path, *words: str) -> None:
    store = ("-storetype", "PKCS12", "-keystore", str(state_dir / _STORE))
    secret = ("-storepass:file", str(state_dir / _SECRET))
    done = subprocess.run(
        [shutil.which("keytool") or "keytool", *words, *store, *secret],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-300:]
        raise FatalError(f"no certificate can be made: {said}")
