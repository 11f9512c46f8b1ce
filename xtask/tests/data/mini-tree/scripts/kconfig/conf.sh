#!/bin/sh
# As a tree's own conf, in so far as tests need it: it refuses a statement `blah`, knows all others, and takes
# each line that asks for a symbol which the tree has.
option=$2
if grep -n '^[[:space:]]*blah' "$srctree/Kconfig" >refused; then
	echo "Kconfig:$(cut -d: -f1 refused): syntax error" >&2
	exit 1
fi
asked() {
	sed -n 's/^CONFIG_\([A-Z0-9_]*\)=.*/\1 &/p' "$1" | while read -r symbol line; do
		if grep -q "^config $symbol\$" "$srctree/Kconfig"; then echo "$line"; fi
	done
}
case $option in
--syncconfig)
	mkdir -p include/config
	printf 'deps_config := \\\n\tKconfig \\\n\tarch/x86/Kconfig\n\n$(deps_config): ;\n' >include/config/auto.conf.cmd
	;;
--savedefconfig=*) asked .config >"${option#*=}" ;;
--defconfig=*) asked "${option#*=}" >.config ;;
--olddefconfig) asked .config >new && mv new .config ;;
*)
	: >.config
	if [ -n "$KCONFIG_ALLCONFIG" ]; then asked "$KCONFIG_ALLCONFIG" >.config; fi
	;;
esac
