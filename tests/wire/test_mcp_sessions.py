#!/usr/bin/python3
"""Sessions belong to the principal that opened them, GET and DELETE are judged as POST is, and pages
of other origins stay outside (CASES.md 245, 246)."""

import json
import time
import unittest

import wire  # noqa: F401
from lib import mcp, raw, tokens
from lib.mcp_case import DENIED, NO_SESSION, McpCase

ORIGIN = "https://app.example"


class Sessions(McpCase):
    replays = False

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        cls.add_mcp(config, door, "second")
        cls.add_mcp(config, door, "few", mcp={"calls_per_session": 2})
        cls.add_mcp(config, door, "modern", mcp={"revisions": [mcp.MODERN]})

    def requests(self, session, token=None, target="/mcp", **options):
        """One of each method that names a session."""
        token = token or self.token
        return (mcp.post(target, mcp.call("read"), token, session, **options),
                mcp.post(target, mcp.notification("notifications/initialized"), token, session,
                         **options),
                mcp.session_request("GET", target, token, session, **options),
                mcp.session_request("DELETE", target, token, session, **options))

    def refuse_session(self, data):
        """The one 404; its body without what differs by request."""
        mark = self.door.upstream.mark()
        response = self.send(data)
        self.check_untouched(mark)
        body = json.loads(response.body)
        self.assertEqual((404, "no_route"), (response.status, self.audit_of(response)["reason"]))
        self.assertEqual((NO_SESSION, "Session not found"),
                         (body["error"]["code"], body["error"]["message"]))
        return response.body.replace(response.request_id.encode(), b"ID")

    def test_the_server_hears_its_own_name_of_a_session(self):
        session = self.open_session()
        self.assertNotIn(self.server.session, session)
        self.assertRegex(session, "^[A-Za-z0-9_.~-]{20,}$")
        for data in self.requests(session):
            mark = self.door.upstream.mark()
            self.send(data)
            seen, = self.door.upstream.since(mark)
            self.assertEqual([self.server.session], seen.all("Mcp-Session-Id"))
        another = self.open_session()
        self.assertNotEqual(session, another)

    def test_foreign_and_unknown_sessions_are_the_same(self, case=245):
        session = self.open_session()
        anothers = self.open_session(token=self.other_token)
        elsewhere = self.open_session("/second")
        altered = session[:-5] + ("A" if session[-5] != "A" else "B") + session[-4:]
        rows = [anothers, elsewhere, altered, session[:-1], session + "A", session.swapcase(),
                self.server.session, "x", "", "0" * 32, "../x", session + ",x", f'"{session}"',
                session[:20], "a" * 5000, session + session]
        for row in rows:
            with self.subTest(session=row[:60]):
                said = [self.refuse_session(data) for data in self.requests(row)]
                self.assertEqual(said[0].replace(b'"id":1', b'"id":null'), said[1])
                self.assertEqual({said[1]}, set(said[1:]))
                other = [self.refuse_session(data) for data in self.requests("unknown")]
                self.assertEqual(other, said)
        for data in self.requests(session, self.other_token):
            self.refuse_session(data)
        self.assertEqual(200, self.send(self.requests(session)[0]).status)
        self.assertEqual(200, self.send(self.requests(anothers, self.other_token)[0]).status)

    def test_a_session_comes_once(self, case=245):
        session = self.open_session()
        for second in (session, "x", self.open_session(token=self.other_token)):
            for data in self.requests(session, more=[("mcp-session-id", second)]):
                mark = self.door.upstream.mark()
                self.assertIn(self.send(data).status, (400, 404))
                self.check_untouched(mark)

    def test_a_session_is_the_principals_not_the_tokens(self):
        """A refreshed token, and one of another version, is the same user's."""
        session = self.open_session()
        for token in (self.door.token(), self.door.token(tokens.user(1)),
                      self.door.token(tokens.user(roles=["New"]))):
            self.assertEqual(200, self.send(self.requests(session, token)[0]).status)
        for claims in (tokens.user(azp="99999999-3e5f-4a6b-8c7d-9e0f1a2b3c4d"),
                       tokens.app(), tokens.app(oid=tokens.USER)):
            data = self.requests(session, self.door.token(claims))[0]
            if claims.get("idtyp") == "app":
                self.refuse_session(data)

    def test_sessions_in_the_query_are_not_looked_at(self):
        session = self.open_session()
        foreign = self.open_session(token=self.other_token)
        for name in ("session_id", "sessionId", "Mcp-Session-Id"):
            target = f"/mcp?{name}={self.server.session}"
            _, seen = self.passes_post(mcp.call("read"), target, session=session)
            self.assertEqual(("/mcp", [self.server.session]),
                             (seen.target, seen.all("Mcp-Session-Id")))
            _, seen = self.passes_post(mcp.call("read"), target)
            self.assertEqual([], seen.all("Mcp-Session-Id"))
            self.refuse_session(mcp.post(f"/mcp?{name}={session}", mcp.call("read"), self.token,
                                         foreign))

    def test_a_session_survives_a_reload(self):
        session = self.open_session()
        before = self.door.barkeep.metrics()
        self.door.barkeep.write_config({**self.door.config, "drain": "6s"})
        self.wait_for(lambda: self.reloaded(before), "a reload", 10)
        self.assertEqual(200, self.send(self.requests(session)[0]).status)

    def reloaded(self, before):
        name = next(key for key in before if key.startswith("barkeep_config_hash_info"))
        return name not in self.door.barkeep.metrics()

    def test_what_a_server_calls_a_session(self):
        """Long names and odd ones do not reach the client as they are; what is no session's name, or
        two of them, is no answer."""
        for name in ("s" * 1024, "!~", "a,b;c=\"d\""):
            self.server.session = name
            response = self.post(mcp.initialize())
            self.assertNotIn(name.encode(), response.head)
            mark = self.door.upstream.mark()
            self.assertEqual(200, self.send(self.requests(response.one("Mcp-Session-Id"))[0]).status)
            self.assertEqual([name], self.door.upstream.since(mark)[0].all("Mcp-Session-Id"))
        for name in ("a b", "a\tb", "\xfc", "s" * 1025, "s" * 3000):
            with self.subTest(name=name[:10]):
                self.server.session = name
                self.refuse_answer(self.post(mcp.initialize()), name)

    def refuse_answer(self, response, name):
        self.assertEqual((502, None), (response.status, response.one("Mcp-Session-Id")))
        self.assertEqual("upstream_protocol", self.audit_of(response)["reason"])
        self.assertNotIn(name, response.body.decode("latin-1"))

    def test_two_sessions_at_once(self):
        """Whichever of them the client followed, barkeep could mean the other."""
        for names in (("up-1", "up-2"), ("up-1", "up-1"), ("up-1", ""), ("", "up-1")):
            fields = [("Mcp-Session-Id", names[0]), ("mcp-session-id", names[1])]
            for method, message in (("initialize", mcp.initialize()), ("tools/call", mcp.call("read"))):
                with self.subTest(names=names, method=method):
                    for told in (mcp.json_answer(mcp.result(message), headers=fields),
                                 mcp.stream_answer(mcp.event(mcp.result(message)), headers=fields)):
                        self.server.on[method] = told
                        self.refuse_answer(self.post(message), "up-1")
        self.server.on["tools/call"] = mcp.json_answer(mcp.result(mcp.call("read")), headers=fields)
        self.assertEqual(200, self.post(mcp.modern(mcp.call("read"))).status)
        self.server.on["tools/call"] = mcp.json_answer(mcp.result(mcp.call("read")), headers=fields[1:])
        self.assertIsNotNone(self.post(mcp.call("read")).one("Mcp-Session-Id"))

    def tearDown(self):
        self.server.session = "upstream-session-1"
        super().tearDown()

    def test_calls_of_one_session(self):
        session = self.open_session("/few")
        for _ in range(2):
            self.passes_post(mcp.call("read"), "/few", session=session)
        mark = self.door.upstream.mark()
        response = self.post(mcp.call("read"), "/few", session=session)
        self.assertEqual(429, response.status, response.body)
        self.assertTrue(int(response.one("Retry-After")) >= 1)
        self.check_untouched(mark)
        self.assertEqual("rate_limited", self.audit_of(response)["reason"])
        self.passes_post(mcp.request("tools/list"), "/few", session=session)
        self.server.session = "upstream-session-2"
        self.passes_post(mcp.call("read"), "/few", session=self.open_session("/few"))
        self.server.session = "upstream-session-1"
        another = self.open_session("/few", self.other_token)
        self.passes_post(mcp.call("read"), "/few", self.other_token, session=another)

    def test_streams_of_what_the_server_says_by_itself(self):
        session = self.open_session()
        note = mcp.notification("notifications/tools/list_changed")
        self.server.scripts["GET"] = lambda peer, *_: (
            peer.send(mcp.event_stream() + mcp.chunk(mcp.event(note, id="1"))), peer.wait_closed())
        last = self.given_event("ev-1", session)
        mark = self.door.upstream.mark()
        client, head = self.open_stream(mcp.session_request("GET", "/mcp", self.token, session,
                                                            Last_Event_ID=last))
        with client:
            self.assertEqual((200, "text/event-stream"), (head.status, head.one("Content-Type")))
            self.assertEqual(note, mcp.read_events(self.read_chunk(client))[0]["data"])
        seen = self.door.upstream.since(mark)[0]
        self.assertEqual((["text/event-stream"], [mcp.LEGACY], ["ev-1"], b""),
                         (seen.all("Accept"), seen.all("Mcp-Protocol-Version"),
                          seen.all("Last-Event-ID"), seen.body))
        peer = self.door.upstream.peers[seen.connection]
        self.wait_for(lambda: peer.is_closed_by_proxy, "the server's end closed")

    def given_event(self, event, session=None, token=None, target="/mcp"):
        """The name under which a caller hears of the server's event."""
        self.server.on["tools/call"] = mcp.stream_answer(
            mcp.event(mcp.result(mcp.call("read"), content=[]), id=event))
        response = self.post(mcp.call("read"), target, token, session=session)
        given, = mcp.read_events(response.body)
        self.assertNotIn(event, given["id"])
        return given["id"]

    def test_a_stream_is_resumed_by_whom_it_was_shown_to(self):
        """With sessions and, where a server gives ids of events alone, without."""
        for session, others in ((self.open_session(), self.open_session(token=self.other_token)),
                                (None, None)):
            for event in ("ev-1", "a b", "e" * 1024):
                own = self.given_event(event, session)
                self.assertEqual(own, self.given_event(event, session))
                foreign = self.given_event(event, others, self.other_token)
                elsewhere = self.given_event(event, target="/second")
                self.resumes(own, session, self.token, event)
                self.resumes(foreign, others, self.other_token, event)
                rows = [(foreign, session, self.token), (own, others, self.other_token),
                        (event[:100].replace(" ", "-"), session, self.token),
                        (own + "A", session, self.token),
                        (own.swapcase(), session, self.token), ("x", session, self.token),
                        (elsewhere, session, self.token)]
                self.server.session = "upstream-session-2"
                rows += [(own, self.open_session(), self.token)]
                self.server.session = "upstream-session-1"
                rows += [(own, None, self.token)] if session else []
                for row, (last, of_session, token) in enumerate(rows):
                    with self.subTest(row=row, session=bool(session), event=event[:9]):
                        self.refuse_session(mcp.session_request("GET", "/mcp", token, of_session,
                                                                Last_Event_ID=last))

    def resumes(self, last, session, token, event):
        self.server.on["GET"] = mcp.stream_answer(b"id: 9\ndata:\n\n")
        mark = self.door.upstream.mark()
        response = self.send(mcp.session_request("GET", "/mcp", token, session, Last_Event_ID=last))
        self.assertEqual(200, response.status, response.body)
        self.assertEqual([event], self.door.upstream.since(mark)[0].all("Last-Event-ID"))
        self.assertNotIn(b"id: 9\n", response.body)

    def test_ids_of_events_that_no_client_could_name(self):
        """Too long, or none for a reader: left out. An empty one makes a client forget, and stays."""
        for line in (b"id: " + b"e" * 1025, b"id: 1\x002", b"id: \xc3\xa4"):
            self.server.on["tools/call"] = mcp.stream_answer(
                line + b"\n" + mcp.event(mcp.result(mcp.call("read"), content=[])))
            response = self.post(mcp.call("read"))
            self.assertEqual((200, [["data"]]), (response.status, [list(each) for each in
                                                                  mcp.read_events(response.body)]))
        self.server.on["tools/call"] = mcp.stream_answer(
            mcp.event(mcp.result(mcp.call("read"), content=[]), id=""))
        self.assertIn(b"id: \n", self.post(mcp.call("read")).body)

    def test_an_event_is_asked_for_by_streams_alone(self):
        session = self.open_session()
        for data in self.requests(session, more=[("Last-Event-ID", "x")]):
            mark = self.door.upstream.mark()
            status = self.send(data).status
            if data.startswith(b"GET"):
                self.assertEqual(404, status)
                self.check_untouched(mark)
            else:
                self.assertEqual([], self.door.upstream.since(mark)[0].all("Last-Event-ID"))

    def test_heads_of_streams(self):
        for options, status in (({"Accept": "application/json"}, 406),
                                ({"Mcp_Protocol_Version": "2024-11-05"}, 400),
                                ({"Mcp_Protocol_Version": mcp.MODERN}, 405),
                                ({"more": [("last-event-id", "a"), ("Last-Event-ID", "b")]}, 400),
                                ({"Last_Event_ID": "x" * 2000}, 400),
                                ({"more": [("Content-Length", "2")]}, 400)):
            with self.subTest(options=options):
                mark = self.door.upstream.mark()
                data = mcp.session_request("GET", "/mcp", self.token, **options)
                response = self.send(data + (b"{}" if "Content-Length" in str(options) else b""))
                self.assertEqual(status, response.status)
                self.check_untouched(mark)

    def test_other_methods(self):
        for method in ("PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECTX", "post", "Post"):
            with self.subTest(method=method):
                mark = self.door.upstream.mark()
                data = mcp.post("/mcp", mcp.call("read"), self.token)
                data = data.replace(b"POST", method.encode(), 1)
                with self.door.client() as client:
                    response = client.send(data).read_response(method)
                self.assertIn(response.status, (400, 405, 501))
                self.check_untouched(mark)
        response = self.send(raw.request("PUT", "/mcp", token=self.token))
        self.assertEqual("GET, POST, DELETE", response.one("Allow"))
        for method in ("GET", "DELETE"):
            response = self.send(mcp.session_request(method, "/modern", self.token))
            self.assertEqual((405, "POST"), (response.status, response.one("Allow")))

    def test_a_server_without_streams(self):
        response = self.send(mcp.session_request("GET", "/mcp", self.token))
        self.assertEqual((405, b""), (response.status, response.body))
        response = self.send(mcp.session_request("DELETE", "/mcp", self.token))
        self.assertEqual(200, response.status)


