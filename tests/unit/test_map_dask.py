"""`glm.map` over Dask's collections: lazy, typed, and one account, budget and cache for all."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

import dask
import dask.bag as db
import dask.dataframe as dd
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from distributed.protocol.pickle import dumps
from pydantic import AfterValidator, BaseModel

import glm_jupyter as glm
from glm_jupyter.api.errors import InputError
from glm_jupyter.mapping import amap
from glm_jupyter.mapping import scheduler as dispatch
from glm_jupyter.money.budget import Budgets
from glm_jupyter.money.ledger import Ledger
from glm_jupyter.money.limit import BudgetError
from glm_jupyter.sessions import session as sessions
from glm_jupyter.sessions.session import Session
from tests.protocol_server import ProtocolServer, Reply, Request

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")  # Dask's, of pandas

MODEL = "glm-4-airx"
KEY = "0123456789abcdef.sEcReTsEcReT"
BAD = Reply(status=400, body={"error": {"code": "1301", "message": "unsafe"}})


@pytest.fixture(autouse=True)
def service(server: ProtocolServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environ(monkeypatch, server, tmp_path)
    monkeypatch.setattr(dispatch, "FIRST_WAIT", 0.01)
    session = Session(budgets=Budgets(Ledger(tmp_path / "ledger.sqlite")))
    monkeypatch.setattr(sessions, "_current", session)
    server.respond = echo
    server.key = KEY


def environ(patch: pytest.MonkeyPatch, server: ProtocolServer, folder: Path) -> None:
    for kind in ("CACHE", "CONFIG", "DATA"):
        patch.setenv(f"XDG_{kind}_HOME", str(folder / kind.lower()))
    patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    patch.setenv("ZAI_API_KEY", KEY)
    patch.setenv("ZAI_BASE_URL", server.url)


def question(request: Request) -> str:
    return str(request.json["messages"][-1]["content"])


def echo(request: Request) -> Reply:
    return Reply(text=f"re {question(request)}", prompt_tokens=2, completion_tokens=98)


def test_a_series_is_asked_when_it_is_computed(server: ProtocolServer) -> None:
    items = dd.from_pandas(pd.Series(list("abcdef"), index=range(10, 16)), npartitions=3)
    answers = glm.map(items, "Say", model=MODEL)
    assert not server.requests
    assert isinstance(answers, dd.Series)
    assert (answers.name, str(answers.dtype)) == ("text", "string")
    assert answers.divisions == items.divisions == (10, 12, 14, 15)
    found = answers.compute()
    assert found.to_dict() == {10 + n: f"re Say\n\n{each}" for n, each in enumerate("abcdef")}
    assert found.dtype == answers.dtype
    assert len(server.chats) == 6
    answers.compute()
    assert len(server.chats) == 6  # kept


def test_a_bag_and_the_rows_of_a_frame() -> None:
    bag = db.from_sequence([{"a": 1}, {"a": 2}, {"a": 3}], npartitions=2)
    assert glm.map(bag, "{{ a }}", model=MODEL).compute().tolist() == ["re 1", "re 2", "re 3"]
    frame = dd.from_pandas(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), npartitions=2)
    assert glm.map(frame, "{{ b }}{{ a }}", model=MODEL).compute().tolist() == ["re x1", "re y2"]


class Part(BaseModel):
    name: str


class Review(BaseModel):
    good: bool
    stars: int | None = None
    score: float
    kind: Literal["lamp", "chair"]
    day: date
    at: datetime
    tags: list[str]
    part: Part
    either: int | str


VALUE = Review(
    good=True,
    stars=4,
    score=0.5,
    kind="lamp",
    day=date(2026, 11, 26),
    at=datetime(2026, 11, 26, 12, tzinfo=UTC),
    tags=["a", "b"],
    part=Part(name="shade"),
    either="x",
)


def test_a_schema_gives_typed_columns_that_parquet_keeps(
    server: ProtocolServer, tmp_path: Path
) -> None:
    server.respond = lambda request: (
        BAD if question(request) == "c" else Reply(text=VALUE.model_dump_json())
    )
    items = dd.from_pandas(pd.Series(list("abcd")), npartitions=2)
    answers = glm.map(items, model=MODEL, schema=Review)
    assert not server.requests
    assert answers.divisions == items.divisions
    with pytest.warns(UserWarning, match="1 of 2 items of a partition have no answer"):
        answers.to_parquet(tmp_path / "out", engine="pyarrow")
    kept = pd.read_parquet(tmp_path / "out", dtype_backend="pyarrow")
    row = kept.iloc[0]
    for name in ("good", "stars", "score", "kind", "day", "tags"):
        value = row[name]
        assert (list(value) if name == "tags" else value) == getattr(VALUE, name), name
    assert row["at"] == VALUE.at
    assert row["part"] == {"name": "shade"}
    assert row["either"] == '"x"'  # what may be several things is JSON
    assert kept.isna().all(axis=1).tolist() == [False, False, True, False]
    with pytest.warns(UserWarning, match="1301"):
        computed = answers.compute()
    assert (computed.dtypes == answers.dtypes).all()
    assert [str(answers.dtypes[name]) for name in ("good", "stars", "score")] == [
        "boolean",
        "Int64",
        "float64",
    ]


def test_a_class_of_the_notebooks_is_a_schema_and_stays_whole(server: ProtocolServer) -> None:
    @dataclass
    class Lamp:
        name: str
        watts: int = 40
        tags: list[str] = field(default_factory=list)

    class Chair(BaseModel):
        name: str
        part: Annotated[str | None, AfterValidator(lambda word: word and word.upper())] = None

    server.default = Reply(text='{"name": "a", "part": "leg"}')
    server.respond = None
    items = dd.from_pandas(pd.Series(["a"]), npartitions=1)
    lamps = glm.map(items, model=MODEL, schema=Lamp).compute(scheduler="threads")
    assert lamps.to_dict("records") == [{"name": "a", "watts": 40, "tags": []}]
    chairs = glm.map(items, model=MODEL, schema=Chair).compute(scheduler="threads")
    assert chairs.to_dict("records") == [{"name": "a", "part": "LEG"}]
    pickle.loads(dumps(Lamp))
    assert glm.ask("a", model=MODEL, schema=Lamp).parsed == Lamp("a")


def test_threads_share_rights_and_budget(server: ProtocolServer) -> None:
    most = 0

    def respond(request: Request) -> Reply:
        nonlocal most
        now = sum(not each.ended.is_set() for each in server.chats)
        most = max(most, now)
        return Reply(text="re", prompt_tokens=2, completion_tokens=98, delay=0.05)

    server.respond = respond
    items = dd.from_pandas(pd.Series([f"{n}" for n in range(24)]), npartitions=6)
    answers = glm.map(items, model=MODEL, concurrency=3)
    answers.compute(scheduler="threads", num_workers=6)
    assert most == 3
    # 0.001 each, at most 0.01 and a little: the last few would be too much.
    more = dd.from_pandas(pd.Series([f"more {n}" for n in range(40)]), npartitions=4)
    limited = glm.map(more, model=MODEL, concurrency=3, budget="0.02 RMB", max_tokens=100)
    before = len(server.chats)
    with pytest.raises(BudgetError, match="might be passed"):
        limited.compute(scheduler="threads", num_workers=4)
    assert 10 < len(server.chats) - before <= 20


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch": True}, "handed in as a whole"),
        ({"continue_": True}, "in this kernel"),
        ({"concurrency": 0}, "no number of requests"),
        ({"budget": "1 USD"}, "bills in RMB"),
        ({"modell": "x"}, "no option `modell`"),
        ({"size": "1x1"}, "size"),
    ],
)
def test_what_cannot_be_is_said_when_it_is_written(
    server: ProtocolServer, options: dict, says: str
) -> None:
    items = dd.from_pandas(pd.Series(["a"]), npartitions=1)
    with pytest.raises(InputError, match=says):
        glm.map(items, **{"model": MODEL, **options})
    assert not server.requests


async def test_other_ways_name_this_one(server: ProtocolServer) -> None:
    items = dd.from_pandas(pd.Series(["a"]), npartitions=1)
    with pytest.raises(InputError, match=r"glm\.map"):
        async for _ in amap(items, model=MODEL):
            pass
    with pytest.raises(InputError, match="Array is no collection"):
        glm.map(dask.array.zeros(3), model=MODEL)


def test_processes_that_share_nothing_are_refused(server: ProtocolServer) -> None:
    bag = db.from_sequence(["a"], npartitions=1)
    with pytest.raises(InputError, match="several processes"):
        glm.map(bag, model=MODEL).compute(scheduler="processes")
    assert not server.requests


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, ProtocolServer]]:
    """Two workers, whose service is a server of this module's."""
    with pytest.MonkeyPatch.context() as patch, ProtocolServer() as server:
        environ(patch, server, tmp_path_factory.mktemp("cluster"))
        server.key = KEY
        settings = {
            "distributed.scheduler.locks.lease-timeout": "2s",
            "distributed.scheduler.locks.lease-validation-interval": "0.2s",
            "distributed.scheduler.allowed-failures": 3,
        }
        with (
            dask.config.set(settings),
            LocalCluster(
                n_workers=2, threads_per_worker=2, dashboard_address=":0", processes=True
            ) as workers,
            Client(workers) as client,
        ):
            yield client, server


