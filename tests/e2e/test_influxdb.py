"""InfluxDB behind barkeep, with each kind of credential: basic, bearer and headers."""

import base64
import unittest
import urllib.parse

from backends.influxdb import InfluxDB
from e2e.house import ADMIN_ROLE, READER_ROLE, EndToEnd

DATABASE = "bar"


def query(statement):
    return "/query?" + urllib.parse.urlencode({"db": DATABASE, "q": statement})


class InfluxDBBehindBarkeep(EndToEnd):
    """/basic, /bearer and /headers lead to the same server, each with its kind of credential."""

    @classmethod
    def start_backend(cls, stage):
        influx = stage.add(InfluxDB(stage, DATABASE))
        influx.wait_ready()
        return influx

    @classmethod
    def secrets(cls):
        secrets = {}
        for user, password in cls.backend.passwords.items():
            secrets[f"{user}-password"] = password
            secrets[f"{user}-jwt"] = cls.backend.signed_token(user)
            secrets[f"{user}-pair"] = base64.b64encode(f"{user}:{password}".encode()).decode()
        return secrets

    @classmethod
    def credentials(cls):
        found = {}
        for user in cls.backend.passwords:
            found[f"basic-{user}"] = {"basic": {"username": user, "password": f"prod/{user}-password"}}
            found[f"bearer-{user}"] = {"bearer": f"prod/{user}-jwt"}
            found[f"headers-{user}"] = {"headers": {"Authorization": f"Basic {{prod/{user}-pair}}"}}
        return found

    @classmethod
    def routes(cls):
        return [{"name": kind, "path": f"/{kind}", "upstream": cls.backend.url, "access": [
            {"role": "Contributor", "to": {"app_role": ADMIN_ROLE}, "credential": f"{kind}-admin"},
            {"role": "Reader", "to": {"app_role": READER_ROLE}, "credential": f"{kind}-reader"}]}
            for kind in ("basic", "bearer", "headers")]

    def write(self, kind, caller, line):
        return self.ask(caller, "POST", f"/{kind}/write?db={DATABASE}", line)

    def test_admin_creates_a_database(self):
        answer = self.ask("admin", "POST", "/basic" + query("CREATE DATABASE cellar"))
        self.assertEqual(200, answer.status, answer.body)
        self.assertIn(["cellar"], self.backend.query("SHOW DATABASES", "admin")[1]["results"][0]["series"][0]["values"])

    def test_admin_writes_and_reader_reads_with_every_kind_of_credential(self):
        for number, kind in enumerate(("basic", "bearer", "headers")):
            with self.subTest(kind):
                written = self.write(kind, "admin", f"stock,kind={kind} bottles={number}")
                self.assertEqual(204, written.status, written.body)
                read = self.ask("reader", "GET", f"/{kind}" + query(f"SELECT bottles FROM stock WHERE kind='{kind}'"))
                self.assertEqual(200, read.status, read.body)
                self.assertEqual(number, read.json()["results"][0]["series"][0]["values"][0][1])
                self.assertEqual(f"{kind}-reader", self.audit_of(read)["credential"])

    def test_reader_is_refused_the_write_by_barkeep(self):
        for kind in ("basic", "bearer", "headers"):
            self.assert_refused(self.write(kind, "reader", "refused bottles=1"), 403, "no_role")
        self.assertNotIn("refused", str(self.backend.query(f"SHOW MEASUREMENTS ON {DATABASE}", "admin")[1]))

    def test_reader_is_influxdbs_reader_too(self):
        """A statement that a GET may carry but this account may not run: InfluxDB has the second word."""
        answer = self.ask("reader", "GET", "/basic" + query("SHOW USERS"))
        self.assertEqual(403, answer.status, answer.body)
        self.assertEqual(403, self.audit_of(answer)["upstream_status"])

    def test_callers_password_parameters_do_not_help(self):
        """InfluxDB takes u= and p= from the query; the header that barkeep sets is not its first choice, but an unknown
        password stays unknown."""
        answer = self.ask("reader", "GET", "/basic/query?q=SHOW+USERS&u=admin&p=guess")
        self.assert_refused(answer, 502, "upstream_credential_refused")

    def test_large_answers_are_streamed(self):
        lines = "\n".join(f"many value={number} {number + 1}" for number in range(20000))
        self.assertEqual(204, self.write("basic", "admin", lines).status)
        answer = self.ask("reader", "GET", "/basic" + query("SELECT value FROM many") + "&chunked=true&chunk_size=1000")
        self.assertEqual(200, answer.status)
        self.assertEqual("chunked", answer.headers["Transfer-Encoding"])
        self.assertEqual(20, answer.body.count(b'"results"'))

    def test_nobody_sees_a_password(self):
        for kind in ("basic", "bearer", "headers"):
            for caller in ("admin", "reader", "stranger", None):
                self.ask(caller, "GET", f"/{kind}" + query("SHOW DATABASES"))
        self.assert_no_password_was_seen()


if __name__ == "__main__":
    unittest.main()
