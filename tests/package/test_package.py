"""The package as the platform takes it: unpacked, looked at, and run under the double of the Functions host.

`make test-package` sets PACKAGE (the zip), FUNCHOST (the double) and STATIC=1 where the program must need no C library.
"""

import json
import os
import signal
import socket
import stat
import statistics
import struct
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = Path(os.environ["PACKAGE"])
FUNCHOST = os.environ["FUNCHOST"]
PATIENCE = 60
PT_INTERP = 3


def unpack(folder):
    """As a platform that keeps modes does it."""
    with zipfile.ZipFile(PACKAGE) as archive:
        for entry in archive.infolist():
            target = Path(archive.extract(entry, folder))
            target.chmod(stat.S_IMODE(entry.external_attr >> 16))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def until(condition, what):
    """The first true value that `condition` gives."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            value = condition()
        except (urllib.error.URLError, ConnectionError):
            value = None
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {PATIENCE} s")


def loads_other_libraries(program):
    """Whether the ELF file names an interpreter, which static programs do not."""
    content = program.read_bytes()
    offset = struct.unpack_from("<Q", content, 32)[0]
    size, count = struct.unpack_from("<HH", content, 54)
    return any(struct.unpack_from("<I", content, offset + i * size)[0] == PT_INTERP for i in range(count))


class Package(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.app = Path(scratch.name)
        unpack(self.app)

    def start(self, arguments, **settings):
        environment = {"PATH": os.environ["PATH"], **settings}
        process = subprocess.Popen(
            arguments, cwd=self.app, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.send_signal, signal.SIGTERM)
        return process

    def test_it_holds_the_app_and_nothing_else(self):
        with zipfile.ZipFile(PACKAGE) as archive:
            names = set(archive.namelist())
        functions = {f"{it.parent.name}/function.json" for it in ROOT.glob("*/function.json")}
        self.assertGreaterEqual(len(functions), 6)
        self.assertEqual(names, {"host.json", "bin/handler"} | functions)

    def test_the_program_is_one_to_run(self):
        host = json.loads((self.app / "host.json").read_text())
        program = self.app / host["customHandler"]["description"]["defaultExecutablePath"]
        self.assertEqual(stat.S_IMODE(program.stat().st_mode), 0o755)
        if os.environ.get("STATIC") == "1":
            self.assertFalse(loads_other_libraries(program), "the program needs a C library of the machine it runs on")

    def test_it_runs_under_a_host(self):
        port = free_port()
        self.start(
            [FUNCHOST, "--app", str(self.app), "--port", str(port)],
            TRANSPORT_MODE="self",
            STORAGE_MODE="file",
            QUEUE_MODE="servicebus",
            AUTH_MODE="anonymous",
            DATA_DIR=str(self.app / "data"),
        )
        base = f"http://127.0.0.1:{port}/api"
        until(lambda: ask(f"{base}/readyz"), "an answer")
        message = {"SenderID": "ann", "RoomID": "general", "MessageText": "packed", "MessageID": "m-1"}
        self.assertEqual(ask(f"{base}/sendMessage", message)["status"], "accepted")
        stored = until(lambda: ask(f"{base}/rooms/general/messages")["messages"], "the message in the room")
        self.assertEqual([it["content"] for it in stored], ["packed"])

    def test_the_start_is_told(self):
        """A figure to print, not a limit: limits of time belong to the benchmark."""
        times = [self.time_of_a_start() for _ in range(20)]
        print(f"\nspawn to first 200: median {statistics.median(times):.1f} ms, longest {max(times):.1f} ms of {len(times)}")

    def time_of_a_start(self):
        port = free_port()
        begun = time.perf_counter()
        process = self.start(
            [str(self.app / "bin/handler")],
            FUNCTIONS_CUSTOMHANDLER_PORT=str(port),
            AZURE_FUNCTIONS_ENVIRONMENT="Development",
        )
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
                    stream.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    self.assertIn(b" 200 ", stream.recv(64))
                    break
            except ConnectionRefusedError:
                self.assertLess(time.perf_counter() - begun, PATIENCE)
                self.assertIsNone(process.poll(), "the program ended")
        taken = (time.perf_counter() - begun) * 1000
        process.kill()
        process.wait()
        return taken


if __name__ == "__main__":
    unittest.main()
