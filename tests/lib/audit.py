"""Reads the audit file as it grows; every line must be one JSON object."""

import json

from lib.net import wait_until


class Audit:
    def __init__(self, path):
        self.path = path
        self.events = []
        self._by_id = {}
        self._offset = 0
        self._rest = b""

    def read(self):
        """All events so far, in order."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self._offset)
                fresh = file.read()
        except FileNotFoundError:
            return self.events
        self._offset += len(fresh)
        *lines, self._rest = (self._rest + fresh).split(b"\n")
        for line in lines:
            event = _parse(line)
            self.events.append(event)
            self._by_id.setdefault(event.get("id"), []).append(event)
        return self.events

    def raw(self):
        return self.path.read_bytes() if self.path.exists() else b""

    def requests(self):
        return [event for event in self.read() if event["event"] == "request"]

    def of(self, request_id):
        """Every line about one request."""
        self.read()
        return self._by_id.get(request_id, [])

    def wait_for(self, request_id):
        """The one line about a request, once it is there."""
        wait_until(lambda: self.of(request_id), f"an audit line for {request_id}")
        lines = self.of(request_id)
        if len(lines) != 1:
            raise AssertionError(f"{len(lines)} audit lines for {request_id}: {lines}")
        return lines[0]


def _no_duplicates(pairs):
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise AssertionError(f"a member comes twice in an audit line: {names}")
    return dict(pairs)


def _parse(line):
    event = json.loads(line.decode("utf-8"), object_pairs_hook=_no_duplicates)
    if not isinstance(event, dict) or "event" not in event:
        raise AssertionError(f"not an audit event: {line!r}")
    return event
