"""The client of comfy-fleet for asyncio.

    from comfy_fleet.aio import AsyncFleet

    job = await AsyncFleet("http://127.0.0.1:3000").generate("a lighthouse in a storm", lod="sketch")
    await job.wait()
    await job.outputs[0].save("lighthouse.png")

The methods are those of ``comfy_fleet``. Each call runs in a thread of its own, so that any number of jobs can be awaited
at once. Canceling a call ends the waiting, not the job.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from . import _ENDS, _HOLD_S, _LOCAL, Assets, Fleet, Job, JobEvent, Jobs, Models, Output

__all__ = ["AsyncFleet", "AsyncJob", "AsyncOutput"]

P = ParamSpec("P")
Own = TypeVar("Own")
Result = TypeVar("Result")
_END = object()


async def _in_thread(work: Callable[..., Result], *args: Any, **fields: Any) -> Result:
    """Unlike asyncio.to_thread: without a limit of threads, and none keeps the interpreter from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(how: Callable[[Any], None], value: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(lambda: future.done() or how(value))

    def run() -> None:
        try:
            settle(future.set_result, work(*args, **fields))
        except Exception as error:
            settle(future.set_exception, error)

    threading.Thread(target=run, daemon=True).start()
    return await future


def _call(method: Callable[Concatenate[Own, P], Result]) -> Callable[Concatenate[Any, P], Awaitable[Result]]:
    """The same method for asyncio, of an object that has the other one as ``_sync``."""

    @functools.wraps(method)
    async def call(self: Any, *args: P.args, **fields: P.kwargs) -> Result:
        return await _in_thread(method, self._sync, *args, **fields)

    return call


def _job(method: Callable[Concatenate[Own, P], Job]) -> Callable[Concatenate[Any, P], Awaitable[AsyncJob]]:
    """Like ``_call``, for a method that returns a job."""

    @functools.wraps(method)
    async def call(self: Any, *args: P.args, **fields: P.kwargs) -> AsyncJob:
        return AsyncJob(await _in_thread(method, self._sync, *args, **fields))

    return call


class AsyncOutput(Output):
    """A file that a job made."""

    async def download(self, **form: Any) -> bytes:  # type: ignore[override]
        return await _in_thread(super().download, **form)

    async def save(self, path: Any) -> None:  # type: ignore[override]
        await _in_thread(super().save, path)


class AsyncJob:
    """A job of the fleet, as it was when it was last heard of."""

    def __init__(self, job: Job) -> None:
        self._sync = job

    def __repr__(self) -> str:
        return repr(self._sync)

    @property
    def id(self) -> str:
        return self._sync.id

    @property
    def status(self) -> str:
        return self._sync.status

    @property
    def snapshot(self) -> dict[str, Any]:
        return self._sync.snapshot

    @property
    def outputs(self) -> list[AsyncOutput]:
        return [AsyncOutput(**vars(output)) for output in self._sync.outputs]

    refresh = _job(Job.refresh)
    cancel = _job(Job.cancel)
    refine = _job(Job.refine)
    retry = _job(Job.retry)
    delete = _call(Job.delete)

    async def wait(self) -> AsyncJob:
        """Returns when it has succeeded; raises JobEndedError when it ended otherwise."""
        while self._sync.status not in _ENDS:
            await _in_thread(self._sync._hold, _HOLD_S)
        self._sync._succeeded()
        return self

    async def events(self) -> AsyncIterator[JobEvent]:
        """What happens to it from now on, until its end."""
        events = self._sync.events()
        while (event := await _in_thread(next, events, _END)) is not _END:
            yield event  # type: ignore[misc]

    def __aiter__(self) -> AsyncIterator[JobEvent]:
        return self.events()


class AsyncJobs:
    """One's jobs."""

    def __init__(self, jobs: Jobs) -> None:
        self._sync = jobs

    get = _job(Jobs.get)

    async def list(self, **filters: Any) -> AsyncIterator[AsyncJob]:
        """Newest first, page by page as far as they are read."""
        jobs = self._sync.list(**filters)
        while (job := await _in_thread(next, jobs, _END)) is not _END:
            yield AsyncJob(job)  # type: ignore[arg-type]


class AsyncAssets:
    """Files that jobs start from."""

    def __init__(self, assets: Assets) -> None:
        self._sync = assets

    upload = _call(Assets.upload)
    get = _call(Assets.get)
    download = _call(Assets.download)
    delete = _call(Assets.delete)


class AsyncModels:
    """The registered models of a fleet."""

    def __init__(self, models: Models) -> None:
        self._sync = models

    list = _call(Models.list)
    get = _call(Models.get)
    put = _call(Models.put)
    fetch = _call(Models.fetch)
    verify = _call(Models.verify)
    delete = _call(Models.delete)


class AsyncFleet:
    """A fleet of ComfyUIs: makes jobs, and finds them again. The arguments are those of ``comfy_fleet.Fleet``."""

    def __init__(
        self, url: str = _LOCAL, key: str | None = None, *, retries: int = 4, timeout: float = 100.0
    ) -> None:
        self._sync = Fleet(url, key, retries=retries, timeout=timeout)
        self.jobs = AsyncJobs(self._sync.jobs)
        self.assets = AsyncAssets(self._sync.assets)
        self.models = AsyncModels(self._sync.models)

    generate = _job(Fleet.generate)
    img2img = _job(Fleet.img2img)
    run = _job(Fleet.run)
    graph = _job(Fleet.graph)
    batch = _call(Fleet.batch)
    workflows = _call(Fleet.workflows)
    workflow = _call(Fleet.workflow)
    lods = _call(Fleet.lods)
    me = _call(Fleet.me)
    usage = _call(Fleet.usage)
    usage_of_keys = _call(Fleet.usage_of_keys)
    keys = _call(Fleet.keys)
    status = _call(Fleet.status)
