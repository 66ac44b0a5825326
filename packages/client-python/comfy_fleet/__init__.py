"""The client of comfy-fleet, a durable job API in front of a fleet of ComfyUIs.

    from comfy_fleet import Fleet

    job = Fleet("http://127.0.0.1:3000").generate("a lighthouse in a storm", lod="sketch").wait()
    job.outputs[0].save("lighthouse.png")

It needs nothing but the standard library. Names are those of the API: see docs/api.md. ``comfy_fleet.aio`` has the same
for asyncio.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import http.client
import io
import json
import os
import random
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Literal, TypedDict, Union

if TYPE_CHECKING:
    from typing_extensions import Unpack  # type checkers bring it along; Python has it since 3.11

__all__ = [
    "Fleet",
    "FleetError",
    "FleetUnreachableError",
    "GenerateFields",
    "GraphFields",
    "Img2ImgFields",
    "Job",
    "JobEndedError",
    "JobEvent",
    "JobFilters",
    "Output",
    "RunFields",
    "Webhook",
    "WebhookVerificationError",
    "verify_webhook",
]

Lod = Literal["sketch", "mid", "final", "direct_final"]
Status = Literal["queued", "running", "canceling", "succeeded", "failed", "canceled", "expired"]
#: The content of a file, an open one, or the path of one.
FileContent = Union[bytes, IO[bytes], str, "os.PathLike[str]"]

WaitCode = Literal[
    "paused",
    "no_instance",
    "missing",
    "models",
    "memory",
    "storage",
    "running_limit",
    "storage_share",
    "gpu_limit",
    "retry",
    "turn",
]


class _WebhookUrl(TypedDict):
    url: str


class Webhook(_WebhookUrl, total=False):
    """Whom to notify of the end of a job."""

    #: Ends to notify of, such as ``job.failed``; all of them by default.
    events: Sequence[str]
    #: Signs this webhook instead of the secrets of the API key.
    secret: str


class OrderFields(TypedDict, total=False):
    """What every order of a job can say."""

    #: -2 to 2; higher goes first among your own jobs.
    priority: int
    #: The job expires if it has not started by then.
    start_within_seconds: int
    #: Take the outputs of an equal job that you ordered with `reuse`, if there is one.
    reuse: bool
    metadata: Mapping[str, str]
    webhook: Webhook
    webhook_url: str


class GenerateFields(OrderFields, total=False):
    """The fields of POST /generate: see docs/api.md."""

    negative_prompt: str
    lod: Lod
    steps: int
    cfg: float
    sampler: str
    scheduler: str
    seed: int | str
    width: int
    height: int
    count: int
    checkpoint: str


class Img2ImgFields(GenerateFields, total=False):
    """The fields of POST /img2img."""

    denoise: float
    image_url: str
    source: str


class GraphFields(OrderFields, total=False):
    """The fields of POST /graphs."""

    outputs: Sequence[str]
    api_key_comfy_org: str


class RunFields(GraphFields, total=False):
    """The fields of POST /workflows/:name."""

    lod: Lod
    version: str


class JobFilters(TypedDict, total=False):
    """Which jobs are listed; times as ISO 8601."""

    status: Status
    lod: Lod
    kind: Literal["text2img", "img2img", "workflow"]
    workflow: str
    parent: str
    waiting_for: WaitCode
    created_after: str
    created_before: str


_Bytes = bytes

_LOCAL = "http://127.0.0.1:3000"
_ENDS = frozenset({"succeeded", "failed", "canceled", "expired"})
#: Errors that pass by themselves. Of others that may, such as a day's limit, nobody waits for the end.
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0
#: A server that wants to be left alone for longer has its answer passed on.
_LONGEST_RETRY_AFTER_S = 60
#: Seconds that the API holds an answer back, unless the job ends before.
_HOLD_S = 60
_PAGE = 100
#: Standard Webhooks asks for five minutes: what is older may be one that somebody recorded.
_TOLERANCE_S = 300


class FleetError(Exception):
    """The API refused the request, and says why."""

    #: Stable, such as ``queue_full``: the one field to decide by.
    code: str
    #: Of HTTP.
    status: int
    #: ``{"pointer", "detail"}`` for each field that is wrong.
    errors: list[dict[str, str]]
    #: After how many seconds the same request may succeed; None: it was not said.
    retry_after: int | None
    #: Names the request in the server's log.
    request_id: str | None

    def __init__(self, problem: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        super().__init__(problem["detail"])
        self.code = problem["code"]
        self.status = problem["status"]
        self.errors = list(problem.get("errors", []))
        given = headers.get("Retry-After") or ""
        self.retry_after = int(given) if _is_number(given) else None
        self.request_id = headers.get("X-Request-Id")


class FleetUnreachableError(Exception):
    """The API did not answer, or what answered is not the API."""


class JobEndedError(Exception):
    """The job ended, but not well: it failed, was canceled, or did not start in time."""

    job: Job
    #: Of the job's error, such as ``out_of_memory``; ``canceled`` and ``expired`` for jobs that ended so.
    code: str

    def __init__(self, job: Job) -> None:
        error = job.snapshot["error"]
        super().__init__(error["detail"] if error else f"The job {job.id} ended as {job.status}.")
        self.job = job
        self.code = error["code"] if error else job.status


class WebhookVerificationError(Exception):
    """The webhook is not from the fleet, or is too old, or was changed on the way."""


@dataclass(frozen=True)
class JobEvent:
    """What happens to a job. The last one is a ``status`` that is an end."""

    type: Literal["status", "progress", "preview", "output"]
    data: dict[str, Any]


@dataclass(frozen=True)
class Output:
    """A file that a job made."""

    name: str
    kind: Literal["image", "animation", "video", "audio", "model", "text", "latent", "file"]
    #: The whole address.
    url: str
    filename: str
    content_type: str
    bytes: int
    #: As the API describes it, with what only some kinds have.
    details: dict[str, Any] = field(repr=False)
    _transport: _Transport = field(repr=False, compare=False)
    #: Where other forms of a picture are, signed for them.
    _picture_url: str = field(repr=False, compare=False)

    def open(self, *, width: int | None = None, format: Literal["png", "jpeg", "webp"] | None = None) -> IO[_Bytes]:
        """Its content as a stream, to be closed. Pictures also in another form: ``width`` in pixels, and ``format``."""
        url = self.url if width is None and format is None else self._picture_url
        return self._transport.send("GET", url, query={"width": width, "format": format})

    def download(self, *, width: int | None = None, format: Literal["png", "jpeg", "webp"] | None = None) -> _Bytes:
        """Its whole content."""
        with self.open(width=width, format=format) as content:
            return content.read()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes its content into a file, piece by piece."""
        with self.open() as content, open(path, "wb") as file:
            shutil.copyfileobj(content, file)


