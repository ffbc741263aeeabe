# bash completion for pfswrap(1).
# shellcheck shell=bash

_pfswrap_policies() {
    local IFS=$'\n'
    mapfile -t COMPREPLY < <(compgen -f -X '!*.conf' -- "$1"; compgen -d -S / -- "$1"; compgen -W builtin -- "$1")
    compopt -o nospace -o filenames 2>/dev/null
}

# Completes the command line of the program that pfswrap runs, as if it were typed alone.
_pfswrap_program() {
    if declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif ((COMP_CWORD == $1)); then
        mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
    fi
}

_pfswrap_run() {
    local current=${COMP_WORDS[COMP_CWORD]} index=2
    while ((index < COMP_CWORD)); do
        case ${COMP_WORDS[index]} in
        --policy | --argv0) ((index += 2)) ;;
        --)
            ((index++))
            break
            ;;
        -*) ((index++)) ;;
        *) break ;;
        esac
    done
    if ((index > COMP_CWORD)); then
        _pfswrap_policies "$current"
    elif ((index == COMP_CWORD)) && [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--policy --argv0 --' -- "$current")
    else
        _pfswrap_program "$index"
    fi
}

_pfswrap_seal() {
    local keys='--policy --identity --peers --peer --psk --service --rekey --post-quantum --padding --handshake-timeout'
    if ((COMP_CWORD == 2)); then
        mapfile -t COMPREPLY < <(compgen -W 'connect listen probe' -- "$1")
        return
    fi
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    --policy) _pfswrap_policies "$1" ;;
    --post-quantum) mapfile -t COMPREPLY < <(compgen -W 'off allow require' -- "$1") ;;
    --padding) mapfile -t COMPREPLY < <(compgen -W 'off allow padme block:512' -- "$1") ;;
    --identity | --peers | --psk | --tls-ca | --tls-cert | --tls-key) mapfile -t COMPREPLY < <(compgen -f -- "$1") ;;
    *)
        case ${COMP_WORDS[2]} in
        connect) mapfile -t COMPREPLY < <(compgen -W "$keys --tls --tls-ca --tls-name --tls-no-verify --wait --verbose" -- "$1") ;;
        listen) mapfile -t COMPREPLY < <(compgen -W "$keys --any --tls --tls-cert --tls-key --echo --keep --verbose" -- "$1") ;;
        probe) mapfile -t COMPREPLY < <(compgen -W '--tls --tls-name --timeout --json --verbose' -- "$1") ;;
        esac
        ;;
    esac
}

# Completes an option, or the name or id of a process under pfswrap.
_pfswrap_process() {
    if [[ $1 == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1")
    elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == --policies ]]; then
        mapfile -t COMPREPLY < <(compgen -d -- "$1")
    else
        mapfile -t COMPREPLY < <(compgen -W "$(pfswrap status 2>/dev/null | awk 'NR > 1 { print $1, $2 }')" -- "$1")
    fi
}

_pfswrap() {
    local current=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'run check explain unit reload rotate report learn scan seal status connections exporter agent genkey pubkey genpsk peers install version help' -- "$current")
        return
    fi
    case ${COMP_WORDS[1]} in
    run) _pfswrap_run ;;
    check)
        if [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--no-keys --explain' -- "$current")
        else
            _pfswrap_policies "$current"
        fi
        ;;
    explain)
        if [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--json' -- "$current")
        else
            mapfile -t COMPREPLY < <(compgen -c -- "$current")
        fi
        ;;
    seal) _pfswrap_seal "$current" ;;
    reload)
        if [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--all' -- "$current")
        else
            mapfile -t COMPREPLY < <(compgen -W "$(ps -eo pid=,comm= 2>/dev/null)" -- "$current")
        fi
        ;;
    rotate)
        if ((COMP_CWORD == 2)); then
            mapfile -t COMPREPLY < <(compgen -W 'identity psk' -- "$current")
        elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == --key || ${COMP_WORDS[COMP_CWORD - 1]} == --agent-config ]]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
        elif [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--key --agent-config --others-ready' -- "$current")
        elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == *.conf ]]; then
            mapfile -t COMPREPLY < <(compgen -W 'make announce switch retire' -- "$current")
        else
            _pfswrap_policies "$current"
        fi
        ;;
    peers)
        if ((COMP_CWORD == 2)); then
            mapfile -t COMPREPLY < <(compgen -W 'keygen sign verify' -- "$current")
        elif [[ $current == -* ]]; then
            case ${COMP_WORDS[2]} in
            sign) mapfile -t COMPREPLY < <(compgen -W '--key --serial' -- "$current") ;;
            verify) mapfile -t COMPREPLY < <(compgen -W '--signer' -- "$current") ;;
            esac
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
        fi
        ;;
    install) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    unit)
        if [[ ${COMP_WORDS[COMP_CWORD - 1]} == --policy ]]; then
            _pfswrap_policies "$current"
        elif [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--policy' -- "$current")
        elif [[ $current == */* ]]; then
            mapfile -t COMPREPLY < <(compgen -f -X '!*.service' -- "$current")
        else
            mapfile -t COMPREPLY < <(compgen -W "$(cd /usr/lib/systemd/system 2>/dev/null && echo -- *.service)" -- "$current")
        fi
        ;;
    status) _pfswrap_process "$current" '--json --watch --unprotected --policies' ;;
    connections) _pfswrap_process "$current" --json ;;
    agent)
        if [[ ${COMP_WORDS[COMP_CWORD - 1]} == --config ]]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
        else
            mapfile -t COMPREPLY < <(compgen -W '--config --check --status --reload' -- "$current")
        fi
        ;;
    exporter)
        case ${COMP_WORDS[COMP_CWORD - 1]} in
        --textfile | --policies) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        --listen) COMPREPLY=() ;;
        *) mapfile -t COMPREPLY < <(compgen -W '--listen --textfile --once --policies' -- "$current") ;;
        esac
        ;;
    report)
        case ${COMP_WORDS[COMP_CWORD - 1]} in
        --policy)
            _pfswrap_policies "$current"
            return
            ;;
        --since | --until | --gap | --cryptoperiod | --title) return ;;
        esac
        if [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--html --json --policy --scan --since --until --gap --cryptoperiod --title --verify' -- "$current")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            compopt -o filenames 2>/dev/null
        fi
        ;;
    learn)
        case ${COMP_WORDS[COMP_CWORD - 1]} in
        --policy)
            _pfswrap_policies "$current"
            return
            ;;
        --since | --until | --program) return ;;
        esac
        if [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--yes --output --policy --program --since --until' -- "$current")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            compopt -o filenames 2>/dev/null
        fi
        ;;
    scan)
        if [[ ${COMP_WORDS[COMP_CWORD - 1]} == --policy ]]; then
            _pfswrap_policies "$current"
        elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == --starttls ]]; then
            mapfile -t COMPREPLY < <(compgen -W 'smtp imap pop3 ftp ldap postgres mysql' -- "$current")
        elif [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--json --policy --name --starttls --timeout --sslscan --testssl' -- "$current")
        fi
        ;;
    version) mapfile -t COMPREPLY < <(compgen -W '--json' -- "$current") ;;
    genkey) mapfile -t COMPREPLY < <(compgen -W '--password --user --server' -- "$current") ;;
    esac
}

complete -F _pfswrap pfswrap
