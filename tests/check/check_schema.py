"""The JSON Schema for editors and the loader agree: what is valid passes both; a value of the wrong kind, at every key
there is, is refused by both, at its place."""

import copy
import functools
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import yaml

from check_examples import examples, shown
from tree import ROOT, relative

BARKEEP = os.environ.get("BARKEEP", str(ROOT / "build/barkeep"))
# every key there is; tests/unit/config/test_schema.c holds it to that
FULL = ROOT / "tests/fuzz/corpus/config/full.yaml"
LINE = re.compile(r"^[^:]+(?::\d+:\d+)?: (error|warning): (?:([^ ]+): )?")
POSITIONED = re.compile(r"^[^:]+:\d+:\d+: ")
WRONG = [None, True, 1.5, "\u00e9 \\ ?", [[]], {"x": 1}]


class Core(yaml.SafeLoader):
    """Plain scalars as the core schema of YAML 1.2 reads them: `off` and `no` are text."""


Core.yaml_implicit_resolvers = {}
for tag, pattern, first in (
        ("null", r"^(?:~|null|Null|NULL|)$", "~nN\0"), ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
        ("int", r"^[-+]?[0-9]+$", "-+0123456789"), ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)$", "-+.0123456789")):
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first.replace("\0", "")) + [""])


def schema():
    done = subprocess.run([BARKEEP, "help", "schema"], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


@functools.cache
def pem():
    """A certificate and its key, for every file that a listener names."""
    return subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                           "-subj", "/", "-addext", "subjectAltName=DNS:gw.example", "-days", "2", "-keyout", "-"],
                          capture_output=True, timeout=60, check=True).stdout


def complaints(text):
    """What `barkeep check` says of a file with this content, as (status, lines)."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "case.yaml")
        path.write_text(text, encoding="utf-8")
        pathlib.Path(folder, "revoked.list").touch()
        pathlib.Path(folder, "pins.json").write_text('{"format": 1, "tools": {}}', encoding="utf-8")
        pair = pem()
        key, end, certificate = pair.partition(b"-----END PRIVATE KEY-----\n")
        for name, data in (("gw.pem", certificate), ("gw.key", key + end), ("other.pem", pem()), ("callers.pem", pem())):
            pathlib.Path(folder, name).write_bytes(data)
            pathlib.Path(folder, name).chmod(0o600)
        done = subprocess.run([BARKEEP, "check", "-c", "case.yaml"], cwd=folder, capture_output=True, timeout=60, check=False)
        return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()


def places(node, path=()):
    """Every place in a document."""
    if path:
        yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from places(value, path + (key,))


def replaced(document, path, value):
    document = copy.deepcopy(document)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return document


def written(path):
    """The path as problems write it, up to where it is shortened."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.lstrip(".")


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schema = schema()
        cls.validator = jsonschema.Draft202012Validator(cls.schema)
        cls.full = yaml.load(FULL.read_text(), Loader=Core)

    def errors(self, document):
        return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in self.validator.iter_errors(document)]

    def test_is_a_schema(self):
        jsonschema.Draft202012Validator.check_schema(self.schema)

    def test_every_key_is_described(self):
        tables = [self.schema, *self.schema["$defs"].values()]
        self.assertGreater(len(tables), 20)
        for table in tables:
            for key, value in table["properties"].items():
                self.assertTrue(value["description"], key)

    def test_full_configuration_is_valid(self):
        self.assertEqual([], self.errors(self.full))
        status, lines = complaints(json.dumps(self.full))
        self.assertEqual(0, status, lines)

    def test_every_example_is_valid(self):
        for path in examples():
            with self.subTest(relative(path)):
                self.assertEqual([], self.errors(yaml.load(path.read_text(), Loader=Core)))
        for name, text in shown():
            with self.subTest(name):
                self.assertEqual([], self.errors(yaml.load(text, Loader=Core)))

    def test_variables_stand_for_anything_outside_credentials(self):
        for path in (("drain",), ("workers",), ("expose_reasons",), ("limits", "headers"), ("log", "level")):
            self.assertEqual([], self.errors(replaced(self.full, path, "${NAME}")), path)
        self.assertTrue(self.errors(replaced(self.full, ("credentials", "token", "bearer"), "${NAME}")))

    def test_refuses_slips(self):
        slips = [(("listen",), []), (("drian",), "5s"), (("drain",), "5 s"), (("log", "level"), "verbose"),
                 (("entra", "tenant"), "contoso"), (("entra", "clock_skew"), 60), (("limits", "headers"), 0),
                 (("routes", 0, "path"), "api"), (("routes", 0, "upstream"), "localhost:80"), (("routes",), []),
                 (("routes", 0, "name"), "a b"), (("access", 0, "to"), {"everyone": False}),
                 (("access", 0, "when"), {"client": "intranet"}), (("access", 0, "rate"), {"requests": 5}),
                 (("credentials", "token"), {"bearer": "prod/a", "query": {"a": "b"}}),
                 (("credentials", "token"), {"bearer": "hunter2"}), (("roles", "Queue Operator"), {"actions": ["/api"]})]
        for path, value in slips:
            document = replaced(self.full, path, value)
            with self.subTest(written(path)):
                self.assertTrue(self.errors(document))
                status, lines = complaints(json.dumps(document))
                self.assertEqual(2, status, lines)

    def test_wrong_kinds_at_every_key_are_refused_in_their_place(self):
        """Each key of the full configuration with a value of each kind that is not its own."""
        cases = [(path, value) for path in places(self.full) for value in WRONG]
        self.assertGreater(len(cases), 1200)
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            problems = [problem for problem in pool.map(lambda case: self.judge(*case), cases) if problem]
        self.assertEqual([], problems[:10], f"{len(problems)} of {len(cases)}")

    def judge(self, path, value):
        """What is wrong with how the loader takes the document; None when nothing is."""
        document = replaced(self.full, path, value)
        is_valid = self.validator.is_valid(document)
        status, lines = complaints(json.dumps(document))
        case = f"{written(path)}: {json.dumps(value)}"
        if status not in (0, 2) or (status == 2) != any(" error: " in line for line in lines):
            return f"{case}: exit {status}: {lines[:3]}"
        if is_valid:
            return None
        if status == 0:
            return f"{case}: the schema refuses what the loader takes"
        errors = [line for line in lines if " error: " in line]
        if not all(POSITIONED.match(line) for line in errors):
            return f"{case}: no position: {errors[:3]}"
        here = [line for line in errors if f": {written(path)}" in line]
        if len(here) == 0:
            return f"{case}: nothing is said there: {errors[:3]}"
        exactly = [line for line in errors if f": {written(path)}: " in line]
        return f"{case}: said {len(exactly)} times: {exactly}" if len(exactly) > 1 else None


if __name__ == "__main__":
    unittest.main()
