"""A bar chart of the CPU time of each request, as SVG."""

from rounds import median

WIDTH, BAR, GAP, LABEL, FIGURE = 760, 18, 6, 200, 70
TITLE = 34
GROUPS = [("alone", "kept-16", "Alone over FastCGI, 16 at once"), ("nginx", "nginx-16", "Behind the same nginx, 16 at once")]
STYLE = """\
<style>
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; }
  .own { fill: #2f6fb3; }
  .peer { fill: #9aa7b4; }
  @media (prefers-color-scheme: dark) { text { fill: #d0d7de; } .peer { fill: #6e7781; } }
</style>
"""


def draw(results):
    parts, top = [], 10
    for section, case, title in GROUPS:
        bars = sorted_bars(results.get(section, {}).get(case, {}))
        if bars:
            parts.append(f'<text class="title" x="10" y="{top + 18}">{title}: CPU time per request</text>')
            parts += [bar(top + TITLE + number * (BAR + GAP), *entry, bars[-1][1]) for number, entry in enumerate(bars)]
            top += TITLE + len(bars) * (BAR + GAP) + 16
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" role="img">\n'
    return head + "<title>CPU time per request</title>\n" + STYLE + "\n".join(parts) + "\n</svg>\n"


def sorted_bars(measured):
    values = [(name, median(entry, "cpu_us_per_request")) for name, entry in measured.items()]
    return sorted([(name, value) for name, value in values if value], key=lambda entry: entry[1])


def bar(top, name, value, longest):
    length = max(value / longest * (WIDTH - LABEL - FIGURE - 20), 1)
    kind = "own" if name.startswith("pyfcgid") else "peer"
    figure = f"{value:.1f}" if value < 100 else f"{value:.0f}"
    return (
        f'<text x="{LABEL}" y="{top + 14}" text-anchor="end">{name}</text>'
        f'<rect class="{kind}" x="{LABEL + 10}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2"/>'
        f'<text x="{LABEL + 16 + length:.1f}" y="{top + 14}">{figure} µs</text>'
    )
