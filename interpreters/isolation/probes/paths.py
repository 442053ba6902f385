"""Paths that probes try, so that the tables stay readable. `*` stands for any name."""

ROOT_FOLDERS = (
    *("/", "/etc", "/usr", "/usr/bin", "/bin", "/lib", "/var", "/var/tmp", "/var/lib", "/run", "/run/lock"),  # noqa: S108
    *("/opt", "/opt/*", "/opt/agent/app/agent", "/home", "/root", "/srv", "/mnt", "/dev"),
)
KERNEL_SETTINGS = (
    *("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug"),
    *("/proc/sys/kernel/hostname", "/proc/sys/kernel/panic", "/proc/sys/kernel/randomize_va_space"),
    *("/proc/sys/kernel/yama/ptrace_scope", "/proc/sys/vm/drop_caches", "/proc/sys/vm/overcommit_memory"),
    *("/proc/sys/fs/binfmt_misc/register", "/proc/sys/fs/suid_dumpable", "/proc/sys/net/ipv4/ip_forward"),
)
SYS_FILES = (
    *("/sys/kernel/uevent_helper", "/sys/power/state", "/sys/power/disk", "/sys/kernel/mm/ksm/run"),
    *("/sys/module/*/parameters/*", "/sys/block/*/queue/scheduler", "/sys/kernel/debug/*", "/sys/fs/bpf/*"),
    *("/sys/firmware/efi/vars/*", "/sys/class/net/*/ifalias", "/sys/bus/*/drivers_probe", "/sys/kernel/profiling"),
)
_GROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/*", "/sys/fs/cgroup/*/*")
CGROUP_RELEASE = tuple(f"{group}/{name}" for group in _GROUPS for name in ("release_agent", "notify_on_release"))
CGROUP_PROCESSES = tuple(f"{group}/{name}" for group in _GROUPS for name in ("cgroup.procs", "tasks"))
CGROUP_LIMITS = tuple(
    f"{group}/{name}"
    for group in _GROUPS
    for name in ("memory.max", "memory.limit_in_bytes", "pids.max", "cpu.max", "cpu.cfs_quota_us", "devices.allow")
)
CGROUP_FOLDERS = _GROUPS[:2]
KERNEL_TOLD = (
    *("/proc/config.gz", "/proc/cmdline", "/proc/interrupts", "/proc/modules", "/proc/timer_list"),
    *("/proc/sched_debug", "/proc/slabinfo", "/proc/vmallocinfo", "/proc/kpagecount", "/sys/firmware/*/*"),
    *("/sys/class/dmi/id/*", "/sys/kernel/debug/*", "/sys/kernel/security/*", "/sys/kernel/tracing/*"),
)
MEMORY_DEVICES = ("/dev/mem", "/dev/kmsg", "/dev/port")
