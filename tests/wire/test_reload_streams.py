#!/usr/bin/python3
"""Answers that still stream when the rules change: cut within a second when the new rules do not allow
them, however often the rules change, and left alone otherwise (CASES.md K 224)."""

import pathlib
import time
import unittest
import uuid

import test_groups
import test_issuers
import wire  # noqa: F401
from lib import raw, reload_case, tokens
from lib.certificates import CertificateAuthority
from lib.net import patient

CHUNK_SECONDS = 0.05


class Streaming(reload_case.ReloadCase):
    def stream(self, target, token=None):
        """A client that reads an answer without end; it says whether that was cut."""
        def endless(peer, request):
            peer.read_body(request)
            peer.send(reload_case.STREAM_HEAD)
            try:
                while True:
                    peer.send(reload_case.CHUNK)
                    time.sleep(CHUNK_SECONDS)
            except OSError:
                pass
        below = f"/{uuid.uuid4()}"
        self.door.upstream.on(below, endless)  # of routes that have a prefix
        client = self.begin(endless, target + below, token)
        client.head = client.read_head()
        return client

    def is_cut(self, client, seconds):
        """Reads on for so long."""
        end = time.monotonic() + seconds
        client.socket.settimeout(seconds)
        while time.monotonic() < end:
            try:
                if not client.socket.recv(65536):
                    return True
            except ConnectionResetError:
                return True
            except TimeoutError:
                break
        return False

    def check_cut(self, client):
        within = patient(reload_case.WITHIN_SECONDS)
        self.assertTrue(self.is_cut(client, within), "the stream goes on")
        line = self.door.audit.wait_for(client.head.request_id)
        self.assertEqual("reload", line["aborted"])


class Often(Streaming):
    def test_a_stream_ends_although_the_rules_change_all_the_time(self):
        client = self.stream("/public")
        self.change(reload_case.without_rules)
        begin = time.monotonic()
        while not self.is_cut(client, 0.1) and time.monotonic() < begin + patient(5):
            self.hang_up()
        self.assertLess(time.monotonic() - begin, patient(2))
        self.check_cut(client)

    def test_a_stream_that_is_allowed_goes_on_although_the_rules_change_all_the_time(self):
        client = self.stream("/public")
        for _ in range(20):
            self.hang_up()
            self.assertFalse(self.is_cut(client, 0.1))
        self.assertFalse(self.is_cut(client, 1))


class Issuers(Streaming):
    """Two tenants, and an issuer beside them."""

    @classmethod
    def change_config(cls, config, door):
        test_issuers.StaticIssuers.change_config.__func__(cls, config, door)
        config["entra"]["tenant"] = [tokens.TENANT, tokens.OTHER_TENANT]

    def check(self, edit, ended):
        """Of the streams of three callers those end."""
        callers = {"own": self.token,
                   "other": self.door.token(tokens.user(2, tokens.OTHER_TENANT)),
                   "shop": tokens.mint(self.shop_key, test_issuers.shop_claims())}
        clients = {name: self.stream("/public", token) for name, token in callers.items()}
        self.change(edit)
        for name in ended:
            self.check_cut(clients.pop(name))
        self.assertEqual([], [name for name, client in clients.items() if self.is_cut(client, 1)])

    def test_streams_end_of_a_tenant_that_is_no_longer_trusted(self):
        self.check(lambda config: config["entra"].update(tenant=tokens.TENANT), ["other"])

    def test_streams_end_of_an_issuer_that_is_no_longer_trusted(self):
        self.check(lambda config: config["entra"].pop("issuers"), ["shop"])

    def test_streams_end_of_tokens_whose_version_is_no_longer_taken(self):
        self.check(lambda config: config["entra"].update(token_versions=[1]), ["own", "other"])


