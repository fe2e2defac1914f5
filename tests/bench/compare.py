#!/usr/bin/env python3
"""Races wengert-bench against PyTorch and against the step written by hand, in one run.

    compare.py [--bench build/release/bin/wengert-bench] [--peers ../shared/bench]
               [--python /usr/bin/python3] [--threads N] [--configs charlm,core]
               [--races lstm,gru,rnn,peephole,seq2seq,...] [--rounds N] [--json FILE]

The peers are torch_lm.py and torch_seq2seq.py of --peers, and torch_seq2seq_lengths.py beside this
file, which is given the lengths of wengert-bench's own batches; each figure is the median of its own
steps. Our cells and the step by hand take a step each in turn within one process, and the programs take
turns for --rounds rounds, of which the median is taken again, so that a slow moment of the machine does
not fall on one of them alone. All of them are pinned to the same
cores with taskset (cores 0..threads-1, or --cores). --python picks PyTorch's interpreter, so that a
newer one in a virtual environment is raced as well. Where a peer cannot be had that is said, and its
column stays empty. Two cores: PyTorch's scripts run with the setting that their own text names as the
fastest, one thread of torch and two of BLAS, and with two of torch too; the better one counts.

Prints a table of milliseconds a step and ratios: how many times as fast as the peer Wengert is;
"against hand" compares GFLOP/s, since the step written by hand is an LSTM's whatever the cell.
--json writes every figure.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys

CONFIGS = ["zaremba-small", "zaremba-medium", "charlm", "core"]
SHORT = {"zaremba-small": 3, "core": 3} # so many times the steps, since each is short
CELLS = ["lstm", "gru", "rnn", "peephole", "separate-gates", "layernorm-lstm"]
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--bench", default=os.path.join(TOP, "build", "release", "bin", "wengert-bench"))
    p.add_argument("--peers", default=os.path.join(
        os.environ.get("WENGERT_SHARED", os.path.join(os.path.dirname(TOP), "shared")), "bench"))
    p.add_argument("--python", default="/usr/bin/python3", help="interpreter that has torch")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--cores", help="cores for taskset (default: 0 to threads-1)")
    p.add_argument("--configs", default=",".join(CONFIGS))
    p.add_argument("--races", default=",".join(CELLS + ["seq2seq"]),
                   help="cells, seq2seq, seq2seq-lengths, decode")
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--steps", type=int, default=7,
                   help="of wengert-bench; three times as many of what is short")
    p.add_argument("--tiny", action="store_true", help="sizes that take no time; for tests")
    p.add_argument("--json", help="writes all figures here")
    o = p.parse_args()
    if o.threads < 1 or o.rounds < 1 or o.steps < 1:
        p.error("--threads, --rounds and --steps are 1 or more")
    o.configs = ["tiny"] if o.tiny else [c for c in o.configs.split(",") if c]
    for c in o.configs:
        if c not in CONFIGS + ["tiny"]:
            p.error("no configuration is named '%s'; there are %s" % (c, ", ".join(CONFIGS)))
    o.races = [r for r in o.races.split(",") if r]
    return o


def run(options, command, env=None, stdin=None):
    """Lines of JSON that a command prints; None, with its message on stderr, where it fails."""
    if shutil.which("taskset"):
        cores = options.cores or ",".join(str(i) for i in range(options.threads))
        command = ["taskset", "-c", cores] + command
    try:
        done = subprocess.run(command, env=dict(os.environ, **(env or {})), text=True,
                              input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              check=False)
    except OSError as problem:
        print("compare: %s: %s" % (command[0], problem), file=sys.stderr)
        return None
    if done.returncode:
        print("compare: %s: status %d: %s" % (" ".join(command), done.returncode,
                                              done.stderr.strip()[-400:]), file=sys.stderr)
        return None
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


class Figures:
    """All lines, by (who, configuration, cell)."""

    def __init__(self):
        self.lines = {}

    def add(self, who, lines):
        for line in lines or []:
            line["who"] = who
            key = (who, line["config"], line.get("cell", "").lower())
            self.lines.setdefault(key, []).append(line)

    def ms(self, who, config, cell):
        lines = self.lines.get((who, config, cell))
        return statistics.median(line["ms"] for line in lines) if lines else None

    def median(self, who, config, cell, field):
        values = [line[field] for line in self.lines.get((who, config, cell), [])
                  if field in line]
        return statistics.median(values) if values else None

    def best(self, whos, config, cell):
        found = [self.ms(who, config, cell) for who in whos]
        return min((f for f in found if f is not None), default=None)


def torch_version(options):
    """The version of torch, or None with the reason on stderr."""
    lm = os.path.join(options.peers, "torch_lm.py")
    if not os.path.exists(lm):
        print("compare: no peers: %s is not there (--peers names their folder)" % lm,
              file=sys.stderr)
        return None
    try:
        done = subprocess.run([options.python, "-c", "import torch; print(torch.__version__)"],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              check=False)
    except OSError as problem:
        print("compare: no peers: %s: %s" % (options.python, problem), file=sys.stderr)
        return None
    if done.returncode:
        print("compare: no peers: %s has no torch (apt-get install python3-torch, or --python)"
              % options.python, file=sys.stderr)
        return None
    return done.stdout.strip()


def torch_runs(options, path, words, stdin=None):
    """The peer with each setting of threads that its text names: pairs of name and lines."""
    settings = [("torch", options.threads, 1)]
    if options.threads > 1:
        settings = [("torch", options.threads, options.threads), ("torch/blas", 1, options.threads)]
    for who, threads, blas in settings:
        env = {"OPENBLAS_NUM_THREADS": str(blas), "OMP_NUM_THREADS": str(threads)}
        yield who, run(options, [options.python, path] + words + ["--threads", str(threads)], env,
                       stdin)


def lengths_of(options):
    """What the peer of seq2seq-lengths reads: the lengths of wengert-bench's batches."""
    lines = run(options, [options.bench, "seq2seq", "--lengths", "--print-lengths"] +
                (["--tiny"] if options.tiny else []))
    return json.dumps(lines[0]) if lines else "{}"


