"""A configuration with every kind of credential, each of a canary: what a search for leaks needs to
find nothing of."""

import pathlib

from lib import tokens
from lib.canary import Canary
from lib.certificates import CertificateAuthority
from lib.tls_recorder import TlsRecorder
from lib.token_authority import TokenAuthority
from lib.vault import Vault

VERSION = "{:032x}"
USER = "rabbit"


def private_numbers(key):
    numbers = key.private_numbers()
    if hasattr(numbers, "private_value"):
        return {"number": numbers.private_value}
    return {"d": numbers.d, "p": numbers.p, "q": numbers.q, "dp": numbers.dmp1,
            "dq": numbers.dmq1, "inverse": numbers.iqmp}


def key_canaries(name, certificate):
    """A key's private numbers as files have them and, turned, as OpenSSL's memory has them."""
    for what, number in private_numbers(certificate.key).items():
        data = number.to_bytes((number.bit_length() + 7) // 8, "big")[-64:]
        yield Canary(f"{name}'s {what}", data)
        yield Canary(f"{name}'s {what}, turned", data[::-1])


class FullCabinet:
    """`change(config, door)` fits WireCase.change_config. Routes are named after their credential's
    kind; all go to the door's upstream but "certificate" and "pfx", which go to `tls`."""

    HEADER_KINDS = ("basic", "bearer", "headers", "query", "cookie", "file", "entra", "behalf")
    CERTIFICATE_KINDS = ("certificate", "pfx")

    def __init__(self, secrets_config=None, is_tls=False):
        self.secrets_config = secrets_config or {}
        self.is_tls = is_tls  # vault and authority too
        self.servers = CertificateAuthority("Servers")
        self.clients = CertificateAuthority("Clients")
        self.generation = 0
        self.former = []  # canaries of generations before

    def change(self, config, door):
        self.folder = pathlib.Path(door.folder)
        self.files = self.folder / "secrets"
        self.files.mkdir(0o700)
        self.upstream = door.upstream
        door.authority.stop()
        self.authority = door.authority = TokenAuthority([door.key.jwk()])
        self.vault = Vault()
        self.tls = self._tls_upstream()
        if self.is_tls:
            self.vault.start_tls(self.folder / "server.pem")
            self.authority.start_tls(self.folder / "server.pem")
        self.client_secret = Canary("client secret", "canary/client+secret=5b~0")
        (self.folder / "client-secret").write_bytes(self.client_secret.data)
        (self.folder / "client-secret").chmod(0o600)
        self.fill()
        config["entra"]["authority"] = self.authority.url
        config["identity"] = {"client": {"id": tokens.API,
                                         "secret_file": str(self.folder / "client-secret")}}
        config["vaults"] = {"prod": self.vault.url, "local": f"file:{self.files}"}
        config["secrets"] = {f"{place}/{name}": self.secrets_config for place, name in (
            ("prod", "password"), ("prod", "bearer"), ("prod", "key"), ("prod", "pfx"),
            ("local", "file"), ("local", "certificate"))} if self.secrets_config else {}
        config["credentials"] = {
            "basic": {"basic": {"username": USER, "password": "prod/password"}},
            "bearer": {"bearer": "prod/bearer"},
            "headers": {"headers": {"X-Api-Key": "{prod/key}", "X-Other": "k={local/file}"}},
            "query": {"query": {"api_key": "{prod/key}"}},
            "cookie": {"cookie": {"sid": "{prod/bearer}"}},
            "file": {"bearer": "local/file"},
            "entra": {"entra_token": {"scope": "api://stock/.default"}},
            "behalf": {"on_behalf_of": {"scope": "api://stock/Stock.Read"}},
            "certificate": {"client_certificate": "local/certificate"},
            "pfx": {"client_certificate": "prod/pfx"}}
        for kind in self.HEADER_KINDS:
            self.add_route(config, kind, door.upstream.url)
        for kind in self.CERTIFICATE_KINDS:
            ca = self.servers.write_public(self.folder / "servers.pem")
            self.add_route(config, kind, self.tls.url, tls={"ca": ca})

    @staticmethod
    def add_route(config, name, upstream, credential=None, **options):
        config["routes"].append({
            "name": name, "path": f"/{name}", "upstream": upstream, **options,
            "access": [{"role": "Contributor", "to": {"everyone": True},
                        "credential": credential or name}]})

    def _tls_upstream(self):
        server = self.servers.issue(["localhost"], ["127.0.0.1"])
        return TlsRecorder(server.write(self.folder / "server.pem"),
                           self.clients.write_public(self.folder / "clients.pem"))

    def fill(self):
        """New values everywhere. What was there before is in `former`."""
        self.former += self.secrets() if self.generation else []
        self.generation += 1
        mark = f"{self.generation:02d}"
        self.values = {"password": f"canary<pass>word/{mark}-19c4+~",
                       "bearer": f"canary-bearer-{mark}/b2d8+x.y~z",
                       "key": f"canary/api key+&={mark}~7f3a",
                       "file": f"canary-file-{mark}/4e4e+q~"}
        self.values["bearer"] = self.values["bearer"].replace("~", "_")
        self.certificates = {
            kind: self.clients.issue(common_name=f"{kind}-{mark}", for_clients=True,
                                     is_rsa=kind == "pfx") for kind in self.CERTIFICATE_KINDS}
        self.vault.secrets = {name: self.values[name] for name in ("password", "bearer", "key")}
        pfx = self.certificates["pfx"].pfx
        self.vault.secrets["pfx"] = pfx.decode()
        self.vault.versions = {name: VERSION.format(self.generation) for name in self.vault.secrets}
        self.put("file", self.values["file"].encode())
        certificate = self.certificates["certificate"]
        self.put("certificate", certificate.pem + certificate.key_pem)
        self.stored = {"pfx": pfx[200:280], "certificate": certificate.key_pem.splitlines()[1]}
        self.authority.generation = mark
        vault_token = self.authority.token_of("own-vault.azure.net")
        self.vault.taken_tokens.add(vault_token)
        self.issued = {name: self.authority.token_of(name)
                       for name in ("own-stock", "behalf-stock")}
        self.issued["own-vault"] = vault_token

    def put(self, name, value):
        path = self.files / f".{name}.new"
        path.write_bytes(value)
        path.rename(self.files / name)

    def value_canaries(self):
        """Of the vaults' plain values."""
        return [Canary(name, value) for name, value in self.values.items()]

    def token_canaries(self):
        return [Canary(f"token {name}", value) for name, value in self.issued.items()]

    def certificate_canaries(self):
        found = []
        for kind, certificate in self.certificates.items():
            found += key_canaries(kind, certificate)
            found.append(Canary(f"{kind} as it is stored", self.stored[kind]))
        return found

    def secrets(self):
        """All that changes with fill(); the client secret does not."""
        return self.value_canaries() + self.token_canaries() + self.certificate_canaries()

    def upstream_bytes(self):
        """What the upstreams, the vault and the authority were sent."""
        heads = b"".join(request.head + request.body
                         for recorder in (self.upstream, self.tls) for request in recorder.requests)
        return heads + b"".join(self.vault.received + self.authority.received)

    def stop(self):
        self.vault.stop()
        self.tls.stop()
        if self.tls.failures:
            raise AssertionError(f"upstream scripts failed: {self.tls.failures}")
