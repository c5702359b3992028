"""Every warning of `barkeep check` is in the README's table, which names no others."""

import re
import unittest

from tree import README, sources

CALL = re.compile(r"\b(loader_warning|loader_key_warning|warn_of_unused|problem_add)\(")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
LITERALS = re.compile(rf"(?:{LITERAL.pattern}\s*)+")
CHARACTER = re.compile(r"'(?:[^'\\\n]|\\.)'")
PLACEHOLDER = re.compile(r"%(?:\.\*)?[a-z]+")
TABLE = re.compile(r"^<!-- check warnings -->\n\n(.*?)\n\n", re.M | re.S)
ROW = re.compile(r"^\| ((?:`[^`]+`(?:, )?)+) \| .+ \| .+ \|$", re.M)


def call_at(text, start):
    """From the opening parenthesis before `start` to the one that closes it."""
    depth, at, is_quoted = 1, start, False
    while depth:
        if text[at] == "\\":
            at += 1
        elif text[at] == '"':
            is_quoted = not is_quoted
        elif not is_quoted:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return text[start:at - 1]


def literals(code):
    """String literals, those that stand side by side as one."""
    return ["".join(LITERAL.findall(run[0])).replace('\\"', '"').replace("%%", "%") for run in LITERALS.finditer(code)]


def code(*rooms):
    for path in (path for room in rooms for path in sources(room, ".c")):
        yield CHARACTER.sub("' '", path.read_text())


def warnings():
    """The longest text of each call that warns, but for those that only pass another's on."""
    for text in code("config", "proxy"):
        for match in CALL.finditer(text):
            call = call_at(text, match.end())
            is_error = match[1] == "problem_add" and "PROBLEM_WARNING" not in call
            longest = max(literals(call), key=len, default="")
            if not is_error and re.search(r"\w{3}", PLACEHOLDER.sub("", longest)):
                yield longest


def table():
    """The README's rows, without head and line."""
    return TABLE.search(README.read_text())[1].splitlines()[2:]


def fragments():
    """What the table shows of messages, from its first column."""
    return [fragment for row in table() for fragment in re.findall(r"`([^`]+)`", ROW.match(row)[1])]


class Warnings(unittest.TestCase):
    def test_calls_are_found(self):
        self.assertGreater(len(list(warnings())), 40)

    def test_rows_say_what_to_do(self):
        for row in table():
            self.assertTrue(ROW.match(row), row)

    def test_readme_has_every_warning(self):
        shown = fragments()
        for warning in warnings():
            with self.subTest(warning):
                self.assertTrue([fragment for fragment in shown if fragment in warning], warning)

    def test_readme_has_no_other(self):
        said = [text for file in code("config", "proxy", "vault") for text in literals(file)]
        for fragment in fragments():
            with self.subTest(fragment):
                self.assertTrue(any(fragment in text for text in said), fragment)


if __name__ == "__main__":
    unittest.main()
