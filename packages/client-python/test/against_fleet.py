"""Uses the client against the fleet whose URL is its argument; run by client-python.system.test.ts."""

import asyncio
import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import sys
import tempfile
import threading
import time
import unittest
import urllib.request
from typing import get_args

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from comfy_fleet import (  # noqa: E402
    Fleet,
    FleetError,
    FleetUnreachableError,
    GenerateFields,
    GraphFields,
    Img2ImgFields,
    JobEndedError,
    JobFilters,
    RunFields,
    WaitCode,
    WebhookVerificationError,
    verify_webhook,
)
from comfy_fleet.aio import AsyncFleet  # noqa: E402

URL = sys.argv.pop()
SMALL = {"lod": "sketch", "width": 64, "height": 64}
PROMPT = "a lighthouse in a storm"
# The ComfyUI of this fleet hangs in an EmptyImage.
ENDLESS = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "endless"}},
}


class AgainstFleet(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.fleet = Fleet(URL)

    def test_makes_a_picture_and_saves_it(self) -> None:
        job = self.fleet.generate(PROMPT, seed="18446744073709551615", **SMALL).wait(timeout=300)
        self.assertEqual(job.snapshot["seed"], "18446744073709551615")
        [output] = job.outputs
        self.assertEqual((output.kind, output.content_type), ("image", "image/png"))
        self.assertEqual(output.url, URL.rstrip("/") + output.details["url"])
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "lighthouse.png")
            output.save(path)
            self.assertEqual(path.read_bytes(), output.download())
        self.assertEqual(len(output.download()), output.bytes)
        self.assertEqual(output.download(width=64, format="webp")[8:12], b"WEBP")

    def test_follows_a_job_to_its_end(self) -> None:
        events = list(self.fleet.generate(PROMPT, **SMALL))
        self.assertEqual(events[0].type, "status")
        self.assertIn("output", {event.type for event in events})
        self.assertEqual((events[-1].type, events[-1].data["status"]), ("status", "succeeded"))

    def test_says_how_a_job_ended_that_did_not_end_well(self) -> None:
        job = self.fleet.graph(ENDLESS, start_within_seconds=3600)
        with self.assertRaises(JobEndedError) as caught:
            job.cancel().wait()
        self.assertEqual((caught.exception.code, caught.exception.job.status), ("canceled", "canceled"))

    def test_starts_from_files(self) -> None:
        first = self.fleet.generate(PROMPT, **SMALL).wait()
        picture = first.outputs[0].download()
        second = self.fleet.img2img("at dawn", picture, metadata={"order": "7"}, **SMALL).wait()
        self.assertEqual((second.snapshot["kind"], second.snapshot["metadata"]), ("img2img", {"order": "7"}))
        self.assertEqual(first.refine("mid").wait().snapshot["parent"]["id"], first.id)
        again = first.retry(seed=7, idempotency_key="of-my-own").wait()
        self.assertEqual((again.snapshot["seed"], again.snapshot["parent"]["relation"]), (7, "retry"))
        self.assertEqual(first.retry(seed=7, idempotency_key="of-my-own").id, again.id)
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            file.write(picture)
            third = self.fleet.run("img2img", {"prompt": "in snow"}, files={"image": file}, lod="sketch").wait()
            self.assertEqual(self.fleet.assets.upload(file.name)["kind"], "image")
        self.assertGreater(len(third.outputs), 0)

    def test_keeps_files_as_assets(self) -> None:
        asset = self.fleet.assets.upload(b"a note", filename="note.txt")
        self.assertEqual(self.fleet.assets.get(asset["id"])["filename"], "note.txt")
        self.assertEqual(self.fleet.assets.download(asset["id"]), b"a note")
        self.fleet.assets.delete(asset["id"])
        with self.assertRaises(FleetError) as caught:
            self.fleet.assets.get(asset["id"])
        self.assertEqual((caught.exception.code, caught.exception.status), ("asset_not_found", 404))

    def test_lists_the_jobs_of_a_batch_and_deletes_them(self) -> None:
        ids = self.fleet.batch([{"prompt": PROMPT, "metadata": {"from": "python"}, **SMALL}] * 2)
        found = list(self.fleet.jobs.list(metadata={"from": "python"}))
        self.assertEqual(sorted(job.id for job in found), sorted(ids))
        for job in found:
            job.wait().delete()
        self.assertEqual(list(self.fleet.jobs.list(metadata={"from": "python"})), [])

    def test_makes_one_job_of_an_order_sent_twice(self) -> None:
        one, two = (self.fleet.generate(PROMPT, idempotency_key="python-4711", **SMALL) for _ in range(2))
        self.assertEqual(one.id, two.id)

    def test_tells_what_is_wrong_with_a_request(self) -> None:
        with self.assertRaises(FleetError) as caught:
            self.fleet.generate(PROMPT, steps=100_000)
        self.assertEqual((caught.exception.code, caught.exception.errors[0]["pointer"]), ("validation_failed", "/steps"))

    def test_knows_the_workflows_and_what_was_used(self) -> None:
        self.assertIn("text2img", [workflow["name"] for workflow in self.fleet.workflows()])
        self.assertEqual(self.fleet.workflow("text2img")["name"], "text2img")
        self.assertEqual(len(self.fleet.usage(days=1)["data"]), 1)
        self.assertIsNone(self.fleet.me()["key"])
        self.assertEqual(self.fleet.keys()["data"], [])
        for used in self.fleet.usage_of_keys(days=1)["data"]:
            self.assertEqual(self.fleet.usage(days=1, key=used["key"])["data"][0]["jobs"], used["jobs"])
        self.assertEqual(len(self.fleet.status()["workers"]), 1)
        self.assertGreater(len(self.fleet.lods()), 0)

    def test_registers_models(self) -> None:
        name = "sdxl/detail.safetensors"
        model = self.fleet.models.put("loras", name, ["hf:acme/loras/detail.safetensors@main"], pinned_in=["video"])
        self.assertEqual((model["name"], model["pinned_in"], model["copies"]), (name, ["video"], []))
        self.assertEqual(self.fleet.models.fetch("loras", name, pools=["default"])["kind"], "loras")
        self.assertEqual([model["name"] for model in self.fleet.models.list()], [name])
        self.fleet.models.delete("loras", name)
        with self.assertRaises(FleetError) as caught:
            self.fleet.models.get("loras", name)
        self.assertEqual(caught.exception.status, 404)

    def test_types_the_fields_that_the_api_takes(self) -> None:
        with urllib.request.urlopen(f"{URL}/openapi.json") as answer:
            document = json.load(answer)

        def fields_of(path: str) -> set[str]:
            schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
            name = schema.get("$ref", "").rsplit("/", 1)[-1]
            return set((document["components"]["schemas"][name] if name else schema)["properties"])

        def names_in(typed: type) -> set[str]:
            return set(typed.__optional_keys__ | typed.__required_keys__)

        self.assertEqual(names_in(GenerateFields), fields_of("/generate") - {"prompt"})
        self.assertEqual(names_in(Img2ImgFields), fields_of("/img2img") - {"prompt", "image"})
        self.assertEqual(names_in(RunFields), fields_of("/workflows/{name}") - {"inputs"})
        self.assertEqual(names_in(GraphFields), fields_of("/graphs") - {"graph"})
        query = {parameter["name"]: parameter["schema"] for parameter in document["paths"]["/jobs"]["get"]["parameters"]}
        self.assertEqual(names_in(JobFilters), set(query) - {"limit", "cursor", "metadata.*"})
        self.assertEqual(list(get_args(WaitCode)), query["waiting_for"]["enum"])


