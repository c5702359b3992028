"""Every example configuration, those in the READMEs included, passes `barkeep check`."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from tree import ROOT, relative, sources

BARKEEP = os.environ.get("BARKEEP", str(ROOT / "build/barkeep"))
VARIABLE = re.compile(r"\$\{(\w+)\}")
AUTHORITIES = re.compile(r"(\bca: )/etc/[^ ,}\n]+")
SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
LISTENER_FILE = re.compile(r"/etc/barkeep/([\w-]+\.(?:pem|key))\b")
YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```|^cat > \S+\.yaml <<'END'\n(.*?)^END$", re.M | re.S)
TOP_LEVEL_KEY = re.compile(r"^(\w+):", re.M)
# what the parts of a configuration that READMEs show are shown without
BASE = {
    "listen": "listen: 127.0.0.1:8080",
    "entra": "entra: {tenant: 3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4, audience: 8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6}",
    "identity": "identity: {managed: system}",
    "vaults": "vaults: {prod: \"https://contoso-prod.vault.azure.net\"}",
    "routes": "routes: [{name: base, upstream: \"http://127.0.0.1:3000\"}]",
    "access": "access: [{role: Reader, to: {app_role: Reader}}]",
}
# YAML that is no configuration of barkeep's
OTHERS = {"docker/compose.yaml"}


def examples():
    """Configuration files by their content: they say where to listen."""
    folders = ["config", "packaging", "docker", "tests/run"]
    return [path for folder in folders for path in sources(folder, ".yaml") if path.read_text().find("\nlisten:") >= 0
            or path.read_text().startswith("listen:")]


def shown():
    """(name, text) of each configuration, or part of one, that a README shows; of parts the rest is put in."""
    for path in sources(".", ".md"):
        for number, block in enumerate(YAML_BLOCK.findall(path.read_text())):
            text = "".join(block)
            keys = TOP_LEVEL_KEY.findall(text)
            yield f"{relative(path)} {number}", text + "".join(f"{line}\n" for key, line in BASE.items() if key not in keys)


def with_files_of_here(path, folder):
    """A copy of the example in `folder` that trusts the system's authorities: those that it names are its reader's."""
    text = AUTHORITIES.sub(rf"\g<1>{SYSTEM_AUTHORITIES}", path.read_text())
    if text == path.read_text():
        return path
    copy = pathlib.Path(folder, path.name)
    copy.write_text(text)
    return copy


def with_certificates_of_here(text, folder):
    """The text with the files of listeners' certificates, keys and authorities being there."""
    pair = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                           "-subj", "/", "-addext", "subjectAltName=DNS:gw.example", "-days", "2", "-keyout", "-"],
                          capture_output=True, timeout=60, check=True).stdout
    key, end, certificate = pair.partition(b"-----END PRIVATE KEY-----\n")
    named = set(LISTENER_FILE.findall(text))
    for name in named:
        stem, _, kind = name.rpartition(".")
        has_own_key = kind == "pem" and f"{stem}.key" not in named
        data = key + end if kind == "key" else pair if has_own_key else certificate
        path = pathlib.Path(folder, name)
        path.write_bytes(data)
        path.chmod(0o600)
    return LISTENER_FILE.sub(rf"{folder}/\1", text)


def check(path, text):
    """Runs `barkeep check` with a port of its own for every variable. Returns (status, output)."""
    environment = dict(os.environ)
    for number, name in enumerate(sorted(set(VARIABLE.findall(text)))):
        environment[name] = "/tmp/audit.log" if name.endswith("FILE") else str(8080 + number)
    done = subprocess.run([BARKEEP, "check", "-c", path], capture_output=True, text=True, env=environment, timeout=60,
                          check=False)
    return done.returncode, done.stdout + done.stderr


class Examples(unittest.TestCase):
    def test_a_wrong_one_is_seen(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "wrong.yaml")
            path.write_text("listen: 127.0.0.1:8080\nlissten: x\n")
            status, output = check(path, "")
            self.assertEqual(2, status, output)
            self.assertIn("lissten", output)

    def test_there_are_examples(self):
        names = [relative(path) for path in examples()]
        self.assertIn("tests/run/barkeep.yaml", names)
        self.assertIn("packaging/barkeep.yaml", names)

    def test_every_example_file_is_valid(self):
        for path in examples():
            with self.subTest(relative(path)), tempfile.TemporaryDirectory() as folder:
                status, output = check(with_files_of_here(path, folder), path.read_text())
                self.assertEqual(0, status, output)
                self.assertNotIn("error:", output)

    def test_every_configuration_is_among_them(self):
        named = {relative(path) for path in examples()} | OTHERS
        for name in map(relative, sources(".", ".yaml", ".yml")):
            if not name.startswith(("tests/fuzz/", "build/")):
                self.assertIn(name, named)

    def test_every_example_in_a_readme_is_valid(self):
        blocks = dict(shown())
        self.assertGreaterEqual(len(blocks), 5)
        for name, text in blocks.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                pathlib.Path(folder, "secrets").mkdir(mode=0o700)
                pathlib.Path(folder, "secrets", "backend").write_text("the backend password")
                path = pathlib.Path(folder, "readme.yaml")
                path.write_text(with_certificates_of_here(text, folder))
                status, output = check(path, text)
                self.assertEqual(0, status, output)


if __name__ == "__main__":
    unittest.main()
