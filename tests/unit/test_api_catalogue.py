"""What is known of models: prices as they are billed, limits before anything is sent."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_jupyter.api import catalogue
from glm_jupyter.api.catalogue import Model
from glm_jupyter.api.errors import InputError
from glm_jupyter.api.events import Usage
from glm_jupyter.api.request import ChatRequest

MODELS = catalogue.models()


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's own catalogue would be: nowhere yet."""
    monkeypatch.setattr(platformdirs, "user_config_path", lambda *args, **more: tmp_path)
    return tmp_path / "catalogue.toml"


def known(name: str, endpoint: str | None = None) -> Model:
    model = catalogue.find(name, endpoint)
    assert model is not None
    return model


def cost(name: str, asked: int, given: int, cached: int = 0, endpoint: str = "bigmodel") -> Any:
    return known(name, endpoint).cost(Usage(asked, given, asked + given, cached))


@pytest.mark.parametrize(
    ("bill", "amount"),
    [
        (("GLM-4-AirX", 33, 885), "0.00918"),
        (("GLM-Z1-Air", 140, 2550), "0.001345"),
        (("glm-4.7", 31_999, 199), "0.06559"),  # 31,999 x 2 + 199 x 8
        (("glm-4.7", 31_999, 200), "0.098797"),  # 31,999 x 3 + 200 x 14
        (("glm-4.7", 32_000, 199), "0.131184"),  # 32,000 x 4 + 199 x 16
        (("glm-4.7", 10_000, 1_000, 4_000), "0.0344"),  # 6,000 x 3 + 4,000 x 0.6 + 1,000 x 14
        (("glm-4.5-air", 1_000, 199), "0.001198"),
        (("glm-4.5-air", 1_000, 200), "0.002"),
        (("glm-5.3", 1_000, 1_000, 1_000), "0.03"),
        (("glm-4-airx", 100, 0, 100), "0.001"),  # no price for cached tokens: they cost the same
        (("glm-4.7", 31_999, 200, 0, "zai"), "0.0196394"),  # flat, in USD
        (("glm-4.7-flash", 10_000, 1_000), "0"),
        (("smollm2-135m", 100, 100, 0, "local"), "0"),
    ],
)
def test_cost_as_it_is_billed(bill: tuple[Any, ...], amount: str) -> None:
    assert cost(*bill) == Decimal(amount)


def test_cost_that_is_not_known_is_not_zero() -> None:
    assert cost("glm-4.6v-flash", 10, 10, endpoint="zai") is None
    assert known("glm-4-airx").cost(Usage()) is None
    assert known("glm-4.7-flash").cost(Usage()) == 0


lengths = st.integers(0, 300_000)


@given(st.sampled_from(MODELS), lengths, lengths, lengths, lengths)
def test_the_more_is_cached_the_less_it_costs(
    model: Model, asked: int, given: int, less: int, more: int
) -> None:
    less, more = sorted((less, more))
    first, second = (
        model.cost(Usage(asked, given, asked + given, cached)) for cached in (less, more)
    )
    if first is not None:
        assert second is not None
        assert first >= second >= 0


@given(st.sampled_from(MODELS), lengths, lengths, lengths)
def test_nothing_costs_more_than_the_worst_case(
    model: Model, asked: int, given: int, most: int
) -> None:
    given, most = sorted((given, most))
    worst = model.worst_cost(asked, most)
    billed = model.cost(Usage(asked, given, asked + given))
    assert worst is None or billed is None or billed <= worst


def test_worst_case() -> None:
    assert known("glm-4-airx").worst_cost(1_000, 4_095) == Decimal("0.05095")
    assert known("glm-4.7").worst_cost(1_000, 100) == Decimal("0.0028")
    assert known("glm-4.6v-flash", "zai").worst_cost(1, 1) is None


def test_names() -> None:
    assert known("GLM-4-AIRX").full_name == "bigmodel/glm-4-airx"
    assert known("glm-4.7", "zai").currency == "USD"
    assert known("glm-4.7").currency == "RMB"
    assert known("local/smollm2-135m").endpoint == "local"
    assert known("Zai/GLM-4.7").endpoint == "zai"
    assert catalogue.find("glm-4-airx", "zai") is None
    assert catalogue.find("glm-99") is None
    assert catalogue.suggest("glm4-airx")[0] == "glm-4-airx"
    assert catalogue.suggest("xyzzy") == []