class AgainstFleetAsync(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        self.fleet = AsyncFleet(URL)

    async def test_makes_many_pictures_at_once_and_saves_them(self) -> None:
        jobs = await asyncio.gather(*(self.fleet.generate(PROMPT, seed=seed, **SMALL) for seed in range(3)))
        await asyncio.gather(*(job.wait() for job in jobs))
        [output] = jobs[0].outputs
        self.assertTrue(output.url.startswith(URL))
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "lighthouse.png")
            await output.save(path)
            self.assertEqual(path.read_bytes(), await output.download())
        found = [job.id async for job in self.fleet.jobs.list(status="succeeded")]
        self.assertLessEqual({job.id for job in jobs}, set(found))

    async def test_follows_a_job_to_its_end(self) -> None:
        events = [event async for event in await self.fleet.generate(PROMPT, **SMALL)]
        self.assertEqual((events[-1].type, events[-1].data["status"]), ("status", "succeeded"))

    async def test_stops_waiting_when_told_and_the_job_goes_on(self) -> None:
        job = await self.fleet.graph(ENDLESS, start_within_seconds=3600)
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(job.wait(), 0.1)
        self.assertIn((await job.refresh()).status, ("queued", "running"))
        with self.assertRaises(JobEndedError):
            await (await job.cancel()).wait()


