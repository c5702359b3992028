#!/usr/bin/python3
"""Secrets are nowhere but where they belong (CASES.md I 177, 188, 193, 194): a cabinet with every
kind of credential, every kind of error provoked, everything searched in five encodings."""

import json
import os
import pathlib
import unittest

import wire  # noqa: F401
from lib import canary, memory, process, raw, recorder, tokens
from lib.barkeep import get
from lib.canary import Canary
from lib.case import WireCase
from lib.full_cabinet import FullCabinet
from lib.net import free_port

ADMIN_PAGES = ("/metrics", "/readyz", "/healthz", "/", "/api/status", "/nope", "/%2e%2e/secrets")
# Runs what follows with another file of certificate authorities in the place of the system's.
TRUSTING = ["unshare", "-m", "sh", "-c",
            'mount --bind "$1" /etc/ssl/certs/ca-certificates.crt && shift && exec "$@"', "sh"]
CALLERS = {"Cookie": "session=canary-callers-cookie-83f1", "X-Note": "canary-callers-header-83f2",
           "Proxy-Authorization": "Basic Y2FuYXJ5LWNhbGxlcnM6cHJveHkt"}
QUERY = "canary-callers-query-83f3"
BODY = b"canary-callers-body-83f4 " * 4


class KeepingClient(raw.Client):
    """Keeps all that barkeep ever sent."""

    kept = []

    def _receive(self):
        fresh = super()._receive()
        self.kept.append(fresh)
        return fresh


class CabinetCase(WireCase):
    """One barkeep with a full cabinet."""

    becomes_ready = False  # some secrets are bad by intention
    secrets_config = {}
    is_tls = False
    broken = {}  # name of a secret of the vault -> (status, body) of it

    @classmethod
    def change_config(cls, config, door):
        cls.cabinet = FullCabinet(cls.secrets_config, cls.is_tls)
        cls.cabinet.change(config, door)
        config["log"]["level"] = "debug"
        cls.more_config(config, door)

    @classmethod
    def more_config(cls, config, door):
        pass

    @classmethod
    def setUpClass(cls):
        KeepingClient.kept = []
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.cabinet.stop()

    def client(self):
        client = KeepingClient(self.door.barkeep.port)
        client.on_response = self.door.seen.append
        return client

    def ask(self, target, *headers, method="GET", body=None, token=None):
        with self.client() as client:
            data = raw.request(method, target, headers, body, token or self.token)
            return client.exchange(data, method)

    def use_all(self, times=3):
        """Every credential, until the upstream takes it."""
        for kind in self.cabinet.HEADER_KINDS + self.cabinet.CERTIFICATE_KINDS:
            self.wait_for(lambda kind=kind: self.ask(f"/{kind}/x").status == 200, kind, 30)
            for _ in range(times - 1):
                self.ask(f"/{kind}/x")


