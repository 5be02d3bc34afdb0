"""Generated calls of every route against the OpenAPI document: no 5xx, no answer that the document does not know.

`make test-openapi` sets HANDLER (the program). EXAMPLES is how many calls of each kind are made for a route (10), SEED makes
the same calls again.
"""

import base64
import hmac
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
HANDLER = os.environ["HANDLER"]
EXAMPLES = os.environ.get("EXAMPLES", "10")
SEED = os.environ.get("SEED", "1")
PATIENCE = 30
PEOPLE = ["owner", "moderator", "member", "stranger", "admin"]
# What a use case knows of a value (a cursor, a room's policy) no schema says, so a valid shape may be refused.
NOT_CHECKED = "positive_data_acceptance"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A handler of its own, with a small world in it."""

    def __init__(self, test, **settings):
        self.base = f"http://127.0.0.1:{(port := free_port())}"
        self.log = tempfile.TemporaryFile()
        environment = {
            "PATH": os.environ["PATH"],
            "PORT": str(port),
            "WS_PORT": str(free_port()),
            "ADMIN_USERS": "admin",
            "RUST_LOG": "warn",
            # A refused call tells nothing of its route, and here nearly all would be.
            **{f"RATE_LIMIT_{of}": "off" for of in ["USER", "ROOM", "IP"]},
            **settings,
        }
        self.process = subprocess.Popen([HANDLER], env=environment, stdout=self.log, stderr=self.log)
        test.addCleanup(self.stop)
        self.until_ready()

    def until_ready(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                return urllib.request.urlopen(f"{self.base}/api/readyz", timeout=5).read()
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.02)
        raise AssertionError("the handler does not start")

    def proof(self, user):
        return {"X-User-Id": user}

    def call(self, method, path, user, body=None):
        headers = {"content-type": "application/json", **self.proof(user)}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def furnish(self):
        """Rooms with an owner, a moderator, a member and messages; and a conversation of two."""
        self.rooms = ["general"]
        for name in ["open", "closed"]:
            room = self.call("POST", "/api/rooms", "owner", {"name": name})["id"]
            self.rooms.append(room)
            for user in PEOPLE[1:3]:
                self.call("POST", f"/api/rooms/{room}/join", user)
            change = {"user": "moderator", "role": "moderator"}
            self.call("PATCH", f"/api/rooms/{room}/members", "owner", change)
        self.call("PATCH", f"/api/rooms/{self.rooms[2]}", "owner", {"is_private": True})
        for target in [{"RoomID": room} for room in self.rooms[1:]] + [{"ReceiverID": "member"}]:
            for number in range(3):
                said = {"SenderID": "owner", "MessageText": f"message {number}", **target}
                self.call("POST", "/api/sendMessage", "owner", said)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=PATIENCE)
        self.log.close()

    def lines(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")


class SignedIn(Server):
    """The same where callers sign in with tokens."""

    SECRET = "a secret of at least thirty-two bytes"

    def __init__(self, test):
        super().__init__(
            test, AUTH_MODE="jwt", JWT_SECRET=self.SECRET, JWT_ISSUER="test", JWT_AUDIENCE="chat"
        )

    def proof(self, user):
        claims = {"iss": "test", "aud": "chat", "sub": user, "exp": int(time.time()) + 3600}
        parts = [base64url(json.dumps(part).encode()) for part in [{"alg": "HS256", "typ": "JWT"}, claims]]
        signature = hmac.digest(self.SECRET.encode(), ".".join(parts).encode(), "sha256")
        return {"Authorization": f"Bearer {'.'.join([*parts, base64url(signature)])}"}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Document(unittest.TestCase):
    def generate(self, server, *arguments):
        command = [
            str(FOLDER / ".venv/bin/schemathesis"),
            "run",
            f"{server.base}/api/openapi.json",
            *["--url", server.base, "--seed", SEED, "--max-examples", EXAMPLES],
            *["--exclude-checks", NOT_CHECKED, "--request-timeout", "20", "--no-color", "--warnings", "off"],
            *arguments,
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": str(FOLDER),
            "SCHEMATHESIS_HOOKS": "hooks",
            "WORLD": json.dumps({"people": PEOPLE, "rooms": server.rooms}),
        }
        with tempfile.TemporaryDirectory() as scratch:
            return subprocess.run(command, env=environment, cwd=scratch, capture_output=True, text=True)

    def check(self, server, *arguments):
        run = self.generate(server, *arguments)
        made = [line.strip() for line in run.stdout.splitlines() if " generated" in line]
        print(f"\n{self._testMethodName}: {', '.join(made)} (SEED={SEED}, EXAMPLES={EXAMPLES})")
        self.assertEqual(run.returncode, 0, run.stdout[-20_000:] + run.stderr[-2_000:])
        self.assertIsNone(server.process.poll(), "the handler has ended")
        self.assertNotIn("panicked", server.lines())

    def test_of_callers_who_say_who_they_are(self):
        server = Server(self)
        server.furnish()
        self.check(server)

    def test_of_a_member_who_has_signed_in(self):
        server = SignedIn(self)
        server.furnish()
        authorization = server.proof("moderator")["Authorization"]
        self.check(server, "--header", f"Authorization: {authorization}")

    def test_of_an_admin_who_has_signed_in(self):
        server = SignedIn(self)
        server.furnish()
        authorization = server.proof("admin")["Authorization"]
        self.check(server, "--header", f"Authorization: {authorization}")


if __name__ == "__main__":
    unittest.main()
