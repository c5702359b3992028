"""Every reason code is in the README with what to do about it, and some test reaches it."""

import re
import unittest

from tree import README, ROOT, sources

ROW = re.compile(r'X\(\s*(REASON_\w+)\s*,\s*"([a-z_]+)"\s*,\s*(\d+)', re.S)
README_ROW = re.compile(r"^\| (\d{3}) \| `([a-z_]+)` \| .+ \| .+ \|$", re.M)


def table():
    """code -> (enumerator, status), from the X-macro."""
    text = (ROOT / "core/reason.h").read_text().replace("\\\n", "\n")
    return {code: (enumerator, int(status)) for enumerator, code, status in ROW.findall(text)}


def tests_text():
    files = sources("tests/unit", ".c") + sources("tests/wire", ".py") + sources("tests/e2e", ".py")
    return "\n".join(path.read_text() for path in files)


class Reasons(unittest.TestCase):
    def test_table_is_read(self):
        self.assertGreater(len(table()), 20)

    def test_readme_has_every_reason_with_its_status_and_no_other(self):
        documented = {code: int(status) for status, code in README_ROW.findall(README.read_text())}
        self.assertEqual({code: status for code, (_, status) in table().items()}, documented)

    def test_some_test_expects_every_reason(self):
        text = tests_text()
        for code, (enumerator, _) in table().items():
            self.assertTrue(f'"{code}"' in text or re.search(rf"\b{enumerator}\b", text), f"no test reaches {code}")


if __name__ == "__main__":
    unittest.main()
