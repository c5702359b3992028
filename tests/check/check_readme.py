"""What the READMEs tell people to run and open is there."""

import re
import unittest

from tree import README, ROOMS, ROOT, relative, sources

MAKE = re.compile(r"`make ([a-z-]+)[^`]*`")
TARGET = re.compile(r"^([a-z][a-z-]*):", re.M)
PATH = re.compile(r"`((?:auth|config|core|docker|packaging|proxy|tests|vault)/[\w./-]*)`")
SHOWN_COMMAND = re.compile(r"<!-- two commands -->\n```sh\n(.*?)```", re.S)


class Readme(unittest.TestCase):
    def test_make_targets_exist(self):
        targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
        named = {name for path in sources(".", ".md") for name in MAKE.findall(path.read_text())}
        self.assertIn("run", named)
        self.assertLessEqual(named, targets)

    def test_files_named_in_the_readme_exist(self):
        named = PATH.findall(README.read_text())
        self.assertTrue(named)
        for name in named:
            self.assertTrue((ROOT / name).exists(), f"README.md names {name}")

    def test_two_commands_are_two_lines(self):
        lines = SHOWN_COMMAND.search(README.read_text()).group(1).splitlines()
        self.assertEqual(2, len(lines), lines)
        self.assertTrue(lines[0].endswith("make run"), lines[0])
        self.assertEqual("make test", lines[1])

    def test_every_room_opens_with_a_short_readme(self):
        for room in ROOMS:
            path = ROOT / room / "README.md"
            self.assertTrue(path.exists(), f"{room}/README.md is missing")
            self.assertLessEqual(len(path.read_text().splitlines()), 30, relative(path))

    def test_tree_speaks_of_itself_only(self):
        """No unfinished work is announced in the code."""
        marks = re.compile(r"\b(TODO|FIXME|XXX)\b")
        for folder in [*ROOMS, "tests", "docker", "packaging"]:
            for path in sources(folder, ".c", ".h", ".py", ".sh", ".md"):
                if path.name != "check_readme.py":
                    self.assertIsNone(marks.search(path.read_text()), relative(path))


if __name__ == "__main__":
    unittest.main()
