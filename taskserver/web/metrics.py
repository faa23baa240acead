"""What Prometheus is told: the store's figures under conventional names and in base units.

Made anew at most every KEPT_SECONDS, however many ask; the runs are counted on from where the last look ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

import taskserver
from taskserver.jobs import Status
from taskserver.store import Tally
from taskserver.store.figures import DURATIONS, WAITS, Spread
from taskserver.web.scope import Scope

KEPT_SECONDS = 5.0


class Metrics:
    """One for all requests. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tally = Tally()
        self._kept: tuple[float, list[Metric]] | None = None

    def answer(self, scope: Scope, accept: str, now: datetime) -> tuple[bytes, str]:
        """The text for a scrape that accepts this, and its content type. Raises Forbidden."""
        encode, content_type = choose_encoder(accept)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected(self._families(scope, now)))
        return encode(registry), content_type

    def _families(self, scope: Scope, now: datetime) -> list[Metric]:
        scope.figures.require()
        with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] > KEPT_SECONDS:
                scope.figures.count_runs(self._tally)
                families = [*_server(scope), *_jobs(scope, now), *_nodes(scope), *_runs(self._tally)]
                self._kept = (time.monotonic(), families)
            return self._kept[1]


class _Collected(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _server(scope: Scope) -> Iterator[Metric]:
    yield InfoMetricFamily("taskserver_build", "The release that answers.", {"version": taskserver.__version__})
    autostart = "Whether waiting jobs start by themselves."
    yield GaugeMetricFamily("taskserver_autostart", autostart, float(scope.server.autostart()))


def _jobs(scope: Scope, now: datetime) -> Iterator[Metric]:
    figures = scope.figures.jobs()
    count = GaugeMetricFamily("taskserver_jobs", "Jobs by client and status.", labels=["client", "status"])
    told = {(figure.client, figure.status): figure.count for figure in figures}
    for client in sorted({*scope.figures.clients(), *(figure.client for figure in figures)}):
        for status in Status:
            count.add_metric([client, status.value], told.get((client, status.value), 0))
    yield count
    oldest = GaugeMetricFamily(
        "taskserver_oldest_waiting_job_age_seconds",
        "How long the oldest job of a client waits that could run.",
        labels=["client"],
    )
    for figure in figures:
        if figure.waiting_since is not None:
            oldest.add_metric([figure.client], max(0.0, (now - figure.waiting_since).total_seconds()))
    yield oldest
    missed = CounterMetricFamily(
        "taskserver_missed_runs",
        "Due times of cron entries that passed without a job, by client and reason.",
        labels=["client", "reason"],
    )
    for each in scope.figures.missed():
        missed.add_metric([each.client, each.reason], each.count)
    yield missed


def _nodes(scope: Scope) -> Iterator[Metric]:
    nodes = scope.figures.nodes()
    alive = [node for node in nodes if node["alive"]]
    for name, text, rows, column in (
        ("slots", "Slots of a living node.", alive, "slots"),
        ("slots_busy", "Slots of a living node in which a job runs.", alive, "busy"),
        ("node_claiming", "Whether a living node claims jobs; 0: it was told not to.", alive, "claiming"),
        ("node_memory_bytes", "What the daemon of a living node uses itself.", alive, "memory_bytes"),
        ("node_heartbeat_timestamp_seconds", "When a node gave its last sign of life.", nodes, "heartbeat_at"),
    ):
        family = GaugeMetricFamily(f"taskserver_{name}", text, labels=["node"])
        for node in rows:
            value = node[column]
            if value is not None:
                seconds = value.timestamp() if isinstance(value, datetime) else float(value)
                family.add_metric([node["node_id"]], seconds)
        yield family


def _runs(tally: Tally) -> Iterator[Metric]:
    completed = CounterMetricFamily(
        "taskserver_runs_completed", "Runs that have ended, by task and outcome.", labels=["task", "outcome"]
    )
    for (task, outcome), count in sorted(tally.outcomes.items()):
        completed.add_metric([task, outcome], count)
    yield completed
    for name, text, spreads, bounds in (
        ("run_duration", "How long runs took.", tally.durations, DURATIONS),
        ("run_wait", "How long jobs waited that could run, until they did.", tally.waits, WAITS),
        ("schedule_lag", "How long after their due time jobs of cron entries started.", tally.lags, WAITS),
    ):
        yield _histogram(f"taskserver_{name}_seconds", text, spreads, bounds)


def _histogram(name: str, text: str, spreads: Mapping[str, Spread], bounds: Sequence[float]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=["task"])
    for task, spread in sorted(spreads.items()):
        buckets = [(str(float(bound)), count) for bound, count in zip(bounds, spread.within, strict=True)]
        family.add_metric([task], [*buckets, ("+Inf", spread.count)], spread.total)
    return family
