"""`%%glm` in a real kernel: what is sent, what the notebook gets, what is left behind."""

from __future__ import annotations

import json
import re
import threading
import time
from decimal import Decimal

import pytest

from tests.kernel.conftest import KEY
from tests.kernels import VENDOR, WRAPPERS, Kernel, Run, kernel
from tests.protocol_server import ProtocolServer, Reply

ASK = "%%glm --model glm-4-airx\nWhat is a covariance matrix?"


def test_loading_prints_nothing_and_asks_nothing(env, server) -> None:
    with kernel(env, load=False) as running:
        for command in ("%load_ext", "%load_ext", "%reload_ext", "%unload_ext", "%load_ext"):
            run = running.run(f"{command} glm_jupyter")
            assert run.ok, run.error
            if command != "%load_ext":
                assert not run.printed
            assert not run.displays
        assert server.requests == []
        heavy = "[m for m in ('httpx', 'pydantic', 'pandas', 'markdown_it') if m in sys.modules]"
        assert running.run("import sys").ok
        assert running.value(heavy) == "[]"
        running.run("%unload_ext glm_jupyter")
        assert not running.run(ASK).ok


def test_the_answer_is_shown_typeset_priced_and_kept(running: Kernel, server) -> None:
    server.enqueue(
        Reply(text=r"It is \( \Sigma \).", prompt_tokens=33, completion_tokens=885, chunk=3)
    )
    run = running.run(ASK)
    assert run.ok, run.error
    sent = server.requests[0].json
    assert sent["model"] == "glm-4-airx"
    assert sent["messages"] == [{"role": "user", "content": "What is a covariance matrix?"}]
    markdown = run.bundle["text/markdown"]
    assert r"It is $\Sigma$." in markdown
    assert "glm-4-airx" in markdown.splitlines()[-1]
    assert "0.00918 RMB" in markdown.splitlines()[-1]
    vendor = run.bundle[VENDOR]
    assert vendor["text"] == r"It is \( \Sigma \)."
    assert Decimal(vendor["cost"]) == Decimal("0.00918")
    assert (vendor["version"], vendor["currency"], vendor["complete"]) == (1, "RMB", True)
    assert vendor["usage"]["completion_tokens"] == 885
    assert r"\Sigma" in run.bundle["text/plain"]
    assert [m["msg_type"] for m in run.messages].count("execute_result") == 0
    assert running.value("_glm.text") == r"It is \( \Sigma \)."
    assert running.value("(_glm.cost, _glm.usage.total_tokens, _glm.complete)") == (
        "(Decimal('0.00918'), 918, True)"
    )


def test_an_answer_without_text_is_shown_with_its_price(running: Kernel, server) -> None:
    server.enqueue(Reply(text="", prompt_tokens=33, completion_tokens=885))
    run = running.run(ASK)
    assert run.ok, run.error
    assert "The model sent no text." in run.bundle["text/markdown"]
    assert "0.00918 RMB" in run.bundle["text/plain"]
    assert run.bundle[VENDOR]["text"] == ""


@pytest.mark.parametrize("reason", ["network_error", "sensitive", "content_filter"])
def test_a_failure_inside_the_service_is_the_finish_reason(running, server, reason) -> None:
    server.enqueue(Reply(text="Half", finish_reason=reason))
    run = running.run(ASK)
    assert not run.ok
    assert run.bundle[VENDOR]["finish_reason"] == reason
    assert running.value("(_glm.text, _glm.complete)") == "('Half', False)"


def test_it_streams(running: Kernel, server: ProtocolServer) -> None:
    hold = threading.Event()
    server.enqueue(Reply(text="First second third", chunk=6, hold=hold, hold_after=1))
    seen: list[str] = []

    def watch(message) -> None:
        if message["msg_type"] in ("display_data", "update_display_data"):
            seen.append(message["content"]["data"]["text/markdown"])
            hold.set()

    assert running.run(ASK, on_message=watch).ok
    assert "First" in seen[0]
    assert "third" not in seen[0]
    assert "First second third" in seen[-1]


