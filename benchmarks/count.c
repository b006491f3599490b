/* QEMU TCG plugin (API 1, QEMU 4.2 to 8.2): prints how many instructions ran before each SIGUSR1 that the program sends
 * itself. The prototypes are written out because Debian's QEMU comes without the plugin's header. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct block;
typedef void (*on_syscall)(uint64_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                           uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*callback)(uint64_t id, struct block *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct block *, int operation, void *counter, uint64_t value);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t id, on_syscall callback);
size_t qemu_plugin_tb_n_insns(const struct block *);

int qemu_plugin_version = 1;

enum { ADD = 0, AARCH64_KILL = 129, SIGUSR1 = 10 };
static uint64_t executed;

static void translated(uint64_t id, struct block *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD, &executed, qemu_plugin_tb_n_insns(block));
}

static void called(uint64_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
                   uint64_t a6, uint64_t a7, uint64_t a8) {
    (void)id, (void)cpu, (void)a1, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number == AARCH64_KILL && a2 == SIGUSR1) {
        printf("%llu\n", (unsigned long long)executed);
        fflush(stdout);
    }
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
