#!/bin/bash
# The second half of the demo, sourced by scripts/demo: redis-server and redis-cli without TLS, unsealed and sealed, with
# the bytes on the network. Uses the functions of scripts/demo and its temporary directory, $work. Calls redis-server,
# redis-cli and, as root, tcpdump.
# shellcheck disable=SC2154 # scripts/demo sets these variables

value=4111-1111-1111-1111
capture=

sniffs() { [ "$(id -u)" -eq 0 ] && command -v tcpdump >/dev/null; }

# start_redis COMMAND...: returns when it listens; it reports that right afterwards.
start_redis() {
    : >"$work/redis.log"
    "$@" --port "$port" --bind 127.0.0.1 --dir "$work" --save '' --daemonize no </dev/null >"$work/redis.log" 2>&1 &
    server=$!
    until grep -q 'Ready to accept connections' "$work/redis.log"; do
        kill -0 "$server" 2>/dev/null || fail "redis-server did not start: $(tail -n 1 "$work/redis.log")"
        sleep 0.02
    done
}

# watch FILE: captures the packets of the port until watched is called.
watch() {
    sniffs || return 0
    : >"$work/tcpdump.log"
    tcpdump -i lo -U -w "$1" "tcp port $port" 2>"$work/tcpdump.log" &
    capture=$!
    until grep -q 'listening on' "$work/tcpdump.log"; do
        kill -0 "$capture" 2>/dev/null || fail "tcpdump did not start: $(tail -n 1 "$work/tcpdump.log")"
        sleep 0.02
    done
}

# watched FILE: ends the capture when the last packet of the connection is in it.
watched() {
    [ -n "$capture" ] || return 0
    local tries=0
    until [ "$(tcpdump -nr "$1" 'tcp[tcpflags] & tcp-fin != 0' 2>/dev/null | wc -l)" -ge 2 ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 250 ] || fail 'tcpdump has not captured the end of the connection within 5 seconds'
        sleep 0.02
    done
    kill -INT "$capture" 2>/dev/null
    wait "$capture" 2>/dev/null
    capture=
}

