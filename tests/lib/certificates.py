"""Authorities and certificates of our own: right ones, and wrong in every way a test wants."""

import base64
import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _name(common_name):
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    return x509.Name(attributes)


def _time(days):
    return datetime.datetime.utcnow() + datetime.timedelta(days=days)


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def _subject_alt_name(names, addresses):
    entries = [x509.DNSName(name) for name in names]
    entries += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    return x509.SubjectAlternativeName(entries)


class Certificate:
    """With its key and the intermediates above it."""

    def __init__(self, certificate, key, chain=()):
        self.certificate = certificate
        self.key = key
        self.chain = list(chain)

    @property
    def serial(self):
        return self.certificate.serial_number

    @property
    def pem(self):
        return b"".join(_pem(certificate) for certificate in [self.certificate, *self.chain])

    @property
    def key_pem(self):
        return self.key.private_bytes(serialization.Encoding.PEM,
                                      serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption())

    @property
    def pfx(self):
        """Base64, as Key Vault gives it out as a secret."""
        packed = pkcs12.serialize_key_and_certificates(b"pfx", self.key, self.certificate,
                                                       self.chain or None,
                                                       serialization.NoEncryption())
        return base64.b64encode(packed)

    def write(self, path):
        """Certificate, chain and key into one file; its path as text."""
        path.write_bytes(self.pem + self.key_pem)
        return str(path)

    def write_public(self, path):
        path.write_bytes(_pem(self.certificate))
        return str(path)


class CertificateAuthority:
    def __init__(self, name="Tests' authority", parent=None):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.parent = parent
        self.certificate = None
        signer = parent or self
        self.certificate = signer.sign(
            self._builder(_name(name), self.key, signer.subject or _name(name), (-2, 30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True))

    @property
    def subject(self):
        return self.certificate.subject if self.certificate else None

    @property
    def pem(self):
        return _pem(self.certificate)

    def write_public(self, path):
        path.write_bytes(self.pem)
        return str(path)

    def sign(self, builder):
        return builder.sign(self.key, hashes.SHA256())

    @staticmethod
    def _builder(subject, key, issuer, days):
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
                .public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(_time(days[0])).not_valid_after(_time(days[1])))

    def issue(self, names=(), addresses=(), common_name=None, days=(-1, 20), for_clients=False,
              is_rsa=False):
        """A server's certificate, or a client's."""
        key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) if is_rsa
               else ec.generate_private_key(ec.SECP256R1()))
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if for_clients else ExtendedKeyUsageOID.SERVER_AUTH
        builder = (self._builder(_name(common_name), key, self.subject, days)
                   .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                   .add_extension(x509.ExtendedKeyUsage([usage]), critical=False))
        if names or addresses:
            builder = builder.add_extension(_subject_alt_name(names, addresses),
                                            critical=not common_name)
        chain = [self.certificate] if self.parent else []
        return Certificate(self.sign(builder), key, chain)


def self_signed(names=(), addresses=()):
    """Nobody vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("self-signed")
    builder = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(_time(-1)).not_valid_after(_time(20))
               .add_extension(_subject_alt_name(names, addresses), critical=False))
    return Certificate(builder.sign(key, hashes.SHA256()), key)