def race(options, figures, torch):
    ours = [options.bench]
    lm = os.path.join(options.peers, "torch_lm.py")

    def common(times=1):
        words = ["--threads", str(options.threads), "--steps", str(options.steps * times)]
        return words + (["--tiny"] if options.tiny else [])

    cells = [r for r in options.races if not r.startswith("seq2seq") and r != "decode"]
    for _ in range(options.rounds):
        for config in options.configs if cells else []:
            lines = run(options, ours + ["train", "--config", config, "--cell",
                                         ",".join(cells + ["hand"])] +
                        common(SHORT.get(config, 1))) or []
            figures.add("hand", [line for line in lines if "hand-fused" in line["peer"]])
            figures.add("wengert", [line for line in lines if "hand-fused" not in line["peer"]])
        if "seq2seq" in options.races:
            figures.add("wengert", run(options, ours + ["seq2seq"] + common()))
        if "seq2seq-lengths" in options.races:
            figures.add("wengert", run(options, ours + ["seq2seq", "--lengths"] + common()))
        if "decode" in options.races:
            figures.add("wengert", run(options, ours + ["decode"] + common()))
        if torch and {"lstm", "gru", "rnn"} & set(cells):
            for who, lines in torch_runs(options, lm, ["builtin"]):
                figures.add(who, lines)
        if torch and "peephole" in cells:
            for who, lines in torch_runs(options, lm, ["peephole"]):
                figures.add(who, lines)
        if torch and "seq2seq" in options.races:
            for who, lines in torch_runs(options, os.path.join(options.peers, "torch_seq2seq.py"),
                                         []):
                figures.add(who, lines)
        if torch and "seq2seq-lengths" in options.races:
            for who, lines in torch_runs(options, os.path.join(HERE, "torch_seq2seq_lengths.py"),
                                         [], lengths_of(options)):
                figures.add(who, lines)
    return cells


def number(value, digits):
    return "-" if value is None else "%.*f" % (digits, value)


def ratio(a, b):
    return None if a is None or not b else a / b


def table(options, figures, cells, torch):
    names = ("torch", "torch/blas")
    print("\n%d thread%s, medians of %d round%s of %d steps; peer: %s" % (
        options.threads, "s" * (options.threads > 1), options.rounds, "s" * (options.rounds > 1),
        options.steps, "torch " + torch if torch else "none"))
    print("| config | cell | ms | share of peak | hand, ms | against hand | against lstm "
          "| torch, ms | against torch |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for config in options.configs if cells else []:
        hand, lstm = figures.ms("hand", config, "lstm"), figures.ms("wengert", config, "lstm")
        for cell in cells:
            ms, peer = figures.ms("wengert", config, cell), figures.best(names, config, cell)
            share = figures.median("wengert", config, cell, "share_of_peak")
            rate = figures.median("wengert", config, cell, "gflops")
            rate_of_hand = figures.median("hand", config, "lstm", "gflops")
            print("| %s | %s | %s | %s | %s | %s | %s | %s | %s |" % (
                config, cell, number(ms, 1), number(share, 3), number(hand, 1),
                number(ratio(rate, rate_of_hand), 2),
                number(ratio(lstm, ms), 2), number(peer, 1), number(ratio(peer, ms), 2)))
    for config in ("seq2seq-attention", "seq2seq-lengths", "decode"):
        cell = "lstm" if config == "decode" else ""
        ms, peer = figures.ms("wengert", config, cell), figures.best(names, config, cell)
        if ms is not None:
            print("| %s | | %s | | | | | %s | %s |" % (config, number(ms, 2), number(peer, 1),
                                                       number(ratio(peer, ms), 2)))


def main():
    options = arguments()
    if not os.access(options.bench, os.X_OK):
        sys.exit("compare: %s is not there; build it, or name it with --bench" % options.bench)
    torch = torch_version(options)
    figures = Figures()
    cells = race(options, figures, torch)
    table(options, figures, cells, torch)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"torch": torch, "threads": options.threads, "rounds": options.rounds,
                       "lines": sum(figures.lines.values(), [])}, out, indent=1)
            out.write("\n")
    if not any(who == "wengert" for who, _, _ in figures.lines):
        sys.exit("compare: nothing was measured")


main()