def test_reasoning_is_folded_before_the_answer(running: Kernel, server) -> None:
    server.enqueue(Reply(reasoning="Let me see.", reasoning_field="inline", text="\nForty-two."))
    run = running.run("%%glm -m glm-z1-air\nWhat is six times seven?")
    assert run.bundle[VENDOR]["reasoning"].strip() == "Let me see."
    assert run.bundle[VENDOR]["text"].strip() == "Forty-two."
    markdown = run.bundle["text/markdown"]
    assert (
        markdown.index("<details>") < markdown.index("Let me see.") < markdown.index("</details>")
    )
    assert markdown.index("</details>") < markdown.index("Forty-two.")


def test_options_reach_the_service(running: Kernel, server, tmp_path) -> None:
    (tmp_path / "tutor.md").write_text("You are a tutor.")
    run = running.run(
        f"%%glm -m glm-4.7 -s @{tmp_path}/tutor.md -t 0.2 --top-p 0.5 --max-tokens 99 "
        "--stop END --no-think -o reply\nHi"
    )
    assert run.ok, run.error
    sent = server.requests[0].json
    assert sent["messages"][0] == {"role": "system", "content": "You are a tutor."}
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"]) == (0.2, 0.5, 99)
    assert sent["stop"] == ["END"]
    assert sent["thinking"] == {"type": "disabled"}
    assert running.value("reply is _glm") == "True"


def test_values_come_into_the_prompt(running: Kernel, server) -> None:
    running.run("import numpy as np; S = np.array([[2, 1], [1, 2]]); v = '{{ S }}'")
    assert running.run("%%glm -m glm-4-airx\nInvert\n{{ S }}\n{{ v }} \\frac{a}{b}").ok
    content = server.requests[0].json["messages"][0]["content"]
    assert content == "Invert\n[[2 1]\n [1 2]]\n{{ S }} \\frac{a}{b}"
    assert running.run("%%glm -m glm-4-airx --raw\n{{ S }}").ok
    assert server.requests[1].json["messages"][0]["content"] == "{{ S }}"


def test_continue_and_running_a_cell_again(running: Kernel, server) -> None:
    def contents(number: int) -> list[str]:
        return [message["content"] for message in server.requests[number].json["messages"]]

    for text in ("one", "two", "three", "two again", "alone", "after"):
        server.enqueue(Reply(text=f"answer {text}"))
    running.run("%%glm -m glm-4-airx -s Short.\none", cell_id="a")
    running.run("%%glm -m glm-4-airx -c\ntwo", cell_id="b")
    running.run("%%glm -m glm-4-airx -c\nthree", cell_id="c")
    assert contents(2) == ["Short.", "one", "answer one", "two", "answer two", "three"]
    running.run("%%glm -m glm-4-airx -c\ntwo again", cell_id="b")
    assert contents(3) == ["Short.", "one", "answer one", "two again"]
    running.run("import glm_jupyter as glm")
    assert running.value("[m['content'] for m in glm.session.messages if m['role'] == 'user']") == (
        "['one', 'two again', 'three']"
    )
    running.run("%%glm -m glm-4-airx\nalone", cell_id="d")
    running.run("%%glm -m glm-4-airx -c\nafter", cell_id="e")
    assert contents(5) == ["alone", "answer alone", "after"]


def test_the_text_of_a_cell_is_sent_as_it_was_typed(running: Kernel, server) -> None:
    typed = "   >>> 1 + 1\n2\n>>> f(\n... 3)\n  \n!ls\nIn [1]: {x} $x$ \\frac{a}{b} 'What?'"
    for cell in (f"%%glm -m glm-4-airx\n{typed}", f"\n\n%%glm -m glm-4-airx\n{typed}\n"):
        assert running.run(cell).ok
        assert server.chats[-1].json["messages"][0]["content"] == typed


