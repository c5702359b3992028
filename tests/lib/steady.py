"""Callers that go on asking, each in its own thread, and what became of every request: for times when
nothing may be lost."""

import collections
import threading
import time


class Steady:
    """`kept`: callers that keep their connection until they are told to close it; `fresh`: callers that
    make a new one for each request. A pause after each keeps the rate."""

    def __init__(self, connect, data, kept=4, fresh=4, pause=0.01):
        self.connect = connect  # a raw.Client
        self.data = data
        self.pause = pause
        self.outcomes = collections.Counter()
        self.failures = []
        self.told_to_close = 0
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(keeps,), daemon=True)
                        for keeps in [True] * kept + [False] * fresh]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    @property
    def sent(self):
        return sum(self.outcomes.values())

    def run(self, keeps):
        client = None
        while not self.stopping.is_set():
            client = self.ask(client, keeps)
            time.sleep(self.pause)
        if client:
            client.close()

    def ask(self, client, keeps):
        """Returns the connection when it may be used again."""
        was_used = client is not None
        try:
            client = client or self.connect()
        except OSError as problem:
            self.note("not connected", f"connect: {problem}")
            return None
        try:
            response = client.exchange(self.data)
        except (OSError, AssertionError) as problem:
            self.note("lost", f"{'kept' if was_used else 'fresh'} connection: {problem!r}")
            client.close()
            return None
        closes = (response.one("Connection") or "").lower() == "close"
        self.note(response.status, None if response.status == 200 else response.body)
        with self.lock:
            self.told_to_close += closes
        if keeps and not closes:
            return client
        client.close()
        return None

    def note(self, outcome, failure):
        with self.lock:
            self.outcomes[outcome] += 1
            if failure is not None:
                self.failures.append(failure)
