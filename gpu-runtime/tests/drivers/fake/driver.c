// A driver without a GPU: device memory is host memory, kernels are two functions below. With -DHIP it is a HIP runtime, else a CUDA driver.
// Kernels and variables of any other name are there when the image has them, and such kernels do nothing. FAKE_IDLE: all but `trap` do nothing.
// FAKE_PTX="8.2" is the newest PTX that it takes; with FAKE_SILENT it does not say so.
// FAKE_FAIL="cuMemAlloc_v2=2" makes a function answer with that code, "...=2@3" from its third call on. FAKE_DEVICES says how many GPUs there are,
// FAKE_SM ("90") and FAKE_GFX what they are.
#include <ctype.h>
#include <elf.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HIP
#define NAME(cu, hip) hip
#define NOT_FOUND 500
#else
#define NAME(cu, hip) cu
#define NOT_FOUND 500
#endif
#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)
#define BEGIN(name) do { int bad_ = fault(TEXT(name)); if (bad_) return bad_; if (lost) return 719; } while (0)
#define FN(cu, hip) int NAME(cu, hip)

// Threads of one process share the driver, and all that is counted here.
static _Atomic long live_bytes, live_handles, kernels_run;

// For the tests: what is held.
long fake_live_bytes(void) { return live_bytes; }
long fake_live_handles(void) { return live_handles; }
long fake_kernels_run(void) { return kernels_run; }

// A kernel named `trap` was run: as on a GPU, everything fails until the last context is gone.
static _Atomic int lost;
static int fault(const char *name) {
    static struct { char name[64]; _Atomic long calls; } seen[128];
    const char *want = getenv("FAKE_FAIL");
    if (!want) return 0;
    size_t n = strlen(name);
    if (strncmp(want, name, n) || want[n] != '=') return 0;
    char *end;
    long code = strtol(want + n + 1, &end, 10), from = *end == '@' ? strtol(end + 1, 0, 10) : 1;
    for (int i = 0; i < 128; i++) {
        if (!seen[i].name[0]) snprintf(seen[i].name, sizeof seen[i].name, "%.63s", name);
        if (!strcmp(seen[i].name, name)) return ++seen[i].calls >= from ? (int)code : 0;
    }
    return 0;
}

static int devices(void) { const char *n = getenv("FAKE_DEVICES"); return n ? atoi(n) : 1; }

FN(cuInit, hipInit)(unsigned flags) { return flags || devices() ? 0 : 100; }
FN(cuDeviceGetCount, hipGetDeviceCount)(int *n) {
    BEGIN(NAME(cuDeviceGetCount, hipGetDeviceCount));
    *n = devices();
    return NAME(0, devices() ? 0 : 100);
}
FN(cuDeviceGet, hipDeviceGet)(int *d, int i) { BEGIN(NAME(cuDeviceGet, hipDeviceGet)); *d = i; return 0; }
FN(cuDeviceGetName, hipDeviceGetName)(char *s, int n, int d) { snprintf(s, n, "Fake GPU %d", d); return 0; }
FN(cuDeviceTotalMem_v2, hipDeviceTotalMem)(size_t *n, int d) { (void)d; *n = 1 << 30; return 0; }
FN(cuDeviceGetAttribute, hipDeviceGetAttribute)(int *x, int what, int d) {
    (void)d;
    BEGIN(NAME(cuDeviceGetAttribute, hipDeviceGetAttribute));
    switch (what) {
#ifdef HIP
    case 56: *x = 1024; return 0;  // threads per block
    case 74: *x = 65536; return 0; // shared memory per block
    case 63: *x = 104; return 0;   // multiprocessors
    case 87: *x = 64; return 0;    // warp size
#else
    case 1: *x = 1024; return 0;
    case 97: *x = 99 << 10; return 0;
    case 16: *x = 68; return 0;
    case 10: *x = 32; return 0;
    case 75: *x = getenv("FAKE_SM") ? atoi(getenv("FAKE_SM")) / 10 : 8; return 0; // compute capability
    case 76: *x = getenv("FAKE_SM") ? atoi(getenv("FAKE_SM")) % 10 : 6; return 0;
#endif
    default: return 1;
    }
}
FN(cuMemGetInfo_v2, hipMemGetInfo)(size_t *free, size_t *total) { *total = 1 << 30; *free = *total - live_bytes; return 0; }
FN(cuDriverGetVersion, hipRuntimeGetVersion)(int *v) { *v = NAME(12040, 60200000); return 0; }

