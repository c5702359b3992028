#!/usr/bin/python3
"""CASES.md and the tests say the same."""

import importlib
import pathlib
import re
import unittest

import wire  # noqa: F401

HERE = pathlib.Path(__file__).resolve().parent
ROW = re.compile(r"^\| ([0-9, -]+) \| (.+) \| (.+) \|$", re.M)
TEST = re.compile(r"`([a-z_]+):([A-Za-z]+)\.([a-z_0-9]+)`")
NUMBER = re.compile(r"\bcase=\(?([0-9, ]+)")


def numbers_of(text):
    """"83-86, 91" -> {83, 84, 85, 86, 91}"""
    found = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


class Cases(unittest.TestCase):
    def setUp(self):
        self.rows = ROW.findall((HERE / "CASES.md").read_text())

    def test_every_named_test_is_there(self):
        self.assertGreater(len(self.rows), 100)
        for numbers, _, place in self.rows:
            match = TEST.fullmatch(place)
            if match:
                with self.subTest(numbers=numbers):
                    module = importlib.import_module(f"test_{match[1]}")
                    self.assertTrue(callable(getattr(getattr(module, match[2]), match[3])))

    def test_every_number_up_to_206_has_a_row(self):
        listed = set().union(*(numbers_of(numbers) for numbers, _, _ in self.rows))
        self.assertEqual(set(), set(range(1, 207)) - listed)

    def test_every_number_in_a_test_has_a_row(self):
        listed = set().union(*(numbers_of(numbers) for numbers, _, _ in self.rows))
        for path in HERE.glob("test_*.py"):
            for text in NUMBER.findall(path.read_text()):
                used = {int(number) for number in re.findall("[0-9]+", text)}
                self.assertLessEqual(used, listed, path.name)


if __name__ == "__main__":
    unittest.main()
