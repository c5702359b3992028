"""Where things are in the source tree, for the checks here."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
# lower rooms first: a room may include those before it
ROOMS = ["core", "config", "vault", "auth", "proxy"]


def relative(path):
    return str(path.relative_to(ROOT))


def sources(folder, *suffixes):
    """Files below `folder` with one of these suffixes, in order."""
    return sorted(path for path in (ROOT / folder).rglob("*")
                  if path.suffix in suffixes and "node_modules" not in path.parts)