def test_dry_run_sends_nothing(running: Kernel, server) -> None:
    run = running.run("%%glm -m glm-4-airx --dry-run --max-tokens 100\nWhat is {{ 1 + 1 }}?")
    assert run.ok, run.error
    assert server.requests == []
    shown = run.bundle["text/markdown"]
    assert "What is 2?" in shown
    assert "RMB" in shown
    assert "100" in shown


BAD_CELLS = [
    ("%%glm -m glm-4-airx\n\n  \n", "empty"),
    ("%%glm --modle glm-4-airx\nHi", "--model"),
    ("%%glm -m glm-4-airx\nWhat is {{ nothing }}?", "`nothing` is not defined"),
    ("%%glm -m glm-4-airx -t 9\nHi", "temperature"),
    ("%%glm -m glm-4-airx --max-tokens 5000\nHi", "4,?09[56]"),
    ("%%glm -m glm-4-airx\n" + "long " * 20000, "8,?192"),
    ("%%glm -m glm-4-airx -s @missing.md\nHi", "No such file"),
    ("%%glm -m glm-4-airx -o 1x\nHi", "variable"),
    ("%%glm -e nowhere\nHi", "no endpoint"),
    ("%%glm -m glm-4-airx -s 'open\nHi", "quotation"),
]


@pytest.mark.parametrize(("code", "said"), BAD_CELLS)
def test_what_can_be_known_before_is_not_sent(running: Kernel, server, code, said) -> None:
    run = running.run(code)
    assert not run.ok
    assert server.requests == []
    assert_short_error(run.error, said)
    assert not run.displays


def assert_short_error(error: str, said: str) -> None:
    assert re.search(said, error), error
    assert len(error.splitlines()) <= 6, error
    assert "Traceback" not in error
    assert KEY not in error


def test_no_key(env, server) -> None:
    del env["ZAI_API_KEY"]
    with kernel(env) as running:
        run = running.run(ASK)
        assert not run.ok
        assert server.requests == []
        assert_short_error(run.error, "key")
        assert "`%glm login`" in run.error
        assert "`%glm login -e zai`" in running.run("%%glm -m zai/glm-4.7\nHi").error


def test_a_dry_run_needs_neither_key_nor_engine(env, server) -> None:
    del env["ZAI_API_KEY"]
    with kernel(env) as running:
        running.run("import sys; sys.modules['xllamacpp'] = None  # as if it were not installed")
        run = running.run("%%glm --dry-run\nHi")
        assert run.ok, run.error
        assert "Not sent. bigmodel/glm-4.7-flash" in run.bundle["text/plain"]
        assert_short_error(running.run("%%glm\nHi").error, "no key")
    assert server.requests == []


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(status=401, body={"error": {"code": "1000", "message": "身份验证失败"}}), "key"),
        (Reply(status=200, body="<html><b>Portal</b></html>"), "HTML"),
        (Reply(status=400, body={"error": {"code": "1211", "message": "模型不存在"}}), "model"),
        (Reply(text="Half", cut_after=1), "broke|broken|cut"),
        (Reply(text="Half", error={"code": "1305", "message": "busy"}), "busy|overload"),
    ],
)
def test_what_the_service_does_wrong_fails_the_cell(running, server, reply, said) -> None:
    server.respond = lambda request: reply
    run = running.run(ASK)
    assert not run.ok
    assert_short_error(run.error, f"(?i){said}")
    assert "<b>" not in run.error


def test_a_base_url_that_does_not_resolve(env) -> None:
    with kernel({**env, "ZAI_BASE_URL": "http://no-such-host.invalid/v4"}) as running:
        run = running.run(ASK)
        assert not run.ok
        assert_short_error(run.error, "no-such-host.invalid")


