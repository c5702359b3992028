#!/usr/bin/python3
"""Every request that barkeep accepts is read by five others as it was read by barkeep, and as one."""

import pathlib
import sys
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "wire"), str(pathlib.Path(__file__).resolve().parent)]

from backends.process import Stage  # noqa: E402
from lib import raw, recorder  # noqa: E402
from lib.case import WireCase  # noqa: E402
from lib.net import wait_until  # noqa: E402
import corpus  # noqa: E402
import readers  # noqa: E402
import reading  # noqa: E402

ACCEPTED_AT_LEAST = 1500


def keep_bytes(peer, request):
    """A script that reads a request and keeps its exact bytes in request.wire."""
    pieces = [peer.pending]
    receive = peer.receive

    def tapped():
        pieces.append(receive())
        return pieces[-1]

    peer.receive = tapped
    peer.read_body(request)
    peer.receive = receive
    rest = b"".join(pieces)
    request.wire = request.head + rest[:len(rest) - len(peer.pending)]
    peer.send(recorder.answer())


class Differential(WireCase):
    replays = False

    @classmethod
    def change_config(cls, config, door):
        folder = pathlib.Path(door.folder) / "secrets"
        folder.mkdir(0o700)
        for name in ("password", "key", "cookie"):
            (folder / name).write_text(f"canary {name} /+&=%")
        (folder / "cookie").write_text("canary-cookie")
        config["vaults"] = {"local": f"file:{folder}"}
        config["credentials"] = {"claims": {"basic": {"username": "u", "password": "local/password"}},
                                 "query": {"query": {"api_key": "{local/key}"}},
                                 "cookie": {"cookie": {"sid": "{local/cookie}"}}}

        def route(name, path, **options):
            access = {"role": "Contributor", "to": {"everyone": True}}
            if name in config["credentials"]:
                access["credential"] = name
            return {"name": name, "path": path, "upstream": door.upstream.url, "preserve_host": True,
                    "access": [access], **options}

        config["routes"] = [route("main", "/"), route("slashes", "/slashes", encoded_slashes="pass"),
                            route("claims", "/claims", identity_headers="both"), route("query", "/query"),
                            route("cookie", "/cookie")]
        door.upstream.default = keep_bytes

    def control(self):
        with self.door.client() as client:
            response = client.exchange(raw.request("GET", "/public/control", token=self.token))
        self.assertEqual(200, response.status)

    def bytes_of(self, data):
        return data.replace(b"@TOKEN@", b"Authorization: Bearer " + self.token.encode() + b"\r\n")

    def send(self, data):
        """Everything barkeep makes of `data` until it closes; the answers are other tests' business."""
        with self.door.client() as client:
            client.send(self.bytes_of(data))
            try:
                client.finish_sending()
            except OSError:
                pass  # refused and closed already
            client.read_to_end()

    def accepted(self):
        """(name, request as barkeep wrote it) of all that reached the upstream whole."""
        sent, found = 0, {}
        for name, data in corpus.requests():
            mark = self.door.upstream.mark()
            self.send(data)
            sent += 1
            for request in self.door.upstream.since(mark):
                if request.is_complete:
                    wait_until(lambda request=request: hasattr(request, "wire"), "its bytes are kept")
                    found.setdefault(self.shape_of(request), (name, request))
        return sent, list(found.values())

    @staticmethod
    def shape_of(request):
        """Equal for requests that differ in nothing but their ids."""
        own = ("x-request-id", "traceparent")
        return (request.request_line, request.body,
                tuple(item for item in request.headers if item[0].lower() not in own))

    def test_all_read_the_bytes_as_one_same_request(self):
        self.refused = {}
        sent, accepted = self.accepted()
        self.assertGreater(len(accepted), ACCEPTED_AT_LEAST)
        with Stage("barkeep-differential-") as stage:
            all_readers = [kind(stage) for kind in readers.ALL]
            for reader in all_readers:
                reader.wait_ready()
            for reader in all_readers:
                self.compare(reader, accepted)
        refused = ", ".join(f"{reader.name} ({self.refused.get(reader.name, 0)} refused)" for reader in all_readers)
        print(f"{sent} sent, {len(accepted)} different ones accepted, each read by {refused}", file=sys.stderr)

    def compare(self, reader, accepted):
        for number, (name, request) in enumerate(accepted):
            with self.subTest(reader=reader.name, request=name):
                self.check_one(reader, request, f"/next/{number}")

    @staticmethod
    def answers(reader, data, method):
        """The statuses: two, or one when the connection ends after it."""
        with raw.Client(reader.port) as client:
            client.send(data)
            statuses = [client.read_response(method).status]
            if statuses[0] < 400 or client.pending:
                statuses.append(client.read_response().status)
            return statuses

    def check_one(self, reader, request, next_target):
        """`request` and one behind it on the same connection: these two, and nothing else."""
        behind = raw.request("GET", next_target)
        mark = reader.mark()
        statuses = self.answers(reader, request.wire + behind, request.method)
        readings = reader.since(mark)
        if statuses[0] >= 400:
            self.assertTrue(reader.may_refuse(request.wire), f"{statuses[0]}: {request.wire[:300]!r}")
            self.assertEqual(([], 1), (readings, len(statuses)))
            self.refused[reader.name] = self.refused.get(reader.name, 0) + 1
            return
        # Apache cuts a part out of an answer itself
        self.assertTrue(statuses[0] in (200, 206) and statuses[1:] == [200], f"{statuses}: {request.wire[:300]!r}")
        self.assertEqual([request.target, next_target], [one.target for one in readings])
        self.assertEqual(reading.of_recorded(request).key(reader.joins), readings[0].key(reader.joins))


if __name__ == "__main__":
    unittest.main()