def test_listing() -> None:
    assert {m.endpoint for m in catalogue.models()} == {"bigmodel", "zai", "local"}
    assert {m.name for m in catalogue.models("AIRX")} >= {"glm-4-airx", "glm-z1-airx"}
    assert len(catalogue.models("glm-z1-*")) == len(catalogue.models("bigmodel/glm-z1-*")) == 4
    assert all(m.endpoint == "zai" for m in catalogue.models(endpoint="zai"))
    assert catalogue.models("zai/*") == catalogue.models(endpoint="zai")
    assert catalogue.models("xyzzy") == []


def test_facts_of_the_models_the_project_began_with() -> None:
    airx, air = known("glm-4-airx"), known("glm-z1-air")
    assert (airx.context, airx.max_output, airx.rights) == (8192, 4095, (5, 30, 40, 50))
    assert (air.thinking, air.retired, air.rights) == ("inline", True, (30, 40, 50, 60))
    assert [airx.in_flight(level) for level in (0, 3)] == [5, 50]
    assert known("glm-5", "zai").in_flight(3) == 2
    assert known("glm-5").in_flight(0) is None
    assert known("local/smollm2-135m").note == "tiny model, expect mistakes"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.full_name)
def test_every_row_is_whole(model: Model) -> None:
    assert model.source
    assert model.date
    assert model.features or model.kind != "chat"
    assert model.input[0] == "text"
    if model.prices:
        assert model.prices[-1].holds(10**9, 10**9)
    for tier in model.prices:
        assert tier.cached is None or tier.cached <= tier.input


USER = {"role": "user", "content": "Why?"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}
FUNCTION = {"type": "function", "function": {"name": "f"}}


def check(name: str, prompt_tokens: int = 10, **options: Any) -> ChatRequest:
    endpoint = "local" if name.startswith("smol") else "bigmodel"
    messages = options.pop("messages", (USER,))
    return known(name, endpoint).check(ChatRequest(name, messages, **options), prompt_tokens)


@pytest.mark.parametrize(
    ("name", "options", "says", "remedy"),
    [
        ("glm-4-airx", {"temperature": 9}, "--temperature 9", "from 0 to 1; its default is 0.75"),
        ("glm-4-airx", {"temperature": 1.01}, "--temperature", "from 0 to 1"),
        ("glm-4-airx", {"top_p": 0.0}, "--top-p 0", "from 0.01 to 1"),
        ("glm-4-airx", {"max_tokens": 4_096}, "4,095", "4095 or less"),
        ("glm-4-airx", {"stop": ("a", "b", "c", "d", "e")}, "4 stop words", "--stop"),
        ("glm-4-airx", {"prompt_tokens": 12_000}, "about 12,000", "longer context"),
        ("glm-4-airx", {"prompt_tokens": 6_500, "max_tokens": 4_000}, "6,500", "1692 or less"),
        ("glm-4-airx", {"messages": ({**USER, "content": [IMAGE]},)}, "see images", "glm-5.3-fl"),
        ("glm-4v-flash", {"messages": ({**USER, "content": [IMAGE] * 2},)}, "at most 1", "fewer"),
        ("glm-4v-flash", {"tools": (FUNCTION,)}, "call functions", "Models that can: glm-5.3"),
        ("glm-5v-turbo", {"response_format": {"type": "json_object"}}, "JSON", "glm-5.3"),
        ("smollm2-135m", {"tools": ({"type": "web_search"},)}, "search the web", "%glm models"),
        ("glm-4-airx", {"thinking": True}, "cannot think", "glm-5.2"),
        ("glm-z1-air", {"thinking": False}, "without thinking", "glm-5.2"),
        ("glm-5.3", {"thinking": False}, "without thinking", "glm-5.2"),
        ("glm-4.1v-thinking-flash", {"thinking": False}, "without thinking", "glm-5.2"),
        ("glm-5.3", {"reasoning_effort": "medium"}, "medium", "low, high, max"),
        ("glm-4.7", {"reasoning_effort": "low"}, "low", "none"),
    ],
)
def test_what_a_model_cannot_take(
    name: str, options: dict[str, Any], says: str, remedy: str
) -> None:
    with pytest.raises(InputError) as caught:
        check(name, **options)
    assert says in str(caught.value)
    assert name in str(caught.value)
    assert "Nothing was sent." in str(caught.value)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "options", "sent"),
    [
        ("glm-4.7", {"thinking": False}, False),
        ("glm-4.7", {"thinking": True}, True),
        ("glm-4.7", {}, None),
        ("glm-4-airx", {"thinking": False}, None),  # it never thinks: nothing to switch off
        ("glm-z1-air", {"thinking": True}, None),  # it always does
        ("glm-5.3", {"thinking": True, "reasoning_effort": "low"}, None),
        ("glm-4-airx", {"temperature": 1, "top_p": 0.01, "max_tokens": 4_095}, None),
        ("glm-4-airx", {"prompt_tokens": 9_000}, None),  # may be over, is not surely so
        ("glm-5v-turbo", {"messages": ({**USER, "content": [IMAGE] * 50},)}, None),
    ],
)
def test_what_a_model_can_take(name: str, options: dict[str, Any], sent: bool | None) -> None:
    assert check(name, **options).thinking is sent


