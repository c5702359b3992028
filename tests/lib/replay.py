#!/usr/bin/python3
"""Asks `barkeep explain` about requests that a barkeep has answered, and compares with its audit lines:
one decision, one explanation.

    tests/lib/replay.py CONFIG AUDIT REQUESTS     REQUESTS: lines of {"id", "method", "target", "host", "token", "body"}

What judgement alone decides is compared: reason, rule, route, credential, rules under shadow. A request that judgement let
through and something later refused (an upstream, a vault, a rate) must be allowed by the explanation."""

import base64
import ipaddress
import json
import pathlib
import re
import sys
import time

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import process

BY_RULES = {"no_role", "denied", "groups_unknown", "claims_required"}
BEFORE_RULES = {"no_route", "path_ambiguous", "token_missing", "token_malformed", "token_algorithm",
                "token_key_unknown", "token_signature", "token_expired", "token_not_yet_valid",
                "token_issuer", "token_tenant", "token_audience", "token_kind"}
AFTER_RULES = {"rate_limited", "upstream_unreachable", "upstream_protocol", "upstream_tls",
               "upstream_credential_refused", "upstream_timeout", "secret_unavailable",
               "body_malformed"}
REQUEST_LINE = re.compile(rb"([!-~]+) ([!-~]+) HTTP/1\.1")
LIMIT = 4000  # requests kept of one door
BODY_LIMIT = 65536  # bytes of a message that is asked about


def read_request(data):
    """What a raw request asks, if it is one that a command line can ask too; else None."""
    head, end, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    match = REQUEST_LINE.fullmatch(lines[0])
    fields = [line.partition(b":") for line in lines[1:]]
    if not end or not match or any(name[:1] in b" \t" or not colon for name, colon, _ in fields):
        return None
    values = {}
    for name, _, value in fields:
        values.setdefault(name.decode("latin-1").lower(), []).append(value.strip().decode("latin-1"))
    if len(values.get("host", [])) != 1:
        return None
    return {"method": match[1].decode(), "target": match[2].decode(), "host": values["host"][0],
            "fields": values, "body": body if "content-length" in values else None}


def body_of(asked, line):
    """The message that a line about an MCP server speaks of; None where there was none, False when it
    cannot be asked about."""
    if not line.get("mcp") or asked["method"] != "POST":
        return None
    body = asked.get("body")
    if isinstance(body, str):
        return body
    try:
        return body.decode() if body and len(body) <= BODY_LIMIT and b"\0" not in body else False
    except UnicodeDecodeError:
        return False


def token_of(asked, header):
    """The token in `header`; "" without one, None when it cannot be asked about by itself."""
    if "fields" not in asked:
        return asked["token"]
    values = asked["fields"].get(header.lower(), [])
    if len(values) > 1 or len(asked["fields"].get("authorization", [])) > 1:
        return None
    scheme, _, token = (values or [""])[0].partition(" ")
    return None if values and (scheme.lower() != "bearer" or not token.strip()) else token


class Memory:
    """The requests of one door: what was sent on a connection, until its answer names it."""

    def __init__(self):
        self.requests = {}

    def on_answer(self, sent, response):
        asked = read_request(sent[0]) if len(sent) == 1 else None
        if asked and response.request_id and len(self.requests) < LIMIT:
            self.requests[response.request_id] = asked


def has_expired(token):
    """Since it was sent; nothing can be said of it any more."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims["exp"] < time.time() + 1
    except (IndexError, ValueError, KeyError, TypeError):
        return False


def address(line):
    try:
        return str(ipaddress.ip_address(line["client"]))
    except (ValueError, KeyError, TypeError):
        return None


def is_judged(line):
    """Whether judgement decided this request, or let it through."""
    reason = line["reason"]
    if line["rule"] == "revoked":
        return False
    if reason == "body_malformed" and line["rule"] is None:  # a message that is none
        return False
    if line["reason"] == "no_route" and line["principal"] is not None:
        return False  # a session or a task of an MCP server that is not this caller's
    return reason is None or reason in BY_RULES | BEFORE_RULES \
        or (reason in AFTER_RULES and line["principal"] is not None)


def expected(line):
    reason = line["reason"] if line["reason"] in BY_RULES | BEFORE_RULES else None
    seen = {"reason": reason, "route": line["route"], "rule": line["rule"]}
    if reason in BY_RULES or reason is None:
        seen["shadow"] = line["shadow"]
    if reason is None:
        seen["credential"] = line["credential"]
    return seen


def explained(answer):
    seen = {"reason": answer["reason"], "route": (answer["route"] or {}).get("name"),
            "rule": answer["rule"]}
    if answer["reason"] in BY_RULES or answer["reason"] is None:
        seen["shadow"] = answer["shadow"]
    if answer["reason"] is None:
        seen["credential"] = (answer["credential"] or {}).get("name")
    return seen


def explain_all(config_path, questions):
    """Answers in the order of the questions."""
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    argv = [process.barkeep_binary(), "explain", "-c", str(config_path), "--batch", "-"]
    code, out, err = process.run(argv, 120, stdin=lines.encode())
    if code != 0:
        raise AssertionError(f"explain --batch: {code}: {err[:2000]}")
    answers = [json.loads(line) for line in out.splitlines()]
    if len(answers) != len(questions):
        raise AssertionError(f"{len(answers)} answers to {len(questions)} questions")
    return answers


def question_about(line, asked, header):
    token, body = token_of(asked, header), body_of(asked, line)
    if token is None or body is False:
        return None
    question = {"id": line["id"], "method": asked["method"], "target": asked["target"],
                "host": asked["host"], "token": token}
    if body is not None:
        question["body"] = body
    if address(line):
        question["client"] = address(line)
    return question


def replay(config_path, requests, lines, token_headers=None):
    """(how many were compared, disagreements as text). `requests`: id -> what was asked; `lines`: the
    audit's request events; `token_headers`: route -> its token header, where it is another one."""
    judged, questions = [], []
    for line in lines:
        asked = requests.get(line["id"])
        header = (token_headers or {}).get(line["route"], "Authorization")
        question = asked and is_judged(line) and question_about(line, asked, header)
        if question:
            judged.append(line)
            questions.append(question)
    if not questions:
        return 0, []
    problems, compared = [], 0
    for line, question, answer in zip(judged, questions, explain_all(config_path, questions)):
        if answer["asks_graph"] or (answer["reason"] == "token_expired"
                                    and has_expired(question["token"])):
            continue
        compared += 1
        if expected(line) != explained(answer):
            problems.append(f"{question['method']} {question['target']}: the live path says "
                            f"{expected(line)}, the explanation {explained(answer)}")
    return compared, problems


def main():
    config, audit, requests = sys.argv[1:]
    asked = {row["id"]: row for row in map(json.loads, open(requests, encoding="utf-8"))}
    events = map(json.loads, open(audit, encoding="utf-8"))
    compared, problems = replay(config, asked, [event for event in events
                                                if event["event"] == "request"])
    print("\n".join(problems))
    print(f"{compared - len(problems)} passed, {len(problems)} failed")
    return 1 if problems or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
