#!/usr/bin/python3
"""Requests that two readers may take for one and for two: public gadgets, and others bent at random (CASES.md D 91)."""

import hashlib
import os
import random
import re
import unittest

import wire  # noqa: F401
from lib.framing_case import CHUNKED, HELLO_CHUNKED, HOST, POST, SMUGGLED, FramingCase, get, post


class Gadgets(FramingCase):
    """Case 91: one byte put anywhere into `Transfer-Encoding: chunked`, beside a Content-Length."""

    PLACES = {"before the name": b"%cTransfer-Encoding: chunked",
              "inside the name": b"Transfer%cEncoding: chunked",
              "after the name": b"Transfer-Encoding%c: chunked",
              "before the value": b"Transfer-Encoding:%cchunked",
              "inside the value": b"Transfer-Encoding: chun%cked",
              "after the value": b"Transfer-Encoding: chunked%c"}
    # The length ends where the chunks go on, and the other way round.
    BODIES = {"length, then chunks": (b"%d" % (5 + len(SMUGGLED)), b"0\r\n\r\n" + SMUGGLED),
              "chunks, then length": (b"4", b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED))}

    @staticmethod
    def is_another_header(gadget):
        """A letter or digit more makes another name, which means nothing."""
        name = gadget.partition(b":")[0]
        return (re.fullmatch(rb"[A-Za-z0-9-]+", name) is not None
                and name != b"Transfer-Encoding")

    def test_reads_no_gadget_two_ways(self):
        for where, template in self.PLACES.items():
            for what, (length, body) in self.BODIES.items():
                for byte in range(256):
                    with self.subTest(where=where, what=what, byte=byte):
                        self.try_gadget(template % byte, length, body)

    def try_gadget(self, gadget, length, body):
        mark = self.door.upstream.mark()
        data = self.bytes_of(post(b"Content-Length: " + length, gadget, body=body))
        with self.door.client() as client:
            response = client.send(data).read_response()
            if response.status != 200:
                self.assertEqual(b"", client.read_to_end())
        seen = self.door.upstream.since(mark)
        if self.is_another_header(gadget):
            self.assertEqual((200, 1), (response.status, len(seen)))
            self.assertEqual(int(length), seen[0].body_bytes)
        else:
            self.assertIn(response.status, (400, 501), gadget)
            self.assertEqual([], seen)


def places(*templates):
    """Each template with every byte that readers may take for a blank or skip."""
    for byte in (*range(1, 0x21), *range(0x7f, 0x100)):
        for template in templates:
            yield template.replace(b"@", bytes([byte]))


class Smuggling(FramingCase):
    """Case 91: the headers of the public lists of smuggling gadgets, the same byte in one place or two, or the
    coding hidden behind another header; each before a length, in both directions, with a whole and a half body."""

    SHAPES = sorted({
        *places(b"Transfer-Encoding:@chunked", b"Transfer-Encoding@: chunked", b"@Transfer-Encoding: chunked",
                b"Transfer-Encoding: chunked@", b"@Transfer-Encoding@: chunked", b"@Transfer-Encoding:@chunked",
                b"@Transfer-Encoding: chunked@", b"Transfer-Encoding@:@chunked", b"Transfer-Encoding@: chunked@",
                b"Transfer-Encoding:@chunked@", b"X: X@Transfer-Encoding: chunked", b"Transfer-Encoding: chunked@X: X",
                b"X: X\r@Transfer-Encoding: chunked", b"X: X@\nTransfer-Encoding: chunked",
                b"Transfer-Encoding: chunked\r@X: X", b"Transfer-Encoding: chunked@\nX: X"),
        b"Transfer-Encoding\t:\tchunked", b"Transfer Encoding: chunked", b"Transfer_Encoding: chunked",
        b"Transfer Encoding:chunked", b"Transfer-Encoding:  chunked", b"Transfer-Encoding: chunked, cow",
        b"Transfer-Encoding: cow, chunked", b"Content-Encoding: chunked", b"Transfer-Encoding:\n chunked",
        b'Transfer-Encoding: "chunked"', b"Transfer-Encoding: 'chunked'", b"Transfer-Encoding: chunk",
        b"TrAnSFer-EnCODinG: cHuNkeD", b"TRANSFER-ENCODING: CHUNKED",
        b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked", b"Transfer\r-Encoding: chunked",
        b"Transfer-Encoding: cow chunked bar", b"Transfer-Encoding: ch\x96nked", b"Transf\x82r-Encoding: chunked",
        b"X:X\rTransfer-Encoding: chunked", b"X:X\nTransfer-Encoding: chunked"})

    # (length, body): what the length says ends inside of the chunks, or they end inside of it; then one that lacks
    # its end by the other reading
    BODIES = [(5, b"0\r\n\r\n" + b"G"), (5 + len(SMUGGLED), b"0\r\n\r\n" + SMUGGLED),
              (4, b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)), (6, b"3\r\nabc\r\nQ")]

    def test_no_shape_is_two_requests_or_a_hang(self):
        self.assertGreater(len(self.SHAPES), 1703)
        for number, (length, body) in enumerate(self.BODIES):
            for shape in self.SHAPES:
                with self.subTest(case=91, shape=shape, body=number):
                    self.try_shape(shape, length, body)
        self.good_request_is_fast()

    def try_shape(self, shape, length, body):
        """400 or 501, closed, nothing upstream; or one request with just the length's bytes as its body."""
        mark = self.door.upstream.mark()
        head = POST + shape + b"\r\n" + HOST + b"@TOKEN@Content-Length: %d\r\n\r\n" % length
        with self.door.client() as client:
            client.send(self.bytes_of(head + body))
            try:
                client.finish_sending()
            except OSError:
                pass  # refused and closed already
            statuses = [response.status for response in client.read_responses()]
        seen = self.door.upstream.since(mark)
        if self.hides_no_coding(shape):
            self.assertEqual(([200], 1), (statuses[:1], len([request for request in seen if request.is_complete])))
            self.assertEqual(body[:length], seen[0].body)
            self.assertEqual([], seen[0].all("Transfer-Encoding"))
        else:
            self.assertIn(statuses, ([400], [501]))
            self.assertEqual([], seen)

    @staticmethod
    def hides_no_coding(shape):
        """Its lines are well-formed headers of other names."""
        lines = re.fullmatch(rb"([0-9A-Za-z-]+:[ \t]*[\t\x20-\x7e\x80-\xff]*(\r\n)?)+", shape)
        return lines is not None and not re.search(rb"(?im)^transfer-encoding:", shape)


