"""The same payments are the same bytes in every process."""

import os
import subprocess
import sys
from pathlib import Path

UNIT = Path(__file__).parents[1] / "unit"
WRITES = """
import hashlib, random
from iso20022_world import DESK, NOW, some_payment
from supplytwin.sinks.iso20022_out import payment_file
from supplytwin.sinks.iso20022_recall import REASONS, Recall, recall_message

rng, digest = random.Random(5), hashlib.sha256()
for number in range(200):
    payments = [some_payment(rng) for _ in range(rng.randint(1, 4))]
    file = payment_file(payments, DESK, NOW)
    digest.update(file.data)
    sent, bank = file.sent[0], payments[0].debtor.agent
    recall = Recall(sent=sent, recall_no=1, reason=sorted(REASONS)[0], requested_by="B", bank=bank)
    digest.update(recall_message(recall, NOW))
print(digest.hexdigest())
"""


def written(hash_seed: str) -> str:
    """The digest of 400 messages that a process of its own writes."""
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(UNIT)}
    done = subprocess.run(
        [sys.executable, "-c", WRITES], env=env, capture_output=True, text=True, check=True,
        timeout=120,
    )  # fmt: skip
    return done.stdout.strip()


def test_messages_are_the_same_in_another_process() -> None:
    """Whatever order its sets and hashes have."""
    first, second = written("1"), written("2")
    assert len(first) == 64
    assert first == second
