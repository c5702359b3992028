#!/usr/bin/python3
"""Certificates of TLS listeners: which is shown to whom, who has to bring one, renewals, and what `barkeep check` says."""

import copy
import json
import os
import pathlib
import ssl
import tempfile
import unittest

import wire  # noqa: F401
from lib.certificates import CertificateAuthority
from lib.net import patient
from lib.process import barkeep_binary, run
from lib.tls_client import serial
from lib.tls_listener_case import TlsListenerCase


class Names(TlsListenerCase):
    @classmethod
    def tls_options(cls):
        cls.shown = {"first.example": cls.ca.issue(["first.example"], ["127.0.0.1", "::1"]),
                     "*.wild.example": cls.ca.issue(["*.wild.example"]),
                     "own.wild.example": cls.ca.issue(["own.wild.example", "also.example"], is_rsa=True)}
        pairs = [cls.write_pair(f"pair{i}", certificate) for i, certificate in enumerate(cls.shown.values())]
        path = cls.file("both.pem")
        path.write_bytes(cls.shown["*.wild.example"].key_pem + cls.shown["*.wild.example"].pem)
        path.chmod(0o600)
        pairs[1] = {"certificate": str(path)}  # with its key
        return {"certificates": pairs}

    def shown_to(self, name, **options):
        tls = self.context(**options)
        tls.check_hostname = False
        client = self.connect(tls, name=name)
        self.assertEqual(200, client.exchange(self.get(host=name or "gw.example")).status)
        return serial(client.socket)

    def test_shows_the_certificate_that_names_the_host(self):
        cases = {"first.example": "first.example", "a.wild.example": "*.wild.example",
                 "own.wild.example": "own.wild.example", "OWN.wild.example": "own.wild.example",
                 "also.example": "own.wild.example",
                 # unknown, or nothing asked for: the first
                 "unknown.example": "first.example", "wild.example": "first.example",
                 "a.b.wild.example": "first.example", None: "first.example"}
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for name, expected in cases.items():
                with self.subTest(name=name, version=version):
                    self.assertEqual(self.shown[expected].serial, self.shown_to(name, version=version))

    # SNI, Host: served by whoever the certificate for the SNI names
    served = [("own.wild.example", "own.wild.example:8443"), ("own.wild.example", "OWN.Wild.Example."),
              ("own.wild.example", "also.example"), ("a.wild.example", "b.wild.example"),
              ("first.example", "127.0.0.1"), ("first.example", "127.0.0.1:99"), ("first.example", "[::1]:1"),
              ("unknown.example", "unknown.example"), ("unknown.example", "first.example"),
              (None, "own.wild.example"), (None, "elsewhere.example")]
    misdirected = [("own.wild.example", "first.example"), ("own.wild.example", "a.wild.example"),
                   ("first.example", "own.wild.example"), ("first.example", "gw.example"),
                   ("a.wild.example", "a.b.wild.example"), ("a.wild.example", "wild.example"),
                   ("a.wild.example", "also.example"), ("first.example", "127.0.0.2"), ("first.example", "[::2]"),
                   ("first.example", "first.example.evil.example"), ("first.example", "irst.example"),
                   ("unknown.example", "other.example")]

    def ask(self, name, host, target="/public/host", version=None, **options):
        tls = self.context(version=version)
        tls.check_hostname = False
        client = self.connect(tls, name=name)
        return client.exchange(self.get(target, host=host, **options))

    def test_serves_the_hosts_that_the_certificate_names(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for name, host in self.served:
                with self.subTest(name=name, host=host, version=version):
                    self.assertEqual(200, self.ask(name, host, version=version).status)

    def test_a_host_of_another_certificate_is_the_wrong_one(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for name, host in self.misdirected:
                for target in ("/public/host", f"https://{host}/public/host", "/no/such/route"):
                    with self.subTest(name=name, host=host, target=target, version=version):
                        mark = self.door.upstream.mark()
                        self.check_refusal(self.ask(name, host, target, version), 421, "wrong_host")
                        self.assertTrue(self.door.upstream.is_untouched(mark))
        self.check_refusal(self.ask("own.wild.example", "first.example", body=b"abc"), 421, "wrong_host")

    def test_each_request_of_a_connection_is_looked_at(self):
        tls = self.context()
        client = self.connect(tls, name="own.wild.example")
        self.assertEqual(200, client.exchange(self.get(host="own.wild.example")).status)
        self.check_refusal(client.exchange(self.get(host="first.example")), 421, "wrong_host")
        self.assertEqual(b"", client.read_to_end())

    def test_a_resumed_connection_is_for_the_host_it_began_with(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version):
                tls = self.context(version=version)
                first = self.connect(tls, name="own.wild.example")
                self.assertEqual(200, first.exchange(self.get(host="own.wild.example")).status)
                for host, status in (("also.example", 200), ("first.example", 421)):
                    again = self.connect(tls, name="own.wild.example", session=first.socket.session)
                    self.assertTrue(again.socket.session_reused)
                    self.assertEqual(status, again.exchange(self.get(host=host)).status)

    def test_the_plain_listener_has_no_wrong_host(self):
        with self.door.client() as plain:
            self.assertEqual(200, plain.exchange(self.get(host="elsewhere.example")).status)


class ClientCertificates(TlsListenerCase):
    auth = "required"

    @classmethod
    def tls_options(cls):
        cls.main = cls.ca.issue(["gw.example"])
        caller = cls.client_ca.issue(common_name="caller", for_clients=True)
        cls.caller_path = caller.write(cls.file("caller.pem"))
        wrong = {"another authority's": cls.ca.issue(common_name="x", for_clients=True),
                 "expired": cls.client_ca.issue(common_name="x", for_clients=True, days=(-1, -0.5)),
                 "a server's": cls.client_ca.issue(["x.example"])}
        cls.wrong = {name: certificate.write(cls.file(f"wrong{i}.pem"))
                     for i, (name, certificate) in enumerate(wrong.items())}
        ca = cls.client_ca.write_public(cls.file("callers.pem"))
        return {**cls.write_pair("main", cls.main), "client_ca": ca, "client_auth": cls.auth}

    versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)

    def test_takes_a_certificate_of_the_authority(self):
        for version in self.versions:
            self.check_serves(self.connect(self.context(version=version, certificate_path=self.caller_path)))

    def test_refuses_any_other_certificate(self):
        for version in self.versions:
            for name, path in self.wrong.items():
                with self.subTest(name=name, version=version):
                    mark = self.door.upstream.mark()
                    self.check_no_handshake("ALERT", "alert", tls=self.context(version=version, certificate_path=path))
                    self.assertTrue(self.door.upstream.is_untouched(mark))

    def test_who_comes_without(self):
        for version in self.versions:
            self.check_no_handshake("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "certificate required",
                                    tls=self.context(version=version))

    def test_resumes_who_had_one(self):
        for version in self.versions:
            tls = self.context(version=version, certificate_path=self.caller_path)
            first = self.connect(tls)
            self.check_serves(first)
            again = self.connect(tls, session=first.socket.session)
            self.assertTrue(again.socket.session_reused)
            self.check_serves(again)


class OptionalClientCertificates(ClientCertificates):
    auth = "optional"

    def test_who_comes_without(self):
        for version in self.versions:
            self.check_serves(self.connect(self.context(version=version)))


class Renewal(TlsListenerCase):
    @classmethod
    def tls_options(cls):
        options = super().tls_options()
        caller = cls.client_ca.issue(common_name="caller", for_clients=True)
        cls.caller_path = caller.write(cls.file("caller.pem"))
        cls.callers = cls.file("callers.pem")
        cls.client_ca.write_public(cls.callers)
        return {**options, "client_ca": str(cls.callers), "client_auth": "optional"}

    def events(self, what):
        return [event for event in self.door.audit.read()
                if event["event"] == "reload" and event.get("what") == what]

    def reload(self, what, act):
        before = len(self.events(what))
        act()
        try:
            self.wait_for(lambda: len(self.events(what)) > before, f"a reload that is {what}", 10)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self.door.barkeep.process.stderr()[-2000:]}") from None
        return self.events(what)[-1]

    def replace(self, name, data):
        fresh = self.file(name + ".new")
        fresh.write_bytes(data)
        fresh.chmod(0o600)
        fresh.rename(self.file(name))

    def put(self, certificate, what="applied"):
        def act():
            self.replace("main.key", certificate.key_pem)
            self.replace("main.pem", certificate.pem)
        return self.reload(what, act)

    def shown(self):
        client = self.connect()
        self.check_serves(client)
        return serial(client.socket)

    def test_a_renewed_certificate_is_shown_and_drops_nobody(self):
        live = self.connect()
        self.check_serves(live)
        former = serial(live.socket)
        renewed = self.ca.issue(["gw.example"])
        self.put(renewed)
        self.wait_for(lambda: self.shown() == renewed.serial, "the renewed certificate is shown")
        self.check_serves(live)
        self.assertEqual(former, serial(live.socket))

    def test_tickets_stay_good(self):
        tls = self.context()
        first = self.connect(tls)
        self.check_serves(first)
        renewed = self.ca.issue(["gw.example"])
        self.put(renewed)
        self.wait_for(lambda: self.shown() == renewed.serial, "the renewed certificate is shown")
        again = self.connect(tls, session=first.socket.session)
        self.assertTrue(again.socket.session_reused)
        self.check_serves(again)

    def test_a_bad_renewal_changes_nothing_and_is_said(self):
        shown = self.shown()
        key = self.file("main.key").read_bytes()
        pem = self.file("main.pem").read_bytes()
        live = self.connect()
        other = self.ca.issue(["gw.example"])
        for name, data, problem in (("main.pem", b"rubbish\n", "main.pem"), ("main.key", other.key_pem, "belongs to none"),
                                    ("main.key", b"", "main.key")):
            with self.subTest(problem):
                event = self.reload("refused", lambda n=name, d=data: self.replace(n, d))
                self.assertIn(problem, event["problem"])
                self.assertEqual(shown, self.shown())
                self.check_serves(live)
                self.reload("applied", lambda: (self.replace("main.key", key), self.replace("main.pem", pem)))

    def test_who_was_let_in_by_former_authorities_is_not_resumed(self):
        tls = self.context(certificate_path=self.caller_path)
        first = self.connect(tls)
        self.check_serves(first)
        others = CertificateAuthority("Others")
        self.reload("applied", lambda: self.replace("callers.pem", others.pem))
        def is_refused():
            try:
                client = self.connect(tls, session=first.socket.session)
                client.socket.sendall(self.get())
                client.socket.recv(1)
            except (ssl.SSLError, ConnectionError):
                return True
            return False
        try:
            self.wait_for(is_refused, "the former caller is refused")
        finally:
            self.reload("applied", lambda: self.replace("callers.pem", self.client_ca.pem))

    def test_a_listener_stays_under_tls_until_a_restart(self):
        config = copy.deepcopy(self.door.config)
        config["listen"][1] = config["listen"][1]["address"]
        def act(document):
            self.door.barkeep.write_config(document)
        try:
            event = self.reload("applied", lambda: act(config))
            self.assertEqual("listen", event["needs_restart"])
            self.shown()
        finally:
            self.reload("applied", lambda: act(self.door.config))