class NoGrant(McpCase):
    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        cls.add_mcp(config, door, "nobody", ["mcp:tools/call:x"])
        config["routes"][-1]["access"][0]["to"] = {"app_role": "Nobody"}

    def test_streams_and_sessions_need_a_grant_too(self):
        for method in ("GET", "DELETE"):
            mark = self.door.upstream.mark()
            response = self.send(mcp.session_request(method, "/nobody", self.token))
            self.check_untouched(mark)
            self.assertEqual(403, response.status)
            self.assertEqual("no_role", self.audit_of(response)["reason"])
        self.refuse_post(mcp.initialize(), 200, DENIED, "no_role", "/nobody", id=0)


class Origins(McpCase):
    replays = False

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        config["entra"]["audience"].append("https://gw.example/pages")
        cls.add_mcp(config, door, "pages", mcp={"allowed_origins": [ORIGIN],
                                                "resource": "https://gw.example/pages"})

    def test_pages_of_other_origins(self, case=246):
        for origin in ("http://evil.example", "null", "https://app.example.evil.example",
                       "http://app.example", "https://app.example:444", "https://APP.example",
                       "https://app.example/", "", "https://app.example https://evil.example",
                       "http://127.0.0.1", "file://"):
            for data in (mcp.post("/pages", mcp.call("read"), self.token, Origin=origin),
                         mcp.session_request("GET", "/pages", self.token, Origin=origin),
                         mcp.session_request("DELETE", "/pages", self.token, Origin=origin),
                         mcp.post("/pages", mcp.call("read"), "junk", Origin=origin),
                         raw.request("OPTIONS", "/pages", [
                             ("Origin", origin), ("Access-Control-Request-Method", "POST")])):
                with self.subTest(origin=origin, method=data[:7]):
                    response = self.refuse_head(data, 403, "origin_refused")
                    self.assertEqual([], response.all("Access-Control-Allow-Origin"))
        data = mcp.post("/pages", mcp.call("read"), self.token, Origin=ORIGIN,
                        more=[("origin", "http://evil.example")])
        self.refuse_head(data, 403, "origin_refused")
        self.good_call(target="/pages")

    def test_a_name_that_leads_elsewhere(self, case=246):
        """DNS rebinding: the page's own host is not ours, whatever it resolves to."""
        data = mcp.post("/mcp", mcp.call("read"), self.token, Origin="http://evil.example:8080")
        self.refuse_head(data.replace(b"gw.example", b"evil.example"), 403, "origin_refused")

    def test_pages_that_may_call(self):
        for origin in (ORIGIN, "https://gw.example"):
            for message, status in ((mcp.call("read"), 200), (mcp.call("drop_all"), 200),
                                    (mcp.notification("notifications/initialized"), 202)):
                response = self.post(message, "/pages", Origin=origin)
                self.assertEqual((status, origin, "Origin"),
                                 (response.status, response.one("Access-Control-Allow-Origin"),
                                  response.one("Vary")))
                exposed = response.one("Access-Control-Expose-Headers").lower()
                for name in ("mcp-session-id", "mcp-protocol-version", "www-authenticate"):
                    self.assertIn(name, exposed)
            response = self.post(mcp.call("read"), "/pages", token="junk", Origin=origin)
            self.assertEqual((401, origin), (response.status,
                                             response.one("Access-Control-Allow-Origin")))
        mark = self.door.upstream.mark()
        self.post(mcp.call("read"), "/pages", Origin=ORIGIN)
        self.assertEqual([], self.door.upstream.since(mark)[0].all("Origin"))

    def test_the_servers_own_cors_does_not_pass(self):
        self.server.on["tools/call"] = lambda asked, _: mcp.json_answer(
            mcp.result(asked), headers=[("Access-Control-Allow-Origin", "*"), ("Set-Cookie", "a=b"),
                                        ("WWW-Authenticate", "Bearer"), ("Server", "x"),
                                        ("Location", "http://x"), ("X-Powered-By", "y")])
        response = self.post(mcp.call("read"), "/pages")
        for name in ("Access-Control-Allow-Origin", "Set-Cookie", "WWW-Authenticate", "Server",
                     "Location", "X-Powered-By"):
            self.assertEqual([], response.all(name))

    def test_preflights(self):
        mark = self.door.upstream.mark()
        response = self.send(raw.request("OPTIONS", "/pages", [
            ("Origin", ORIGIN), ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization, mcp-param-region, x-evil")]),
            "OPTIONS")
        self.check_untouched(mark)
        self.assertEqual((204, ORIGIN), (response.status, response.one("Access-Control-Allow-Origin")))
        allowed = [name.strip() for name in
                   response.one("Access-Control-Allow-Headers").lower().split(",")]
        for name in ("authorization", "content-type", "accept", "mcp-protocol-version",
                     "mcp-session-id", "mcp-method", "mcp-name", "last-event-id",
                     "mcp-param-region"):
            self.assertIn(name, allowed)
        self.assertNotIn("x-evil", allowed)
        self.assertIn("POST", response.one("Access-Control-Allow-Methods"))
        self.assertEqual(204, self.audit_of(response)["status"])

    def test_a_preflight_is_one(self):
        for headers in ([("Origin", ORIGIN)], [("Access-Control-Request-Method", "POST")], []):
            self.refuse_head(raw.request("OPTIONS", "/pages", headers, token=self.token), 405,
                             "method_refused")


class Challenges(McpCase):
    """A token for another server, or none: where to sign in is said from configuration alone."""

    replays = False
    RESOURCE = "https://gw.example/signin"

    @classmethod
    def change_config(cls, config, door):
        super().change_config(config, door)
        config["entra"]["audience"].append(cls.RESOURCE)
        cls.add_mcp(config, door, "signin", mcp={"resource": cls.RESOURCE})

    def test_tokens_for_others(self, case=244):
        bad = [None, "junk", self.door.token(tokens.user(aud="https://other.example/mcp")),
               self.door.token(tokens.user(exp=int(time.time()) - 3600))]
        for host in ("gw.example", "evil.example", "gw.example:8080"):
            for token in bad:
                data = mcp.post("/signin", mcp.call("read"), token, more=[
                    ("X-Forwarded-Host", "evil.example"), ("Forwarded", "host=evil.example")])
                mark = self.door.upstream.mark()
                response = self.send(data.replace(b"Host: gw.example", b"Host: " + host.encode()))
                self.check_untouched(mark)
                self.assertEqual(401, response.status)
                challenge = response.one("WWW-Authenticate")
                self.assertTrue(challenge.startswith("Bearer resource_metadata="
                                                     '"https://gw.example/.well-known/'
                                                     'oauth-protected-resource/signin"'), challenge)
                self.assertEqual(token is not None, 'error="invalid_token"' in challenge)
                self.assertNotIn("evil", challenge)
        self.good_call(target="/signin")

    def test_tokens_in_the_query(self):
        mark = self.door.upstream.mark()
        for name in ("access_token", "token", "authorization"):
            response = self.send(mcp.post(f"/signin?{name}={self.token}", mcp.call("read"), None))
            self.assertEqual(401, response.status)
        self.check_untouched(mark)

    def test_where_to_sign_in(self):
        for path in ("/.well-known/oauth-protected-resource/signin",
                     "/.well-known/oauth-protected-resource"):
            response = self.send(raw.request("GET", path), "GET")
            document = json.loads(response.body)
            self.assertEqual((200, self.RESOURCE, "*"),
                             (response.status, document["resource"],
                              response.one("Access-Control-Allow-Origin")))
        for path in ("/.well-known/oauth-authorization-server", "/register", "/authorize", "/token"):
            response = self.send(raw.request("GET", path), "GET")
            self.assertEqual((404, "application/json"), (response.status,
                                                         response.one("Content-Type")), path)
            json.loads(response.body)


if __name__ == "__main__":
    unittest.main()
