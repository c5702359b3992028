"""Includes point one way: proxy -> auth -> vault -> config -> core, and libraries stay where they belong."""

import re
import unittest

from tree import ROOMS, ROOT, relative, sources

OWN = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)
SYSTEM = re.compile(r"^[ \t]*#[ \t]*include[ \t]*<([^>]+)>", re.M)

# library -> rooms whose .c files may know it
LIBRARIES = {
    "curl/": {"core"},
    "jansson.h": {"core", "config", "vault", "auth", "proxy"},
    "openssl/": {"core", "config", "vault", "auth", "proxy"},
    "microhttpd.h": {"proxy"},
    "yaml.h": {"config"},
    "jwt.h": set(),
}
# files that know a library of another room, and why
LIBRARY_FILES = {
    ("proxy/main.c", "curl/"),  # `barkeep version` prints the libraries' versions
    ("proxy/main.c", "yaml.h"),
    ("auth/assertion.c", "jwt.h"),  # signs; nothing judges a token with it
}
# headers that do name a library's type, and why
LIBRARY_HEADERS = {
    ("auth", "openssl/types.h"),  # only forward declarations: parsed keys are passed on as EVP_PKEY
}


def library_of(name):
    return next((library for library in LIBRARIES if name.startswith(library)), None)


def room_of(name):
    return name.split("/")[0] if name.split("/")[0] in ROOMS else None


def upward(room, text):
    """Includes of rooms above `room`."""
    height = ROOMS.index(room)
    return [name for name in OWN.findall(text) if room_of(name) and ROOMS.index(room_of(name)) > height]


class Includes(unittest.TestCase):
    def test_sees_an_upward_include(self):
        self.assertEqual(["proxy/router.h"], upward("core", '#include "core/buf.h"\n#  include "proxy/router.h"\n'))

    def test_rooms_include_only_rooms_below(self):
        for room in ROOMS:
            for path in sources(room, ".c", ".h"):
                self.assertEqual([], upward(room, path.read_text()), f"{relative(path)} includes upwards")

    def test_rooms_name_their_includes_from_the_root(self):
        for room in ROOMS:
            for path in sources(room, ".c", ".h"):
                for name in OWN.findall(path.read_text()):
                    self.assertTrue(room_of(name) and (ROOT / name).exists(), f"{relative(path)} includes {name}")

    def test_unit_tests_include_their_room_and_below(self):
        for room in ROOMS:
            for path in sources(f"tests/unit/{room}", ".c", ".h"):
                self.assertEqual([], upward(room, path.read_text()), f"{relative(path)} includes upwards")

    def test_stand_in_stands_on_core_alone(self):
        for path in sources("tests/standin", ".c", ".h"):
            rooms = {room_of(name) for name in OWN.findall(path.read_text())} - {None}
            self.assertLessEqual(rooms, {"core"}, relative(path))

    def test_libraries_are_known_only_where_they_belong(self):
        for room in ROOMS:
            for path in sources(room, ".c"):
                for name in SYSTEM.findall(path.read_text()):
                    library = library_of(name)
                    self.assertTrue(library is None or room in LIBRARIES[library]
                                    or (relative(path), library) in LIBRARY_FILES, f"{relative(path)} includes {name}")

    def test_library_types_cross_no_header_of_another_room(self):
        """A header with a library's types serves its own room: no other room includes it."""
        for room in ROOMS:
            for path in sources(room, ".h"):
                known = [name for name in SYSTEM.findall(path.read_text())
                         if library_of(name) and (room, name) not in LIBRARY_HEADERS]
                if known:
                    self.assertEqual([], self.includers_elsewhere(room, relative(path)), f"{relative(path)}: {known}")

    def includers_elsewhere(self, room, header):
        return [relative(path) for other in ROOMS if other != room for path in sources(other, ".c", ".h")
                if header in OWN.findall(path.read_text())]


if __name__ == "__main__":
    unittest.main()