class Everywhere(CabinetCase):
    """Case 177: what an operator, a caller, a scraper or another user of the machine may read."""

    HARMFUL = "canary<harm>ful/55d1+q~z"

    @classmethod
    def more_config(cls, config, door):
        vault, harmful = cls.cabinet.vault, cls.HARMFUL
        told = json.dumps({"error": {"code": "Forbidden", "message": f"value {harmful}",
                                     "innererror": {"code": harmful}}}).encode()
        named = vault.bundle("harm-name", value=harmful)
        wrong = {"harm-html": (200, f"<html>{harmful}</html>".encode()), "harm-403": (403, told),
                 "harm-500": (500, told), "harm-429": (429, told), "harm-400": (400, told),
                 "harm-name": (200, named.replace(b"harm-name/", b"x/")),
                 "harm-twice": (200, named[:-1] + b',"value":"' + harmful.encode() + b'"}'),
                 "harm-bent": (200, vault.bundle("harm-bent", value=f"{harmful}\n{harmful}")),
                 "harm-array": (200, vault.bundle("harm-array", value=[harmful])),
                 "harm-off": (200, vault.bundle("harm-off", value=harmful,
                                                attributes={"enabled": False})),
                 "harm-tags": (200, vault.bundle("harm-tags", value=harmful,
                                                 tags={"barkeep-hosts": "elsewhere.example"}))}
        vault.wrong.update(wrong)
        cls.wrong = {**wrong, "harm-file": None, "harm-token": None}
        for name in wrong:
            config["credentials"][name] = {"bearer": f"prod/{name}"}
        cls.cabinet.put("harm-file", f"{harmful}\r\n{harmful}".encode())
        config["credentials"]["harm-file"] = {"bearer": "local/harm-file"}
        config["credentials"]["harm-token"] = {"entra_token": {"scope": "api://harm/.default"}}
        cls.cabinet.authority.wrong_resources["harm"] = (400, json.dumps({
            "error": "invalid_client", "error_codes": [7000215],
            "error_description": f"AADSTS7000215: secret {cls.cabinet.client_secret.data.decode()}"
                                 f" or {harmful}"}).encode())
        for name in cls.wrong:
            cls.cabinet.add_route(config, name, door.upstream.url)
        cls.cabinet.add_route(config, "nowhere", f"http://127.0.0.1:{free_port()}", "basic")
        cls.cabinet.add_route(config, "slow", door.upstream.url, "basic",
                              timeouts={"head": "300ms"})
        cls.cabinet.add_route(config, "small", door.upstream.url, "basic",
                              limits={"body": "1KiB"})

    def answers_that_repeat(self, request):
        """Answers, good and bad, into which an upstream has put all of what it was sent."""
        sent = request.head[:-4].replace(b"\r\n", b"; ")
        line = sent.replace(b"\0", b"")
        yield recorder.answer(200, request.head, [("X-Echo", line.decode("latin-1"))])
        yield recorder.answer(500, b"<html>" + request.head, phrase="Error")
        yield recorder.answer(302, b"", [("Location", f"/?{line.decode('latin-1')}")])
        yield recorder.answer(401, request.head,
                              [("WWW-Authenticate", f"Basic {line.decode('latin-1')}")])
        yield (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
               + raw.chunked(request.head)[:-2] + b"X-T: " + line + b"\r\n\r\n")
        yield b"HTTP/1.1 " + line + b"\r\n\r\n"  # and the broken ones
        yield b"HTTP/1.1 200 OK\r\n" + line.replace(b":", b"") + b"\r\n\r\n"
        yield b"HTTP/1.1 200 OK\r\nContent-Length: " + line + b"\r\n\r\n"
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + line + b"\r\n"
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + request.head
        yield line

    def provoke_upstreams(self):
        for kind in self.cabinet.HEADER_KINDS:
            self.ask(f"/{kind}/plain", *CALLERS.items())
            count = len(list(self.answers_that_repeat(self.door.upstream.last())))
            for number in range(count):
                def play(peer, request, number=number):
                    peer.read_body(request)
                    peer.send(list(self.answers_that_repeat(request))[number])
                    peer.close()
                self.door.upstream.on("/echo", play)
                try:
                    self.ask(f"/{kind}/echo?q={QUERY}", *CALLERS.items())
                except raw.Truncated:
                    pass  # an answer that was cut is cut for the caller too
        self.door.upstream.on("/never", lambda peer, _: peer.wait_closed())
        self.ask("/slow/never")
        self.ask("/nowhere/x")
        self.ask("/small/x", method="POST", body=b"x" * 5000)
        self.ask("/basic/x", method="POST", body=BODY)
        for kind in self.cabinet.CERTIFICATE_KINDS:
            self.ask(f"/{kind}/x", *CALLERS.items())

    def provoke_callers(self):
        head, payload, signature = self.token.split(".")
        bad = [f"{head}.{payload}.{signature[::-1]}", f"{head}.{signature}.{payload}", head,
               f"{self.token}.{self.token}", self.token + "x" * 40000,
               self.door.token(tokens.user(exp=1)), self.door.token(tokens.user(aud=signature)),
               self.door.token(tokens.user(iss=f"https://{signature}"))]
        for token in bad:
            for target in ("/basic/x", "/admin/x"):
                self.send(raw.request("GET", f"{target}?{QUERY}", CALLERS.items(), token=token))
        good = f"Authorization: Bearer {self.token}\r\n".encode()
        start = b"GET /basic/x HTTP/1.1\r\nHost: a\r\n"
        for data in (start + good + good, start + good + b"Bad Name: " + QUERY.encode() + b"\r\n",
                     start + good + b"Transfer-Encoding: " + QUERY.encode() + b"\r\n",
                     b"GET /basic//x HTTP/1.1\r\nHost: a\r\n" + good, b"G E T " + good,
                     b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n" + good,
                     b"TRACE /basic/x HTTP/1.1\r\nHost: a\r\n" + good,
                     b"GET /other/x HTTP/1.1\r\nHost: a\r\n" + good,
                     b"GET /admin/x HTTP/1.1\r\nHost: a\r\n" + good):
            self.send(data + b"\r\n")
        self.send(start + good + b"Transfer-Encoding: chunked\r\n\r\n" + BODY)

    def send(self, data):
        with self.client() as client:
            client.send(data)
            client.read_response()

    def provoke_secrets(self):
        for name in self.wrong:
            response = self.ask(f"/{name}/x")
            self.assertEqual(503, response.status, name)

    def everything(self):
        """Name -> bytes of all that must hold no secret."""
        server = self.door.barkeep.process
        sources = {f"admin {page} {method}": get(self.door.barkeep.admin_port, page, method)[2]
                   for page in ADMIN_PAGES for method in ("GET", "POST")}
        for name in ("cmdline", "environ", "comm", "status", "maps"):
            try:
                sources[f"/proc/PID/{name}"] = pathlib.Path(f"/proc/{server.pid}/{name}").read_bytes()
            except PermissionError:
                self.assertNotEqual(0, os.geteuid())  # closed to everyone else: all the better
        return {**sources, "audit": self.door.audit.raw(), "stderr": server.stderr().encode(),
                "stdout": server.stdout().encode()}

    def callers_own(self):
        parts = self.token.split(".")
        return [Canary("caller's token", parts[2]), Canary("caller's claims", parts[1][40:]),
                Canary("caller's query", QUERY), Canary("caller's body", BODY[:24]),
                *(Canary(f"caller's {name}", value) for name, value in CALLERS.items())]

    def test_no_secret_is_seen_anywhere(self):
        """Cases 177, 193 and 194, with the highest level of logging and every kind of failure."""
        self.use_all()
        self.provoke_upstreams()
        self.provoke_callers()
        self.provoke_secrets()
        self.settle_audit()
        refusals = [response for response in self.door.seen
                    if response.one("Content-Type") == "application/problem+json"]
        self.assertGreaterEqual(len(refusals), 50)
        self.check_searcher()
        secrets = [*self.cabinet.secrets(), self.cabinet.client_secret,
                   Canary("what the vault said", self.HARMFUL)]
        everything = self.everything()
        self.assertGreater(len(everything["audit"]), 50000)
        clients = b"".join(KeepingClient.kept)
        self.assertEqual([], canary.search(secrets, {**everything, "clients": clients}))
        self.assertEqual([], canary.search(self.callers_own(), everything))
        self.check_error_pages(refusals)

    def check_searcher(self):
        """Each was where it belongs, and the search finds it there."""
        sent = {"upstream": self.cabinet.upstream_bytes()}
        issued = [one for one in self.cabinet.token_canaries()]
        for one in [*self.cabinet.value_canaries(), *issued, self.cabinet.client_secret]:
            self.assertTrue(canary.search([one], sent), f"{one} was used")
        for one in self.callers_own()[2:5]:
            self.assertTrue(canary.search([one], sent), f"{one} reached the upstream")
        serials = {self.cabinet.tls.handshake_of(request).client_serial
                   for request in self.cabinet.tls.requests}
        self.assertEqual({certificate.serial
                          for certificate in self.cabinet.certificates.values()}, serials)
        hidden = {form: f"x{form}".encode() + text for form, text in
                  Canary("password", self.cabinet.values["password"]).forms}
        for form, text in hidden.items():
            self.assertTrue(canary.search(self.cabinet.value_canaries(), {form: text}), form)

    def check_error_pages(self, refusals):
        """Case 193: nothing of versions, addresses, rules or tokens; each status was there."""
        version = process.run([process.barkeep_binary(), "version"])[1].split()[1]
        private = [version, "barkeep/", "127.0.0.1", "localhost", self.door.upstream.authority,
                   "Contributor", "Visitor", "Manager", "access[", "canary", str(self.door.folder),
                   "prod/", "local/", tokens.TENANT, tokens.USER, tokens.APP, "Mira"]
        for response in refusals:
            page = (response.head + response.body).decode("latin-1")
            for text in private:
                self.assertNotIn(text, page)
            self.assertIsNone(response.one("Server"))
        self.assertLessEqual({400, 401, 403, 405, 413, 431, 502, 503, 504},
                             {response.status for response in refusals})


