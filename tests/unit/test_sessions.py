"""The session that cells, panel and threads share."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

ASK_AT_ONCE = """
import sys, threading
sys.setswitchinterval(1e-6)
import glm_jupyter as glm

def ask():
    ready.wait()
    for _ in range(5):
        glm.ask("Hi", model="glm-4-airx")

ready = threading.Barrier(8)
threads = [threading.Thread(target=ask) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(glm.session.spent["RMB"], glm.session.answers, glm.session.running)
"""


def test_threads_that_ask_at_once_share_one_session_and_its_sums(server, tmp_path) -> None:
    environment = {
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "ZAI_API_KEY": "k.s",
        "ZAI_BASE_URL": server.url,
    }
    said = subprocess.run(
        [sys.executable, "-c", ASK_AT_ONCE],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    ).stdout
    spent, answers, running = said.split()
    assert answers == "40"
    assert Decimal(spent) == 40 * Decimal("0.00046")
    assert running == "()"
