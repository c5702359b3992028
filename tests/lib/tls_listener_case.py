"""A door with a TLS listener beside the plain one, and an authority for each side."""

import pathlib
import ssl

from lib import raw
from lib.case import WireCase
from lib.certificates import CertificateAuthority
from lib.net import free_port
from lib.tls_client import TlsClient, context

HEAD_TIMEOUT_SECONDS = 2
HANDSHAKES = 'barkeep_tls_handshakes_total{result="%s"}'


class TlsListenerCase(WireCase):
    """Beside the plain listener of the controls: `tls_port`, under `tls_options`."""

    replays = False

    @classmethod
    def setUpClass(cls):
        cls.ca = CertificateAuthority()
        cls.client_ca = CertificateAuthority("Callers' authority")
        super().setUpClass()

    @classmethod
    def file(cls, name):
        return pathlib.Path(cls.folder) / name

    @classmethod
    def write_pair(cls, name, certificate):
        cls.file(f"{name}.pem").write_bytes(certificate.pem)
        key = cls.file(f"{name}.key")
        key.write_bytes(certificate.key_pem)
        key.chmod(0o600)
        return {"certificate": str(cls.file(f"{name}.pem")), "key": str(key)}

    @classmethod
    def tls_options(cls):
        cls.main = cls.ca.issue(["gw.example"])
        return cls.write_pair("main", cls.main)

    @classmethod
    def change_config(cls, config, door):
        cls.folder = door.folder
        cls.tls_port = free_port()
        cls.ca_path = cls.ca.write_public(cls.file("ca.pem"))
        config["listen"] = [config["listen"], {"address": f"127.0.0.1:{cls.tls_port}",
                                               "tls": cls.tls_options()}]
        config["limits"] = {"head_timeout": f"{HEAD_TIMEOUT_SECONDS}s"}

    def context(self, **options):
        return context(self.ca_path, **options)

    def connect(self, tls=None, **options):
        client = TlsClient(self.tls_port, tls or self.context(), **options)
        self.addCleanup(client.close)
        client.on_response = self.door.note
        return client

    def get(self, target="/public/x", **options):
        return raw.request("GET", target, token=self.token, **options)

    def check_serves(self, client, target="/public/x"):
        self.assertEqual(200, client.exchange(self.get(target)).status)

    def check_no_handshake(self, *fragments, tls=None, **options):
        """It fails, on either side, before or (TLS 1.3, client certificates) after the client's part."""
        with self.assertRaises((ssl.SSLError, ConnectionError)) as caught:
            client = self.connect(tls, **options)
            client.socket.sendall(self.get())
            client.socket.recv(1)
        if fragments:
            self.assertTrue(any(fragment in str(caught.exception) for fragment in fragments),
                            caught.exception)

    def counted(self, result):
        return self.door.barkeep.metrics()[HANDSHAKES % result]

    def wait_counted(self, result, since):
        self.wait_for(lambda: self.counted(result) > since, f"a handshake is counted as {result}")