class MemoryCase(CabinetCase):
    """Case 188: canaries lie in locked memory that no dump holds, and nowhere else; after a rotation
    the old ones lie nowhere at all."""

    secrets_config = {"refresh": "1s", "max_stale": "2s"}
    # OpenSSL copies an RSA key's primes out of secret memory when it first uses them, and wipes the
    # copies with the key.
    KNOWN = ("pfx's p", "pfx's q", "pfx's p, turned", "pfx's q, turned")

    def search(self, canaries):
        return memory.search(self.door.barkeep.process.pid, canaries)

    def strays(self, canaries, known=()):
        return [hit for hit in self.search(canaries)
                if not hit.region.is_secret_memory and hit.canary.name not in known]

    def check_no_strays(self, canaries, known=()):
        """What a request or a call holds goes with it; so wait, then judge."""
        strays = self.strays(canaries, known)
        if strays:
            self.wait_for(lambda: not self.strays(canaries, known), f"strays to go: {strays}", 5)

    def has_gone(self, canaries):
        return not self.search(canaries)

    def judge_memory(self):
        cabinet = self.cabinet
        self.use_all()
        self.settle_audit()
        secrets = [*cabinet.secrets(), cabinet.client_secret]
        found = {hit.canary.name for hit in self.search(secrets)}
        held = {one.name for one in secrets} - {"client secret"}
        held = {name for name in held if "turned" not in name}
        self.assertEqual(set(), held - found, "the search finds what is held")
        self.check_no_strays(secrets, self.KNOWN)
        self.check_no_strays([Canary("caller's token", self.token),
                              Canary("caller's signature", self.token.split(".")[2])])

        cabinet.fill()
        self.use_all()
        # An idle connection keeps the certificate that it was made with.
        cabinet.tls.drop_idle()
        values = [one for one in cabinet.former if not one.name.startswith("token ")]
        if not self.search(values[:1]):
            self.assertNotEqual([], self.search(cabinet.value_canaries()[:1]), "the new value")
        self.wait_for(lambda: self.has_gone(values), "the old values to be gone everywhere", 60)
        self.use_all()
        self.check_no_strays([*cabinet.secrets(), cabinet.client_secret], self.KNOWN)


