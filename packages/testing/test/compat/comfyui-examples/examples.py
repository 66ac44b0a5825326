"""
The calls of three scripts that come with ComfyUI, in their order and with their content types: basic_api_example.py,
websockets_api_example.py and websockets_api_example_ws_images.py. Only the address differs, which has a path.

Usage: examples.py basic|websockets|ws_images <host:port/path>, with the graph on standard input.
Writes a JSON object: node id → its pictures in base64.
"""

import base64
import json
import sys
import urllib.parse
import urllib.request
import uuid

from websocket import WebSocket

SAVE_NODE = "save_image_websocket_node"


def post_prompt(server, body):
    # Without a header of its own, as the scripts do it: form-urlencoded it says, and JSON it is.
    request = urllib.request.Request(f"http://{server}/prompt", data=json.dumps(body).encode("utf-8"))
    return urllib.request.urlopen(request).read()


def read_json(url):
    with urllib.request.urlopen(url) as answer:
        return json.loads(answer.read())


def basic(server, graph):
    post_prompt(server, {"prompt": graph})
    return {}


def websockets(server, graph):
    client_id = str(uuid.uuid4())
    socket = WebSocket()
    socket.connect(f"ws://{server}/ws?clientId={client_id}")
    prompt_id = str(uuid.uuid4())
    post_prompt(server, {"prompt": graph, "client_id": client_id, "prompt_id": prompt_id})
    while True:
        message = socket.recv()
        if not isinstance(message, str):
            continue  # a preview
        message = json.loads(message)
        if message["type"] == "executing":
            data = message["data"]
            if data["node"] is None and data["prompt_id"] == prompt_id:
                break
    history = read_json(f"http://{server}/history/{prompt_id}")[prompt_id]
    pictures = {}
    for node_id, output in history["outputs"].items():
        pictures[node_id] = []
        for image in output.get("images", []):
            place = {"filename": image["filename"], "subfolder": image["subfolder"], "type": image["type"]}
            with urllib.request.urlopen(f"http://{server}/view?{urllib.parse.urlencode(place)}") as answer:
                pictures[node_id].append(answer.read())
    socket.close()
    return pictures


def ws_images(server, graph):
    client_id = str(uuid.uuid4())
    socket = WebSocket()
    socket.connect(f"ws://{server}/ws?clientId={client_id}")
    prompt_id = json.loads(post_prompt(server, {"prompt": graph, "client_id": client_id}))["prompt_id"]
    pictures, current_node = {}, ""
    while True:
        message = socket.recv()
        if isinstance(message, str):
            message = json.loads(message)
            if message["type"] == "executing":
                data = message["data"]
                if data["prompt_id"] == prompt_id:
                    if data["node"] is None:
                        break
                    current_node = data["node"]
        elif current_node == SAVE_NODE:
            pictures.setdefault(current_node, []).append(message[8:])
    socket.close()
    return pictures


def main():
    script, server = sys.argv[1:]
    run = {"basic": basic, "websockets": websockets, "ws_images": ws_images}[script]
    pictures = run(server, json.load(sys.stdin))
    shown = {node: [base64.b64encode(one).decode() for one in all_of] for node, all_of in pictures.items()}
    json.dump(shown, sys.stdout)


main()
