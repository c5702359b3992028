"""Wire tests where the stand-in is all of Azure: it issues the callers' tokens, judges barkeep's
identity, and exchanges, keeps and refuses as its knobs say."""

import json
import pathlib

from lib import raw, tokens
from lib.barkeep import Standin
from lib.case import WireCase
from lib.door import Door

CLIENT_SECRET = "canary-orders-gw-client-secret"  # of tokens.API in the stand-in's seed
STOCK = "e4f50617-2839-4a5b-8c6d-7e8f9a0b1c2d"  # api://stock
INES = "5b60718a-92a3-4b4c-8d5e-6f708192a3b4"


def claims_of(authorization):
    """Of the token behind "Bearer "."""
    scheme, _, token = authorization.partition(" ")
    assert scheme == "Bearer", authorization[:20]
    return json.loads(tokens.unb64url(token.split(".")[1]))


class StandinCase(WireCase):
    """change_config() may use cls.standin, which listens already, and set cls.environment."""

    environment = None

    @classmethod
    def setUpClass(cls):
        cls.door = Door()
        cls.standin = Standin(cls.door.folder).start()
        cls.addClassCleanup(cls.standin.process.kill)
        cls.door.config["entra"]["authority"] = cls.standin.url()
        cls.change_config(cls.door.config, cls.door)
        cls.door.barkeep.environment = cls.environment
        cls.token = cls.standin.mint()
        cls.door.start(cls.becomes_ready)

    @classmethod
    def tearDownClass(cls):
        cls.standin.stop()
        super().tearDownClass()

    @classmethod
    def file(cls, name, text):
        path = pathlib.Path(cls.door.folder) / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    @classmethod
    def client_identity(cls):
        """barkeep as the application that callers' tokens are for."""
        return {"client": {"id": tokens.API, "secret_file": cls.file("secret", CLIENT_SECRET)}}

    @classmethod
    def add_route(cls, config, door, name, **options):
        """/NAME/** injects credential NAME."""
        config["routes"].append({
            "name": name, "path": f"/{name}", "upstream": door.upstream.url, **options,
            "access": [{"role": "Contributor", "to": {"everyone": True}, "credential": name}]})

    def ask(self, target, *headers, token=None, method="GET", body=None):
        with self.door.client() as client:
            data = raw.request(method, target, headers, body, token or self.token)
            return client.exchange(data, method)

    def sent(self, target, *headers, token=None):
        """The one Authorization that the upstream gets, of a request that is answered 200."""
        mark = self.door.upstream.mark()
        response = self.ask(target, *headers, token=token)
        self.assertEqual(200, response.status, response.body)
        request, = self.door.upstream.since(mark)
        authorization, = request.all("Authorization")
        return authorization

    def check_refused(self, response, status, reason):
        """Refused, and other routes do not notice."""
        self.check_refusal(response, status, reason)
        self.control()
        return response

    def knob_back(self, path, document, undone):
        """Turns a knob until the test ends."""
        self.standin.knob(path, document)
        self.addCleanup(self.standin.knob, path, undone)

    def events(self, event, **members):
        """What the log says of `event` with these members, in order."""
        lines = self.door.barkeep.process.stderr().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in found if line.get("event") == event
                and all(line.get(name) == value for name, value in members.items())]
