# cargo's own completion asks a function of this name about `cargo xtask …`.
_cargo-xtask() { _xtask "$@" }
