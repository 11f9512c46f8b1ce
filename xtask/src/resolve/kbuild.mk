# Two questions to a tree's makefiles. Every make that kbuild starts reads this before its own makefile (MAKEFILES).
#
# environment-config: what does Kconfig get to see? Each make notes what its makefile sets and includes, and the one
# that would start conf its environment. Nothing is built, and nothing written but beside this file.
#
# own-conf-config: conf itself, without a configuration.

notes := $(dir $(lastword $(MAKEFILE_LIST)))
set-here = $(foreach name,$(.VARIABLES),$(if $(filter file override command,$(firstword $(origin $(name)))),'$(name)'))

environment-config: note-makefile

note-makefile:
	@printf '%s\n' $(set-here) >>$(notes)names
	@printf '%s\n' $(MAKEFILE_LIST) >>$(notes)makefiles

ifdef obj
environment-config:
	@env -0 >$(notes)environment
else ifdef sub_make_done
# As the tree's own %config.
environment-config:
	@$(MAKE) $(build)=scripts/kconfig $@
own-conf-config: scripts_basic
	@$(MAKE) $(build)=scripts/kconfig scripts/kconfig/conf
endif