@pytest.fixture
def workers(
    cluster: tuple[Client, ProtocolServer], monkeypatch: pytest.MonkeyPatch
) -> tuple[Client, ProtocolServer]:
    client, server = cluster
    monkeypatch.setenv("ZAI_BASE_URL", server.url)
    server.respond = echo
    server.requests.clear()
    return client, server


def test_a_cluster_has_one_account_and_no_key_travels(
    workers: tuple[Client, ProtocolServer],
) -> None:
    client, server = workers
    most = 0

    def respond(request: Request) -> Reply:
        nonlocal most
        most = max(most, sum(not each.ended.is_set() for each in server.chats))
        return Reply(text=VALUE.model_dump_json(), delay=0.05)

    server.respond = respond
    items = dd.from_pandas(pd.Series([f"a{n}" for n in range(40)]), npartitions=8)
    answers = glm.map(items, model=MODEL, schema=Review, concurrency=4)
    travels = dumps(answers.__dask_graph__()) + dumps(answers)
    assert KEY.encode() not in travels
    assert KEY.split(".")[1].encode() not in travels
    found = answers.compute()
    assert found["part"].tolist() == [{"name": "shade"}] * 40
    assert (len(server.chats), most) == (40, 4)
    assert KEY not in str(client.get_scheduler_logs()) + str(client.story(*client.processing()))


