# SPDX-License-Identifier: Apache-2.0
# Prints URIs and Signed-By of the host's own `codename` suite, as deb822 fields, from
# apt's source files in both formats; prints nothing when there is none.
#
#   awk -v codename=bookworm -f host-suite.awk /etc/apt/sources.list.d/debian.sources ...

function has_word(text, word) {
    return index(" " text " ", " " word " ") > 0
}

# A mirror on a CD is not there when it is asked for more.
function is_network(uri) {
    return uri != "" && uri !~ /^cdrom:/
}

function finish_stanza() {
    if (!done && has_word(field["types"], "deb") && has_word(field["suites"], codename) \
        && tolower(field["enabled"]) != "no" && is_network(field["uris"])) {
        print "URIs: " field["uris"]
        if (field["signed-by"] != "")
            print "Signed-By:" raw_key
        done = 1
    }
    split("", field)
    name = raw_key = ""
}

function one_line(text,    part, count, i, key) {
    sub(/[ \t]*#.*/, "", text)
    key = ""
    if (match(text, /\[[^]]*\]/)) {
        count = split(substr(text, RSTART + 1, RLENGTH - 2), part, /[ \t]+/)
        for (i = 1; i <= count; i++)
            if (part[i] ~ /^signed-by=/)
                key = substr(part[i], 11)
        text = substr(text, 1, RSTART - 1) substr(text, RSTART + RLENGTH)
    }
    split(text, part, /[ \t]+/)
    if (!done && part[1] == "deb" && part[3] == codename && is_network(part[2])) {
        print "URIs: " part[2]
        if (key != "") {
            gsub(/,/, " ", key)
            print "Signed-By: " key
        }
        done = 1
    }
}

FNR == 1 { finish_stanza() }
FILENAME !~ /\.sources$/ { one_line($0); next }
/^#/ { next }
/^[ \t]*$/ { finish_stanza(); next }
# A key may stand in the file itself, on lines that start with a space.
/^[ \t]/ {
    if (name == "signed-by")
        raw_key = raw_key "\n" $0
    field[name] = field[name] " " $0
    gsub(/[ \t]+/, " ", field[name])
    next
}
{
    name = tolower(substr($0, 1, index($0, ":") - 1))
    value = substr($0, index($0, ":") + 1)
    if (name == "signed-by")
        raw_key = value
    gsub(/[ \t]+/, " ", value)
    sub(/^ /, "", value)
    sub(/ $/, "", value)
    field[name] = value
}
END { finish_stanza() }
