"""One reading of a request, comparable between readers that show it in different ways."""

# Framing and connection handling are each proxy's own; the body is compared decoded.
OWN = {"content-length", "transfer-encoding", "connection", "keep-alive"}


class Reading:
    """`headers` are [(name, value)] in the order they were read."""

    def __init__(self, method, target, headers, body):
        self.method = method
        self.target = target
        self.headers = [(name.lower(), value) for name, value in headers if name.lower() not in OWN]
        self.body = body

    def _joined(self):
        """Header values by name; several of one name are one list (RFC 9110 5.3)."""
        joined = {}
        for name, value in self.headers:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return joined

    def key(self, joins=False):
        """What must be equal. `joins`: the reader tells lists, not lines."""
        if joins:
            return self.method, self.target, self._joined(), self.body
        by_name = {}
        for name, value in self.headers:
            by_name.setdefault(name, []).append(value)
        return self.method, self.target, by_name, self.body


def of_recorded(request):
    """What a recorder (tests/lib/recorder.py) read."""
    return Reading(request.method, request.target, request.headers, request.body)
