"""The whole API, attacked by what its own document says of it, and by what the document does not allow."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test

from taskserver.config import Settings
from taskserver.store import NodeIdentity, Role, Store
from taskserver.web.app import create_app
from taskserver.web.security.tokens import new_token

SETTINGS = settings(
    max_examples=5,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)

CONFIG: dict[str, Any] = {
    "generation": {"deterministic": True},
    "checks": {
        # Arguments that the task does not take, a zone that there is not: valid JSON, and wrong all the same.
        "positive_data_acceptance": {"expected-statuses": ["2xx", 400, 401, 403, 404, 409, 422]},
    },
}

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}, "count": {"type": "integer"}}}


def console(store: Store) -> Any:
    made = create_app(
        store=store,
        settings=Settings.model_validate({"node_id": "here", "console": {"allowed_hosts": ["testserver"]}}),
        server_status=dict,
    )
    made.state.console.listeners.lasts = 0.0
    return made


class Served:
    """The console that is attacked, once there is one: the tests are made from its document before."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


served = Served()
document = schemathesis.openapi.from_dict(
    console(cast(Store, None)).openapi(), config=schemathesis.Config.from_dict(CONFIG)
)
document.app = served
document.location = "/api/v1/openapi.json"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Store]:
    file = tmp_path_factory.mktemp("api") / "taskserver.sqlite"
    shutil.copy(sqlite_template, file)
    with Store.open(f"sqlite:///{file}") as store:
        yield store


@pytest.fixture(scope="module")
def headers(store: Store) -> dict[str, str]:
    """Of an administrator, on a database in which there is something of each kind."""
    identity = NodeIdentity(
        node_id="here",
        boot_id="boot",
        pid=1,
        version="0",
        slots=4,
        lease=timedelta(seconds=60),
        control_socket=None,
        only_own_jobs=False,
    )
    task = {"name": "ocr", "title": "OCR {path}", "description": "", "schema": SCHEMA, "kind": "command"}
    limits = {"max_parallel": None, "timeout": None, "max_attempts": 1, "max_crashes": 3, "on_crash": "requeue"}
    store.nodes.register(identity, [{**task, **limits}])
    store.clients.add("acme", login="anna")
    store.jobs.enqueue_many("ocr", [{"path": str(number)} for number in range(20)], client="acme")
    for name in ("nightly", "weekly"):
        store.entries.add(name, "ocr", {}, cron_spec="0 3 * * *", time_zone="Europe/Berlin", client="acme")
    token = new_token()
    store.tokens.add("fuzz", token.hash, prefix=token.prefix, role=Role.ADMINISTRATOR)
    served.app = console(store)
    return {"Authorization": f"Bearer {token.text}"}


def attack(case: Any, headers: dict[str, str]) -> None:
    """Sends one request; all of schemathesis' checks look at the answer."""
    case.call_and_validate(headers=headers)


# schemathesis' own parametrization gives all of its tests one name, of which xdist would run but one.
@pytest.mark.parametrize("label", [found.ok().label for found in document.get_all_operations()])
def test_every_answer_is_one_that_the_document_promises(label: str, headers: dict[str, str]) -> None:
    operation = next(found.ok() for found in document.get_all_operations() if found.ok().label == label)
    config = HypothesisTestConfig(project=document.config, modes=list(HypothesisTestMode), settings=SETTINGS)

    create_test(operation=operation, test_func=lambda case: attack(case, headers), config=config)()
