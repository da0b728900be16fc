"""A kernel whose environment is Chinese: what users read is Chinese, what a model reads is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.conftest import environment
from tests.kernels import VENDOR, Kernel, kernel
from tests.protocol_server import ProtocolServer, Reply

CHINESE = {"LANGUAGE": "", "LC_ALL": "", "LC_MESSAGES": "", "LANG": "zh_CN.UTF-8"}


@pytest.fixture(scope="module")
def service() -> Iterator[ProtocolServer]:
    with ProtocolServer() as service:
        yield service


@pytest.fixture(scope="module")
def chinese(service: ProtocolServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    home = tmp_path_factory.mktemp("home")
    with kernel(environment(service, home) | CHINESE) as running:
        yield running


@pytest.mark.parametrize(
    ("cell", "says", "remedy"),
    [
        (
            "%%glm\n{{ nowhere }}",
            "名称 `nowhere` 未定义。未发送任何内容。",
            "请在上方的单元格中定义",
        ),
        ("%%glm -e nowhere\nHi", "没有端点 'nowhere'。", "可用端点：bigmodel, zai, local"),
        ("%%glm -m glm-4-airx -t 9\nHi", "不接受 --temperature 9", "请将 --temperature 设在"),
        ("%%glm -m glm-4-airx --max-cost 0.00001\nHi", "最多可能花费", "提高 --max-cost"),
        ("import glm_jupyter as glm; glm.ask('Hi', modell='x')", "没有选项 `modell`", "`model`？"),
        ("%glm replay /nowhere.jsonl", "无法读取 nowhere.jsonl", "路径相对于"),
    ],
)
def test_an_error_says_what_happened_and_what_to_do(
    chinese: Kernel, cell: str, says: str, remedy: str
) -> None:
    run = chinese.run(cell)
    assert says in run.error
    assert remedy in run.error


def test_what_the_service_refuses_is_explained(chinese: Kernel, service: ProtocolServer) -> None:
    service.enqueue(Reply(status=401, body='{"error": {"code": "1002", "message": "no"}}'))
    error = chinese.run("%%glm -m glm-4-airx\nHi").error
    assert "127.0.0.1" in error
    assert "密钥未被接受（1002）。对方的说明：no" in error
    assert "请检查密钥" in error


def test_notes_of_an_answer_are_chinese_and_prompts_stay_as_they_are(
    chinese: Kernel, service: ProtocolServer
) -> None:
    service.enqueue(Reply(text="Long."))
    run = chinese.run("numbers = list(range(5000))")
    run = chinese.run("%%glm -m glm-4-airx\nSum {{ numbers }}")
    assert run.ok, run.error
    assert "5,000 项中的 200 项" in run.bundle["text/plain"]
    sent = service.requests[-1].json["messages"][0]["content"]
    assert "(Cut: 200 of 5,000 items shown.)" in sent


def test_the_frame_of_an_answer_is_chinese(chinese: Kernel, service: ProtocolServer) -> None:
    service.enqueue(Reply(text="4", reasoning="2 + 2.", finish_reason="length"))
    shown = chinese.run("%%glm -m glm-4-airx\n2 + 2").bundle
    assert "<summary>已思考" in shown["text/markdown"]
    assert "**回答达到 token 上限，被截断。**" in shown["text/markdown"]
    assert "输入 12 token，输出 34 · " in shown["text/plain"]
    assert shown[VENDOR]["words"]["details"][0][0] == "模型"


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("%%glm --help\n", "采样温度（temperature）"),
        ("%glm --help", "列出模型及其价格和限制"),
        ("%glm record", "没有在录制"),
        ("%glm reset", "及其回答。"),
        ("%glm history", "还没有对话。运行 %%glm 单元格即开始对话。"),
    ],
)
def test_help_and_commands_print_chinese(chinese: Kernel, cell: str, says: str) -> None:
    assert says in chinese.run(cell).printed


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("%glm models glm-4.7", "价格按每百万 token 计"),
        ("%glm doctor", "当前由谁回答"),
        ("%glm budget", "未设预算"),
        ("%%glm --dry-run -m glm-4-airx\nHi", "未发送。"),
    ],
)
def test_tables_and_dry_runs_are_chinese(chinese: Kernel, cell: str, says: str) -> None:
    shown = chinese.run(cell).bundle
    assert says in shown["text/plain"]


def test_a_map_is_chinese_and_its_columns_are_for_programs(
    chinese: Kernel, service: ProtocolServer
) -> None:
    service.enqueue(Reply(text="4"), Reply(text="6"))
    run = chinese.run("import glm_jupyter as glm; a = glm.map(['2 + 2', '3 + 3']); a")
    assert "已回答 2 个" in str(run.displays)
    assert "'prompt_tokens'" in chinese.value("list(a.frame())")


def test_a_page_that_says_hello_chooses_its_own_language(
    chinese: Kernel, service: ProtocolServer
) -> None:
    def hello(language: str) -> None:
        session, name = chinese.client.session, "glm-jupyter.answer"
        said = {"comm_id": name, "data": {"type": "hello", "language": language}}
        chinese.client.shell_channel.send(session.msg("comm_msg", said))

    hello("en")
    assert "Nothing is being recorded" in chinese.run("%glm record").printed
    hello("zh-CN")
    assert "没有在录制" in chinese.run("%glm record").printed
