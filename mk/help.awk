# Prints what `make help` says, from the comments of the makefiles it is given.
#
#   ##@ Heading         starts a group; groups appear in the order of their first heading
#   ## description      directly above a target or a variable: its line
#
# Within a group, targets come before variables. A rule with several targets has one line. The default of a variable is
# shown unless it is computed.

FNR == 1 { description = ""; group = "Other" }

/^##@ / {
    group = substr($0, 5)
    remember(group)
    next
}

/^## / {
    description = substr($0, 4)
    next
}

description != "" && /^[A-Z_]+ *[?:]?=/ {
    name = $0
    sub(/ *[?:]?=.*/, "", name)
    value = $0
    sub(/^[A-Z_]+ *[?:]?= */, "", value)
    add("variable", name "=" (value ~ /\$/ ? "..." : value), description)
}

description != "" && /^[a-z][-a-z0-9_. ]*:/ {
    name = $0
    sub(/ *:.*/, "", name)
    gsub(/ +/, ", ", name)
    add("target", name, description)
}

{ description = "" }

END {
    print "usage: make [TARGET...] [VARIABLE=VALUE...]"
    for (i = 1; i <= groups; i++) {
        if (lines[group_name[i], "target"] + lines[group_name[i], "variable"] == 0)
            continue
        printf "\n%s\n", group_name[i]
        show(group_name[i], "target")
        show(group_name[i], "variable")
    }
}

function remember(group) {
    if (!(group in known)) {
        known[group] = 1
        group_name[++groups] = group
    }
}

function add(kind, name, text,    number) {
    remember(group)
    number = ++lines[group, kind]
    names[group, kind, number] = name
    texts[group, kind, number] = text
    if (length(name) > width)
        width = length(name)
}

function show(group, kind,    number) {
    for (number = 1; number <= lines[group, kind]; number++)
        printf "  %-" width "s  %s\n", names[group, kind, number], texts[group, kind, number]
}