def test_a_broken_answer_keeps_what_came(running: Kernel, server) -> None:
    server.enqueue(Reply(text="Half of an answer that goes on", chunk=4, cut_after=3))
    run = running.run(ASK)
    assert not run.ok
    assert "Half of an a" in run.bundle["text/markdown"]
    assert run.bundle[VENDOR]["complete"] is False
    assert running.value("(_glm.complete, _glm.text, _glm.usage.estimated)") == (
        "(False, 'Half of an a', True)"
    )
    assert "at least" in run.bundle["text/markdown"]


def test_an_interrupt_keeps_what_came_and_frees_the_kernel(running: Kernel, server) -> None:
    for wrapper in WRAPPERS:
        server.enqueue(Reply(text="word " * 2000, chunk=5, pause=0.02))
        interrupted: list[float] = []

        def watch(message, interrupted=interrupted) -> None:
            shown = message["content"].get("data", {}).get("text/markdown", "")
            if "word word" in shown and not interrupted:
                interrupted.append(time.monotonic())
                running.manager.interrupt_kernel()

        run = running.run(wrapper + ASK, on_message=watch)
        assert not run.ok
        assert run.reply["ename"] == "Stopped"
        assert "word word" in run.bundle["text/markdown"]
        assert running.value("_glm.complete") == "False"
        assert_short_error(run.error, "kept")
        assert eventually(lambda: server.requests[-1].aborted)
        assert running.value("1 + 1") == "2"


def test_an_interrupt_is_seen_while_the_service_keeps_silent(running: Kernel, server) -> None:
    """A signal alone does not wake the kernel's loop: nothing must wait for the next bytes."""
    running.run("import glm_jupyter as glm")
    streaming = "async for event in glm.astream('Hi', model='glm-4-airx'): pass"
    for code in (ASK, "await glm.aask('Hi', model='glm-4-airx')", streaming):
        run = stopped_in_silence(running, server, code)
        assert run.reply["ename"] in ("Stopped", "CancelledError")


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_an_interrupt_reaches_an_expression_that_computes(running: Kernel, server, wrapper) -> None:
    running.run("import time\ndef slow():\n    print('begun')\n    time.sleep(60)")

    def watch(message) -> None:
        if "begun" in message["content"].get("text", ""):
            running.manager.interrupt_kernel()

    run = running.run(
        f"{wrapper}%%glm -m glm-4-airx\n{{{{ slow() }}}}", on_message=watch, timeout=50
    )
    assert run.reply["ename"] == "Stopped"
    assert_short_error(run.error, "Nothing was sent")
    assert server.requests == []
    assert running.run(ASK).ok


@pytest.mark.parametrize(
    "code",
    [
        "glm.ask('Hi', model='glm-4-airx')",
        "await glm.aask('Hi', model='glm-4-airx')",
        "for event in glm.stream('Hi', model='glm-4-airx'): pass",
        "async for event in glm.astream('Hi', model='glm-4-airx'): pass",
    ],
)
def test_an_interrupt_of_a_call_is_told_in_a_line(running: Kernel, server, code: str) -> None:
    running.run("import glm_jupyter as glm")
    run = stopped_in_silence(running, server, code)
    assert run.reply["ename"] in ("KeyboardInterrupt", "CancelledError")
    assert_short_error(run.error, "session.last")
    assert running.value("glm.session.last.text") == "First "


def stopped_in_silence(running: Kernel, server: ProtocolServer, code: str) -> Run:
    """Run code that asks, and interrupt it when the service has said "First " and no more."""
    silence = threading.Event()
    server.enqueue(Reply(text="First second", chunk=6, hold=silence, hold_after=1))
    interrupt_after_asking(running, server)
    run = running.run(code, timeout=30)
    silence.set()
    return run


def interrupt_after_asking(running: Kernel, server: ProtocolServer) -> None:
    """Interrupt the kernel when it has sent a further request, and has had time to read on."""
    asked = len(server.requests)

    def wait() -> None:
        if eventually(lambda: len(server.requests) > asked):
            time.sleep(2)
            running.manager.interrupt_kernel()

    threading.Thread(target=wait, daemon=True).start()


