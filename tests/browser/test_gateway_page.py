"""The gateway's page in a browser, with users and groups that somebody hostile has named."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from playwright.sync_api import Browser

from tests.gateway.running import config, gateway, token
from tests.payloads import some
from tests.protocol_server import ProtocolServer

# A Hub's names and groups are what somebody typed. A control character is none of TOML's.
NAMES = sorted({name.strip() for name in some(300) if name.strip().isprintable()})
ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "a", "div", "small"),
    *("table", "thead", "tbody", "tr", "th", "td", "br", "svg", "g", "rect", "line", "text"),
}


def test_a_name_is_shown_as_a_name(
    tmp_path: Path, server: ProtocolServer, browser: Browser
) -> None:
    groups = "".join(
        f"[groups.{json.dumps(name)}]\nmembers = {json.dumps([name])}\ntotal = '5 RMB'\n"
        for name in NAMES
    )
    tokens = "".join(f'"t-{n}" = {json.dumps(name)}\n' for n, name in enumerate(NAMES))
    settings = config(tmp_path, groups) + tokens
    with gateway(tmp_path, server, settings) as running:
        for n in range(0, len(NAMES), len(NAMES) // 20):
            assert running.ask(str(n)).status_code == 200
            assert running.ask(str(n), model=NAMES[n]).status_code == 403
        seen: list[str] = []
        for visitor in ("grace", "0"):
            page = browser.new_page(extra_http_headers=token(visitor))
            seen.clear()
            page.on("request", lambda request: seen.append(request.url))
            page.on("dialog", lambda dialog: seen.append(dialog.message))
            page.goto(f"{running.root}/usage")
            assert seen == [page.url]
            found = "() => [...new Set([...document.querySelectorAll('*')].map(e => e.localName))]"
            assert set(page.evaluate(found)) <= ELEMENTS
            links = page.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
            assert links == ["usage.csv"]
            shown = page.locator("tbody th").all_text_contents()
            wanted = {NAMES[0]} if visitor == "0" else set(NAMES)
            assert wanted <= {name.strip() for name in shown}
            page.close()
        table = httpx.get(f"{running.root}/usage.csv", headers=token("grace"))
        assert not [line for line in table.text.splitlines() if line[:1] in "=+-@"]
