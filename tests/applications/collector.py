"""What telemetry is sent to in place of its vendor: appends every body that it gets to a file.

    python3 collector.py PORT FILE
"""

import gzip
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from processes import Fault

lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.body()
        encoding = self.headers.get("Content-Encoding")
        if encoding == "gzip":
            body = gzip.decompress(body)
        elif encoding == "deflate":
            body = zlib.decompress(body)
        with lock, open(sys.argv[2], "ab") as file:
            file.write(self.path.encode() + b"\n" + body + b"\n")
        self.answer(b"{}")

    do_PUT = do_POST

    def do_GET(self):
        self.answer(b'{"endpoints": ["/v0.4/traces", "/v0.5/traces"], "client_drop_p0s": true}')

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def helper(site):
    """The collector as a helper of a recipe."""
    return "collector", [sys.executable, __file__, site.port("collector"), site.data / "collected"], {}, site.port("collector")


def wait_for(site, texts, seconds=15):
    """Waits until all of these have been collected; how often each has."""
    file, end = Path(site.data / "collected"), time.monotonic() + seconds
    while True:
        collected = file.read_bytes() if file.exists() else b""
        missing = [text for text in texts if text.encode() not in collected]
        if not missing:
            return {text: collected.count(text.encode()) for text in texts}
        if time.monotonic() > end:
            raise Fault(f"{len(missing)} of {len(texts)} never reach the collector, as {missing[0]}")
        time.sleep(0.1)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
