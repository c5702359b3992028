"""What tests/run_all reads in closing lines: a suite that failed, or ran nothing, must not count as passed."""

import importlib.machinery
import importlib.util
import os
import unittest

from tree import ROOT

os.chdir(ROOT)  # run_all works from there
_loader = importlib.machinery.SourceFileLoader("run_all", str(ROOT / "tests/run_all"))
_spec = importlib.util.spec_from_loader("run_all", _loader)
run_all = importlib.util.module_from_spec(_spec)
_loader.exec_module(run_all)

# output, exit status, sanitizer reports -> what counts
JUDGED = [
    ("[==========] 3 test(s) run.\n[  PASSED  ] 3 test(s).\n", 0, "", "3 passed, 0 failed"),
    ("[  PASSED  ] 2 test(s).\n[  SKIPPED ] 1 test(s), listed below:\n[  FAILED  ] 1 test(s), listed below:\n", 1, "",
     "2 passed, 1 failed, 1 skipped"),
    ("Ran 5 tests in 0.1s\n\nOK\n", 0, "", "5 passed, 0 failed"),
    ("Ran 5 tests in 0.1s\n\nOK (skipped=2)\n", 0, "", "3 passed, 0 failed, 2 skipped"),
    ("Ran 5 tests in 0.1s\n\nFAILED (failures=1, errors=2)\n", 1, "", "2 passed, 3 failed"),
    ("Ran 0 tests in 0.0s\n\nFAILED (errors=2)\n", 1, "", "0 passed, 2 failed"),
    ("Ran 0 tests in 0.0s\n\nOK\n", 0, "", "0 passed, 1 failed"),
    ("noise: 9 passed, 9 failed\n7 passed, 0 failed\n", 0, "", "7 passed, 0 failed"),
    ("7 passed, 1 failed, 2 skipped\n", 1, "", "7 passed, 1 failed, 2 skipped"),
    ("7 passed, 0 failed\n", 1, "", "7 passed, 1 failed"),
    ("7 passed, 0 failed\n", 0, "WARNING: ThreadSanitizer: data race", "7 passed, 1 failed"),
    ("0 passed, 0 failed\n", 0, "", "0 passed, 1 failed"),
    ("everything answered\n", 0, "", "1 passed, 0 failed"),
    ("everything broke\n", 1, "", "0 passed, 1 failed"),
]


class RunAll(unittest.TestCase):
    def test_judges_closing_lines(self):
        for output, status, reports, expected in JUDGED:
            self.assertEqual(expected, str(run_all.judge(output, status, reports)), output)

    def test_lists_every_unit_test_and_fuzz_target(self):
        names = [name for name, _ in run_all.suites()]
        for kind, pattern in (("unit", "tests/unit/*/test_*.c"), ("replay", "tests/fuzz/fuzz_*.c")):
            self.assertEqual(len(list(ROOT.glob(pattern))), sum(name.startswith(kind) for name in names))


if __name__ == "__main__":
    unittest.main()
