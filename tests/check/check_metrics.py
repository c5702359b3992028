"""Every metric that barkeep exports is in the README, and the README names no other."""

import re
import unittest

from tree import README, ROOT, sources

README_ROW = re.compile(r"^\| `(barkeep_[a-z_]+)(?:\{([a-z_,]*)\})?` \|", re.M)
IN_SOURCE = re.compile(r'"[^"\n]*?(barkeep_[a-z_]+)')
# what Prometheus appends to a histogram's name
SERIES = re.compile(r"_(bucket|sum|count)$")


def exported():
    return {SERIES.sub("", name) for path in sources("proxy", ".c", ".h") for name in IN_SOURCE.findall(path.read_text())}


def tests_text():
    """The tests and what they share."""
    return "\n".join(path.read_text() for folder in ("unit", "wire", "e2e", "lib")
                     for path in sources(f"tests/{folder}", ".c", ".py"))


class Metrics(unittest.TestCase):
    def test_metrics_are_found_in_the_source(self):
        self.assertIn("barkeep_requests_total", exported())

    def test_readme_has_every_metric_and_no_other(self):
        self.assertEqual(exported(), {name for name, _ in README_ROW.findall(README.read_text())})

    def test_some_test_reads_every_metric(self):
        text = tests_text()
        for name in exported():
            self.assertTrue(name in text, f"no test mentions {name}")


if __name__ == "__main__":
    unittest.main()
