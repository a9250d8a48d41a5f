"""Ray: a cluster that is joined or started here, its workers as actors, and its desks for permits.

The cluster named by ``RAY_ADDRESS`` is joined; without it one is started on this machine, for this command alone,
without dashboard and without usage reports. Workers ask for no CPU of Ray's: they wait for an endpoint, mostly.
https://docs.ray.io/en/latest/ray-core/actors.html
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from lemma.config import Config, Endpoint
from lemma.errors import ConfigError, RunError
from lemma.executors.job import Job
from lemma.executors.permits import Desk, Desks
from lemma.executors.worker import Worker

OBJECT_STORE_BYTES: Final = 128 * 2**20
"""For a cluster of this command's own: what is sent are a stage's parts by number, and reports."""
RECONNECT_S: Final = 10
"""How long Ray's own processes on this machine outlive a command that was killed, at most; Ray's default is 60."""
OPENAI_VARIABLES: Final = frozenset({"OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"})
"""What decides, beside the key, where calls go and who pays: the command's holds, on every machine."""
WORKER_THREADS: Final = 3
"""One for the engine, one for reports, one for the wish to stop."""


class Cluster:
    """Workers, numbered from 0.

    Args:
        config: the run's configuration.

    Raises:
        ConfigError: Ray is not installed.
        RunError: there is no cluster to be had.
    """

    def __init__(self, config: Config) -> None:
        self._ray = _ray()
        self._config = config
        endpoints = [endpoint for endpoint in (config.student, config.teacher) if endpoint is not None]
        desks = any(_is_limited(endpoint) for endpoint in endpoints)
        _connect(self._ray, config.executor.workers + desks)
        self._workers: dict[int, Any] = {}
        self._spare: Any = None
        self._started = 0
        self._desks: dict[str, Desks] = {}

    # ── workers ──

    def start(self, number: int, parcel: Any, job: Job, ask: Desks | None) -> Any:
        """Has a worker begin a job; returns what to `wait` for."""
        if number not in self._workers:
            self._workers[number] = self._spare or self._new_worker(self._place(number, job))
            self._spare = None
        return self._workers[number].run.remote(parcel, job, ask)

    def keep_spare(self) -> None:
        """Has one worker more ready, for the place of one that is killed: to start it takes seconds.

        It is beside this command, where it does not go with another machine and the workers there.
        """
        if self._spare is None:
            self._spare = self._new_worker(self._here())

    def report(self, number: int, done: Sequence[int]) -> Any:
        """Asks a worker how far it is; returns what to `wait` for."""
        return self._workers[number].report.remote(done)

    def stop(self, number: int) -> None:
        """Asks a worker to stop, see `Worker.stop`."""
        self._workers[number].stop.remote()

    def release(self, number: int) -> None:
        """Lets a worker give back what it keeps, see `Worker.release`."""
        if number in self._workers:
            self._workers[number].release.remote()

    def replace(self, number: int) -> None:
        """Ends a worker for good; `start` begins another one in its place."""
        self._ray.kill(self._workers.pop(number))

    def _new_worker(self, place: Any) -> Any:
        self._started += 1
        config = self._config
        endpoints = [endpoint for endpoint in (config.student, config.teacher) if endpoint is not None]
        names = {endpoint.api_key_env for endpoint in endpoints} | OPENAI_VARIABLES
        keys = {name: os.environ[name] for name in names if name in os.environ}
        # a worker that was killed is replaced by us, who know what it had in hand
        options = {"num_cpus": 0, "max_restarts": 0, "max_concurrency": WORKER_THREADS}
        kind = self._ray.remote(Worker).options(**options, scheduling_strategy=place)
        return kind.remote(f"worker {self._started}", os.getcwd(), config.plugins, keys)

    def _here(self) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=True)

    def _place(self, number: int, job: Job) -> Any:
        """The machine of the worker's own endpoint, where that is one of the cluster's; else one after the other."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        alive = [(node["NodeManagerAddress"], node["NodeID"]) for node in self._ray.nodes() if node["Alive"]]
        nodes = dict(alive)
        found = None
        if job.endpoint is not None and job.near and len(nodes) > 1:
            found = _node_of(job.endpoint.addresses[min(job.near)] or "", nodes)
        # not Ray's own SPREAD: it draws lots where no resources are asked for
        everywhere = sorted(node for _, node in alive)
        return NodeAffinitySchedulingStrategy(found or everywhere[number % len(everywhere)], soft=True)

    # ── permits ──

    def permits(self, endpoint: Endpoint) -> Desks | None:
        """Where the permits of an endpoint's addresses are to be had; None where it has no limits."""
        if not _is_limited(endpoint):
            return None
        key = f"{endpoint.addresses} {endpoint.rpm} {endpoint.tpm}"
        if key not in self._desks:
            # beside this command, whose end is the end of all: then no other machine's end is that of the limits
            options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": self._here()}
            kind = self._ray.remote(Desk).options(**options)
            self._desks[key] = Desks([kind.remote(endpoint.rpm, endpoint.tpm) for _ in endpoint.addresses])
        return self._desks[key]

    # ── what comes back ──

    def put(self, value: object) -> Any:
        """Something for many workers, as one parcel: pickled twice, so that plugins are loaded before it is opened."""
        from ray import cloudpickle

        return self._ray.put(cloudpickle.dumps(value))

    def wait(self, pending: Sequence[Any], timeout_s: float) -> list[Any]:
        """Those that are ready, after `timeout_s` at the latest."""
        ready, others = self._ray.wait(list(pending), num_returns=1, timeout=timeout_s)
        if ready and others:
            ready += self._ray.wait(others, num_returns=len(others), timeout=0)[0]
        return list(ready)

    def result(self, ready: Any) -> Any:
        """What came back; None where the worker is gone.

        Raises:
            RunError: a fault of ours in it, or lemma is not there.
        """
        from ray import exceptions

        try:
            return self._ray.get(ready)
        except exceptions.RayTaskError as error:
            raise RunError(f"a worker failed: {_last_line(error)}") from error
        except exceptions.ActorDiedError as error:
            if "ModuleNotFoundError" in str(error) or "creation task" in str(error):
                raise RunError(f"a worker could not be started: {_last_line(error)}") from error
            return None
        except exceptions.RayActorError:
            return None

    def close(self) -> None:
        """Ends the workers; a cluster that was started here ends with them."""
        for worker in (*self._workers.values(), self._spare):
            with contextlib.suppress(Exception):  # it may be gone, and so may be all of Ray
                self._ray.kill(worker)
        self._workers.clear()
        self._spare = None
        self._ray.shutdown()


def _ray() -> Any:
    # before the import: Ray reads them then. A cluster that is joined has its own
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ConfigError("executor.backend: ray needs Ray: pip install 'lemma[ray]' (or set it to local)") from None
    return ray


def _is_limited(endpoint: Endpoint) -> bool:
    return endpoint.rpm is not None or endpoint.tpm is not None


def _connect(ray: Any, processes: int) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    address = os.environ.get("RAY_ADDRESS")
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(
                address="local",
                num_cpus=processes,  # so many are made ready at once, and no more of them on a large machine
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _system_config={"gcs_rpc_server_reconnect_timeout_s": RECONNECT_S},
                **quiet,
            )
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        where = f"the cluster at RAY_ADDRESS={address} cannot be joined" if address else "Ray cannot be started here"
        raise RunError(f"{where}: {_last_line(error)}") from error


def _node_of(url: str, nodes: Mapping[str, str]) -> str | None:
    """The node at whose IP address an endpoint is; None where it is elsewhere, or on whichever machine calls it.

    Args:
        url: of the endpoint.
        nodes: IP address → id.
    """
    host = urlsplit(url).hostname
    if not host:
        return None
    with contextlib.suppress(OSError):
        return nodes.get(socket.gethostbyname(host))
    return None


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
