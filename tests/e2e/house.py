"""One barkeep with the stand-in and a real backend, and what an end-to-end test asks of them."""

import http.client
import json
import unittest

from backends import azure, leaks
from backends.process import Stage
from lib.barkeep import Barkeep, Standin

ADMIN_ROLE = "Backend.Admin"
READER_ROLE = "Backend.Read"


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def reason(self):
        return self.json()["reason"]


class EndToEnd(unittest.TestCase):
    """Subclasses start a backend and say what barkeep is to do with it."""

    maxDiff = None

    @classmethod
    def start_backend(cls, stage):
        """The backend, ready; it has `passwords`."""
        raise NotImplementedError

    @classmethod
    def secrets(cls):
        """Key Vault secrets by name."""
        raise NotImplementedError

    @classmethod
    def routes(cls):
        raise NotImplementedError

    @classmethod
    def credentials(cls):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.stage = Stage("barkeep-e2e-")
        cls.addClassCleanup(cls.stage.close)
        cls.standin = cls.stage.add(Standin(cls.stage.path).start())
        cls.backend = cls.start_backend(cls.stage)
        for name, value in cls.secrets().items():
            azure.put_secret(cls.standin, name, value)
        cls.barkeep = cls.stage.add(Barkeep(cls.stage.path))
        cls.barkeep.write_config(cls.config())
        cls.barkeep.start()
        cls.tokens = {"admin": azure.mint(cls.standin, "--app-role", ADMIN_ROLE),
                      "reader": azure.mint(cls.standin, "--user", azure.INES, "--app-role", READER_ROLE),
                      "stranger": azure.mint(cls.standin, "--user", azure.INES)}
        cls.seen = b""

    @classmethod
    def config(cls):
        return {
            "listen": f"127.0.0.1:{cls.barkeep.port}",
            "admin": f"127.0.0.1:{cls.barkeep.admin_port}",
            "entra": {"tenant": azure.TENANT, "audience": azure.API, "authority": cls.standin.url()},
            "identity": {"managed": "system", "endpoint": cls.standin.url()},
            "vaults": {"prod": cls.standin.url()},
            "credentials": cls.credentials(),
            "routes": cls.routes(),
            "log": {"audit": str(cls.barkeep.audit_path)},
        }

    @classmethod
    def ask(cls, caller, method, path, body=None, headers=None):
        """One request as `caller`, a key of `tokens` or None."""
        connection = http.client.HTTPConnection("127.0.0.1", cls.barkeep.port, timeout=30)
        try:
            sent = dict(headers or {})
            if caller:
                sent["Authorization"] = f"Bearer {cls.tokens[caller]}"
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            content = answer.read()
            cls.seen += answer.headers.as_bytes() + content
            return Answer(answer.status, answer.headers, content)
        finally:
            connection.close()

    def assert_refused(self, answer, status, reason):
        self.assertEqual((status, reason), (answer.status, answer.reason()), answer.body)

    def audit_of(self, answer):
        return self.barkeep.audit.wait_for(answer.headers["X-Request-Id"])

    def assert_no_password_was_seen(self):
        """To be called when answers of each kind have been read."""
        self.assertGreater(len(self.seen), 500)
        for seen in (self.seen, self.barkeep.audit.raw(), self.barkeep.process.stderr().encode()):
            self.assertEqual([], leaks.find(self.backend.passwords, seen))
