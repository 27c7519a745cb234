# Read the part of a NoCloud seed that this guest understands and print one order per line:
#   instance ID | hostname NAME | user NAME | key USER KEY
# Commands of runcmd go to the file named by -v script=. Block style, [inline] lists and quotes are understood.

function unquote(text) {
    sub(/^[ \t]+/, "", text)
    if (text ~ /^"/) { sub(/^"/, "", text); sub(/"[ \t]*(#.*)?$/, "", text); gsub(/\\"/, "\"", text); return text }
    if (text ~ /^'/) { sub(/^'/, "", text); sub(/'[ \t]*(#.*)?$/, "", text); gsub(/''/, "'", text); return text }
    sub(/[ \t]+#.*$/, "", text)
    sub(/[ \t]+$/, "", text)
    return text
}

# Split "[a, 'b, c']" into words[1..n].
function split_inline(text, words,    n, i, c, quote, word) {
    sub(/^[ \t]*\[/, "", text); sub(/\][ \t]*(#.*)?$/, "", text)
    n = 0; quote = ""; word = ""
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (quote == "" && c == ",") { words[++n] = unquote(word); word = ""; continue }
        if (quote == "" && word ~ /^[ \t]*$/ && (c == "\"" || c == "'")) quote = c
        else if (c == quote) quote = ""
        word = word c
    }
    if (word !~ /^[ \t]*$/) words[++n] = unquote(word)
    return n
}

function shell_word(text) { gsub(/'/, "'\\''", text); return "'" text "'" }

function run(command) {
    if (!started) { print "#!/bin/sh" > script; started = 1 }
    print command > script
}

function valid_name(name) { return name ~ /^[a-z_][a-z0-9_-]*$/ && length(name) <= 32 }

function finish_user(    i) {
    if (valid_name(user)) {
        if (user != "root") print "user " user
        for (i = 1; i <= held; i++) print "key " user " " keys[i]
    }
    user = ""; held = 0
}

function add_keys(text,    n, i, words) {
    if (text ~ /^[ \t]*\[/) {
        n = split_inline(text, words)
        for (i = 1; i <= n; i++) add_key(words[i])
    } else if (unquote(text) != "") add_key(unquote(text))
}

function add_key(key) {
    if (key !~ /^(sk-)?(ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+\/=]+/) return
    if (top == "users") keys[++held] = key
    else print "key root " key
}

function is_keys(name) { return name ~ /^(ssh[_-]authorized[_-]keys|public[_-]keys)$/ }

function name_host(name) {
    sub(/\..*/, "", name)
    if (name ~ /^[A-Za-z0-9][A-Za-z0-9-]*$/ && length(name) <= 63) print "hostname " name
}

function top_value(text) {
    if (top == "hostname" || top == "local-hostname") name_host(unquote(text))
    else if (top == "instance-id") { text = unquote(text); gsub(/[^A-Za-z0-9_-]/, "_", text); print "instance " text }
    else if (is_keys(top)) add_keys(text)
}

function user_value(text,    name) {
    name = text; sub(/:.*/, "", name); sub(/^[^:]*:[ \t]*/, "", text)
    sub_key = name
    if (name == "name") user = unquote(text)
    else if (is_keys(name)) add_keys(text)
}

function command_item(text,    n, i, words, line) {
    if (text ~ /^[|>][-+]?[ \t]*$/) { scalar = depth; return }
    if (text !~ /^\[/) { run(unquote(text)); return }
    n = split_inline(text, words)
    line = ""
    for (i = 1; i <= n; i++) line = line (i > 1 ? " " : "") shell_word(words[i])
    run(line)
}

function list_item(text) {
    if (is_keys(top)) { add_keys(text); return }
    if (top == "runcmd") { command_item(text); return }
    if (top != "users") return
    if (user_depth < 0) user_depth = depth
    if (depth == user_depth) {
        finish_user(); sub_key = ""
        if (text ~ /^[A-Za-z_-]+:/) user_value(text)
    } else if (is_keys(sub_key)) add_keys(text)
}

BEGIN { scalar = -1; user_depth = -1 }
FNR == 1 { finish_user(); top = ""; scalar = -1; user_depth = -1 }
{ sub(/\r$/, "") }
scalar >= 0 && (/^[ \t]*$/ || match($0, /[^ ]/) - 1 > scalar) { sub(/^ +/, ""); run($0); next }
{ scalar = -1 }
/^[ \t]*(#|$)/ || /^---/ { next }
/^[A-Za-z_-]+:/ {
    finish_user(); user_depth = -1; sub_key = ""
    top = $0; sub(/:.*/, "", top)
    text = $0; sub(/^[^:]*:[ \t]*/, "", text)
    top_value(text)
    next
}
{
    depth = match($0, /[^ ]/) - 1
    text = $0; sub(/^ +/, "", text)
    if (text ~ /^- /) { sub(/^-[ ]+/, "", text); list_item(text) }
    else if (top == "users" && text ~ /^[A-Za-z_-]+:/) user_value(text)
}
END { finish_user() }