def eventually(condition) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_other_magics_may_wrap_the_cell(running: Kernel, server) -> None:
    server.enqueue(Reply(text="one"), Reply(text="two"), Reply(text="three"))
    run = running.run("%%time\n" + ASK)
    assert run.ok, run.error
    assert "one" in run.bundle["text/markdown"]
    run = running.run("%%capture out\n" + ASK)
    assert run.ok, run.error
    assert not run.displays
    assert running.value("out.outputs[0].data['text/markdown'][:3]") == "two"
    code = "get_ipython().run_cell_magic('glm', '-m glm-4-airx', 'Hi')"
    assert running.run(code).bundle[VENDOR]["text"] == "three"


def test_the_same_from_python(running: Kernel, server) -> None:
    server.respond = lambda request: Reply(text="yes", chunk=1)
    running.run("import glm_jupyter as glm")
    assert running.value("glm.ask('Really?', model='glm-4-airx', temperature=0.5)") == "yes"
    assert server.requests[0].json["temperature"] == 0.5
    assert running.value("(await glm.aask('Really?', model='glm-4-airx')).text") == "yes"
    kinds = "[type(e).__name__ for e in glm.stream('Really?', model='glm-4-airx')]"
    assert "'TextDelta', 'TextDelta', 'TextDelta'" in running.value(kinds)
    assert running.value("[e async for e in glm.astream('R', model='glm-4-airx')] != []") == "True"
    run = running.run("glm.ask('Really?', model='glm-4-airx', temprature=1)")
    assert_short_error(run.error, "temperature")


def test_asking_the_same_again_from_python_goes_on(running: Kernel, server) -> None:
    running.run("import glm_jupyter as glm\nglm.ask('Write.', model='glm-4-airx')")
    running.run("for _ in range(2): glm.ask('More.', model='glm-4-airx', continue_=True)")
    asked = [m["content"] for m in server.chats[-1].json["messages"] if m["role"] == "user"]
    assert asked == ["Write.", "More.", "More."]


def test_the_key_reaches_no_output(running: Kernel, server) -> None:
    server.enqueue(Reply(text="hello"))
    runs = [running.run(ASK)]
    for code in ("_glm", "%glm doctor", "%glm models", "get_ipython().user_ns['_glm'].__dict__"):
        runs.append(running.run(code))
    server.key = "another"
    runs.append(running.run(ASK))
    assert not runs[-1].ok
    for run in runs:
        assert KEY not in json.dumps(run.messages, default=str)


def test_a_model_nobody_knows_is_sent_as_it_is(running: Kernel, server) -> None:
    run = running.run("%%glm -m glm-99-ultra\nHi")
    assert run.ok, run.error
    assert server.requests[0].json["model"] == "glm-99-ultra"
    assert run.bundle[VENDOR]["cost"] is None
    assert "cost unknown" in run.bundle["text/markdown"]


def test_a_server_of_ones_own_gets_no_foreign_key(running: Kernel, server, env) -> None:
    with ProtocolServer() as own:
        base = own.url
        run = running.run(f"%%glm -e {base} -m my-glm\nHi")
        assert run.ok, run.error
        assert "authorization" not in {name.lower() for name in own.requests[0].headers}
        assert own.requests[0].json["stream_options"] == {"include_usage": True}


def test_use_and_config_and_their_order(running: Kernel, server) -> None:
    def model_of(code: str) -> str:
        run = running.run(code)
        assert run.ok, run.error
        return server.requests[-1].json["model"]

    assert running.run("%config GLM.model = None").ok
    assert model_of("%%glm\nHi") == "glm-4.7-flash"
    assert running.run("%config GLM.model = 'glm-4-plus'").ok
    assert model_of("%%glm\nHi") == "glm-4-plus"
    assert "glm-4-airx" in running.run("%glm use glm-4-airx").printed
    assert model_of("%%glm\nHi") == "glm-4-airx"
    assert model_of("%%glm -m glm-4.7\nHi") == "glm-4.7"


