"""Rights: one declaration, two ways to write it down; what the broker makes of it is in
tests/integration/test_access.py.
"""

import json
import re
import shlex

import pytest
from typer.testing import CliRunner

from supplytwin.schemas.records import CONTROL, JOURNAL, RECEIPTS, SENT
from supplytwin.streams import acl, topics
from supplytwin.streams.cli_look import topics_app

ROLES = acl.roles()


def rights(role: acl.Role) -> set[tuple[str, str, bool, str]]:
    """(resource, name, by prefix, operation) of everything that a role may do."""
    return {(r.resource, r.name, r.prefix, o) for r in role.rules for o in r.operations}


def writers(topic: str) -> set[str]:
    """Roles that may write to a topic."""
    return {role.name for role in ROLES if ("topic", topic, False, "Write") in rights(role)}


def said(*words: str) -> str:
    """What the command prints."""
    done = CliRunner().invoke(topics_app, ["acl", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_roles_are_known_by_name() -> None:
    """One for each kind of process and person; a company has one for each topic that it feeds."""
    assert [role.name for role in ROLES] == [
        "producer-orders", "producer-customs", "producer-shipments", "producer-warehouse",
        "documents", "contracts", "reviewer", "ticker", "feed", "worker", "gateway",
        "gateway-bank", "gateway-recovery", "sink", "watcher", "operator", "initialiser", "desk",
        "upgrader", "admin",
    ]  # fmt: skip


def test_money_and_history_have_one_writer() -> None:
    """What the worker derives it alone writes (and who upgrades, without one), receipts the gateway
    alone, in whichever role.
    """
    for topic in topics.DERIVED:
        assert writers(topic) == {"worker", "upgrader"}, topic
    assert writers(RECEIPTS) == {"gateway", "gateway-bank", "gateway-recovery"}
    assert writers(SENT) == {"gateway-bank"}
    assert writers(CONTROL) == {"ticker", "feed", "initialiser", "desk"}


def test_whoever_sends_may_read_what_deployment_it_is() -> None:
    """A command that sends by a deployment's meta and clock (`contract publish`, `settlement hold`,
    `feed`, `tick`) reads them from the control topic first.
    """
    for role in ROLES:
        if role.name in ("documents", "contracts", "reviewer", "ticker", "feed"):
            assert ("topic", CONTROL, False, "Read") in rights(role), role.name


def test_no_rule_reaches_further_than_our_names() -> None:
    """No wildcard, no right over the cluster, and prefixes only where something is appended."""
    for role in ROLES:
        for rule in role.rules:
            assert rule.resource in ("topic", "group", "transactionalId")
            assert rule.name in topics.ALL or rule.name.startswith("supplytwin"), rule
            assert "*" not in rule.name
            assert rule.prefix == rule.name.endswith((".", "-")), rule
            assert set(rule.operations) <= {"Read", "Write", "Create", "Describe",
                                            "DescribeConfigs"}  # fmt: skip
        assert len({(r.resource, r.name) for r in role.rules}) == len(role.rules), role.name


def test_who_looks_changes_nothing() -> None:
    """Operator, sink and watcher may write and create nothing."""
    for role in ROLES:
        if role.name in ("operator", "sink", "watcher"):
            assert {o for *_, o in rights(role)} <= {"Read", "Describe", "DescribeConfigs"}


def test_the_commands_say_what_the_declaration_says() -> None:
    """Read back as a shell reads them, they are every right of every role, and nothing else."""
    options = {"--topic": "topic", "--group": "group", "--transactional-id": "transactionalId"}
    found: dict[str, set[tuple[str, str, bool, str]]] = {}
    for line in said("--principal-prefix", "p-").splitlines():
        if line.startswith("#"):
            continue
        words = shlex.split(line)
        assert words[:5] == ["kafka-acls.sh", "--bootstrap-server", "$BOOTSTRAP",
                             "--command-config", "$ADMIN"]  # fmt: skip
        pairs = list(zip(words[6::2], words[7::2], strict=True))
        assert words[5] == "--add"
        values = dict(pairs)
        (resource,) = options.keys() & values.keys()
        by_prefix = values["--resource-pattern-type"] == "prefixed"
        own = found.setdefault(values["--allow-principal"], set())
        own |= {
            (options[resource], values[resource], by_prefix, operation)
            for name, operation in pairs
            if name == "--operation"
        }
    assert found == {f"User:p-{role.name}": rights(role) for role in ROLES}


RULE = re.compile(
    r"      - resource:\n"
    r"          type: (topic|group|transactionalId)\n"
    r"          name: (\".+\")\n"
    r"          patternType: (literal|prefix)\n"
    r"        operations: (\[.+\])\n"
)
USER = re.compile(
    r"# .+\n"
    r"apiVersion: kafka\.strimzi\.io/v1\n"
    r"kind: KafkaUser\n"
    r"metadata:\n"
    r"  name: (\"[a-z0-9-]+\")\n"
    r"  labels:\n"
    r"    strimzi\.io/cluster: \"mine\"\n"
    r"spec:\n"
    r"  authentication:\n"
    r"    type: scram-sha-512\n"
    r"  authorization:\n"
    r"    type: simple\n"
    r"    acls:\n"
    rf"((?:{RULE.pattern})+)"
)


def test_the_yaml_says_what_the_declaration_says() -> None:
    """Each document is a KafkaUser of exactly this shape with every right of its role."""
    documents = said("--format", "strimzi", "--cluster", "mine").split("---\n")
    assert documents[0] == ""
    found = {}
    for document in documents[1:]:
        user = USER.fullmatch(document)
        assert user is not None, document
        found[json.loads(user[1])] = {
            (kind, json.loads(name), pattern == "prefix", operation)
            for kind, name, pattern, operations in RULE.findall(user[2])
            for operation in json.loads(operations)
        }
    assert found == {f"supplytwin-{role.name}": rights(role) for role in ROLES}


def test_one_role_alone() -> None:
    """--role prints one, JSON is for programs, and an unknown one is told the known ones."""
    (worker,) = json.loads(said("--role", "worker", "--format", "json"))
    assert worker["name"] == "worker"
    assert {rule["name"] for rule in worker["rules"]} > {JOURNAL, "supplytwin.worker."}
    (sink,) = (role for role in ROLES if role.name == "sink")
    assert said("--role", "sink").count("kafka-acls.sh") == len(sink.rules)
    done = CliRunner().invoke(topics_app, ["acl", "--role", "king"])
    assert "worker" in str(done.exception)


@pytest.mark.parametrize("form", ["yaml", ""])
def test_another_format_is_refused(form: str) -> None:
    """By name, with those that there are."""
    done = CliRunner().invoke(topics_app, ["acl", "--format", form])
    assert "commands, strimzi or json" in str(done.exception)