def test_own_catalogue_wins_field_by_field(own: Path) -> None:
    own.write_text(
        '[[model]]\nendpoint = "bigmodel"\nname = "glm-4-airx"\n'
        'prices = [{ input = "1", output = "2" }]\n'
        '[[model]]\nendpoint = "http://gpu:8000/v1"\nname = "zai-org/GLM-4-9B"\n'
        'like = "bigmodel/glm-4-airx"\ncurrency = "EUR"\n',
        encoding="utf-8",
    )
    airx = known("glm-4-airx")
    assert airx.cost(Usage(1_000_000, 1_000_000)) == 3
    assert (airx.context, airx.source) == (8192, str(own))
    gpu = known("ZAI-ORG/glm-4-9b", "http://gpu:8000/v1")
    assert (gpu.currency, gpu.context, gpu.cost(Usage(10**6))) == ("EUR", 8192, 1)


@pytest.mark.parametrize(
    ("line", "field", "says"),
    [
        ("contxt = 1", "contxt", "did you mean context?"),
        ('context = "8K"', "context", "whole number"),
        ("context = true", "context", "whole number"),
        ("temperature = nan", "temperature", "number"),
        ("temperature_range = [1, 0]", "temperature_range", "[lowest, highest]"),
        ("prices = [{ input = 0.5, output = 1 }]", "prices", "quotes"),
        ('prices = [{ input = "-1", output = "1" }]', "prices", "quotes"),
        ('prices = [{ input = "NaN", output = "1" }]', "prices", "quotes"),
        ('prices = [{ input = "1" }]', "prices", "input and output"),
        ('prices = [{ input = "1", output = "1", cashed = "1" }]', "prices", "cached"),
        ('prices = "free"', "prices", "list"),
        ('thinking = "maybe"', "thinking", "switch"),
        ('retired = "no"', "retired", "true nor false"),
        (
            'prices = [{ prompt_below = 9, input = "1", output = "1" }]',
            "prices",
            "all other lengths",
        ),
        ('currency = "¥"', "currency", "name of a currency"),
        ('like = "bigmodel/glm-99"', "like", "no row above"),
        ("note = 7", "note", "quotes"),
    ],
)
def test_mistake_in_the_own_catalogue(own: Path, line: str, field: str, says: str) -> None:
    row = '[[model]]\nendpoint = "bigmodel"\nname = "glm-4-airx"\n'
    own.write_text(row + line, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        catalogue.find("glm-4-airx")
    for word in (str(own), "bigmodel/glm-4-airx", f"`{field}`", says):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "field", "says"),
    [
        ("bigmodle", "endpoint", "none of bigmodel, zai, local"),
        ("http://gpu:8000/v1?key=x", "endpoint", "cannot be used"),
        ("http://gpu:8000/v1", "currency", "is missing"),
    ],
)
def test_a_row_that_no_request_could_meet_is_a_mistake(
    own: Path, endpoint: str, field: str, says: str
) -> None:
    row = f'[[model]]\nendpoint = "{endpoint}"\nname = "x"\n'
    own.write_text(row + 'prices = [{ input = "1", output = "1" }]', encoding="utf-8")
    with pytest.raises(InputError, match=says) as caught:
        catalogue.models()
    assert f"`{field}`" in str(caught.value)


def test_own_rows_are_found_in_any_spelling(own: Path) -> None:
    own.write_text(
        '[[model]]\nendpoint = "bigmodel"\nname = "GLM-4-AirX"\ncurrency = "cny"\n'
        'prices = [{ input = "1", output = "1" }]\n'
        '[[model]]\nendpoint = "HTTP://gpu:80/v1/"\nname = "x"\nlike = "BigModel/GLM-4-AirX"\n',
        encoding="utf-8",
    )
    airx = known("glm-4-airx")
    assert (airx.cost(Usage(10**6, 0)), airx.currency, airx.context) == (1, "RMB", 8192)
    assert len(catalogue.models("bigmodel/glm-4-airx")) == 1
    gpu = known("x", "http://gpu/v1")
    assert (gpu.cost(Usage(10**6, 0)), gpu.currency) == (1, "RMB")