def test_a_configured_habit_of_thinking_is_kept_where_there_is_a_switch(running, server) -> None:
    assert running.run("%config GLM.think = False").ok
    for model, sent in (("glm-4-airx", None), ("glm-z1-air", None), ("glm-4.7", "disabled")):
        run = running.run(f"%%glm -m {model}\nHi")
        assert run.ok, run.error
        assert server.requests[-1].json.get("thinking") == (sent and {"type": sent})
    assert not running.run("%%glm -m glm-z1-air --no-think\nHi").ok


def test_ipython_config_is_read(env, server, tmp_path) -> None:
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text("c = get_config()\nc.GLM.model = 'glm-4-long'\n")
    with kernel(env) as running:
        assert running.run("%%glm\nHi").ok
    assert server.requests[0].json["model"] == "glm-4-long"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("%%glm --help", "--dry-run"),
        ("%%glm -m x --help\nbody", "--dry-run"),
        ("%glm --help", "doctor"),
        ("%glm use --help", "MODEL"),
        ("%glm models airx", None),
        ("%glm doctor", "ZAI_API_KEY"),
    ],
)
def test_help_and_reports(running: Kernel, server, code, said) -> None:
    run = running.run(code)
    assert run.ok, run.error
    text = run.printed + "".join(b["text/plain"] for b in run.displays.values())
    assert (said or "glm-4-airx") in text
    assert server.requests == []


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ZAI_BASE_URL", "no url", "ZAI_BASE_URL: That is not a base URL"),
        ("ZAI_API_KEY", "a key", "The key in ZAI_API_KEY cannot be one"),
    ],
)
def test_the_doctor_tells_what_cannot_be_used(env, variable, value, said) -> None:
    with kernel({**env, variable: value}) as running:
        run = running.run("%glm doctor")
        assert run.ok, run.error
        assert said in run.bundle["text/plain"]
        assert value not in run.bundle["text/plain"]


def test_the_doctor_asks_the_service_where_that_is_wanted(running: Kernel, server) -> None:
    assert running.run("%glm doctor").ok
    assert server.requests == []
    shown = running.run("%glm doctor --online").bundle["text/plain"]
    assert "takes the key, answers in" in shown
    assert f"lists {len(server.models)} models" in shown
    assert "agrees with the service's" in shown
    assert "no proxy" in shown
    server.key = "another.key"
    assert "the key was not accepted" in running.run("%glm doctor --online").bundle["text/plain"]
    assert {request.path.rpartition("/")[2] for request in server.requests} == {"models"}


def test_the_doctor_tells_of_a_catalogue_with_a_mistake(env, tmp_path) -> None:
    folder = tmp_path / "config" / "glm-jupyter"
    folder.mkdir(parents=True)
    (folder / "catalogue.toml").write_text("[[model]\n")
    with kernel(env) as running:
        run = running.run("%glm doctor")
        assert run.ok, run.error
        assert "cannot be used" in run.bundle["text/plain"]


def test_certificates_that_cannot_be_read_are_named_where_they_are_needed(env) -> None:
    with kernel({**env, "SSL_CERT_FILE": "/nowhere/certificates.pem"}) as running:
        assert running.run(ASK).ok  # a server of plain http
        run = running.run("%%glm -e https://127.0.0.1:9/v1 -m m\nHello")
        assert not run.ok
        assert_short_error(run.error, "SSL_CERT_FILE")


def test_login_where_nobody_can_type(running: Kernel) -> None:
    run = running.run("%glm login")
    assert not run.ok
    assert_short_error(run.error, "ZAI_API_KEY")


def test_unknown_command(running: Kernel) -> None:
    run = running.run("%glm modles")
    assert not run.ok
    assert_short_error(run.error, "Did you mean models")
