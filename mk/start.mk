# Which objects are linked first: those whose functions run at the start of every program. Then the kernel maps a few
# blocks of pages for them (it maps 16 at once, Linux "fault-around"), not one for each module. tests/apps/project/test_start.py
# counts the page faults. A file that is missing here, or here without a reason, changes nothing else.

START_SRC := $(filter $(SHIM_SRC),$(addprefix shim/,socket/exit.c start.c order.c runtime.c \
    $(addprefix base/,elf.c libc.c libc_newer.c old_glibc.c process.c fork.c fork_lock.c socket_kind.c) \
    $(addprefix config/,init.c keys.c snapshot.c publish.c trace_output.c cryptoperiod.c chain_key.c) \
    $(addprefix policy/,locate.c load.c builtin.c values.c match.c live.c) \
    $(addprefix audit/,event.c sink.c chain.c summary.c) counters/counters.c \
    $(addprefix fd/,list.c plane.c linger.c own.c) rules/rules.c tls/libssl.c gnutls/library.c children/environment.c \
    $(addprefix inspect/,begin.c inspect.c inherited.c record.c) $(addprefix sealed/,adopt.c plane.c) \
    $(addprefix connection/,release.c report_counted.c) $(addprefix socket/,adopt.c uring_filter.c) reload/watch.c))
