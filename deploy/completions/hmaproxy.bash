# Bash completion for hmaproxy. Generated from the command table by go generate ./cmd/hmaproxy.
_hmaproxy() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=serve words=
    COMPREPLY=()
    if ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[1]} != -* ]]; then
        command=${COMP_WORDS[1]}
    fi
    case $prev in
    -env-file | -o | -list | -dir)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    -mailbox | -forbidden-mailbox | -autodiscover | -timeout | -name | -mailboxes | -cost | -top | -operation | -client | -days)
        return
        ;;
    esac
    case $command in
    serve) words="-env-file -h" ;;
    init) words="-o -h" ;;
    doctor) words="-env-file -mailbox -forbidden-mailbox -autodiscover -v -json -timeout -h" ;;
    health) words="startup ready live -env-file -h" ;;
    wait) words="-env-file -timeout -h" ;;
    hash-password) words="-name -mailboxes -whole-allow-list -cost -h" ;;
    report) words="-json -csv -html -suggest -graph -top -h" ;;
    policy) words="test check -env-file -list -operation -client -json -top -h" ;;
    tls-setup) words="-env-file -dir -days -h" ;;
    service) words="install remove start stop -env-file -h" ;;
    version) words="-h" ;;
    help) words="settings serve init doctor health wait hash-password report policy tls-setup service version -h" ;;
    esac
    if ((COMP_CWORD == 1)); then
        words="serve init doctor health wait hash-password report policy tls-setup service version help $words --version"
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    case $command in
    report | policy)
        if ((COMP_CWORD > 1)); then
            compopt -o filenames
            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur")
        fi
        ;;
    esac
}
complete -F _hmaproxy hmaproxy