@pytest.mark.parametrize(
    "text", ["[[model]", "x = 1", "[model]\nx = 1", "model = [1]", "[[model]]\nname = 'x'"]
)
def test_file_that_is_no_catalogue(own: Path, text: str) -> None:
    own.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        catalogue.models()
    assert str(own) in str(caught.value)


def test_own_catalogue_mended_is_read_again(own: Path) -> None:
    own.write_bytes(b"\xff")
    with pytest.raises(InputError, match="cannot be read"):
        catalogue.models()
    own.unlink()
    assert catalogue.models() == MODELS


@pytest.mark.parametrize(
    ("typed", "near"),
    [("glm-nope", None), ("glm4.7", "glm-4.7"), ("glm-4-arx", "glm-4-airx"), ("glm-z1", "glm-z1-")],
)
def test_only_a_name_that_is_near_is_suggested(typed: str, near: str | None) -> None:
    found = catalogue.suggest(typed)
    assert found[0].startswith(near) if near else not found


MADE = {
    "image": "glm-image cogview-4 cogview-4-250304 cogview-3-flash",
    "video": "cogvideox-3 cogvideox-2 cogvideox-flash viduq1-text viduq1-image viduq1-start-end "
    "vidu2-image vidu2-start-end vidu2-reference",
    "speech": "glm-tts",
    "transcription": "glm-asr-2512",
    "voice": "glm-4-voice",
    "realtime": "glm-realtime-flash glm-realtime-air",
    "document": "glm-ocr",
    "embedding": "embedding-3 embedding-2",
    "rerank": "rerank",
}


@pytest.mark.parametrize("kind", MADE)
def test_a_kind_lists_the_models_that_make_it(kind: str) -> None:
    names = [model.name for model in catalogue.models(kind, "bigmodel")]
    assert names == MADE[kind].split()
    assert {model.kind for model in catalogue.models(kind)} == {kind}


@pytest.mark.parametrize(
    ("name", "quantity", "amount"),
    [
        ("cogview-4", 3, "0.18"),
        ("zai/glm-image", 1, "0.015"),
        ("cogview-3-flash", 9, "0"),
        ("cogvideox-3", 1, "1"),
        ("glm-tts", 1_024, "0.2048"),
        ("viduq1-text", 1, None),
    ],
)
def test_cost_of_what_is_not_billed_by_tokens(name: str, quantity: int, amount: str | None) -> None:
    assert known(name).unit_cost(quantity) == (None if amount is None else Decimal(amount))


def test_where_else_a_model_is() -> None:
    assert [model.endpoint for model in catalogue.elsewhere("GLM-TTS", "zai")] == ["bigmodel"]
    assert catalogue.elsewhere("glm-tts", "bigmodel") == []
    assert catalogue.elsewhere("glm-4-airx", "zai") == []  # goes out as chat, as unknown ones do


def test_a_model_that_the_service_lacks_is_told_with_the_service_that_has_it() -> None:
    speech = catalogue.no_such_kind("GLM-TTS", "zai")
    assert str(speech) == (
        "glm-tts is not at zai, nor is any other model of the kind speech. Nothing was sent."
    )
    assert "`-e bigmodel -m glm-tts`" in speech.remedy
    assert "`%glm login -e bigmodel`" in speech.remedy
    order = catalogue.no_such_kind("rerank", "zai")
    assert '`%config GLM.endpoint = "bigmodel"`' in order.remedy
    picture = catalogue.no_such_kind("cogview-3-flash", "zai")
    assert "choose one that zai has: glm-image, cogview-4-250304." in picture.remedy


def test_sound_is_there_only_where_the_service_gives_it() -> None:
    with_sound = {m.name for m in catalogue.models("video", "bigmodel") if m.sound}
    assert with_sound == {
        *("cogvideox-3", "cogvideox-2", "cogvideox-flash"),
        *("vidu2-image", "vidu2-reference"),  # Vidu's clips of 5 seconds are silent
    }