@unittest.skipIf(process.is_sanitized(), "a sanitizer keeps what is freed")
class Memory(MemoryCase):
    def test_secrets_lie_in_secret_memory_only(self):
        self.judge_memory()

    def test_nothing_strays_while_requests_are_on_their_way(self):
        """The credential has left for the kernel; the caller's head waits for the answer."""
        waiting = []
        self.door.upstream.on("/wait", lambda peer, _: waiting.append(peer))
        self.use_all(1)
        clients = [self.client() for _ in self.cabinet.HEADER_KINDS]
        for kind, client in zip(self.cabinet.HEADER_KINDS, clients):
            client.send(raw.request("GET", f"/{kind}/wait", token=self.token))
        self.wait_for(lambda: len(waiting) == len(clients), "the requests at the upstream")
        signature = Canary("caller's signature", self.token.split(".")[2])
        self.assertNotEqual([], self.strays([signature]), "the search finds what is in flight")
        self.check_no_strays([*self.cabinet.secrets(), self.cabinet.client_secret], self.KNOWN)
        for peer in waiting:
            peer.send(recorder.answer())
        for client in clients:
            self.assertEqual(200, client.read_response().status)
            client.close()
        self.check_no_strays([signature])


@unittest.skipIf(process.is_sanitized(), "a sanitizer keeps what is freed")
class MemoryUnderTls(MemoryCase):
    """The same with vault and identity provider behind https, as they are in Azure."""

    is_tls = True
    replays = False  # the command line does not trust this authority

    @classmethod
    def more_config(cls, config, door):
        certificates = cls.cabinet.folder / "servers.pem"
        code, _, said = process.run([*TRUSTING, str(certificates), "true"])
        if code:
            door.barkeep.process = None
            door.stop_quietly()
            cls.cabinet.stop()
            raise unittest.SkipTest("the system's authorities cannot be replaced for one process "
                                    f"here: {said.strip()}")
        door.barkeep.prefix = [*TRUSTING, certificates]

    def test_secrets_lie_in_secret_memory_only(self):
        self.judge_memory()


if __name__ == "__main__":
    unittest.main()