class Checked(unittest.TestCase):
    """What `barkeep check` says of a listener's files."""

    @classmethod
    def setUpClass(cls):
        class Case(TlsListenerCase):
            @classmethod
            def tls_options(case):
                case.client_ca.write_public(case.file("callers.pem"))
                return {**super().tls_options(), "client_ca": str(case.file("callers.pem"))}
        Case.setUpClass()
        Case.tearDownClass()
        cls.case = Case

    def setUp(self):
        """The files as they were, in a folder of the test's own."""
        self.kept = tempfile.TemporaryDirectory()
        self.addCleanup(self.kept.cleanup)
        self.folder = pathlib.Path(self.kept.name)
        self.pair(self.case.main)
        self.write("callers.pem", self.case.client_ca.pem)
        config = copy.deepcopy(self.case.door.config)
        config["listen"][1]["tls"] = {"certificate": str(self.folder / "main.pem"), "key": str(self.folder / "main.key"),
                                      "client_ca": str(self.folder / "callers.pem")}
        self.config = self.write("barkeep.yaml", json.dumps(config).encode())
        self.assertEqual("", self.check(), "nothing is wrong with them")

    def write(self, name, data, mode=0o600):
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(mode)
        return path

    def pair(self, certificate):
        self.write("main.pem", certificate.pem)
        self.write("main.key", certificate.key_pem)

    def test_a_key_that_others_can_read(self):
        self.write("main.key", self.case.main.key_pem, 0o644)
        self.assertIn("everyone on this machine may read", self.check())

    def test_a_key_of_another_certificate(self):
        self.write("main.key", self.case.ca.issue(["gw.example"]).key_pem)
        self.assertIn("error: listen[1].tls: ", self.check(2))
        self.assertIn("the private key belongs to none of the certificates", self.check(2))

    def test_a_key_that_is_none(self):
        for data in (b"", b"no key", self.case.main.pem, self.case.main.key_pem[:60]):
            self.write("main.key", data)
            self.assertIn("error: listen[1].tls: ", self.check(2))
        (self.folder / "main.key").unlink()
        self.assertIn("main.key: no such file", self.check(2))

    def test_a_key_that_may_not_be_read(self):
        """By this user: whoever serves may be another."""
        self.folder.chmod(0o755)
        for name in ("main.pem", "callers.pem", "barkeep.yaml"):
            (self.folder / name).chmod(0o644)
        command = [barkeep_binary(), "check", "-c", str(self.config)]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
            if run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "test", "-x", barkeep_binary()], 20)[0]:
                self.skipTest("nobody may run barkeep here")
        else:
            (self.folder / "main.key").chmod(0)
        code, output, errors = run(command, patient(20))
        self.assertEqual(0, code, output + errors)
        self.assertIn("warning: listen[1].tls: ", output)
        self.assertIn("main.key: the file may not be read", output)

    def test_a_certificate_out_of_its_time(self):
        for days, text in (((-2, -1), "has expired"), ((1, 2), "is not valid yet")):
            self.pair(self.case.ca.issue(["gw.example"], days=days))
            self.assertIn("warning: listen[1].tls: ", self.check())
            self.assertIn(text, self.check())

    def test_a_certificate_that_is_none(self):
        for data in (b"", b"no certificate", self.case.main.key_pem):
            self.write("main.pem", data)
            self.assertIn("error: listen[1].tls: ", self.check(2))

    def test_authorities_that_are_none(self):
        for data in (b"", b"no certificate", self.case.main.key_pem):
            self.write("callers.pem", data)
            self.assertIn("error: listen[1].tls.client_ca: ", self.check(2))
        (self.folder / "callers.pem").unlink()
        self.assertIn("callers.pem", self.check(2))

    def test_an_authority_that_has_expired(self):
        self.write("callers.pem", self.case.ca.issue(["x.example"], days=(-2, -1)).pem)
        self.assertIn("warning: listen[1].tls.client_ca: ", self.check())

    def test_nothing_of_a_key_is_shown(self):
        self.write("main.key", self.case.main.key_pem + b"secret-word")
        self.write("main.pem", self.case.ca.issue(["gw.example"]).pem)
        self.assertNotIn("secret-word", self.check(2))
        for line in self.case.main.key_pem.decode().splitlines()[1:-1]:
            self.assertNotIn(line, self.check(2))

    def check(self, expected=0):
        code, output, errors = run([barkeep_binary(), "check", "-c", str(self.config)], patient(20))
        self.assertEqual(expected, code, output + errors)
        return output + errors


if __name__ == "__main__":
    unittest.main()
