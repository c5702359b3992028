"""A door with routes to https upstreams."""

import json
import pathlib

from lib import raw
from lib.case import WireCase
from lib.certificates import CertificateAuthority
from lib.tls_recorder import TlsRecorder

TLS = "upstream_tls"


class TlsCase(WireCase):
    """Adds routes to https upstreams: /NAME/**, for everyone."""

    @classmethod
    def setUpClass(cls):
        cls.authority = CertificateAuthority()
        cls.upstreams = []
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        for upstream in cls.upstreams:
            upstream.stop()
        failures = [failure for upstream in cls.upstreams for failure in upstream.failures]
        if failures:
            raise AssertionError(f"upstream scripts failed: {failures}")

    @classmethod
    def file(cls, door, name):
        return pathlib.Path(door.folder) / name

    @classmethod
    def ca(cls, door):
        return cls.authority.write_public(cls.file(door, "ca.pem"))

    @classmethod
    def upstream_with(cls, door, certificate, **options):
        path = certificate.write(cls.file(door, f"upstream-{len(cls.upstreams)}.pem"))
        upstream = TlsRecorder(path, **options)
        cls.upstreams.append(upstream)
        return upstream

    @classmethod
    def good_upstream(cls, door, **options):
        certificate = cls.authority.issue(["localhost"], ["127.0.0.1"])
        return cls.upstream_with(door, certificate, **options)

    @classmethod
    def add_route(cls, config, name, upstream, tls=None, access=None, **options):
        everyone = [{"role": "Contributor", "to": {"everyone": True}}]
        route = {"name": name, "path": f"/{name}", "upstream": upstream,
                 "access": access or everyone, **options}
        if tls:
            route["tls"] = tls
        config["routes"].append(route)

    def get(self, target, *headers, method="GET", body=None, token=None):
        return raw.request(method, target, headers, body, token or self.token)

    def ask(self, target, *headers, **options):
        with self.door.client() as client:
            return client.exchange(self.get(target, *headers, **options),
                                   options.get("method", "GET"))

    def refused(self, target, detail, reason=TLS, status=502):
        response = self.ask(target)
        self.check_refusal(response, status, reason)
        said = json.loads(response.body)["detail"]
        self.assertIn(detail, said)
        return said

    def logged(self, event):
        """Of all lines, the audit log's too."""
        lines = self.door.barkeep.process.stderr() + self.door.audit.raw().decode()
        return [line for line in lines.splitlines() if f'"event":"{event}"' in line]
