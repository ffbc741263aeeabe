"""Charts of the benchmarks, drawn by gnuplot: SVG with a light background of its own. Knows nothing of what they show.

A line is {"name", "colour", "points": [(x, y)], "width", "dash"}; a bar is the median of a list of values, and the thin line
at its end goes from their first to their third quartile.
"""

import statistics

from lib.process import find, run

# Told apart by their lightness alone, too: in print without colours, and by people who are colour-blind.
BLUE, GREY, ORANGE, YELLOW, GREEN, PINK, BLACK = ("#08407E", "#C4C4C4", "#D55E00", "#F0B400", "#00785A", "#CC79A7",
                                                  "#000000")
WIDTH, HEIGHT = 860, 460


def quoted(text):
    """A string of gnuplot's, without its markup."""
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def opening(path, height=HEIGHT):
    return [f"set terminal svg noenhanced size {WIDTH},{height} background '#ffffff' font 'sans-serif,14'",
            f"set output {quoted(path)}", "set encoding utf8", "set border 3 lc rgb '#444444'", "set tics nomirror out",
            "set grid ytics lc rgb '#dddddd' lt 1 lw 1", "set tmargin 3", "set style fill solid 1.0 border lc rgb '#333333'",
            "set errorbars 0.7"]


def titles(title, x, y):
    return [f"set title {quoted(title)} font ',17' offset 0,0.3", f"set xlabel {quoted(x)}", f"set ylabel {quoted(y)}"]


def ticks(names):
    marks = ", ".join(f"{quoted(name)} {place}" for place, name in enumerate(names))
    return f"set bmargin {3.5 + max(str(name).count(chr(10)) for name in names)}; set xtics ({marks})"


def draw(path, lines):
    """Has gnuplot draw it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if find("gnuplot") is None:
        raise SystemExit("bench: gnuplot is not installed, expected it by: scripts/install-deps bench")
    done = run(["gnuplot", "-"], data="\n".join([*lines, ""]).encode())
    if done.status != 0 or not path.exists() or path.stat().st_size == 0:
        raise SystemExit(f"bench: gnuplot drew no {path}: {done.text.strip()}")


def bar(values):
    """-> median, first and third quartile; of fewer than four values the least and the most."""
    if len(values) < 4:
        return statistics.median(values), min(values), max(values)
    first, middle, third = statistics.quantiles(values, n=4)
    return middle, first, third


def data(name, bars):
    """A block of gnuplot's: place, median, quartiles, and the median in words."""
    return [f"${name} << EOD", *(" ".join(map(str, (place, *bar(values), quoted(form.format(bar(values)[0])))))
                                 for place, values, form in bars), "EOD"]


def boxes(name, colour, wide, title=None):
    """Bars with their quartiles."""
    named = f"title {quoted(title)}" if title else "notitle"
    return f"${name} using 1:2:3:4:({wide}) with boxerrorbars lc rgb '{colour}' {named}"


def lines_chart(path, title, x, y, series, extra=(), points=True):
    """A line for each series, both axes logarithmic, legend to the right. `extra`: gnuplot's words for axes and ticks."""
    heights = [height for each in series for _, height in each["points"]]
    text = [*opening(path), *titles(title, x, y), "set key outside right center Left reverse samplen 3 spacing 1.3",
            "set logscale xy 10", f"set yrange [{min(heights) * 0.8}:{max(heights) * 1.25}]", *extra]
    for number, each in enumerate(series):
        text += [f"$data{number} << EOD", *(f"{left} {right}" for left, right in each["points"]), "EOD"]
    text.append("plot " + ", ".join(
        f"$data{number} using 1:2 with {'linespoints' if points else 'lines'} lc rgb '{each['colour']}' "
        f"lw {each.get('width', 2)} dt {each.get('dash', 1)} {f'pt {number % 6 * 2 + 4} ps 0.8' if points else ''} "
        f"title {quoted(each['name'])}" for number, each in enumerate(series)))
    draw(path, text)


def bars_chart(path, title, y, names, colours, values, form="{:,.0f}"):
    """A bar for each name and its list of values, the median above it."""
    top = max(bar(each)[2] for each in values)
    text = [*opening(path), *titles(title, "", y), "unset key", "set rmargin 3",
            f"set xrange [-0.6:{len(names) - 0.4}]", f"set yrange [0:{top * 1.15}]", ticks(names)]
    for place, each in enumerate(values):
        text += data(f"data{place}", [(place, each, form)])
    text.append("plot " + ", ".join(
        f"{boxes(f'data{place}', colour, 0.6)}, $data{place} using 1:4:5 with labels offset 0,0.8 notitle"
        for place, colour in enumerate(colours)))
    draw(path, text)


def group_bars(groups, series, extra=()):
    """What draws bars side by side, after the titles."""
    wide = 0.84 / len(series)
    text = [f"set xrange [-0.5:{len(groups) - 0.5}]", "set yrange [0:*]", ticks(groups),
            *extra]
    for number, each in enumerate(series):
        at = (number + 0.5) * wide - 0.42
        text += data(f"data{number}", [(place + at, values, "{}") for place, values in enumerate(each["values"])])
    return [*text, "plot " + ", ".join(boxes(f"data{number}", each["colour"], wide * 0.92, each["name"])
                                       for number, each in enumerate(series))]


def groups_chart(path, title, x, y, groups, series, extra=()):
    """Bars side by side: `groups` are the names below, each of `series` has "values", a list of values for each group."""
    draw(path, [*opening(path), *titles(title, x, y), "set key outside right center Left reverse samplen 1.5 spacing 1.3",
                *group_bars(groups, series, extra)])


def panels_chart(path, title, names, colours, panels):
    """Charts of bars beside each other, a scale of its own for each: panels are (title, groups, [{name: values}])."""
    text = [*opening(path), f"set multiplot layout 1,{len(panels)} title {quoted(title)} font ',17' offset 0,-0.5",
            "set key outside bottom center horizontal samplen 1.5", "set tmargin 5"]
    for what, groups, values in panels:
        text += [*titles(what, "", ""), "set format y '%.0f'",
                 *group_bars(groups, [{"name": name, "colour": colour, "values": [each[name] for each in values]}
                                      for name, colour in zip(names, colours)])]
    draw(path, [*text, "unset multiplot"])