#ifdef HIP
int hipGetDevice(int *d) { *d = 0; return 0; }
int hipSetDevice(int d) { BEGIN(hipSetDevice); return d < devices() ? 0 : 101; }
int hipDeviceSynchronize(void) { BEGIN(hipDeviceSynchronize); return 0; }
// The name's place in the struct is nobody's business.
int hipGetDevicePropertiesR0600(void *p, int d) {
    (void)d;
    snprintf((char *)p + 1160, 64, "%.60s", getenv("FAKE_GFX") ? getenv("FAKE_GFX") : "gfx90a:sramecc+:xnack-");
    return 0;
}
const char *hipGetErrorName(int e) { return e == 2 ? "hipErrorOutOfMemory" : e == 719 ? "hipErrorLaunchFailure" : "hipErrorFake"; }
const char *hipGetErrorString(int e) { return e == 2 ? "out of memory" : "what the fake runtime says"; }
#else
static _Atomic int contexts;
static void give_all(void);
int cuDevicePrimaryCtxRetain(void **c, int d) {
    int bad = fault("cuDevicePrimaryCtxRetain");
    if (bad) return bad;
    *c = (void *)(uintptr_t)(d + 1);
    live_handles++;
    contexts++;
    return 0;
}
int cuDevicePrimaryCtxRelease_v2(int d) {
    (void)d;
    live_handles--;
    if (--contexts == 0 && lost) give_all();
    return 0;
}
int cuCtxGetDevice(int *d) { *d = 0; return 0; }
int cuCtxSetCurrent(void *c) { BEGIN(cuCtxSetCurrent); return c ? 0 : 201; }
int cuCtxPushCurrent_v2(void *c) { (void)c; return 0; }
int cuCtxPopCurrent_v2(void **c) { (void)c; return 0; }
int cuCtxGetCurrent(void **c) { *c = (void *)1; return 0; }
int cuCtxSynchronize(void) { BEGIN(cuCtxSynchronize); return 0; }
int cuGetErrorName(int e, const char **s) {
    *s = e == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : e == 719 ? "CUDA_ERROR_LAUNCH_FAILED" : e == 999 ? "CUDA_ERROR_UNKNOWN" : "CUDA_ERROR_FAKE";
    return 0;
}
int cuGetErrorString(int e, const char **s) { *s = e == 2 ? "out of memory" : "what the fake driver says"; return 0; }
#endif

