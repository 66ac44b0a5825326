"""A WebSocket client of the standard library: as much of RFC 6455 as the examples of ComfyUI need."""

import base64
import os
import socket
import struct
from urllib.parse import urlsplit


class WebSocket:
    def connect(self, url):
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=120)
        self._stream = self._socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {parts.path}?{parts.query} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = self._stream.readline().decode()
        if " 101 " not in status:
            raise ConnectionError(status.strip())
        while self._stream.readline() not in (b"\r\n", b""):
            pass

    def recv(self):
        """The next message: a str, or bytes."""
        whole, kind = b"", None
        while True:
            first, second = self._stream.read(2)
            opcode, length = first & 15, second & 127
            if length == 126:
                (length,) = struct.unpack(">H", self._stream.read(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self._stream.read(8))
            data = self._stream.read(length)
            if opcode == 9:
                self._send(10, data)
            elif opcode == 8:
                raise ConnectionError("closed")
            elif opcode in (0, 1, 2):
                kind = opcode or kind
                whole += data
                if first & 128:
                    return whole.decode() if kind == 1 else whole

    def close(self):
        self._send(8, struct.pack(">H", 1000))
        self._socket.close()

    def _send(self, opcode, data):
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))
        self._socket.sendall(struct.pack(">BB", 128 | opcode, 128 | len(data)) + mask + masked)