class Job:
    """A job of the fleet, as it was when it was last heard of."""

    #: As the API shows it.
    snapshot: dict[str, Any]

    def __init__(self, transport: _Transport, snapshot: dict[str, Any]) -> None:
        self._transport = transport
        self.snapshot = snapshot

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.status}>"

    @property
    def id(self) -> str:
        return str(self.snapshot["id"])

    @property
    def status(self) -> Status:
        return self.snapshot["status"]  # type: ignore[no-any-return]

    @property
    def outputs(self) -> list[Output]:
        """Empty until it has succeeded."""
        pictures = {_file_name(image["image_url"]): image["image_url"] for image in self.snapshot["images"]}
        names = ("name", "kind", "filename", "content_type", "bytes")
        return [
            Output(
                **{name: output[name] for name in names},
                url=self._transport.address(output["url"]),
                details=output,
                _transport=self._transport,
                _picture_url=pictures.get(_file_name(output["url"]), output["url"]),
            )
            for output in self.snapshot["outputs"]
        ]

    def refresh(self) -> Job:
        """Looks how it is now."""
        self.snapshot = self._transport.json("GET", self._path())
        return self

    def wait(self, timeout: float | None = None) -> Job:
        """Returns when it has succeeded.

        Raises JobEndedError when it ended otherwise, and TimeoutError after ``timeout`` seconds: the job goes on.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while self.status not in _ENDS:
            left = _HOLD_S if until is None else until - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"The job {self.id} is {self.status} after {timeout} s.")
            self._hold(left)
        return self._succeeded()

    def _hold(self, seconds: float) -> None:
        """Waits once for the end, for about as long as that, but not longer than the API lets a request wait."""
        hold = max(1, min(_HOLD_S, int(seconds)))
        self.snapshot = self._transport.json("GET", self._path(), query={"wait": hold})

    def _succeeded(self) -> Job:
        if self.status != "succeeded":
            raise JobEndedError(self)
        return self

    def events(self) -> Iterator[JobEvent]:
        """What happens to it from now on, until its end; a stream that breaks off is taken up again."""
        while True:
            try:
                with self._transport.send("GET", self._path("events")) as stream:
                    for type_, data in _server_sent_events(stream):
                        event = JobEvent(type_, json.loads(data))  # type: ignore[arg-type]
                        if event.type == "status":
                            self.snapshot = event.data
                        yield event
                        if event.type == "status" and self.status in _ENDS:
                            return
            except (OSError, http.client.HTTPException):
                pass  # it broke off
            time.sleep(1)

    def __iter__(self) -> Iterator[JobEvent]:
        return self.events()

    def cancel(self) -> Job:
        """A job that has ended stays as it ended."""
        self.snapshot = self._transport.json("POST", self._path("cancel"))
        return self

    def refine(self, lod: Lod, *, index: int | None = None, idempotency_key: str | None = None) -> Job:
        """A new job that goes on from a picture of this one, at another level of detail."""
        return self._child("refine", idempotency_key, json_body=_given(lod=lod, index=index))

    def retry(self, *, seed: int | str | None = None, idempotency_key: str | None = None) -> Job:
        """A new job of the same request, with the same seed unless another, or "random", is asked for."""
        return self._child("retry", idempotency_key, query=_given(seed=seed))

    def delete(self) -> None:
        """The job and its files are gone from the fleet."""
        self._transport.send("DELETE", self._path()).close()

    def _child(self, verb: str, key: str | None, **options: Any) -> Job:
        answer = self._transport.json("POST", self._path(verb), idempotent=key or True, **options)
        return Job(self._transport, answer)

    def _path(self, verb: str | None = None) -> str:
        return f"/jobs/{self.id}" + ("" if verb is None else f"/{verb}")


class Jobs:
    """One's jobs."""

    def __init__(self, transport: _Transport) -> None:
        self._transport = transport

    def get(self, id: str) -> Job:
        return Job(self._transport, self._transport.json("GET", f"/jobs/{_quoted(id)}"))

    def list(self, *, metadata: Mapping[str, str] | None = None, **filters: Unpack[JobFilters]) -> Iterator[Job]:
        """Newest first, page by page as far as they are read."""
        asked: dict[str, Any] = {**filters, **{f"metadata.{name}": value for name, value in (metadata or {}).items()}}
        cursor: str | None = None
        while True:
            page = self._transport.json("GET", "/jobs", query={**asked, "limit": _PAGE, "cursor": cursor})
            for snapshot in page["data"]:
                yield Job(self._transport, snapshot)
            cursor = page["next_cursor"]
            if cursor is None:
                return


