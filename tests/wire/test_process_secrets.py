#!/usr/bin/python3
"""What the system may keep, hand out or swap of a process full of secrets (CASES.md I 186, 187, 189,
191)."""

import json
import os
import pathlib
import resource
import shutil
import signal
import stat
import subprocess
import sys
import threading
import unittest

import wire  # noqa: F401
from lib import canary, memory, process, raw
from lib.canary import Canary
from lib.door import Door
from lib.full_cabinet import FullCabinet
from lib.net import wait_until

NOBODY = 65534
YAMA = "/proc/sys/kernel/yama/ptrace_scope"
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
# Says of each way into another process whether it is open.
INTRUDER = """
import ctypes, json, os, signal, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def opens(name, length=1):
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
            return len(file.read(length)) >= 0
    except OSError:
        return False
class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
def reads(address):
    into = ctypes.create_string_buffer(1)
    ours, theirs = Piece(ctypes.addressof(into), 1), Piece(address, 1)
    return libc.process_vm_readv(pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0) == 1
def attaches():
    if libc.ptrace(16, pid, None, None) != 0:
        return False
    os.waitpid(pid, 0)
    libc.ptrace(17, pid, None, None)
    return True
print(json.dumps({"maps": opens("maps"), "environ": opens("environ"), "auxv": opens("auxv"),
                  "mem": opens("mem", 0),
                  "vm_readv": reads(int(sys.argv[2], 16)), "ptrace": attaches()}))
"""


class ProcessCase(unittest.TestCase):
    """Opens barkeeps as a service manager would: another user, other limits."""

    def open_door(self, prefix=(), is_nobody=False, secrets_config=None):
        cabinet = FullCabinet(secrets_config)
        door = Door(cabinet.change)
        self.addCleanup(cabinet.stop)
        self.addCleanup(door.stop_quietly)
        door.barkeep.prefix = [*prefix, *(self.as_nobody(door) if is_nobody else [])]
        door.start()
        self.token = door.token()
        return door, cabinet

    @staticmethod
    def as_nobody(door):
        """Words that run what follows unprivileged; none when we are that already."""
        if os.geteuid() != 0:
            return []
        program = pathlib.Path(door.folder) / "program"
        shutil.copy(process.barkeep_binary(), program)
        program.chmod(0o755)
        door.barkeep.program = program  # where it was built others may have no access
        start = door.barkeep.start

        def start_with_its_files(wait_ready=True):
            for path in [pathlib.Path(door.folder), *pathlib.Path(door.folder).rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
            return start(wait_ready)

        door.barkeep.start = start_with_its_files
        return AS_NOBODY

    def use_all(self, door, cabinet):
        for kind in cabinet.HEADER_KINDS + cabinet.CERTIFICATE_KINDS:
            wait_until(lambda kind=kind: self.ask(door, kind) == 200, kind, 30)

    def ask(self, door, kind):
        with door.client() as client:
            return client.exchange(raw.request("GET", f"/{kind}/x", token=self.token)).status


def how_it_ended(pid):
    """"killed" or "dumped", asked of the kernel before anybody else takes the answer."""
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return {os.CLD_KILLED: "killed", os.CLD_DUMPED: "dumped"}.get(ended.si_code, "exited")


@unittest.skipIf(process.is_sanitized(), "a sanitizer ends the process in its own way")
class Dumps(ProcessCase):
    """Case 186."""

    # who starts us in the background may have SIGQUIT ignored, which is inherited
    UNLIMITED = ["env", "--default-signal", "prlimit", "--core=unlimited:unlimited"]

    def setUp(self):
        code, _, said = process.run([*self.UNLIMITED, "true"])
        if code:
            self.skipTest(f"the limit of core dumps cannot be raised here: {said.strip()}")

    def cores(self, folder):
        return [path for path in pathlib.Path(folder).iterdir() if path.name.startswith("core")]

    def test_others_leave_a_core(self):
        """The control: here a program that aborts is dumped, with what it held."""
        door, _ = self.open_door()
        script = "import os; kept = 'canary-' + 'in-a-core'; os.abort()"
        child = subprocess.Popen([*self.UNLIMITED, sys.executable, "-c", script], cwd=door.folder,
                                 stderr=subprocess.DEVNULL)
        outcome = how_it_ended(child.pid)
        child.wait()
        if outcome != "dumped":
            self.skipTest("this system writes no core dumps at all")
        cores = self.cores(door.folder)
        if cores:
            self.assertIn(b"canary-in-a-core", cores[0].read_bytes())

    def test_barkeep_leaves_none(self):
        for is_nobody in (False, True):
            for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGQUIT):
                with self.subTest(case=186, signal=number.name, is_nobody=is_nobody):
                    self.check_no_core(number, is_nobody)

    def check_no_core(self, number, is_nobody):
        door, cabinet = self.open_door(self.UNLIMITED, is_nobody)
        self.use_all(door, cabinet)
        asker = threading.Thread(target=self.ask_until_it_ends, args=(door,))
        asker.start()
        pid = door.barkeep.process.pid
        door.barkeep.process.send_signal(number)
        outcome = how_it_ended(pid)
        door.barkeep.process.wait()
        asker.join()
        self.assertEqual(("killed", []), (outcome, self.cores(door.folder)))

    def ask_until_it_ends(self, door):
        try:
            while True:  # nobody but how_it_ended() asks how the process is
                self.ask(door, "basic")
        except (OSError, raw.Truncated):
            pass


