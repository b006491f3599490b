/* QEMU plugin (API 1, QEMU 4.2 to 8.2), written out because Debian's QEMU comes without the plugin's header.
 *
 * Without options, of a program for Linux: prints how many instructions ran before each SIGUSR1 that it sends itself.
 * out=FILE,from=ADDRESS, of a board: at the end, what ran since a block at that address was last entered: a line
 * `b ADDRESS SIZE TIMES` for each block, `t TIMES` for blocks that do not follow the one before them, and `r ADDRESS SIZE`
 * or `w ADDRESS SIZE` for each access, in order. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct block;
struct instruction;
typedef void (*on_syscall)(uint64_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                           uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);
typedef void (*on_execution)(unsigned cpu, void *data);
typedef void (*on_access)(unsigned cpu, uint32_t info, uint64_t address, void *data);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*callback)(uint64_t id, struct block *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct block *, int operation, void *counter, uint64_t value);
void qemu_plugin_register_vcpu_tb_exec_cb(struct block *, on_execution callback, int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct instruction *, on_access callback, int flags, int kind, void *data);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t id, on_syscall callback);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*callback)(uint64_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const struct block *);
uint64_t qemu_plugin_tb_vaddr(const struct block *);
struct instruction *qemu_plugin_tb_get_insn(const struct block *, size_t index);
const void *qemu_plugin_insn_data(const struct instruction *);
bool qemu_plugin_mem_is_store(uint32_t info);
unsigned qemu_plugin_mem_size_shift(uint32_t info);

int qemu_plugin_version = 1;

enum { ADD = 0, NO_FLAGS = 0, READ_AND_WRITE = 3, AARCH64_KILL = 129, SIGUSR1 = 10 };

/* ---- of a program */

static uint64_t executed;

static void counted(uint64_t id, struct block *block) {
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

/* ---- of a board */

struct piece {
    uint64_t address, size, times;
    struct piece *next;
};
struct access {
    uint64_t address;
    unsigned size;
    char kind;
};
static struct piece *pieces;
static struct access *accesses;
static size_t n_accesses, room;
static uint64_t from, taken, end;
static const char *out;

static void entered(unsigned cpu, void *data) {
    struct piece *piece = data;
    (void)cpu;
    if (piece->address == from) {
        for (struct piece *other = pieces; other; other = other->next) other->times = 0;
        taken = n_accesses = 0;
        end = from;
    }
    piece->times++;
    taken += piece->address != end;
    end = piece->address + piece->size;
}

static void accessed(unsigned cpu, uint32_t info, uint64_t address, void *data) {
    (void)cpu, (void)data;
    if (n_accesses == room) {
        room = room ? 2 * room : 1 << 16;
        accesses = realloc(accesses, room * sizeof *accesses);
        if (!accesses) abort();
    }
    accesses[n_accesses++] =
        (struct access){address, 1U << qemu_plugin_mem_size_shift(info), qemu_plugin_mem_is_store(info) ? 'w' : 'r'};
}

/* Of a Thumb instruction. Not what QEMU says: where it looks ahead, at the end of a page, it adds that. */
static uint64_t size_of(const struct instruction *instruction) {
    const uint8_t *bytes = qemu_plugin_insn_data(instruction);
    return bytes[1] >> 3 >= 0x1D ? 4 : 2;
}

static void translated(uint64_t id, struct block *block) {
    struct piece *piece = malloc(sizeof *piece);
    (void)id;
    if (!piece) abort();
    *piece = (struct piece){qemu_plugin_tb_vaddr(block), 0, 0, pieces};
    pieces = piece;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct instruction *instruction = qemu_plugin_tb_get_insn(block, i);
        piece->size += size_of(instruction);
        qemu_plugin_register_vcpu_mem_cb(instruction, accessed, NO_FLAGS, READ_AND_WRITE, NULL);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(block, entered, NO_FLAGS, piece);
}

static void ended(uint64_t id, void *data) {
    FILE *file = fopen(out, "w");
    (void)id, (void)data;
    if (!file) return;
    for (const struct piece *p = pieces; p; p = p->next)
        if (p->times)
            fprintf(file, "b %llu %llu %llu\n", (unsigned long long)p->address, (unsigned long long)p->size,
                    (unsigned long long)p->times);
    fprintf(file, "t %llu\n", (unsigned long long)taken);
    for (size_t k = 0; k < n_accesses; k++)
        fprintf(file, "%c %llu %u\n", accesses[k].kind, (unsigned long long)accesses[k].address, accesses[k].size);
    fclose(file);
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "out=", 4)) out = strdup(argv[i] + 4);
        if (!strncmp(argv[i], "from=", 5)) from = strtoull(argv[i] + 5, NULL, 0);
    }
    if (!out) {
        qemu_plugin_register_vcpu_tb_trans_cb(id, counted);
        qemu_plugin_register_vcpu_syscall_cb(id, called);
        return 0;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