class Audiences(Streaming):
    def test_streams_end_when_an_audience_is_no_longer_taken(self):
        client = self.stream("/public")
        self.change(lambda config: config["entra"].update(audience=[tokens.API_URI]))
        self.check_cut(client)

    def test_and_go_on_when_another_is_taken_too(self):
        client = self.stream("/public")
        self.change(lambda config: config["entra"]["audience"].append("api://another"))
        self.assertFalse(self.is_cut(client, 2))


class Slashes(Streaming):
    @classmethod
    def change_config(cls, config, door):
        config["routes"][0]["encoded_slashes"] = "pass"

    def refuse_slashes(self):
        self.change(lambda config: config["routes"][0].pop("encoded_slashes"))

    def test_streams_end_when_encoded_slashes_are_no_longer_taken(self):
        client = self.stream("/public/a%2Fb")
        self.refuse_slashes()
        self.check_cut(client)

    def test_and_go_on_without_one(self):
        client = self.stream("/public/a")
        self.refuse_slashes()
        self.assertFalse(self.is_cut(client, 2))


class Uploads(Streaming):
    """A body that is still on its way."""

    def upload(self, target):
        mark = self.door.upstream.mark()
        client = self.door.client()
        self.addCleanup(client.close)
        client.send(raw.request("POST", target, [("Content-Length", "100000")], token=self.token))
        client.send(b"x")
        self.door.upstream.wait_for_request(mark)
        return client

    def goes_on(self, client, seconds):
        """Trickles for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            client.send(b"x")
            if client.is_refused_to_send or self.is_cut(client, 0.05):
                return False
        return True

    def test_an_upload_ends_that_is_no_longer_allowed(self):
        client = self.upload("/public/upload")
        self.assertTrue(self.goes_on(client, 0.3))
        self.change(reload_case.without_rules)
        self.assertFalse(self.goes_on(client, patient(reload_case.WITHIN_SECONDS)))
        self.wait_for(lambda: [line for line in self.door.audit.requests()
                               if line["path"] == "/public/upload"], "its line")
        line = [line for line in self.door.audit.requests() if line["path"] == "/public/upload"][0]
        self.assertEqual(("reload", 0), (line["aborted"], line["status"]))

    def test_and_goes_on_while_it_is_allowed(self):
        client = self.upload("/public/upload2")
        self.change(lambda config: config.update(drain="6s"))
        self.assertTrue(self.goes_on(client, 2))


class Groups(Streaming, test_groups.GroupCase):
    """Callers whose groups were looked up."""

    def ask(self, target, token=None, method="GET"):
        return reload_case.ReloadCase.ask(self, target, token, method)

    def test_a_stream_goes_on_when_the_rules_name_the_same_groups(self):
        client = self.stream("/seen", self.overage("viewer"))
        self.change(lambda config: config.update(drain="7s"))
        self.assertFalse(self.is_cut(client, 2))

    def test_a_stream_ends_when_the_rules_name_other_groups(self):
        """Nobody knows whether the caller is in them."""
        client = self.stream("/seen", self.overage("viewer"))

        def edit(config):
            config["deny"] = [{"to": {"group": str(uuid.UUID(int=7))}, "actions": ["* /**"]}]
        self.change(edit)
        self.check_cut(client)


class MissingFiles(reload_case.ReloadCase):
    def test_a_file_that_was_missing_is_awaited(self):
        """The configuration comes first, the file that it names later."""
        folder = pathlib.Path(self.door.folder)
        authority = CertificateAuthority()
        late = folder / "late.pem"

        def edit(config):
            config["routes"].append(reload_case.route(
                self.door, "late", upstream="https://localhost:9", tls={"ca": str(late)}))
        config = self.edited(edit)
        mark = len(self.events())
        self.put(config)
        self.hang_up()
        self.wait_for_event(mark, "refused")
        authority.write_public(late)
        self.wait_for_event(mark, "applied", config_hash=reload_case.hash_of(config))


if __name__ == "__main__":
    unittest.main()
