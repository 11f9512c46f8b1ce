# Asks a tree's makefiles what Kconfig gets to see. Every make that kbuild starts reads this before its own
# makefile (MAKEFILES), and notes what that one sets and what it includes; the one that would start conf notes its
# environment. Nothing is built, and nothing written but beside this file.

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
# The recipe of the tree's own %config, which builds fixdep first.
environment-config:
	@$(MAKE) $(build)=scripts/kconfig $@
endif
