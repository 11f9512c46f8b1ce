# `cargo xtask …` completes as `xtask …` does.
complete -c cargo -n __fish_use_subcommand -a xtask -d "Tailors, builds, checks, stages and boots Kuasar's guest kernels"
complete -c cargo -n "__fish_seen_subcommand_from xtask" -f -a '(complete -C (string replace -r "^\s*cargo\s+" "" -- (commandline -cp)))'
