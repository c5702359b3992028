"""A barkeep with everything around it: our own authority, a recording upstream, one configuration."""

import functools
import os
import re
import shutil
import tempfile

from lib import raw, recorder, replay, tokens
from lib.authority import Authority
from lib.barkeep import Barkeep

ADMIN_ROLE = "Admin"
REASON = re.compile(rb'"reason":"([a-z_]+)"')


@functools.cache
def signing_key(number=0):
    """Keys are slow to make: each process has one of every number."""
    del number
    return tokens.SigningKey()


def standard_routes(upstream_url):
    """/public/** for everyone, /admin/** for app role Admin, nothing else."""
    return [{"name": "main", "path": "/", "upstream": upstream_url, "access": [
        {"role": "Visitor", "to": {"everyone": True}},
        {"role": "Manager", "to": {"app_role": ADMIN_ROLE}}]}]


def standard_config(barkeep, authority, routes):
    return {
        "listen": f"127.0.0.1:{barkeep.port}",
        "admin": f"127.0.0.1:{barkeep.admin_port}",
        "workers": 2,
        "entra": {"tenant": tokens.TENANT, "audience": [tokens.API_URI, tokens.API],
                  "authority": authority.url},
        "roles": {"Visitor": {"actions": ["* /public/**"]},
                  "Manager": {"actions": ["* /admin/**"]}},
        "routes": routes,
        "log": {"audit": str(barkeep.audit_path), "level": "info"},
        "drain": "5s",
    }


class Door:
    """`change` gets the standard configuration and the door, and edits it in place."""

    def __init__(self, change=None, keys=None, name="barkeep"):
        self.folder = tempfile.mkdtemp(prefix="barkeep-wire-")
        self.key = signing_key()
        self.authority = Authority(keys or [self.key.jwk()])
        self.upstream = recorder.Recorder()
        self.barkeep = Barkeep(self.folder, name)
        self.seen = []  # every answer read
        self.reached = set()  # the reason codes in them
        self.replays = False  # whether the end compares explanations with the audit
        self.memory = replay.Memory()
        self.config = standard_config(self.barkeep, self.authority,
                                      standard_routes(self.upstream.url))
        if change:
            change(self.config, self)

    def start(self, wait_ready=True):
        self.barkeep.write_config(self.config)
        try:
            self.barkeep.start(wait_ready)
        except AssertionError:
            self.stop_quietly()
            raise
        return self

    @property
    def audit(self):
        return self.barkeep.audit

    def token(self, claims=None, **options):
        return tokens.mint(self.key, claims, **options)

    def admin_token(self):
        return self.token(tokens.user(roles=[ADMIN_ROLE]))

    def client(self, **options):
        client = raw.Client(self.barkeep.port, **options)
        client.on_response = self.note
        client.on_answer = self.memory.on_answer
        return client

    def note(self, response):
        self.seen.append(response)
        reached = REASON.search(response.body or b"")
        if reached and response.one("Content-Type") == "application/problem+json":
            self.reached.add(reached[1].decode())

    def leave_reasons(self):
        """Notes which reason codes were reached, for the run as a whole (tests/wire/run)."""
        place = os.environ.get("BARKEEP_REACHED")
        if place and self.reached:
            with open(place, "a", encoding="ascii") as file:
                file.write("".join(f"{reason}\n" for reason in sorted(self.reached)))

    def stop_quietly(self):
        """The end of a door that never opened."""
        if self.barkeep.process:
            self.barkeep.process.kill()
        self._clean()

    def stop(self):
        """Stops barkeep and judges its end: exit code 0, no sanitizer report, no script failure."""
        try:
            self.barkeep.stop()
            if self.replays:
                self.check_explanations()
            if self.upstream.failures:
                raise AssertionError(f"upstream scripts failed: {self.upstream.failures}")
        finally:
            self.barkeep.process.kill()
            self._clean()

    def check_explanations(self):
        """`barkeep explain` agrees with the audit on every request of this door."""
        headers = {route["name"]: route["token_header"] for route in self.config["routes"]
                   if "token_header" in route}
        _, problems = replay.replay(self.barkeep.config_path, self.memory.requests,
                                    self.audit.requests(), headers)
        if problems:
            raise AssertionError(f"{len(problems)} disagreements: " + "\n".join(problems[:10]))

    def _clean(self):
        self.leave_reasons()
        self.upstream.stop()
        self.authority.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