class Intruders(ProcessCase):
    """Case 187: another process of the same unprivileged user."""

    def intrude(self, pid, address, prefix):
        done = subprocess.run([*prefix, sys.executable, "-c", INTRUDER, str(pid), address],
                              capture_output=True, text=True, timeout=60, cwd="/")
        self.assertEqual(0, done.returncode, done.stderr)
        return json.loads(done.stdout)

    def first_address(self, pid):
        return f"{memory.regions(pid)[0].start:x}"

    def test_no_way_in(self):
        door, cabinet = self.open_door(is_nobody=True)
        prefix = AS_NOBODY if os.geteuid() == 0 else []
        self.use_all(door, cabinet)
        victim = subprocess.Popen([*prefix, "sleep", "60"], cwd="/")
        self.addCleanup(victim.wait)
        self.addCleanup(victim.kill)
        wait_until(lambda: b"sleep" in pathlib.Path(f"/proc/{victim.pid}/cmdline").read_bytes()[:6],
                   "the control runs")
        ways = self.intrude(victim.pid, self.first_address(victim.pid), prefix)
        self.assertTrue(ways["maps"] and ways["environ"], ways)
        if not all(ways.values()):  # where only ancestors may trace, the system helps
            self.assertNotEqual("0", pathlib.Path(YAMA).read_text().strip(), ways)
        pid = door.barkeep.process.pid
        address = self.first_address(pid) if os.geteuid() == 0 else "0"
        found = self.intrude(pid, address, prefix)
        self.assertEqual(set(), {way for way, is_open in found.items() if is_open})
        self.assertEqual(200, self.ask(door, "basic"), "and it goes on")


class LockedMemory(ProcessCase):
    """Case 189."""

    def locked_bytes(self, door):
        status = pathlib.Path(f"/proc/{door.barkeep.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines()
                    if line.startswith("VmLck:")) * 1024

    def warnings(self, door):
        lines = [json.loads(line) for line in door.barkeep.process.stderr().splitlines()
                 if line.startswith("{")]
        return [line for line in lines if "locked" in line.get("problem", "")]

    def test_secret_memory_is_locked(self):
        limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
        if os.geteuid() != 0 and 0 <= limit < 64 << 20:
            self.skipTest(f"this user may lock {limit} bytes only")
        door, cabinet = self.open_door()
        self.use_all(door, cabinet)
        self.assertGreaterEqual(self.locked_bytes(door), 1 << 20)
        self.assertEqual([], self.warnings(door))

    def test_without_a_lock_it_warns_and_works(self):
        door, cabinet = self.open_door(["prlimit", "--memlock=0:0"], is_nobody=True)
        self.use_all(door, cabinet)
        self.assertEqual(0, self.locked_bytes(door))
        warning, = self.warnings(door)
        self.assertEqual(("warning", "start"), (warning["level"], warning["event"]))
        self.assertIn("ulimit -l", warning["problem"])
        self.check_still_undumpable(door, cabinet)

    def check_still_undumpable(self, door, cabinet):
        if os.geteuid() == 0 and not process.is_sanitized():  # a sanitizer maps terabytes
            hits = memory.search(door.barkeep.process.pid, cabinet.value_canaries())
            self.assertNotEqual([], hits)
            self.assertEqual([], [hit for hit in hits if "dd" not in hit.region.flags])


class Files(ProcessCase):
    """Case 191."""

    def test_files_are_not_for_everyone(self):
        def change(config, door):
            config["listen"] = [config["listen"], f"unix:{door.folder}/barkeep.sock"]

        before = os.umask(0)
        self.addCleanup(os.umask, before)
        door = Door(change)
        self.addCleanup(door.stop_quietly)
        door.start()
        os.umask(before)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode)
                 for path in (door.barkeep.audit_path, pathlib.Path(door.folder) / "barkeep.sock")}
        self.assertEqual({"barkeep.audit": 0o640, "barkeep.sock": 0o660}, modes)

    def test_secrets_written_into_the_configuration_are_refused(self):
        literal = Canary("literal", "canary-literal-72ab")
        text = literal.data.decode()
        for credential in ({"bearer": text}, {"basic": {"username": "a", "password": text}},
                           {"basic": {"username": {"secret": text}, "password": "local/x"}},
                           {"client_certificate": f"-----BEGIN PRIVATE KEY-----{text}"},
                           {"headers": {"X-Key": f"{{{text}}}"}}):
            with self.subTest(case=191, credential=list(credential)):
                code, said = self.check_file(credentials={"c": credential})
                self.assertEqual(2, code, said)
                self.assertEqual([], canary.search([literal], {"said": said.encode()}))
        code, said = self.check_file(upstream=f"http://user:{text}@127.0.0.1:1")
        self.assertEqual((2, False), (code, text in said))
        code, said = self.check_file(credentials={"c": {"headers": {"X-Key": text}}})
        self.assertEqual((0, False), (code, text in said))
        self.assertIn("move it to a vault", said)

    def check_file(self, credentials=None, upstream=None):
        """What `barkeep check` says of the standard file with these in it: (exit code, text)."""
        def change(config, door):
            folder = pathlib.Path(door.folder) / "secrets"
            folder.mkdir(0o700)
            config["vaults"] = {"local": f"file:{folder}"}
            config["credentials"] = credentials or {}
            route = config["routes"][0]
            route["upstream"] = upstream or route["upstream"]
            if credentials:
                route["credential"] = "c"

        door = Door(change)
        self.addCleanup(door.stop_quietly)
        door.barkeep.write_config(door.config)
        code, out, err = process.run([process.barkeep_binary(), "check", "-c",
                                      str(door.barkeep.config_path)])
        return code, out + err


if __name__ == "__main__":
    unittest.main()
