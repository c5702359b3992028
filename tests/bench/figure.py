"""One measured figure and the bound it is held against."""

import statistics


class Figure:
    """`at_most` or `at_least` bounds it; a figure without a bound is there to be read."""

    def __init__(self, name, values, unit="times", at_most=None, at_least=None):
        self.name = name
        self.values = list(values)
        self.unit = unit
        self.at_most = at_most
        self.at_least = at_least

    @property
    def value(self):
        return statistics.median(self.values)

    @property
    def holds(self):
        """None without a bound."""
        if self.at_most is not None:
            return self.value <= self.at_most
        if self.at_least is not None:
            return self.value >= self.at_least
        return None

    @property
    def verdict(self):
        if self.holds is None:
            return ""
        bound = f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"
        return f"{bound:14} {'holds' if self.holds else 'MISSED'}"

    def line(self):
        spread = f"{_short(min(self.values))} - {_short(max(self.values))}" if len(self.values) > 1 else ""
        return f"  {self.name:58}{_short(self.value):>9} {self.unit:7}{spread:>19}   {self.verdict}".rstrip()

    def document(self):
        return {"name": self.name, "median": self.value, "unit": self.unit, "values": self.values, "at_most": self.at_most,
                "at_least": self.at_least, "holds": self.holds}


def _short(value):
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"


def ratios(rounds, name, baseline, what):
    """Taken within each round, where both ran under the same conditions."""
    return [one[name][what] / one[baseline][what] for one in rounds]


def column(rounds, name, what):
    return [one[name][what] for one in rounds]
