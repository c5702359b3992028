"""Every example configuration, those in the README included, passes `barkeep check`."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from tree import README, ROOT, relative, sources

BARKEEP = os.environ.get("BARKEEP", str(ROOT / "build/barkeep"))
VARIABLE = re.compile(r"\$\{(\w+)\}")
AUTHORITIES = re.compile(r"(\bca: )/etc/[^ ,}\n]+")
SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.M | re.S)


def examples():
    """Configuration files by their content: they say where to listen."""
    folders = ["config", "packaging", "docker", "tests/run"]
    return [path for folder in folders for path in sources(folder, ".yaml") if path.read_text().find("\nlisten:") >= 0
            or path.read_text().startswith("listen:")]


def with_files_of_here(path, folder):
    """A copy of the example in `folder` that trusts the system's authorities: those that it names are its reader's."""
    text = AUTHORITIES.sub(rf"\g<1>{SYSTEM_AUTHORITIES}", path.read_text())
    if text == path.read_text():
        return path
    copy = pathlib.Path(folder, path.name)
    copy.write_text(text)
    return copy


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

    def test_every_example_in_the_readme_is_valid(self):
        blocks = [block for block in YAML_BLOCK.findall(README.read_text()) if "listen:" in block]
        self.assertTrue(blocks)
        for block in blocks:
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, "readme.yaml")
                path.write_text(block)
                status, output = check(path, block)
                self.assertEqual(0, status, output)


if __name__ == "__main__":
    unittest.main()
