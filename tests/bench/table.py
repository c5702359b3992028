#!/usr/bin/python3
"""Puts the bounded figures of one run of bench.py into a page, between its two marks.

    table.py build/bench.json README.md"""

import json
import re
import sys

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def cell(figure):
    unit = "" if figure["unit"] == "times" else f" {figure['unit']}"
    return f"{figure['median']:.{2 if figure['median'] < 10 else 1}f}{unit}"


def bound(figure):
    word, limit = ("at most", figure["at_most"]) if figure["at_most"] is not None else ("at least", figure["at_least"])
    return f"{word} {limit:g}"


def lines_of(document):
    yield f"One run, {document['at'][:10]}: medians of {document['rounds']} rounds, {document['cores']} cores,"
    yield f"Linux {document['kernel'].split('-')[0]}, {document['haproxy'].split(' - ')[0]}, {document['apache'].removeprefix('Server version: ')}, {document['nginx'].removeprefix('nginx version: ')}."
    yield ""
    yield "| work | figure | measured | bound | |"
    yield "|---|---|---|---|---|"
    for row in document["rows"].values():
        if "problem" in row:
            continue
        title = row["title"]
        bounded = [figure for figure in row["figures"] if figure["holds"] is not None]
        for figure in bounded:
            yield f"| {title} | {figure['name']} | {cell(figure)} | {bound(figure)} | {'holds' if figure['holds'] else '**missed**'} |"
            title = ""
        if not bounded:
            yield f"| {title} | needs more cores than this machine has | | | |"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = "\n".join(lines_of(json.load(file)))
    with open(sys.argv[2], encoding="utf-8") as file:
        page = file.read()
    if BEGIN not in page or END not in page:
        sys.exit(f"table: {sys.argv[2]} has no {BEGIN} and {END}")
    page = re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n{text}\n{END}", page, flags=re.S)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(page)


if __name__ == "__main__":
    main()