// What is allocated now, so that other addresses are known for what they are.
static struct { uintptr_t at; size_t n; } blocks[4096];
static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER;
static void hold(void) { pthread_mutex_lock(&blocks_lock); }
static int done(int code) { pthread_mutex_unlock(&blocks_lock); return code; }
static int find(uintptr_t at) {
    for (int i = 0; i < 4096; i++)
        if (blocks[i].at && at >= blocks[i].at && at < blocks[i].at + blocks[i].n) return i;
    return -1;
}
#ifdef HIP
int hipMemGetAddressRange(uintptr_t *base, size_t *n, uintptr_t at) {
    hold();
    int i = find(at);
    if (i < 0) return done(500);
    *base = blocks[i].at;
    *n = blocks[i].n;
    return done(0);
}
#else
int cuPointerGetAttribute(void *to, int what, uintptr_t at) {
    hold();
    if (what != 2 || find(at) < 0) return done(1);
    *(unsigned *)to = 2;
    return done(0);
}
#endif
// Blocks with a header that holds their size.
static int take(uintptr_t *at, size_t n) {
    if (n > (1 << 30) - live_bytes) return 2;
    char *p = aligned_alloc(256, (n + 511) / 256 * 256);
    if (!p) return 2;
    memset(p, 0xa5, (n + 511) / 256 * 256); // device memory comes as it is
    memcpy(p, &n, sizeof n);
    live_bytes += n;
    *at = (uintptr_t)p + 256;
    hold();
    for (int i = 0; i < 4096; i++)
        if (!blocks[i].at) {
            blocks[i].at = *at;
            blocks[i].n = n;
            return done(0);
        }
    abort();
}
static int give(uintptr_t at) {
    size_t n;
    hold();
    int i = find(at);
    if (i < 0) abort(); // freed twice
    blocks[i].at = 0;
    done(0);
    memcpy(&n, (char *)at - 256, sizeof n);
    live_bytes -= n;
    free((char *)at - 256);
    return 0;
}
#ifndef HIP
// What a lost context had is free again, though nobody could say so.
static void give_all(void) {
    for (int i = 0; i < 4096; i++)
        if (blocks[i].at) give(blocks[i].at);
    lost = 0;
}
#endif
FN(cuMemAlloc_v2, hipMalloc)(uintptr_t *at, size_t n) { BEGIN(NAME(cuMemAlloc_v2, hipMalloc)); return take(at, n); }
FN(cuMemFree_v2, hipFree)(uintptr_t at) { BEGIN(NAME(cuMemFree_v2, hipFree)); return give(at); }
#ifdef HIP
int hipHostMalloc(uintptr_t *at, size_t n, unsigned f) { (void)f; BEGIN(hipHostMalloc); return take(at, n); }
int hipHostFree(uintptr_t at) { return give(at); }
#else
int cuMemAllocHost_v2(uintptr_t *at, size_t n) { BEGIN(cuMemAllocHost_v2); return take(at, n); }
int cuMemFreeHost(uintptr_t at) { return give(at); }
#endif
FN(cuMemcpyHtoDAsync_v2, hipMemcpyHtoDAsync)(void *d, const void *s, size_t n, void *q) {
    (void)q; BEGIN(NAME(cuMemcpyHtoDAsync_v2, hipMemcpyHtoDAsync)); memmove(d, s, n); return 0;
}
FN(cuMemcpyDtoHAsync_v2, hipMemcpyDtoHAsync)(void *d, const void *s, size_t n, void *q) {
    (void)q; BEGIN(NAME(cuMemcpyDtoHAsync_v2, hipMemcpyDtoHAsync)); memmove(d, s, n); return 0;
}
FN(cuMemcpyDtoDAsync_v2, hipMemcpyDtoDAsync)(void *d, const void *s, size_t n, void *q) {
    (void)q; BEGIN(NAME(cuMemcpyDtoDAsync_v2, hipMemcpyDtoDAsync)); memmove(d, s, n); return 0;
}
FN(cuMemsetD8Async, hipMemsetD8Async)(void *d, unsigned char x, size_t n, void *q) {
    (void)q; BEGIN(NAME(cuMemsetD8Async, hipMemsetD8Async)); memset(d, x, n); return 0;
}

static int handle(void **h) { *h = malloc(8); live_handles++; return 0; }
static int drop(void *h) { free(h); live_handles--; return 0; }
#ifdef HIP
int hipStreamCreateWithFlags(void **s, unsigned f) { (void)f; BEGIN(hipStreamCreateWithFlags); return handle(s); }
int hipEventCreateWithFlags(void **e, unsigned f) { (void)f; BEGIN(hipEventCreateWithFlags); return handle(e); }
#else
int cuStreamCreateWithPriority(void **s, unsigned f, int p) { (void)f; (void)p; BEGIN(cuStreamCreateWithPriority); return handle(s); }
int cuEventCreate(void **e, unsigned f) { (void)f; BEGIN(cuEventCreate); return handle(e); }
#endif
FN(cuStreamDestroy_v2, hipStreamDestroy)(void *s) { return drop(s); }
FN(cuStreamSynchronize, hipStreamSynchronize)(void *s) { (void)s; BEGIN(NAME(cuStreamSynchronize, hipStreamSynchronize)); return 0; }
FN(cuStreamQuery, hipStreamQuery)(void *s) { (void)s; return 0; }
FN(cuStreamWaitEvent, hipStreamWaitEvent)(void *s, void *e, unsigned f) { (void)s; (void)e; (void)f; return 0; }
FN(cuEventDestroy_v2, hipEventDestroy)(void *e) { return drop(e); }
FN(cuEventRecord, hipEventRecord)(void *e, void *s) { (void)e; (void)s; BEGIN(NAME(cuEventRecord, hipEventRecord)); return 0; }
FN(cuEventSynchronize, hipEventSynchronize)(void *e) { (void)e; BEGIN(NAME(cuEventSynchronize, hipEventSynchronize)); return 0; }
FN(cuEventElapsedTime, hipEventElapsedTime)(float *ms, void *a, void *b) { (void)a; (void)b; *ms = 0.25f; return 0; }

