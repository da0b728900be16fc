"""`--web` in a real kernel: the tool on the wire, sources under the answer, its price."""

from __future__ import annotations

import warnings
from decimal import Decimal

import pytest

from tests.kernels import VENDOR, Kernel
from tests.protocol_server import Reply

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import zai

PAGES = [
    {"title": "Rain [today]", "link": "https://example.org/rain?a=1&b=2", "refer": "ref_1"},
    {"title": "No link", "link": "javascript:alert(1)", "refer": "ref_2"},
]


def test_the_sources_are_listed_and_the_search_is_paid(running: Kernel, server) -> None:
    server.enqueue(
        Reply("It rains.", sources=PAGES, prompt_tokens=1000, completion_tokens=100),
        Reply("No search was needed.", prompt_tokens=1000, completion_tokens=100),
    )
    run = running.run("%%glm -m glm-4-plus --web\nDoes it rain?")
    assert run.ok, run.error
    shown = run.bundle["text/markdown"]
    assert "(https://example.org/rain?a=1&b=2)" in shown
    assert "Rain" in shown
    assert "javascript" not in shown
    vendor = run.bundle[VENDOR]
    assert [source["title"] for source in vendor["sources"]] == ["Rain [today]", "No link"]
    assert Decimal(vendor["cost"]) == Decimal("0.0055") + Decimal("0.01")
    assert "web search for 0.01 RMB" in shown
    running.run("import glm_jupyter as glm")
    assert running.value("glm.usage()['cost'].iloc[0]") == "0.0155"
    run = running.run("%%glm -m glm-4-plus --web\nWhat is 1 + 1?")
    assert Decimal(run.bundle[VENDOR]["cost"]) == Decimal("0.0055")


def test_on_the_wire_it_is_what_the_official_client_sends(running: Kernel, server, env) -> None:
    assert running.run("%%glm -m glm-4.7 --web\nDoes it rain?").ok
    ours = server.chats[0].json
    (tool,) = ours["tools"]
    assert tool["web_search"] == {
        "enable": True,
        "search_engine": "search_std",
        "search_result": True,
    }
    client = zai.ZhipuAiClient(api_key=env["ZAI_API_KEY"], base_url=server.url)
    client.chat.completions.create(
        model="glm-4.7", messages=ours["messages"], tools=[tool], stream=True
    )
    assert ours == {k: v for k, v in server.chats[1].json.items() if v is not None}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-m glm-4v-plus-0111 --web", "cannot search the web"),
        ("-m local/smollm2-135m --web", "no web search"),
        ("-e http://127.0.0.1:1/v1 -m x --web", "no web search"),
        ("-m glm-4.7 --web --tools print_it", "not both"),
    ],
)
def test_where_there_is_none_it_is_refused(running: Kernel, server, line, said) -> None:
    running.run("def print_it(text: str):\n    'Print.'")
    run = running.run(f"%%glm {line}\nDoes it rain?")
    assert not run.ok
    assert said in run.error
    assert server.chats == []
