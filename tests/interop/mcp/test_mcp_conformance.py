#!/usr/bin/python3
"""The conformance suite's verdict on a server is the same through barkeep as it is directly.

A route that grants everything and passes the server's own requests must not be told from the server itself; the
suite knows no tokens, so a forwarder adds one."""

import json
import pathlib
import shutil
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

import programs  # noqa: E402
from lib.barkeep import Barkeep, Standin  # noqa: E402

TENANT = "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
API = "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6"
REVISIONS = ("2025-11-25", "2026-07-28")
MINIMUM = {"2025-11-25": 33, "2026-07-28": 50}  # scenarios; fewer means that the suite was not what we think

# Scenario and check: the verdict on what barkeep answers in the server's place. Nothing else may differ.
OWN_ANSWERS = {
    # a task that does not exist is refused as the specification wants it; the server knows no tasks at all
    ("tasks-dispatch-and-envelope", "sep-2663-tasks-get-invalid-task-id-32602"): "SUCCESS",
}


def counted(verdicts):
    return {verdict: len(said) for verdict, said in verdicts.items()}


def expected_verdicts(direct, scenario):
    return {(check, OWN_ANSWERS.get((scenario, check), verdict)): said for (check, verdict), said in direct.items()}


class Conformance(unittest.TestCase):
    known = {}

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="barkeep-interop-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.server = programs.Program(*programs.FIXTURES)
        cls.addClassCleanup(cls.server.stop)
        cls.standin = Standin(cls.folder)
        cls.addClassCleanup(cls.standin.stop)
        cls.standin.start()
        cls.barkeep = Barkeep(cls.folder)
        cls.addClassCleanup(cls.barkeep.stop)
        cls.forwarder = programs.Program(*programs.FORWARDER, cls.barkeep.port, cls.standin.mint())
        cls.addClassCleanup(cls.forwarder.stop)
        cls.barkeep.write_config(cls.config())
        cls.barkeep.start()

    @classmethod
    def config(cls):
        return {
            "listen": f"127.0.0.1:{cls.barkeep.port}",
            "admin": f"127.0.0.1:{cls.barkeep.admin_port}",
            "entra": {"tenant": TENANT, "audience": API, "authority": cls.standin.url()},
            "routes": [{
                "name": "mcp", "path": "/mcp", "upstream": f"{cls.server.url}/mcp",
                "mcp": {"server_requests": "pass", "allowed_origins": [cls.forwarder.url]},
                "access": [{"actions": ["mcp:*"], "to": {"everyone": True}}]}],
            "log": {"audit": str(cls.barkeep.audit_path)},
        }

    def judge(self, url, revision):
        """{scenario: {(check, verdict): [what was said of it, ...]}}"""
        results = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        programs.run(programs.CONFORMANCE, "server", "--url", f"{url}/mcp", "--requirements", revision,
                     "-o", results, timeout=120)
        scenarios = {}
        for file in results.glob("server-*/checks.json"):
            verdicts = scenarios.setdefault(file.parent.name[len("server-"):-len("-2026-01-01T00-00-00-000Z")], {})
            for check in json.loads(file.read_text()):
                verdicts.setdefault((check["id"], check["status"]), []).append(check.get("errorMessage"))
        return scenarios

    @classmethod
    def verdicts_of(cls, way, revision):
        if (way, revision) not in cls.known:
            url = {"direct": cls.server, "through": cls.forwarder}[way].url
            cls.known[way, revision] = cls.judge(cls, url, revision)
        return cls.known[way, revision]

    def test_verdicts_are_the_same_through_barkeep(self):
        for revision in REVISIONS:
            direct, through = (self.verdicts_of(way, revision) for way in ("direct", "through"))
            self.assertGreaterEqual(len(direct), MINIMUM[revision])
            for scenario in sorted(direct | through):
                with self.subTest(f"{revision} {scenario}"):
                    expected = expected_verdicts(direct.get(scenario, {}), scenario)
                    found = through.get(scenario, {})
                    self.assertEqual(counted(expected), counted(found), {"direct": expected, "through": found})

    def test_the_server_itself_is_found_good(self):
        """Else the comparison would compare failures; the tasks extension alone it does not have."""
        for revision in REVISIONS:
            with self.subTest(revision):
                failed = [scenario for scenario, verdicts in self.verdicts_of("direct", revision).items()
                          if any(verdict == "FAILURE" for _, verdict in verdicts) and not scenario.startswith("tasks-")]
                self.assertEqual([], failed)


if __name__ == "__main__":
    unittest.main()
