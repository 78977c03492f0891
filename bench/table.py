# SPDX-License-Identifier: MIT
"""The table: a row each value, a column each subject, and what the first has of the second."""

import statistics

CPU = (("left", "processor, sending side, s/GB"), ("right", "processor, receiving side, s/GB"),
       ("machine", "processor, whole machine, s/GB"))


def rows(peer_counts, rate, flood_rate):
    """Row -> what it is called, in the order of the table."""
    found = {}
    for name, text in (("tcp1", "TCP 1 stream"), ("tcp1r", "TCP 1 stream, reverse"),
                       ("tcp8", "TCP 8 streams"), ("tcp8r", "TCP 8 streams, reverse")):
        found[f"{name} rate"] = f"{text}, Gbit/s"
        for who, what in CPU:
            if name.endswith("r") and who != "machine":  # left receives
                what = CPU[who == "left"][1]
            found[f"{name} {who}"] = f"  {what}"
    for size in (64, 512, 1400):
        found[f"udp{size} rate"] = f"UDP {size} bytes, overload, kpps delivered"
    for size in (64, 512, 1400):
        found[f"paced{size} loss"] = f"UDP {size} bytes at {rate / 1000:g} kpps, loss %"
        for who, what in CPU[:2]:
            found[f"paced{size} {who}"] = f"  {what.replace('s/GB', 'us/packet')}"
    found["ping"] = "round trip (ping -f mean), us"
    found["pingload"] = "round trip under a TCP load, us"
    found["first"] = "first ping with handshake, us"
    found["first lost"] = "  without answer in 1 s"
    found["handshakes core"] = "initiations answered per processor s"
    found["handshakes rate"] = "  per second"
    found["handshakes unanswered"] = "  unanswered"
    for when, text in (("idle", "1 peer, idle"), ("load", "under load"), ("after", "after load")):
        found[f"memory {when} rss"] = f"memory, {text}, MiB RSS"
        found[f"memory {when} pss"] = "  MiB PSS"
    for count in peer_counts:
        found[f"peers {count} rss"] = f"memory, {count:,} peers, MiB RSS"
        found[f"peers {count} pss"] = "  MiB PSS"
        found[f"peers {count} each"] = "  KiB PSS per peer"
        found[f"peers {count} load"] = f"loading {count:,} peers, s"
        found[f"peers {count} cpu"] = "  processor s"
        found[f"peers {count} show"] = f"showing {count:,} peers (wg show dump), s"
        found[f"peers {count} change"] = f"changing one of {count:,} peers, ms"
        found[f"crowd {count} tcp"] = f"TCP 1 stream beside {count:,} peers, % of alone"
        found[f"crowd {count} ping"] = "  round trip, % of alone"
    found["flood none"] = "TCP 1 stream, Gbit/s"
    found["flood closed"] = f"  {flood_rate / 1000:g} k initiations/s to a closed port"
    found["flood junk"] = "  to the tunnel, wrong mac1, % of that"
    found["flood mac1"] = "  to the tunnel, right mac1, % of that"
    found["idle"] = "wakeups of an idle pair in 60 s"
    return found


def _number(value):
    if value >= 1000 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _cell(values):
    """Median and range."""
    if not values:
        return f"{'-':>9}{'':16}"
    span = f"({_number(min(values))}–{_number(max(values))})" if len(values) > 1 else ""
    return f"{_number(statistics.median(values)):>9} {span:15}"


def lines(titles, results, labels):
    """results: (row, label) -> values."""
    width = max(map(len, titles.values()))
    columns = (label[:25].rjust(9).ljust(25) for label in labels)
    header = f"{'median (range)':{width}} " + " ".join(columns)
    ratio = f"{labels[0]}/{labels[1]}" if len(labels) > 1 else ""
    yield f"{header} {ratio}".rstrip()
    for row, title in titles.items():
        values = [results.get((row, label), []) for label in labels]
        if not any(values):
            continue
        line = f"{title:{width}} " + " ".join(map(_cell, values))
        if ratio and values[0] and values[1] and statistics.median(values[1]):
            quotient = statistics.median(values[0]) / statistics.median(values[1])
            line += f" {quotient:{len(ratio)}.2f}"
        yield line.rstrip()
