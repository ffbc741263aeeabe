"""Charts of the benchmarks, drawn by gnuplot: SVG with a light background of its own. Knows nothing of what they show.

A series is {"name", "colour", "points": [(x, y)], "width", "dash"}; a group of bars has one value for each series.
"""

from lib.process import find, run

# Okabe and Ito's colours, which people who are colour-blind can tell apart.
BLUE, GREY, ORANGE, YELLOW, GREEN, PINK, BLACK = ("#0072B2", "#767676", "#D55E00", "#E69F00", "#009E73", "#CC79A7",
                                                  "#000000")
WIDTH, HEIGHT = 860, 480


def quoted(text):
    """A string of gnuplot's, without its markup."""
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def opening(path, title, x, y, height=HEIGHT):
    return [f"set terminal svg noenhanced size {WIDTH},{height} background '#ffffff' font 'sans-serif,14'",
            f"set output {quoted(path)}", "set encoding utf8", f"set title {quoted(title)} font ',17' offset 0,0.3",
            f"set xlabel {quoted(x)}", f"set ylabel {quoted(y)}", "set border 3 lc rgb '#444444'",
            "set tics nomirror out", "set grid ytics lc rgb '#dddddd' lt 1 lw 1", "set tmargin 3"]


def draw(path, lines):
    """Has gnuplot draw it; the file appears only when it is whole."""
    if find("gnuplot") is None:
        raise SystemExit("bench: gnuplot is not installed, expected it by: scripts/install-deps bench")
    done = run(["gnuplot", "-"], data="\n".join([*lines, ""]).encode())
    if done.status != 0 or not path.exists() or path.stat().st_size == 0:
        raise SystemExit(f"bench: gnuplot drew no {path}: {done.text.strip()}")


def lines_chart(path, title, x, y, series, extra=(), points=True):
    """A line for each series, legend to the right. `extra`: gnuplot's words for axes and ticks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = [*opening(path, title, x, y), "set key outside right center Left reverse samplen 2.5 spacing 1.3", *extra]
    for number, each in enumerate(series):
        text += [f"$data{number} << EOD", *(f"{left} {right}" for left, right in each["points"]), "EOD"]
    text.append("plot " + ", ".join(
        f"$data{number} using 1:2 with {'linespoints' if points else 'lines'} lc rgb '{each['colour']}' "
        f"lw {each.get('width', 2)} dt {each.get('dash', 1)} {f'pt {number % 6 * 2 + 5} ps 0.7' if points else ''} "
        f"title {quoted(each['name'])}" for number, each in enumerate(series)))
    draw(path, text)


def bars_chart(path, title, y, names, colours, values, form="{:,.0f}"):
    """A bar for each name, its value above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = [*opening(path, title, "", y), "unset key", "set rmargin 3", "set boxwidth 0.6",
            "set style fill solid 1.0 noborder",
            f"set xrange [-0.6:{len(names) - 0.4}]", f"set yrange [0:{max(values) * 1.15}]",
            "set xtics (" + ", ".join(f"{quoted(name)} {place}" for place, name in enumerate(names)) + ")",
            "$data << EOD",
            *(f"{place} {value} {int(colour[1:], 16)} {quoted(form.format(value))}"
              for place, (value, colour) in enumerate(zip(values, colours))), "EOD",
            "plot $data using 1:2:3 with boxes lc rgb variable, $data using 1:2:4 with labels offset 0,0.8"]
    draw(path, text)


def groups_chart(path, title, x, y, groups, series, extra=()):
    """Bars side by side: `groups` are the names below, each of `series` has "values", one for each group or None."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wide = 0.8 / len(series)
    text = [*opening(path, title, x, y), "set key outside right center Left reverse samplen 1.5 spacing 1.3",
            "set style fill solid 1.0 noborder", f"set boxwidth {wide * 0.9}", f"set xrange [-0.5:{len(groups) - 0.5}]",
            "set xtics (" + ", ".join(f"{quoted(name)} {place}" for place, name in enumerate(groups)) + ")", *extra]
    for number, each in enumerate(series):
        at = (number + 0.5) * wide - 0.4
        text += [f"$data{number} << EOD",
                 *(f"{place + at} {value}" for place, value in enumerate(each["values"]) if value is not None), "EOD"]
    text.append("plot " + ", ".join(f"$data{number} using 1:2 with boxes lc rgb '{each['colour']}' "
                                    f"title {quoted(each['name'])}" for number, each in enumerate(series)))
    draw(path, text)