class Assets:
    """Files that jobs start from."""

    def __init__(self, transport: _Transport) -> None:
        self._transport = transport

    def upload(self, content: FileContent, *, filename: str | None = None) -> dict[str, Any]:
        """Keeps a file; one that the key has already stays the same asset. A path gives its name, unless told."""
        with _opened(content) as (file, name):
            query = {"filename": filename or name}
            return self._transport.json("POST", "/assets", query=query, file=file)

    def get(self, id: str) -> dict[str, Any]:
        return self._transport.json("GET", f"/assets/{_quoted(id)}")

    def download(self, id: str) -> bytes:
        with self._transport.send("GET", f"/assets/{_quoted(id)}/content") as content:
            return content.read()

    def delete(self, id: str) -> None:
        self._transport.send("DELETE", f"/assets/{_quoted(id)}").close()


class Models:
    """The registered models of a fleet. Changing them needs a key with the scope admin."""

    def __init__(self, transport: _Transport) -> None:
        self._transport = transport

    def list(self) -> Sequence[dict[str, Any]]:
        """The models that the key may use."""
        return self._transport.json("GET", "/models")["data"]  # type: ignore[no-any-return]

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return self._transport.json("GET", self._path(kind, name))

    def put(self, kind: str, name: str, sources: Sequence[str], **fields: Any) -> dict[str, Any]:
        """Registers a model, or changes a registered one: fields that are left out keep their values.

        ``fields``: sha256, bytes, keys, pinned_in.
        """
        body = {**fields, "sources": [*sources]}
        return self._transport.json("PUT", self._path(kind, name), json_body=body)

    def fetch(self, kind: str, name: str, *, pools: Sequence[str] | None = None) -> dict[str, Any]:
        """Has a model fetched before a job needs it, in all pools or those that are named."""
        body = _given(pools=pools if pools is None else [*pools])
        return self._transport.json("POST", self._path(kind, name) + "/fetch", json_body=body)

    def verify(self, kind: str, name: str) -> dict[str, Any]:
        """Has all copies read again and compared with the hash."""
        return self._transport.json("POST", self._path(kind, name) + "/verify")

    def delete(self, kind: str, name: str) -> None:
        """Also deletes the copies that the fleet fetched."""
        self._transport.send("DELETE", self._path(kind, name)).close()

    def _path(self, kind: str, name: str) -> str:
        return f"/models/{_quoted(kind)}/{_quoted(name)}"


