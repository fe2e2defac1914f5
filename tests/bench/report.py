#!/usr/bin/env python3
"""Turns figures into the tables of docs/results/performance.md.

    report.py FILE... [--page docs/results/performance.md]

A FILE holds lines of JSON of wengert-bench, or what `compare.py --json` wrote, or what the test `ulp`
prints; each is recognised by what is in it, and other lines are passed over. Figures that were measured
several times are medians. PyTorch's lines count for the threads of the comparison that they come from, or
that they name, and of its settings of threads the fastest counts; several versions have a column each.

Without --page all tables for which there are figures are printed. With it, each of them replaces what
stands in the page between `<!-- report: NAME -->` and `<!-- end of report -->`; tables without figures
stay as they are.
"""
import argparse
import json
import re
import statistics
import sys

CONFIGS = ["zaremba-small", "zaremba-medium", "charlm", "core"]
CELLS = ["lstm", "gru", "rnn", "peephole", "separate-gates", "layernorm-lstm"]
SEQ2SEQ = ["seq2seq-attention", "seq2seq-lengths"]
ULP = re.compile(r"(\w+) +(\w+) +([0-9.]+) ulp at ")
# Of one core's or of all used cores' f32 peak, by threads and configuration.
SHARES = {1: [0.75, 0.83, 0.80, 0.73], 2: [0.70, 0.80, 0.78, 0.70]}
AGAINST_TORCH = {1: [1.7, 1.3, 1.08, 1.05], 2: [1.25] * 4}


