# What make says about its targets, read from the Makefile's own lines: `target: ## VARIABLES: what it does` below `##@ group`.
# The list keeps to a hundred columns: the two widest targets stand out a little. GOALS in the environment: the nearest target for each that is none, on stderr. USAGE: one target's usage. Neither: the whole list.

/^##@ / { group = substr($0, 5) }

/^[a-z-]+:.*## / {
    target = substr($0, 1, index($0, ":") - 1)
    text = substr($0, index($0, "## ") + 3)
    count++
    targets[count] = target
    groups[target] = group
    variables[target] = match(text, /^(\[?[A-Z]+=[^ :]*\]?( |: ))+/) ? substr(text, 1, RLENGTH - 2) : ""
    does[target] = variables[target] == "" ? text : substr(text, RLENGTH + 1)
}

/^#  make / { examples[target] = examples[target] "\n" substr($0, 4) }

END {
    if (ENVIRON["USAGE"] != "") usage(ENVIRON["USAGE"])
    else if (ENVIRON["GOALS"] != "") exit suggest(ENVIRON["GOALS"])
    else list()
}

function list(    i, target) {
    for (i = 1; i <= count; i++) {
        target = targets[i]
        if (groups[target] != groups[targets[i - 1]]) print groups[target]
        printf "  make %-9s %-33s  %s\n", target, variables[target], does[target]
    }
    print "[…] can be left out. Any target explains itself: make train HELP=1"
}

function usage(target) {
    print "usage: make " target (variables[target] == "" ? "" : " " variables[target]) "\n\n" does[target] "\n" examples[target]
}

function suggest(goals,    words, n, i, j, near, best, distance) {
    n = split(goals, words, " ")
    for (i = 1; i <= n; i++) {
        if (words[i] in groups) continue
        best = 99
        for (j = 1; j <= count; j++) {
            distance = apart(words[i], targets[j])
            if (distance < best) { best = distance; near = targets[j] }
        }
        print "make: there is no target '" words[i] "'." (best <= 1 + length(words[i]) / 3 ? " Did you mean: make " near "?" : "") " All of them: make help" > "/dev/stderr"
        return 2
    }
    return 2
}

# Letters to add, drop, replace or swap with their neighbour (Damerau 1964), and nothing where one word begins the other.
function apart(a, b,    d, i, j, cost, least) {
    if (length(a) >= 3 && (index(b, a) == 1 || index(a, b) == 1)) return 0.5
    for (i = 0; i <= length(a); i++) d[i, 0] = i
    for (j = 0; j <= length(b); j++) d[0, j] = j
    for (i = 1; i <= length(a); i++) {
        for (j = 1; j <= length(b); j++) {
            cost = substr(a, i, 1) != substr(b, j, 1)
            least = d[i - 1, j - 1] + cost
            if (d[i - 1, j] + 1 < least) least = d[i - 1, j] + 1
            if (d[i, j - 1] + 1 < least) least = d[i, j - 1] + 1
            if (i > 1 && j > 1 && substr(a, i, 1) == substr(b, j - 1, 1) && substr(a, i - 1, 1) == substr(b, j, 1) && d[i - 2, j - 2] + 1 < least) least = d[i - 2, j - 2] + 1
            d[i, j] = least
        }
    }
    return d[length(a), length(b)]
}
