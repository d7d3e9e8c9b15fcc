"""The tables as text."""

from cases import LARGE, MB, SECTIONS
from rounds import median

COLUMNS = [("cpu_us_per_request", "CPU us/request", 1), ("rps", "requests/s", 0), ("p50_us", "p50 us", 1), ("p99_us", "p99 us", 1)]
TRANSFERS = {"upload", "download"}
NAME, CELL = 26, 20


def tables(results, sections=SECTIONS):
    lines = []
    for section in sections:
        if section.key in results:
            lines += section_lines(section, results[section.key])
    return lines


def section_lines(section, measured):
    lines = [section.title, f"(in brackets the ratio to {section.base})", ""]
    for case in section.cases:
        columns = transfer_columns() if case.key in TRANSFERS else COLUMNS
        lines.append(f"{case.title:{NAME}}" + "".join(f"{title:>{CELL}}" for _, title, _ in columns))
        base = measured[case.key].get(section.base)
        lines += [row(name, entry, base, columns) for name, entry in measured[case.key].items()] + [""]
    return lines


def transfer_columns():
    return [("cpu_us_per_request", "CPU ms/transfer", 1), ("rps", "MB/s", 0)]


def row(name, entry, base, columns):
    if "fault" in entry:
        return f"  {name:{NAME - 2}}{entry['fault']}"
    return f"  {name:{NAME - 2}}" + "".join(f"{cell(entry, base, *column):>{CELL}}" for column in columns)


def cell(entry, base, figure, title, decimals):
    value, base_value = median(entry, figure), median(base, figure)
    if value is None:
        return "-"
    ratio = f"{value / base_value:.2f}" if base_value else "-"
    return f"{value * scale(title):.{decimals}f} ({ratio})"


def scale(title):
    return {"MB/s": LARGE / MB, "CPU ms/transfer": 1e-3}.get(title, 1)


def aims_table(aims):
    width = max(len(aim.what) for aim in aims) + 2
    wide = max(len(aim.aim) for aim in aims) + 2
    lines = ["Aims", ""]
    for aim in aims:
        verdict = {True: "met", False: "NOT MET", None: "not measured"}[aim.met]
        lines.append(f"  {aim.what:{width}}{aim.aim:{wide}}{verdict:14}{aim.figure}")
    return lines


def memory_table(measured):
    lines = ["memory", ""]
    for name, entry in measured["sizes"].items():
        lines.append(f"  {name:{NAME}}" + (entry.get("fault") or f"{median(entry, 'pss') / MB:.1f} MB"))
    for name, entry in measured["idle"].items():
        lines.append(f"  {name}, beside idle connections: " + (entry.get("fault") or idle_text(entry)))
    return lines + [""]


def idle_text(entry):
    texts = [
        f"{median(entry, 'idle'):.0f} of them",
        f"{median(entry, 'pss_per_idle'):.0f} bytes each (anonymous: {median(entry, 'anonymous_per_idle'):.0f})",
        f"p99 {median(entry, 'p99_us'):.0f} us without, {median(entry, 'beside_idle_p99_us'):.0f} us with",
    ]
    return ", ".join(texts)
