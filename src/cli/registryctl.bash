# Completion of registryctl in bash.  Source it, or install it as
# /usr/share/bash-completion/completions/registryctl.
#
# It stands beside the command's source because it changes with it;
# t/registryctl_help.t compares both.
# shellcheck shell=bash

# Offers the lines of the input that begin as the word does.  Names come from a
# file that others may write: they are never expanded, as compgen -W would.
_registryctl_words()
{
    local line

    while IFS= read -r line; do
        if [[ -n $line && $line == "$cur"* ]]; then
            printf -v line '%q' "$line"
            COMPREPLY+=("$line")
        fi
    done
}


_registryctl()
{
    local cur prev group command words values names file operands first i
    local single
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD - 1]}
    group=${COMP_WORDS[1]}
    command=${COMP_WORDS[2]}
    values=' --cost -C --allow --expires --user --comment --keep --algorithm --grace --idle --untagged --rate -r '
    values="$values--keep-days --snapshot --repository --tag "
    values="$values--number -n --after --from --since "
    COMPREPLY=()

    # groups that are a command themselves
    single=
    case $group in
        audit|gc|purge-uploads|scrub|ls|tags|inspect|du|rm|backup|backups|restore)
            single=1 ;;
    esac

    if [ "$COMP_CWORD" -eq 1 ]; then
        words='user token key audit gc purge-uploads scrub ls tags inspect du rm'
        words="$words events backup backups restore help --help --version"

    elif [ "$COMP_CWORD" -eq 2 ] && [ -z "$single" ]; then
        case $group in
            user)  words='add passwd remove list check --help' ;;
            token) words='create list revoke --help' ;;
            key)   words='rotate show --help' ;;
            events) words='tail replay status --help' ;;
            help)
                words='user token key audit gc purge-uploads scrub ls tags'
                words="$words inspect du rm events backup backups restore"
                ;;
            *)     return ;;
        esac

    elif [[ $values == *" $prev "* ]]; then
        case $prev in
            --allow)     words='pull:** pull,push:** *:**' ;;
            --expires)   words='12h 30d 90d never' ;;
            --algorithm) words='ES256 EdDSA' ;;
            --grace)     words='10m 1h 1d' ;;
            --idle|--untagged) words='1h 1d 7d' ;;
            --rate)      words='1m 10m 100m' ;;
            *)           return ;;
        esac

        # the patterns are words here, not names of files
        _registryctl_words <<<"${words// /$'\n'}"
        return

    else
        # a command without a name of its own
        [ -n "$single" ] && command=

        case "$group $command" in
            'user add')     words='--cost --stdin' ;;
            'user passwd')  words='--cost --stdin' names=list ;;
            'user remove')  words='' names=list ;;
            'user list')    words='--json' ;;
            'user check')   words='--stdin' names=list ;;
            'token create') words='--allow --expires --user --comment --json' ;;
            'token list')   words='--json' ;;
            'token revoke') words='' names=list ;;
            'key rotate')   words='--keep --algorithm --json' ;;
            'key show')     words='' ;;
            'audit ')       words='--digests --sparse --grace --json' ;;
            'gc ')          words='--dry-run --grace --untagged --empty --json' ;;
            'purge-uploads ') words='--dry-run --idle --json' ;;
            'scrub ')       words='--rate --resume --dry-run --json' ;;
            'ls ')          words='--long --json' ;;
            'tags ')        words='--json' names=ls ;;
            'inspect ')     words='--json' names=ls ;;
            'du ')          words='--json' ;;
            'rm ')          words='--dry-run --yes --json' names=ls ;;
            'events tail')  words='--follow --number --after --json' ;;
            'events replay') words='--from --since' ;;
            'events status') words='--json' ;;
            'backup ')      words='--keep --keep-days --verify --copy --sparse --tar --json' ;;
            'backups ')     words='--verify --json' ;;
            'restore ')     words='--snapshot --repository --tag --keep-tags --verify --dry-run --json' ;;
            *)              return ;;
        esac

        words="$words --help"
    fi

    first=3
    [ -n "$single" ] && first=2

    if [ "$COMP_CWORD" -lt "$first" ] || [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        return
    fi

    # operands before this one: the first is a file or a store, the second a
    # name in it
    operands=0

    for ((i = first; i < COMP_CWORD; i++)); do
        if [[ $values == *" ${COMP_WORDS[i]} "* ]]; then
            ((i++))

        elif [[ ${COMP_WORDS[i]} != -* ]]; then
            ((operands++)) || file=${COMP_WORDS[i]}
        fi
    done

    if [ "$operands" -eq 0 ]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")

    elif [ "$names" = ls ]; then
        _registryctl_words < <("${COMP_WORDS[0]}" ls "$file" 2>/dev/null)

    elif [ "$operands" -eq 1 ] && [ -n "$names" ]; then
        _registryctl_words < <("${COMP_WORDS[0]}" "$group" list "$file" \
                                   2>/dev/null | awk 'NR > 1 { print $1 }')
    fi
}

complete -F _registryctl registryctl