def test_a_worker_is_killed_and_nothing_is_paid_twice(
    workers: tuple[Client, ProtocolServer],
) -> None:
    client, server = workers
    victim = min(client.run(os.getpid).values())
    killed = threading.Event()

    def respond(request: Request) -> Reply:
        if len(server.chats) == 60:
            os.kill(victim, signal.SIGKILL)
            killed.set()
        return Reply(text=f"re {question(request)}", delay=0.1)

    server.respond = respond
    items = dd.from_pandas(pd.Series([f"b{n}" for n in range(160)]), npartitions=8)
    found = glm.map(items, model=MODEL, concurrency=8, budget="1 RMB").compute()
    assert killed.is_set()
    assert found.tolist() == [f"re b{n}" for n in range(160)]
    asked = Counter(map(question, server.chats))
    # Twice only what the dead worker had in flight, and what it had not yet handed on.
    assert sum(asked.values()) - 160 <= 8 + 8
    # Its leases have come back.
    client.wait_for_workers(2)
    server.respond = echo
    more = dd.from_pandas(pd.Series([f"c{n}" for n in range(40)]), npartitions=4)
    assert len(glm.map(more, model=MODEL, concurrency=8).compute()) == 40


def test_a_budget_is_one_over_all_workers(workers: tuple[Client, ProtocolServer]) -> None:
    _, server = workers
    items = dd.from_pandas(pd.Series([f"d{n}" for n in range(60)]), npartitions=6)
    answers = glm.map(items, model=MODEL, budget="0.02 RMB", max_tokens=100)
    with pytest.raises(BudgetError, match="might be passed") as stopped:
        answers.compute()
    assert "max_tokens" in stopped.value.remedy
    assert 10 < len(server.chats) <= 20
    # What was answered is kept.
    glm.map(items, model=MODEL, max_tokens=100).compute()
    assert len(server.chats) == 60


def test_an_error_of_a_worker_says_what_to_do(
    workers: tuple[Client, ProtocolServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, server = workers
    items = dd.from_pandas(pd.Series(["e"]), npartitions=1)
    monkeypatch.setenv("ZAI_BASE_URL", "http://127.0.0.1:9/elsewhere")
    with pytest.raises(InputError, match="for this worker") as wrong:
        glm.map(items, model=MODEL).compute()
    assert "environment of the workers" in wrong.value.remedy
    assert not server.chats


def test_errors_travel_whole() -> None:
    error = BudgetError("Too much.", remedy="Less.", per_request=True)
    back = pickle.loads(pickle.dumps(error))
    assert (str(back), back.remedy, back.per_request) == ("Too much.", "Less.", True)
    assert back.__notes__ == ["Less."]
