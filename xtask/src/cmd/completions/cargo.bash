# `cargo xtask …` completes as `xtask …` does, any other `cargo …` as before.
if declare -F _comp_load >/dev/null; then
    _comp_load cargo
elif declare -F __load_completion >/dev/null; then
    __load_completion cargo
fi
if [[ $(complete -p cargo 2>/dev/null) =~ \ -F\ ([^ ]+) && ${BASH_REMATCH[1]} != _cargo_or_xtask ]]; then
    _cargo_before_xtask=${BASH_REMATCH[1]}
fi
_cargo_or_xtask() {
    if [[ ${COMP_WORDS[1]} == xtask && $COMP_CWORD -gt 1 ]]; then
        COMP_WORDS=("${COMP_WORDS[@]:1}")
        COMP_CWORD=$((COMP_CWORD - 1))
        _xtask xtask "$2" "$3"
    elif [[ -n ${_cargo_before_xtask-} ]]; then
        "$_cargo_before_xtask" "$@"
    elif [[ $COMP_CWORD -eq 1 ]]; then
        COMPREPLY=($(compgen -W xtask -- "$2"))
    fi
}
complete -o bashdefault -o default -F _cargo_or_xtask cargo