class Mutations(FramingCase):
    """Requests bent at random, the same ones each time: at most one request upstream for each 200,
    and never the one that hides in a body."""

    COUNT = int(os.environ.get("BARKEEP_MUTATIONS", "2000"))
    PIECES = [b"\0", b"\t", b"\n", b"\r", b"\r\n", b" ", b",", b":", b";", b"\x0b", b"\x7f", b"\xff",
              b"_", b"-", b"0", b"1", b"chunked", b"Content-Length: 5\r\n", CHUNKED + b"\r\n",
              b"\r\n ", b"\r\n\t", b"/", b"%", b'"', b"#", b"?", b"0\r\n\r\n", b"HTTP/1.1"]
    SEEDS = [post(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED),
             post(CHUNKED, body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
             post(CHUNKED, body=HELLO_CHUNKED + SMUGGLED),
             post(b"Content-Length: 5", body=b"hello" + SMUGGLED), get() + SMUGGLED]

    def mutate(self, chance, tag):
        """One of the seeds, with `tag` in its target, then bent in one to three places."""
        data = chance.choice(self.SEEDS).replace(b"/public/x", b"/public/" + tag)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(data))
            data = chance.choice((
                data[:at] + chance.choice(self.PIECES) + data[at:], data[:at] + data[at + 1:],
                data[:at] + bytes([chance.randrange(256)]) + data[at + 1:],
                data[:at + 8] + data[at:]))
        return data

    @staticmethod
    def tag_of(seed):
        """No mutation turns one into another."""
        return hashlib.sha256(b"%d" % seed).hexdigest()[:16].encode()

    def test_reads_no_mutation_two_ways(self):
        earlier = []
        for seed in range(self.COUNT):
            data = self.mutate(random.Random(seed), self.tag_of(seed))
            try:
                self.try_mutation(data, earlier[-20:])
                earlier.append(data)
            except AssertionError as failure:
                self.fail(f"seed {seed}: {failure}\n{data!r}")

    @staticmethod
    def is_late(request, data, earlier):
        """It belongs to one before this, which was cut off and was still on its way."""
        target = request.target.encode("latin-1")
        return target not in data and any(target in former for former in earlier)

    def try_mutation(self, data, earlier):
        mark = self.door.upstream.mark()
        with self.door.client() as client:
            client.send(self.bytes_of(data))
            try:
                client.finish_sending()
            except OSError:
                pass  # refused and closed already
            statuses = [response.status for response in client.read_responses()]
        seen = [request for request in self.door.upstream.since(mark)
                if not self.is_late(request, data, earlier)]
        self.assertLessEqual(len(seen), 1, [request.head for request in seen])
        for request in seen:
            self.assertNotIn("smuggled", request.target)
            self.assertEqual(request.is_complete, 200 in statuses)
        self.assertEqual(len([request for request in seen if request.is_complete]),
                         statuses.count(200))


if __name__ == "__main__":
    unittest.main()