def test_own_rows_may_be_of_any_kind(own: Path) -> None:
    own.write_text(
        '[[model]]\nendpoint = "http://gpu:8000/v1"\nname = "flux"\nkind = "image"\n'
        'unit = "image"\neach = "0.02"\ncurrency = "EUR"\nsizes = ["512x512"]\n'
        "side_range = [256, 1024]\nside_multiple = 8\n"
        '[[model]]\nendpoint = "bigmodel"\nname = "cogview-4"\neach = "0.05"\n',
        encoding="utf-8",
    )
    flux = known("flux")
    assert (flux.kind, flux.sizes, flux.side_range) == ("image", ("512x512",), (256, 1024))
    assert flux.unit_cost(3) == Decimal("0.06")
    assert flux in catalogue.models("image")
    assert known("cogview-4").unit_cost(1) == Decimal("0.05")
    assert known("cogview-4").side_multiple == 16


@pytest.mark.parametrize(
    ("line", "field", "says"),
    [
        ('kind = "picture"', "kind", "none of chat, image, video"),
        ('unit = "hour"', "unit", "none of token, image"),
        ("each = 0.06", "each", "quotes"),
        ('each = "-1"', "each", "quotes"),
        ("per = 0", "per", "above 0"),
        ('sizes = ["1024×1024"]', "sizes", "1024x1024"),
        ('sizes = "1024x1024"', "sizes", "list"),
        ('default_size = "big"', "default_size", "1024x1024"),
        ("side_range = [2048, 512]", "side_range", "[lowest, highest]"),
        ("side_range = [0.5, 2]", "side_range", "whole numbers"),
        ("frames = [-1, 2]", "frames", "whole numbers"),
        ("durations = [0]", "durations", "above 0"),
        ('sound = "yes"', "sound", "true nor false"),
        ("voices = [7]", "voices", "quotes"),
        ("speed_range = [2.0, 0.5]", "speed_range", "[lowest, highest]"),
        ("max_seconds = inf", "max_seconds", "number"),
        ("dimensions = [1.5]", "dimensions", "whole number"),
        ('takes_batch = "no"', "takes_batch", "true nor false"),
        ('file_types = [".PDF"]', "file_types", 'like "pdf"'),
        ("max_page = 1", "max_page", "did you mean max_pages?"),
    ],
)
def test_mistake_in_an_own_row_of_another_kind(own: Path, line: str, field: str, says: str) -> None:
    own.write_text('[[model]]\nendpoint = "bigmodel"\nname = "x"\n' + line, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        catalogue.models()
    for word in (str(own), "bigmodel/x", f"`{field}`", says):
        assert word in str(caught.value)


def test_a_price_for_a_picture_needs_a_currency(own: Path) -> None:
    row = '[[model]]\nendpoint = "http://gpu:8000/v1"\nname = "x"\nunit = "image"\n'
    own.write_text(row + 'each = "1"', encoding="utf-8")
    with pytest.raises(InputError, match="`currency` is missing"):
        catalogue.models()


@pytest.mark.parametrize(
    ("name", "endpoint", "takes"),
    [
        ("glm-4-plus", "bigmodel", True),
        ("cogview-4", "bigmodel", True),
        ("cogvideox-3", "bigmodel", False),
        ("glm-4.7", "zai", False),  # z.ai has no Batch API
        ("glm-4-airx", "bigmodel", None),  # no source says, whatever the models like it do
        ("glm-image", "bigmodel", None),
    ],
)
def test_whether_the_batch_api_takes_a_model(name: str, endpoint: str, takes: bool | None) -> None:
    assert known(name, endpoint).takes_batch is takes


def test_the_other_service_has_its_part_of_them() -> None:
    there = {m.name for m in catalogue.models(endpoint="zai") if m.kind != "chat"}
    assert there == {
        *("glm-image", "cogview-4-250304", "cogvideox-3", "glm-asr-2512", "glm-ocr"),
        *MADE["video"].split()[3:],
    }


@pytest.mark.parametrize("name", ["glm-image", "cogvideox-3", "glm-asr-2512", "glm-ocr"])
def test_each_service_bills_in_its_own_money(name: str) -> None:
    assert known(name, "bigmodel").currency == "RMB"
    assert known(name, "zai").currency == "USD"


@pytest.mark.parametrize("endpoint", ["bigmodel", "zai"])
def test_only_models_that_write_are_suggested_for_a_question(endpoint: str) -> None:
    request = ChatRequest("glm-4.7", ({**USER, "content": [IMAGE]},))
    with pytest.raises(InputError) as caught:
        known("glm-4.7", endpoint).check(request, 10)
    names = caught.value.remedy.removeprefix("Models that can: ").rstrip(".").split(", ")
    assert {known(name, endpoint).kind for name in names} == {"chat"}
