/* SPDX-License-Identifier: Apache-2.0 */
/* What Kuasar's guest agent needs of the kernel, each need as one check. */
#ifndef PROBE_CHECKS_H
#define PROBE_CHECKS_H

#include "text.h"

enum outcome { PASS, FAIL, SKIP };

/* Fills in the reason, whatever the outcome. */
typedef enum outcome check_fn(struct text *reason);

/* mounts.c */
check_fn check_mount_proc, check_mount_sys, check_mount_dev, check_mount_shm, check_mount_pts,
	check_mount_run;
/* As the agent does: makes the folder, mounts, and takes EBUSY for "the kernel did it already". */
long mount_as_agent(const char *type, const char *source, const char *target,
		    unsigned long flags, const char *data);

/* cgroups.c */
check_fn check_cgroup_controllers, check_cgroup_v1;

/* sockets.c */
check_fn check_vsock_listen, check_vsock_debug, check_vsock_reuseport, check_vsock_answer;

/* host.c */
check_fn check_hvc0;

/* shares.c */
check_fn check_share_9p, check_share_virtiofs;

/* disks.c */
check_fn check_block_class, check_virtio_blk, check_blk_ext4, check_blk_xfs, check_root_vda,
	check_scsi_disk;

/* pmem.c */
check_fn check_root_pmem, check_pmem_dax, check_nvdimm;

/* hotplug.c */
check_fn check_hotplug_block, check_hotplug_cpu, check_hotplug_memory;

/* module.c */
check_fn check_module_load;

/* cards.c */
check_fn check_network_card, check_vlan;

/* clock.c */
check_fn check_clock_set;

/* cpu.c */
check_fn check_mitigations, check_entropy;

/* events.c */
check_fn check_eventfd, check_signalfd, check_timerfd, check_epoll, check_inotify;

/* ipc.c */
check_fn check_message_queues, check_sysv_ipc, check_futex;

/* limits.c */
check_fn check_cgroup_pids, check_cgroup_memory;

/* namespaces.c */
check_fn check_namespaces;

/* netfilter.c */
check_fn check_netfilter;

/* network.c */
check_fn check_loopback_routes, check_ipv6, check_sockets;

/* security.c */
check_fn check_seccomp, check_keyrings;

/* storage.c */
check_fn check_memfd, check_overlayfs, check_nfs, check_fuse;

/* uevents.c */
check_fn check_uevents;

#endif