class WithoutFleet(unittest.TestCase):
    def test_sends_an_order_again_under_its_key(self) -> None:
        keys = []

        class Server(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                keys.append(self.headers["Idempotency-Key"])
                problem = {"code": "queue_full", "status": 429, "detail": "full"}
                body = {"id": "j", "status": "queued"} if len(keys) == 2 else problem
                self.send_response(202 if len(keys) == 2 else 429)
                self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: object) -> None:
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            job = Fleet(f"http://127.0.0.1:{server.server_port}").generate(PROMPT)
            server.shutdown()
        self.assertEqual(job.id, "j")
        self.assertEqual((len(keys), len(set(keys))), (2, 1))

    def test_keeps_its_key_when_it_is_sent_elsewhere(self) -> None:
        keys = []

        class Server(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                keys.append(self.headers["Authorization"])
                self.send_response(302 if len(keys) == 1 else 200)
                self.send_header("Location", f"http://localhost:{self.server.server_port}/lods")
                self.end_headers()
                self.wfile.write(b'{"data": []}')

            def log_message(self, *_: object) -> None:
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            Fleet(f"http://127.0.0.1:{server.server_port}", key="secret").lods()
            server.shutdown()
        self.assertEqual(keys, ["Bearer secret", None])

    def test_opens_no_file_of_this_machine(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "lods").write_text('{"data": []}')
            with self.assertRaisesRegex(FleetUnreachableError, "^The URL begins with file:"):
                Fleet(pathlib.Path(folder).as_uri()).lods()

    def test_says_that_nothing_answers(self) -> None:
        with self.assertRaisesRegex(FleetUnreachableError, "^http://127.0.0.1:1 does not answer: .*refused"):
            Fleet("http://127.0.0.1:1", retries=0).lods()

    def test_verifies_webhooks(self) -> None:
        secret, body = "whsec_" + base64.b64encode(b"7" * 32).decode(), b'{"type": "job.succeeded"}'
        stamp = str(int(time.time()))
        digest = hmac.new(b"7" * 32, f"m.{stamp}.".encode() + body, hashlib.sha256).digest()
        headers = {"Webhook-Id": "m", "Webhook-Timestamp": stamp}
        signed = {**headers, "Webhook-Signature": "v1,AAAA v1," + base64.b64encode(digest).decode()}
        self.assertEqual(verify_webhook(secret, signed, body), {"type": "job.succeeded"})
        late = [{**signed, "Webhook-Timestamp": stamp} for stamp in ("1", "\N{SUPERSCRIPT TWO}", "1" * 5000)]
        for bad in (headers, {**headers, "Webhook-Signature": "v1,AAAA"}, *late):
            with self.assertRaises(WebhookVerificationError):
                verify_webhook(secret, bad, body)


if __name__ == "__main__":
    unittest.main()
