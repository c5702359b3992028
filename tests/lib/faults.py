"""Lets chosen calls of a running barkeep fail: faults.c, loaded before the C library."""

import errno
import mmap
import pathlib
import struct
import subprocess

SOURCE = pathlib.Path(__file__).with_name("faults.c")
KINDS = ("nothing", "memory", "recv", "send", "accept", "connect", "socket", "epoll_ctl",
         "epoll_wait", "write", "read", "open", "random")
PAGE = struct.Struct("=IIIIi")


class Faults:
    def __init__(self, folder):
        self.library = pathlib.Path(folder) / "faults.so"
        self.path = pathlib.Path(folder) / "faults.page"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-w", "-o", str(self.library), str(SOURCE)],
                       check=True)
        self.path.write_bytes(bytes(mmap.PAGESIZE))
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def environment(self):
        return {"LD_PRELOAD": str(self.library), "FAULT_PAGE": str(self.path)}

    def arm(self, kind, fail_at, error=errno.EIO, lasting=False):
        """From now on calls of `kind` are counted, and the one numbered `fail_at` fails."""
        PAGE.pack_into(self.page, 0, 0, 0, fail_at, int(lasting), error)
        self.page[:4] = struct.pack("=I", KINDS.index(kind))

    def disarm(self):
        """How many calls there were."""
        self.page[:4] = bytes(4)
        return PAGE.unpack_from(self.page)[1]