def read(path):
    """The lines of a file as dictionaries, each with `who` measured it, and `threads`."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        whole = json.loads(text)
    except ValueError:
        whole = None
    if isinstance(whole, dict) and "lines" in whole:
        for line in whole["lines"]:
            line.setdefault("threads", whole["threads"])
            if line["who"].startswith("torch"):
                line["who"] = line["peer"].split("+")[0] + " " + line["who"]
            yield line
        return
    for row in text.splitlines():
        found = ULP.search(row)
        if found:
            yield {"who": "ulp", "config": "ulp", "op": found.group(1), "isa": found.group(2),
                   "threads": 1, "ulp": float(found.group(3))}
        elif row.startswith("{"):
            line = json.loads(row)
            if line["peer"].startswith("torch"):
                line["who"] = line["peer"].split("+")[0] + " torch"
            else:
                line["who"] = "hand" if "hand-fused" in line["peer"] else "wengert"
            yield line


class Figures:
    def __init__(self, paths):
        self.lines = [line for path in paths for line in read(path)]

    def all(self, **wanted):
        return [line for line in self.lines if all(
            str(line.get(k, "")).lower() == str(v).lower() for k, v in wanted.items())]

    def get(self, field, **wanted):
        values = [line[field] for line in self.all(**wanted) if field in line]
        return statistics.median(values) if values else None

    def values(self, field, **wanted):
        """What occurs in a field, in the order of the files."""
        return list(dict.fromkeys(line[field] for line in self.all(**wanted) if field in line))

    def torches(self):
        """Versions that were raced."""
        return list(dict.fromkeys(" ".join(line["who"].split(" ")[:2]) for line in self.lines
                                  if line["who"].startswith("torch")))

    def torch(self, version, config, cell, threads):
        found = [self.get("ms", who=who, config=config, cell=cell, threads=threads)
                 for who in (version + " torch", version + " torch/blas")]
        return min((ms for ms in found if ms is not None), default=None)

    def train(self, field, config, cell, threads, who="wengert"):
        """A training step: those of other commands have the names of configurations, too."""
        values = [line[field] for line in self.all(who=who, config=config, cell=cell, threads=threads)
                  if field in line and "loss" in line]
        return statistics.median(values) if values else None


def number(value, digits):
    return "-" if value is None else "%.*f" % (digits, value)


def percent(value):
    return "-" if value is None else "%.1f %%" % (100 * value)


def ratio(a, b):
    return None if a is None or not b else a / b


def table(head, rows):
    """Columns whose head ends in : are aligned to the right."""
    text = ["| " + " | ".join(h.rstrip(":") for h in head) + " |",
            "|" + "|".join("---:" if h.endswith(":") else "---" for h in head) + "|"]
    return "\n".join(text + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows])


def in_order(found, known):
    return [k for k in known if k in found] + [f for f in found if f not in known]


def machine(f):
    ours = [line for line in f.all(who="wengert") if "peak_gflops_a_core" in line]
    rows = []
    for threads in sorted({line["threads"] for line in ours}):
        here = [line for line in ours if line["threads"] == threads]
        rows.append([threads, ", ".join(sorted({line["isa"] for line in here})),
                     number(statistics.median(line["peak_gflops_a_core"] for line in here), 1),
                     number(statistics.median(line["read_gb_per_s"] for line in here), 1),
                     ", ".join(sorted({line["commit"] for line in here})),
                     ", ".join(f.torches()) or "-"])
    return rows and table(["threads:", "instruction set", "f32 peak a core, GFLOP/s:",
                           "memory read, GB/s:", "commit", "peers"], rows)


def raced(f, threads):
    """Configurations and cells of training steps with so many threads."""
    lines = [line for line in f.all(who="wengert", threads=threads)
             if "loss" in line and "cell" in line]
    return (in_order(list(dict.fromkeys(line["config"] for line in lines)), CONFIGS),
            in_order(list(dict.fromkeys(line["cell"] for line in lines)), CELLS))


def train(f, threads):
    configs, cells = raced(f, threads)
    rows = []
    of_processor = "share_of_peak_in_processor_time" # measured with one thread only
    with_own = any(of_processor in line for line in f.all(threads=threads))

    def own(config, cell, who):
        return [percent(f.train(of_processor, config, cell, threads, who))] if with_own else []

    for config in configs:
        hand = f.train("gflops", config, "lstm", threads, "hand")
        lstm = f.train("ms", config, "lstm", threads)
        for cell in cells:
            ms = f.train("ms", config, cell, threads)
            if ms is None:
                continue
            row = [config, cell, number(ms, 1), number(f.train("tokens_per_s", config, cell, threads), 0),
                   percent(f.train("share_of_peak", config, cell, threads))] + own(config, cell, "wengert") + [
                   number(ratio(f.train("gflops", config, cell, threads), hand), 2),
                   number(ratio(lstm, ms), 2)]
            for version in f.torches():
                peer = f.torch(version, config, cell, threads)
                row += [number(peer, 1), number(ratio(peer, ms), 2)]
            rows.append(row)
        ms = f.train("ms", config, "lstm", threads, "hand")
        if ms is not None:
            rows.append([config, "by hand", number(ms, 1),
                         number(f.train("tokens_per_s", config, "lstm", threads, "hand"), 0),
                         percent(f.train("share_of_peak", config, "lstm", threads, "hand"))] +
                        own(config, "lstm", "hand") + ["1.00", number(ratio(lstm, ms), 2)] + ["-"] * 2 * len(f.torches()))
    head = ["configuration", "cell", "ms:", "tokens/s:", "share of peak:"] + (
        ["in processor time:"] if with_own else []) + ["against hand:", "against lstm:"]
    for version in f.torches():
        head += [version + ", ms:", "against it:"]
    return rows and table(head, rows)


def floors(f):
    """Each floor of a training step: what is asked for, what was measured."""
    rows = []
    first = [v for v in f.torches() if v.startswith("torch 1.13")] or f.torches()

    def check(threads, what, config, floor, value, show):
        if value is not None:
            rows.append([threads, what, config, show(floor), show(value),
                         "yes" if value >= floor else "no"])

    def times(value):
        return number(value, 2)

    for threads in (1, 2):
        for i, config in enumerate(CONFIGS):
            lstm = f.train("ms", config, "lstm", threads)
            hand = f.train("ms", config, "lstm", threads, "hand")
            check(threads, "lstm, share of peak", config, SHARES[threads][i],
                  f.train("share_of_peak", config, "lstm", threads), percent)
            check(threads, "lstm against hand", config, 0.95, ratio(hand, lstm), times)
            for cell, least in (("peephole", 0.95), ("separate-gates", 0.95), ("layernorm-lstm", 0.8)):
                check(threads, cell + " against lstm", config, least,
                      ratio(lstm, f.train("ms", config, cell, threads)), times)
            for cell, least in (("lstm", AGAINST_TORCH[threads][i]), ("gru", 1.05), ("rnn", 1.05),
                                ("peephole", 1.3)):
                peer = f.torch(first[0], config, cell, threads) if first else None
                check(threads, cell + " against " + (first[0] if first else ""), config, least,
                      ratio(peer, f.train("ms", config, cell, threads)), times)
        peer = f.torch(first[0], SEQ2SEQ[0], "", threads) if first else None
        check(threads, "seq2seq against " + (first[0] if first else ""), SEQ2SEQ[0], 1.8,
              ratio(peer, f.get("ms", who="wengert", config=SEQ2SEQ[0], threads=threads)), times)
    return rows and table(["threads:", "what", "configuration", "floor:", "measured:", "reached"], rows)


def seq2seq(f):
    rows = []
    for config in SEQ2SEQ:
        for threads in sorted(f.values("threads", who="wengert", config=config)):
            of = {"who": "wengert", "config": config, "threads": threads}
            ms = f.get("ms", **of)
            row = [config, threads, number(ms, 1), number(f.get("target_tokens_per_s", **of), 0),
                   percent(f.get("padding", **of))]
            for version in f.torches():
                peer = f.torch(version, config, "", threads)
                row += [number(peer, 1), number(ratio(peer, ms), 2)]
            rows.append(row)
    head = ["configuration", "threads:", "ms:", "target tokens/s:", "padding:"]
    for version in f.torches():
        head += [version + ", ms:", "against it:"]
    return rows and table(head, rows)


def simple(f, columns, sort=(), **wanted):
    """A row a measurement; columns are (head, field, how to show it)."""
    lines = {}
    for line in f.all(who="wengert", **wanted):
        if all(field in line for _, field, _ in columns):
            key = tuple(line[k] for k in sort)
            lines.setdefault(key, []).append(line)
    rows = [[show(statistics.median(line[field] for line in same)
                  if not isinstance(same[0][field], str) else same[0][field])
             for _, field, show in columns] for same in lines.values()]
    return rows and table([head for head, _, _ in columns], rows)


def to(digits):
    return lambda value: number(value, digits)


def decode(f):
    return simple(f, [("threads:", "threads", to(0)), ("us a word:", "ms", lambda v: number(1e3 * v, 0)),
                      ("words/s:", "tokens_per_s", to(0)), ("GB/s read:", "gb_per_s", to(1)),
                      ("share of memory's:", "share_of_bandwidth", percent),
                      ("share of reading as many bytes again:", "share_of_reread", percent),
                      ("products:", "products", to(0)), ("kernels:", "kernels", to(0))],
                  ["threads"], config="decode")


def record(f):
    return simple(f, [("configuration", "config", str), ("cell", "cell", str), ("step, ms:", "ms", to(1)),
                      ("record and look up, ms:", "record_and_lookup_ms", to(3)),
                      ("share of the step:", "share_of_step", lambda v: "%.2f %%" % (100 * v)),
                      ("compile a new shape, ms:", "record_and_compile_new_shape_ms", to(1)),
                      ("nodes:", "list_length", to(0))], ["config", "cell", "threads"])


def memory(f):
    return simple(f, [("configuration", "config", str), ("cell", "cell", str),
                      ("held, MB:", "held_mb", to(1)), ("by count, MB:", "formula_mb", to(1)),
                      ("ratio:", "ratio", to(2)), ("planned buffers, MB:", "planned_mb", to(1)),
                      ("without reuse, MB:", "unplanned_mb", to(1)),
                      ("growth of the process, MB:", "resident_growth_mb", to(1))],
                  ["config", "cell"])


def scale(f):
    return simple(f, [("configuration", "config", str), ("size", "size", str), ("value:", "value", to(0)),
                      ("factor:", "factor", to(2)), ("ms:", "ms", to(1)),
                      ("time, ratio:", "time_ratio", to(2)), ("work, ratio:", "work_ratio", to(2)),
                      ("share of peak:", "share_of_peak", percent)],
                  ["config", "cell", "size", "value", "threads"])


def kernels(f):
    rows = []
    lines = [line for line in f.all(who="wengert", config="ops") if "gelements_per_s" in line]
    for op in dict.fromkeys(line["op"] for line in lines):
        for threads in sorted({line["threads"] for line in lines if line["op"] == op}):
            row = [op, threads]
            for where in ("cache", "memory"):
                of = {"who": "wengert", "config": "ops", "op": op, "operands": where, "threads": threads}
                row += [number(f.get("gelements_per_s", **of), 2)]
            row.append(percent(f.get("share_of_bandwidth", who="wengert", op=op, operands="memory",
                                     threads=threads)))
            worst = f.values("ulp", who="ulp", op=op)
            rows.append(row + [number(max(worst), 2) if worst else "-"])
    return rows and table(["operation", "threads:", "G elements/s in cache:", "from memory:",
                           "share of memory's bandwidth:", "error, ulp:"], rows)


def products(f):
    rows = []
    lines = [line for line in f.all(who="wengert", config="ops", op="product")]
    for threads in sorted({line["threads"] for line in lines}):
        for shape in dict.fromkeys(line["shape"] for line in lines if line["threads"] == threads):
            of = {"who": "wengert", "op": "product", "shape": shape, "threads": threads}
            rows.append([shape, threads] + [cell for form in ("NN", "NT", "TN") for cell in (
                number(f.get("gflops", form=form, **of), 1),
                percent(f.get("share_of_peak", form=form, **of)))])
    return rows and table(["M x N x K", "threads:", "NN, GFLOP/s:", "of peak:", "NT:", "of peak:", "TN:",
                           "of peak:"], rows)


TABLES = {"machine": machine, "floors": floors, "train-1": lambda f: train(f, 1),
          "train-2": lambda f: train(f, 2), "seq2seq": seq2seq, "decode": decode, "record": record,
          "memory": memory, "scale": scale, "kernels": kernels, "products": products}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("files", nargs="+")
    p.add_argument("--page", help="replaces the tables in this page")
    o = p.parse_args()
    try:
        f = Figures(o.files)
    except (OSError, ValueError, KeyError, AttributeError) as problem:
        sys.exit("report: %s: %s" % (type(problem).__name__, problem))
    made = {name: make(f) for name, make in TABLES.items()}
    made = {name: text for name, text in made.items() if text}
    if not made:
        sys.exit("report: no figures in %s" % " ".join(o.files))
    if not o.page:
        print("\n\n".join("%s\n\n%s" % (name, text) for name, text in made.items()))
        return
    with open(o.page, encoding="utf-8") as page:
        text = page.read()
    for name, new in made.items():
        place = re.compile(r"(<!-- report: %s -->\n).*?(<!-- end of report -->)" % re.escape(name), re.S)
        if not place.search(text):
            sys.exit("report: %s has no place for '%s'" % (o.page, name))
        text = place.sub(lambda m, new=new: m.group(1) + "\n" + new + "\n\n" + m.group(2), text)
    with open(o.page, "w", encoding="utf-8") as page:
        page.write(text)
    print("report: wrote %s" % ", ".join(made), file=sys.stderr)


main()