class Fleet:
    """A fleet of ComfyUIs: makes jobs, and finds them again.

    ``key`` is an API key, None where the fleet asks for none. A request that is not answered, or with an error that
    passes, is sent again ``retries`` times; ``timeout`` is the longest wait for an answer, in seconds.
    Methods raise FleetError and FleetUnreachableError.
    """

    def __init__(
        self, url: str = _LOCAL, key: str | None = None, *, retries: int = 4, timeout: float = 100.0
    ) -> None:
        self._transport = _Transport(url, key, retries, timeout)
        self.jobs = Jobs(self._transport)
        self.assets = Assets(self._transport)
        self.models = Models(self._transport)

    def generate(
        self, prompt: str, *, idempotency_key: str | None = None, **fields: Unpack[GenerateFields]
    ) -> Job:
        """Text to image."""
        return self._order("/generate", {"prompt": prompt, **fields}, idempotency_key)

    def img2img(
        self,
        prompt: str,
        image: FileContent | None = None,
        *,
        idempotency_key: str | None = None,
        **fields: Unpack[Img2ImgFields],
    ) -> Job:
        """Image to image, from a file, or from what ``image_url`` or ``source`` names."""
        body: dict[str, Any] = {"prompt": prompt, **fields}
        if image is not None:
            with _opened(image) as (file, _):
                body["image"] = base64.b64encode(file.read()).decode()
        return self._order("/img2img", body, idempotency_key)

    def run(
        self,
        workflow: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        files: Mapping[str, FileContent] | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[RunFields],
    ) -> Job:
        """Runs a workflow by its name, with inputs as ``workflow(name)`` describes them.

        ``files`` by the names of their inputs are uploaded as assets first.
        """
        uploaded = {name: f"asset:{self.assets.upload(content)['id']}" for name, content in (files or {}).items()}
        body = {**fields, "inputs": {**(inputs or {}), **uploaded}}
        return self._order(f"/workflows/{_quoted(workflow)}", body, idempotency_key)

    def graph(
        self, graph: Mapping[str, Any], *, idempotency_key: str | None = None, **fields: Unpack[GraphFields]
    ) -> Job:
        """Runs a graph in ComfyUI's API format once, as it is."""
        return self._order("/graphs", {**fields, "graph": graph}, idempotency_key)

    def batch(self, jobs: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None) -> list[str]:
        """Many jobs at once, all or none; their ids, in the order of the request."""
        body = {"jobs": list(jobs)}
        answer = self._transport.json("POST", "/jobs/batch", json_body=body, idempotent=idempotency_key or True)
        return [job["id"] for job in answer["data"]]

    def workflows(self) -> list[dict[str, Any]]:
        return self._transport.json("GET", "/workflows")["data"]  # type: ignore[no-any-return]

    def workflow(self, name: str) -> dict[str, Any]:
        """What a workflow is, its inputs as JSON Schema, and who can run it."""
        return self._transport.json("GET", f"/workflows/{_quoted(name)}")

    def lods(self) -> list[dict[str, Any]]:
        """The levels of detail."""
        return self._transport.json("GET", "/lods")["data"]  # type: ignore[no-any-return]

    def me(self) -> dict[str, Any]:
        """Who one is here, and what one may do."""
        return self._transport.json("GET", "/me")

    def usage(self, *, days: int | None = None, key: str | None = None) -> dict[str, Any]:
        """What one's key used, by day; for keys with the scope admin also what another one did."""
        path = "/usage" if key is None else f"/usage/keys/{_quoted(key)}"
        return self._transport.json("GET", path, query={"days": days})

    def usage_of_keys(
        self, *, days: int | None = None, limit: int | None = None, cursor: str | None = None
    ) -> dict[str, Any]:
        """One page of what each key used. For keys with the scope admin."""
        query = {"days": days, "limit": limit, "cursor": cursor}
        return self._transport.json("GET", "/usage/keys", query=query)

    def keys(self, *, limit: int | None = None, cursor: str | None = None) -> dict[str, Any]:
        """One page of the API keys, as they may be shown. For keys with the scope admin."""
        return self._transport.json("GET", "/keys", query={"limit": limit, "cursor": cursor})

    def status(self) -> dict[str, Any]:
        """How the fleet is: pools, workers and their instances. For keys with the scope admin."""
        return self._transport.json("GET", "/fleet")

    def _order(self, path: str, body: dict[str, Any], key: str | None) -> Job:
        return Job(self._transport, self._transport.json("POST", path, json_body=body, idempotent=key or True))