// Every module has the kernels `scale`, `sum3` and `trap`, and the variable `weights` of 16 bytes; others as its image says.
struct variable { struct variable *next; char name[256]; size_t size; void *at; };
struct module { char weights[16]; struct variable *others; int elf; size_t size; char image[]; };
static struct module *module_of(const char *image) {
    Elf64_Ehdr h;
    int elf = !memcmp(image, ELFMAG, SELFMAG);
    size_t n = elf ? 0 : strlen(image) + 1;
    if (elf) {
        memcpy(&h, image, sizeof h);
        n = h.e_shoff + (size_t)h.e_shnum * h.e_shentsize;
        if (n < sizeof h) n = sizeof h;
    }
    struct module *m = calloc(1, sizeof *m + n);
    m->elf = elf;
    m->size = n;
    memcpy(m->image, image, n);
    return m;
}
// The size of a symbol of an ELF file, or -1.
static long symbol(struct module *m, const char *name) {
    Elf64_Ehdr *h = (void *)m->image;
    for (int i = 0; i < h->e_shnum; i++) {
        Elf64_Shdr *s = (void *)(m->image + h->e_shoff) , *t;
        t = &s[i];
        if (t->sh_type != SHT_DYNSYM && t->sh_type != SHT_SYMTAB) continue;
        for (size_t k = 0; k < t->sh_size / sizeof(Elf64_Sym); k++) {
            Elf64_Sym *y = (void *)(m->image + t->sh_offset + k * sizeof *y);
            if (!strcmp(m->image + s[t->sh_link].sh_offset + y->st_name, name)) return (long)y->st_size;
        }
    }
    return -1;
}
static int word_ends(char c) { return !isalnum((unsigned char)c) && c != '_' && c != '$'; }
// Where a name stands behind a word, on one line of PTX.
static char *behind(struct module *m, const char *word, const char *name) {
    for (char *at = strstr(m->image, word); at; at = strstr(at + 1, word)) {
        char *end = strpbrk(at, ";(\n"), *x = strstr(at, name);
        if (!end) end = at + strlen(at);
        for (; x && x <= end; x = strstr(x + 1, name))
            if (word_ends(x[-1]) && word_ends(x[strlen(name)])) return x;
    }
    return 0;
}
static int has_kernel(struct module *m, const char *name) {
    char kd[300];
    snprintf(kd, sizeof kd, "%.256s.kd", name);
    return m->elf ? symbol(m, kd) >= 0 : behind(m, ".entry", name) != 0;
}
static long size_of(struct module *m, const char *name) {
    if (m->elf) return symbol(m, name);
    char *at = behind(m, ".global", name);
    if (!at) at = behind(m, ".const", name);
    if (!at) return -1;
    char *type = at;
    while (type > m->image && *type != '.') type--;
    long bits = strtol(type + 2, 0, 10);
    at += strlen(name);
    return bits / 8 * (*at == '[' ? strtol(at + 1, 0, 10) : 1);
}
static struct variable *variable(struct module *m, const char *name) {
    for (struct variable *v = m->others; v; v = v->next) if (!strcmp(v->name, name)) return v;
    long n = size_of(m, name);
    if (n <= 0) return 0;
    struct variable *v = calloc(1, sizeof *v);
    snprintf(v->name, sizeof v->name, "%.255s", name);
    v->size = (size_t)n;
    v->at = calloc(1, v->size);
    v->next = m->others;
    m->others = v;
    return v;
}
static int load(void **m, const void *image) { *m = module_of(image); live_handles++; return 0; }
#ifdef HIP
int hipModuleLoadData(void **m, const void *image) { BEGIN(hipModuleLoadData); return load(m, image); }
#else
int cuModuleLoadDataEx(void **m, const void *image, unsigned n, int *options, void **values) {
    if (strstr(image, "bad instruction") && n == 2 && options[0] == 5) {
        snprintf(values[0], (size_t)values[1], "ptxas application ptx input, line 7; error: Unknown symbol 'bad'");
        return 218;
    }
    const char *newest = getenv("FAKE_PTX"), *version = strstr(image, ".version ");
    if (newest && version && strncmp(version + 9, newest, 3) > 0) {
        if (n == 2 && options[0] == 5 && !getenv("FAKE_SILENT"))
            snprintf(values[0], (size_t)values[1], "ptxas application ptx input, line 9; fatal   : Unsupported .version %.3s; current version is '%s'",
                     version + 9, newest);
        return 222;
    }
    BEGIN(cuModuleLoadDataEx);
    return load(m, image);
}
#endif
FN(cuModuleUnload, hipModuleUnload)(void *m) {
    for (struct variable *v = ((struct module *)m)->others, *next; v; v = next) {
        next = v->next;
        free(v->at);
        free(v);
    }
    return drop(m);
}
enum { NONE, SCALE, SUM3, TRAP, IDLE };
FN(cuModuleGetFunction, hipModuleGetFunction)(uintptr_t *f, void *m, const char *name) {
    BEGIN(NAME(cuModuleGetFunction, hipModuleGetFunction));
    *f = !strcmp(name, "trap") ? TRAP : NONE;
    if (!*f && !getenv("FAKE_IDLE")) *f = !strcmp(name, "scale") ? SCALE : !strcmp(name, "sum3") ? SUM3 : NONE;
    if (!*f && has_kernel(m, name)) *f = IDLE;
    return *f ? 0 : NOT_FOUND;
}
FN(cuModuleGetGlobal_v2, hipModuleGetGlobal)(uintptr_t *at, size_t *n, void *m, const char *name) {
    struct variable *v = variable(m, name);
    if (!v && strcmp(name, "weights")) return NOT_FOUND;
    *at = v ? (uintptr_t)v->at : (uintptr_t)m;
    *n = v ? v->size : 16;
    return 0;
}
FN(cuFuncGetAttribute, hipFuncGetAttribute)(int *x, int what, void *f) {
    int idle = (uintptr_t)f == IDLE;
    *x = what == 0 ? (idle ? 1024 : 512) : what == 1 ? (idle ? 0 : 1024) : what == 4 ? 40 : 0;
    return 0;
}
static int allowed[IDLE + 1];
FN(cuFuncSetAttribute, hipFuncSetAttribute)(uintptr_t f, int what, int x) { if (what == 8) allowed[f] = x; return 0; }
FN(cuLaunchKernel, hipModuleLaunchKernel)(uintptr_t f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                                          unsigned shared, void *s, void **params, void **extra) {
    (void)s; (void)extra;
    BEGIN(NAME(cuLaunchKernel, hipModuleLaunchKernel));
    if (NAME(shared + (f == IDLE ? 0 : 1024) > 48 << 10 && (int)shared > allowed[f], 0)) return 1;
    kernels_run++;
    if (f == IDLE) return 0;
    if (f == TRAP) { // shows when somebody waits
        lost = 1;
        return 0;
    }
    if (f == SCALE) { // scale(float *x, int n, float a)
        float *x = *(float **)params[0], a = *(float *)params[2];
        unsigned threads = gx * gy * gz * bx * by * bz;
        for (unsigned i = 0; i < threads && i < *(unsigned *)params[1]; i++) x[i] *= a;
    } else { // sum3(double *out, struct { int8_t a; double b; int16_t c; })
        char *p = params[1];
        double b; int16_t c;
        memcpy(&b, p + 8, 8);
        memcpy(&c, p + 16, 2);
        **(double **)params[0] = p[0] + b + c;
    }
    return 0;
}
