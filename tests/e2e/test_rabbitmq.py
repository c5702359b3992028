"""RabbitMQ's management API behind barkeep: two of its accounts on one URL."""

import json
import unittest

from backends.rabbitmq import RabbitMQ
from e2e.house import ADMIN_ROLE, READER_ROLE, EndToEnd

QUEUE = "/rabbit/api/queues/%2F/orders"


class RabbitMQBehindBarkeep(EndToEnd):
    @classmethod
    def start_backend(cls, stage):
        rabbit = stage.add(RabbitMQ(stage))
        rabbit.wait_ready()
        return rabbit

    @classmethod
    def secrets(cls):
        return {f"rabbit-{user}": password for user, password in cls.backend.passwords.items()}

    @classmethod
    def credentials(cls):
        return {f"rabbit-{user}": {"basic": {"username": user, "password": f"prod/rabbit-{user}"}}
                for user in cls.backend.passwords}

    @classmethod
    def routes(cls):
        access = [{"role": "Contributor", "to": {"app_role": ADMIN_ROLE}, "credential": "rabbit-admin"},
                  {"role": "Reader", "to": {"app_role": READER_ROLE}, "credential": "rabbit-viewer"}]
        return [{"name": "rabbitmq", "path": "/rabbit", "upstream": cls.backend.url, "encoded_slashes": "pass",
                 "access": access},
                {"name": "strict", "path": "/strict", "upstream": cls.backend.url, "access": access},
                {"name": "wrong", "path": "/wrong", "upstream": cls.backend.url, "access": [
                    {"role": "Reader", "to": {"app_role": ADMIN_ROLE}, "credential": "wrong"}]}]

    @classmethod
    def config(cls):
        config = super().config()
        # the right user with another user's password
        config["credentials"]["wrong"] = {"basic": {"username": "admin", "password": "prod/rabbit-viewer"}}
        return config

    def put_queue(self, name, caller="admin"):
        return self.ask(caller, "PUT", f"/rabbit/api/queues/%2F/{name}", json.dumps({"durable": True}),
                        {"Content-Type": "application/json"})

    def test_caller_chooses_neither_account_nor_password(self):
        for caller, account in (("admin", "admin"), ("reader", "viewer")):
            answer = self.ask(caller, "GET", "/rabbit/api/whoami")
            self.assertEqual(200, answer.status, answer.body)
            self.assertEqual(account, answer.json()["name"])
            line = self.audit_of(answer)
            self.assertEqual(("allow", f"rabbit-{account}"), (line["decision"], line["credential"]))

    def test_admin_creates_reads_and_deletes_a_queue_in_the_default_vhost(self):
        self.assertEqual(201, self.put_queue("created").status)
        answer = self.ask("reader", "GET", "/rabbit/api/queues/%2F/created")
        self.assertEqual(("created", "/"), (answer.json()["name"], answer.json()["vhost"]))
        self.assertEqual(204, self.ask("admin", "DELETE", "/rabbit/api/queues/%2F/created").status)
        self.assertEqual(404, self.ask("reader", "GET", "/rabbit/api/queues/%2F/created").status)

    def test_message_travels_through(self):
        self.put_queue("messages")
        payload = "x" * 200000
        published = self.ask("admin", "POST", "/rabbit/api/exchanges/%2F/amq.default/publish", json.dumps(
            {"properties": {}, "routing_key": "messages", "payload": payload, "payload_encoding": "string"}))
        self.assertEqual({"routed": True}, published.json())
        got = self.ask("admin", "POST", "/rabbit/api/queues/%2F/messages/get", json.dumps(
            {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}))
        self.assertEqual(payload, got.json()[0]["payload"])

    def test_reader_is_refused_the_write_and_rabbitmq_never_hears_of_it(self):
        answer = self.put_queue("refused", "reader")
        self.assert_refused(answer, 403, "no_role")
        self.assertEqual(404, self.backend.request("GET", "/api/queues/%2F/refused", "admin")[0])
        line = self.audit_of(answer)
        self.assertEqual(("deny", "no_role"), (line["decision"], line["reason"]))
        self.assertIsNone(line.get("upstream_status"))

    def test_stranger_and_nobody_are_refused(self):
        self.assert_refused(self.ask("stranger", "GET", "/rabbit/api/whoami"), 403, "no_role")
        self.assert_refused(self.ask(None, "GET", "/rabbit/api/whoami"), 401, "token_missing")

    def test_route_without_encoded_slashes_refuses_the_default_vhost(self):
        self.assert_refused(self.ask("admin", "GET", "/strict/api/queues/%2F/orders"), 400, "path_ambiguous")
        self.assertEqual(200, self.ask("admin", "GET", "/strict/api/queues").status)

    def test_callers_own_basic_credential_is_of_no_use(self):
        answer = self.ask(None, "GET", "/rabbit/api/whoami", headers={"Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="})
        self.assert_refused(answer, 401, "token_missing")

    def test_upstreams_challenge_stays_behind_barkeep(self):
        answer = self.ask("admin", "GET", "/wrong/api/whoami")
        self.assert_refused(answer, 502, "upstream_credential_refused")
        self.assertNotIn("WWW-Authenticate", answer.headers)
        self.assertEqual(401, self.audit_of(answer)["upstream_status"])

    def test_management_page_and_its_parts_load(self):
        page = self.ask("reader", "GET", "/rabbit/")
        self.assertEqual(200, page.status, page.body)
        self.assertIn(b"RabbitMQ Management", page.body)
        script = self.ask("reader", "GET", "/rabbit/js/main.js")
        self.assertEqual(200, script.status)
        self.assertEqual(int(script.headers["Content-Length"]), len(script.body))
        head = self.ask("reader", "HEAD", "/rabbit/js/main.js")
        self.assertEqual((200, b"", script.headers["Content-Length"]),
                         (head.status, head.body, head.headers["Content-Length"]))
        again = self.ask("reader", "GET", "/rabbit/js/main.js", headers={"If-None-Match": script.headers["ETag"]})
        self.assertEqual((304, b""), (again.status, again.body))

    def test_nobody_sees_a_password(self):
        for caller in ("admin", "reader", "stranger", None):
            self.ask(caller, "GET", "/rabbit/api/overview")
        self.ask("admin", "GET", "/wrong/api/whoami")
        self.assert_no_password_was_seen()


if __name__ == "__main__":
    unittest.main()