def verify_webhook(secret: str, headers: Mapping[str, str], body: bytes | str) -> dict[str, Any]:
    """The message of a webhook, verified as Standard Webhooks says; raises WebhookVerificationError.

    ``body`` is the request's body as it came, ``secret`` the ``whsec_…`` that the fleet signs with. A message may come
    twice: its ``webhook-id`` tells.
    """
    by_name = {name.lower(): value for name, value in headers.items()}
    try:
        id, timestamp, signatures = (by_name[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as missing:
        raise WebhookVerificationError(f"There is no header {missing}.") from None
    if not _is_number(timestamp) or abs(time.time() - int(timestamp)) > _TOLERANCE_S:
        raise WebhookVerificationError("The webhook-timestamp is not within five minutes of now.")
    content = body if isinstance(body, bytes) else body.encode()
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("The secret is not whsec_ and base64.") from None
    digest = hmac.new(key, f"{id}.{timestamp}.".encode() + content, hashlib.sha256).digest()
    expected = f"v1,{base64.b64encode(digest).decode()}".encode()
    if any([hmac.compare_digest(expected, signature.encode()) for signature in signatures.split(" ")]):
        return json.loads(content)  # type: ignore[no-any-return]
    raise WebhookVerificationError("No webhook-signature is of this secret and body.")


class _Transport:
    def __init__(self, url: str, key: str | None, retries: int, timeout: float) -> None:
        self._base = url.rstrip("/") + "/"
        self._key = key
        self._retries = retries
        self._timeout = timeout

    def json(self, method: str, path: str, **options: Any) -> Any:
        with self.send(method, path, **options) as answer:
            return json.loads(answer.read())

    def address(self, path: str) -> str:
        return urllib.parse.urljoin(self._base, path.removeprefix("/"))

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json_body: Any = None,
        file: IO[bytes] | None = None,
        idempotent: str | bool = False,
    ) -> http.client.HTTPResponse:
        """A good answer, to be closed. ``idempotent``: with an Idempotency-Key, a given one or a new one."""
        url = self.address(path)
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        if asked:
            url += ("&" if "?" in url else "?") + urllib.parse.urlencode(asked)
        scheme, _ = _origin(url)
        if scheme not in ("http", "https"):  # urllib would also open files of this machine
            raise FleetUnreachableError(f"The URL begins with {scheme}:, not with http: or https:.")
        headers = {"User-Agent": "comfy-fleet-python"}
        if idempotent:
            headers["Idempotency-Key"] = idempotent if isinstance(idempotent, str) else str(uuid.uuid4())
        data: bytes | IO[bytes] | None = None
        if json_body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(json_body).encode()
        elif file is not None:
            headers["Content-Type"] = "application/octet-stream"
            headers["Content-Length"] = str(_length(file))
            data = file
        tries = 0
        while True:
            if file is not None:
                file.seek(0)
            try:
                request = urllib.request.Request(url, data, headers, method=method)
                if self._key is not None and _origin(url) == _origin(self._base):  # the key is for nobody else
                    request.add_unredirected_header("Authorization", f"Bearer {self._key}")
                return urllib.request.urlopen(request, timeout=self._timeout)  # type: ignore[no-any-return]
            except urllib.error.HTTPError as answer:
                error: Exception = FleetError(_problem(answer), answer.headers)
            except (OSError, http.client.HTTPException) as cause:
                error = FleetUnreachableError(
                    f"{'://'.join(_origin(url))} does not answer: {getattr(cause, 'reason', cause)}"
                )
                error.__cause__ = cause
            if tries >= self._retries or not _passes(error):
                raise error
            time.sleep(_pause_after(error, tries))
            tries += 1


def _passes(error: Exception) -> bool:
    if isinstance(error, FleetError):
        return error.status in _PASSING and (error.retry_after or 0) <= _LONGEST_RETRY_AFTER_S
    return True


def _pause_after(error: Exception, tries: int) -> float:
    """As long as the server says, else twice as long each time; more or less, so that many do not come at once."""
    if isinstance(error, FleetError) and error.retry_after is not None:
        return error.retry_after + random.random() * _FIRST_PAUSE_S
    return min(_FIRST_PAUSE_S * 2**tries, _LONGEST_PAUSE_S) * (0.5 + random.random())


def _problem(answer: urllib.error.HTTPError) -> dict[str, Any]:
    text = answer.read().decode(errors="replace")
    try:
        problem = json.loads(text)
        if isinstance(problem["code"], str) and isinstance(problem["detail"], str):
            return problem  # type: ignore[no-any-return]
    except (ValueError, KeyError, TypeError):
        pass
    # of a proxy, or of something else that is no fleet
    code = "not_found" if answer.code == 404 else "unexpected_answer"
    return {"code": code, "status": answer.code, "detail": f"HTTP {answer.code} {answer.reason}: {text[:200]}"}


def _server_sent_events(stream: IO[bytes]) -> Iterator[tuple[str, str]]:
    event, data = "", []
    for raw in stream:
        line = raw.decode().rstrip("\r\n")
        if line == "":
            if data:
                yield event or "message", "\n".join(data)
            event, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            event = value
        elif name == "data":
            data.append(value)


@contextlib.contextmanager
def _opened(content: FileContent) -> Iterator[tuple[IO[bytes], str | None]]:
    """The content as a file and its name; whose file it is closes it."""
    if isinstance(content, bytes):
        yield io.BytesIO(content), None
    elif isinstance(content, (str, os.PathLike)):
        with open(content, "rb") as file:
            yield file, os.path.basename(os.fspath(content))
    else:
        yield content, os.path.basename(str(getattr(content, "name", ""))) or None


def _length(file: IO[bytes]) -> int:
    return file.seek(0, io.SEEK_END)


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 20  # int() refuses thousands of digits


def _origin(url: str) -> tuple[str, str]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc


def _file_name(url: str) -> str:
    return urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1]


def _quoted(part: str) -> str:
    return urllib.parse.quote(part, safe="")


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
