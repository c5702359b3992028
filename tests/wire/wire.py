"""Puts tests/ on the module path, so that the files here run alone and under tests/wire/run."""

import pathlib
import sys

TESTS = str(pathlib.Path(__file__).resolve().parents[1])
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)