# payload FILE: prints the first 64 bytes that the client sent, as hexadecimal digits.
payload() {
    local hex='' line packet='' found=''
    while read -r line; do
        case $line in
        0x*) packet+=$(sed 's/^0x[0-9a-f]*: *//; s/ //g' <<<"$line") ;;
        esac
        [[ $line == 0x0000:* && -n $hex ]] && break
        hex=$packet
    done < <(tcpdump -nr "$1" -x -c 1 "dst port $port and greater 80 and tcp[tcpflags] & tcp-push != 0" 2>/dev/null)
    local header=$((16#${packet:1:1} * 8))                            # of IPv4, in digits
    found=${packet:header + 16#${packet:header + 24:1} * 8}           # behind the header of TCP
    echo "${found:0:128}"
}

# show_wire FILE: prints these bytes in hexadecimal and as text.
show_wire() {
    local digits
    digits=$(payload "$1")
    # shellcheck disable=SC2001 # every pair of digits
    printf '%b' "$(sed 's/../\\x&/g' <<<"$digits")" | od -An -tx1z -w16 | sed 's/^/       /'
}

# redis COMMAND...: runs redis-cli, with the policy that $client names, or without pfswrap if it is empty.
redis() {
    local -a wrap=()
    [ -z "$client" ] || wrap=("$launcher" run --policy "$work/$client.conf" --)
    timeout 10 "${wrap[@]}" redis-cli -p "$port" "$@" 2>&1
}

# set_and_get CLAIM FILE: makes two connections, and captures the first.
set_and_get() {
    local said
    watch "$2"
    said=$(redis SET card "$value")
    [ "$said" = OK ] || fail "$1: expected OK, found $said"
    watched "$2"
    said=$(redis GET card)
    [ "$said" = "$value" ] || fail "$1: expected $value, found $said"
    ok "$1" "SET card $value: OK; GET card: $said"
}

# must_get_nothing CLAIM: fails if $client gets the value from the server.
must_get_nothing() {
    local said
    said=$(redis GET card | head -n 1 | sed "s/ at 127.0.0.1:$port//")
    [ -n "$said" ] || fail "$1: expected redis-cli to say why, found nothing"
    [[ "$said" != *"$value"* ]] || fail "$1: expected a refusal, found the value"
    ok "$1" "redis-cli says: $said"
}

# make_key NAME: makes an identity, and prints its line for the peers file.
make_key() {
    (umask 077 && "$launcher" genkey >"$work/$1.key") || fail 'genkey cannot make a key'
    printf '%s %s\n' "$1" "$("$launcher" pubkey <"$work/$1.key")"
}

# write_policy NAME RULE...: writes the policy of one side.
write_policy() {
    local name=$1
    shift
    printf '%s\n' '[policy]' "log = $work/seal.jsonl" '' '[seal]' "identity = $work/$name.key" "peers = $work/peers" '' \
        "$@" >"$work/$name.conf"
}

if command -v redis-server >/dev/null && command -v redis-cli >/dev/null; then
    port=$(free_port) || fail "no free port between 12000 and 32000 on the loopback"
    make_key redis-1 >"$work/peers"
    make_key app-1 >>"$work/peers"
    make_key stranger >/dev/null
    write_policy redis-1 '[listen redis]' "address = 127.0.0.1:$port" 'seal = require' 'clients = app-1'
    for name in app-1 stranger; do
        write_policy "$name" '[connect redis]' "address = 127.0.0.1:$port" 'seal = require' 'peer = redis-1'
    done

    heading '5  Another server, without TLS: Redis, before'
    text "$(redis-server --version | cut -d ' ' -f 1-3)" ''
    command_line 'redis-cli'
    client=
    start_redis redis-server
    set_and_get 'redis-cli sets and gets a value' "$work/bare.pcap"
    stop_server
    claim='Everybody on the network can read it'
    if sniffs; then
        grep -aqF "$value" "$work/bare.pcap" || fail "$claim: expected $value in the capture, did not find it"
        ok "$claim" 'the first bytes that redis-cli sent:'
        show_wire "$work/bare.pcap"
    else
        text "(The bytes on the network are shown only to root, and only with tcpdump.)"
    fi

    heading '6  Sealed: the same two programs, each with a key'
    command_line 'pfswrap genkey > redis-1.key; pfswrap pubkey < redis-1.key >> peers'
    command_line 'pfswrap run --policy redis-1.conf -- redis-server'
    command_line 'pfswrap run --policy app-1.conf -- redis-cli'
    client=app-1
    start_redis "$launcher" run --policy "$work/redis-1.conf" -- redis-server
    set_and_get 'redis-cli sets and gets a value, as before' "$work/sealed.pcap"
    if sniffs; then
        claim='Nobody on the network can read it'
        if grep -aqF -e "$value" -e card "$work/sealed.pcap"; then
            fail "$claim: expected no word of it in the capture, found some"
        fi
        ok "$claim" 'the first bytes that redis-cli sent:'
        show_wire "$work/sealed.pcap"
    fi
    client=
    must_get_nothing 'A client that is not sealed gets nothing'
    client=stranger
    must_get_nothing 'A client whose key the server does not know gets nothing'
    stop_server

    heading '7  The audit log of it, shortened'
    log=$work/seal.jsonl
    # shellcheck disable=SC2034 # for shorten
    columns=14
    must_log '"event":"opened"' '"program":"redis-server"' '"peer_name":"app-1"'
    must_log '"event":"opened"' '"program":"redis-cli"' '"peer_name":"redis-1"'
    must_log '"event":"closed"' '"program":"redis-server"'
    must_log '"event":"refused"' '"program":"redis-server"'
    while read -r line; do
        shorten "$line"
    done < <(grep -v '"event":"policy"' "$log") | awk '!seen[$0]++'
else
    text '' '(redis-server or redis-cli is not installed, so the second half, a sealed Redis, is left out.)'
fi
