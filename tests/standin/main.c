/* barkeep-standin: Entra ID, Key Vault and the instance metadata service on loopback, for tests and
 * for trying barkeep out without an Azure subscription. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certificates.h"
#include "http_server.h"
#include "must.h"
#include "options.h"
#include "service_account_command.h"
#include "standin.h"
#include "token_command.h"

#define EXIT_USAGE 2
#define EXIT_START 3

enum serve_option {
    OPTION_PORT,
    OPTION_HTTP_PORT,
    OPTION_STATE,
    OPTION_SEED,
    OPTION_ARC_FOLDER,
    OPTION_PLAIN_ISSUER,
    OPTION_HELP,
};

static const struct option_row option_rows[] = {
    [OPTION_PORT] = {"port", true},
    [OPTION_HTTP_PORT] = {"http-port", true},
    [OPTION_STATE] = {"state", true},
    [OPTION_SEED] = {"seed", true},
    [OPTION_ARC_FOLDER] = {"arc-folder", true},
    [OPTION_PLAIN_ISSUER] = {"plain-issuer", false},
    [OPTION_HELP] = {"help", false},
    {NULL, false},
};

static const char help_text[] =
    "usage: barkeep-standin [--port 18443] [--http-port 18080] [--state DIR] [--seed FILE]\n"
    "                       [--arc-folder DIR] [--plain-issuer]\n"
    "       barkeep-standin token [--help | options]\n"
    "       barkeep-standin service-account [--help | options]\n"
    "Serves a stand-in for Entra ID, Key Vault and managed identities on 127.0.0.1 until SIGTERM "
    "or SIGINT.\n"
    "\n"
    "  --port N        https (default 18443; 0 picks one)\n"
    "  --http-port N   plain http, IMDS too (default 18080; 0 picks one)\n"
    "  --state DIR     keys and certificates (default "
    "${XDG_RUNTIME_DIR:-/tmp}/barkeep-standin-UID)\n"
    "  --seed FILE     tenants, apps, users, vaults (tests/standin/SEED.md)\n"
    "  --arc-folder DIR  where Azure Arc's endpoint puts its key files (default " ARC_FOLDER ")\n"
    "  --plain-issuer  issuers are on the http port, for clients that know no other origin\n"
    "\n"
    "When it serves it prints one line: {\"ready\": true, \"https\": URL, \"http\": URL, \"ca\": "
    "FILE, ...}\n";

struct serve_request {
    int64_t port;
    int64_t http_port;
    const char *state_dir;
    const char *seed_path;
    const char *arc_folder;
    bool is_plain_issuer;
    bool wants_help;
};

static enum status take_option(void *owner, int row, const char *value, struct error *err) {
    struct serve_request *request = owner;
    const char *name = option_rows[row].name;
    switch ((enum serve_option)row) {
    case OPTION_PORT:
        return option_integer(name, value, 0, 65535, &request->port, err);
    case OPTION_HTTP_PORT:
        return option_integer(name, value, 0, 65535, &request->http_port, err);
    case OPTION_STATE:
        request->state_dir = value;
        return STATUS_OK;
    case OPTION_SEED:
        request->seed_path = value;
        return STATUS_OK;
    case OPTION_ARC_FOLDER:
        request->arc_folder = value;
        return STATUS_OK;
    case OPTION_PLAIN_ISSUER:
        request->is_plain_issuer = true;
        return STATUS_OK;
    case OPTION_HELP:
        request->wants_help = true;
        return STATUS_OK;
    }
    return STATUS_INVALID;
}

/* The server's certificate out of the state directory, made anew when missing or worn out. */
static enum status load_tls(struct state *state, struct tls_identity *out_tls, struct error *err) {
    struct tls_identity tls = {0};
    if (state_read(state, "ca.pem", &tls.ca_pem, NULL) == STATUS_OK &&
        state_read(state, "server-key.pem", &tls.key_pem, NULL) == STATUS_OK &&
        state_read(state, "server.pem", &tls.chain_pem, NULL) == STATUS_OK &&
        certificate_is_current(tls.ca_pem) && certificate_is_current(tls.chain_pem)) {
        *out_tls = tls;
        return STATUS_OK;
    }
    tls_identity_done(&tls);
    enum status status = tls_identity_make(&tls, err);
    if (status == STATUS_OK)
        status = state_write(state, "ca.pem", tls.ca_pem, err);
    if (status == STATUS_OK)
        status = state_write(state, "server-key.pem", tls.key_pem, err);
    if (status == STATUS_OK)
        status = state_write(state, "server.pem", tls.chain_pem, err);
    if (status == STATUS_OK)
        *out_tls = tls;
    else
        tls_identity_done(&tls);
    return status;
}

/* The CA of client certificates, kept likewise, so that an upstream may go on trusting it. */
static enum status load_client_ca(struct state *state, struct client_ca *out_ca,
                                  struct error *err) {
    struct client_ca ca = {0};
    if (state_read(state, "client-ca-key.pem", &ca.key_pem, NULL) == STATUS_OK &&
        state_read(state, "client-ca.pem", &ca.certificate_pem, NULL) == STATUS_OK &&
        certificate_is_current(ca.certificate_pem)) {
        *out_ca = ca;
        return STATUS_OK;
    }
    client_ca_done(&ca);
    enum status status = client_ca_make(&ca, err);
    if (status == STATUS_OK)
        status = state_write(state, "client-ca-key.pem", ca.key_pem, err);
    if (status == STATUS_OK)
        status = state_write(state, "client-ca.pem", ca.certificate_pem, err);
    if (status == STATUS_OK)
        *out_ca = ca;
    else
        client_ca_done(&ca);
    return status;
}

static void announce(const struct standin *standin, unsigned https_port, unsigned http_port) {
    const struct seed *seed = &standin->world.seed;
    char *ca = state_path(&standin->world.state, "ca.pem");
    char *https = must_printf("https://127.0.0.1:%u", https_port);
    char *http = must_printf("http://127.0.0.1:%u", http_port);
    json_t *line = must(json_pack(
        "{s:b, s:s, s:s, s:o, s:o, s:s, s:s}", "ready", 1, "https", https, "http", http, "ca",
        json_lossy(ca), "state", json_lossy(standin->world.state.dir), "tenant",
        seed->directory.tenants[0].id, "vault",
        seed->vaults.count > 0 ? seed->vaults.vaults[seed->vaults.default_index].name : ""));
    char *text = must(json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER));
    puts(text);
    fflush(stdout);
    free(text);
    json_decref(line);
    free(http);
    free(https);
    free(ca);
}

static void wait_for_end(const sigset_t *signals) {
    int signal_number = 0;
    while (sigwait(signals, &signal_number) != 0)
        continue;
}

/* Listening sockets and what is served on them. */
struct listeners {
    int https_fd;
    int http_fd;
    unsigned https_port;
    unsigned http_port;
    struct http_server *https;
    struct http_server *http;
    struct tls_identity tls;
};

static enum status listen_on_both(struct listeners *listeners, const struct serve_request *request,
                                  struct error *err) {
    enum status status =
        http_listen((unsigned)request->port, &listeners->https_fd, &listeners->https_port, err);
    if (status == STATUS_OK)
        status = http_listen((unsigned)request->http_port, &listeners->http_fd,
                             &listeners->http_port, err);
    return status;
}

static enum status use_origin(struct world *world, const struct serve_request *request,
                              const struct listeners *listeners, struct error *err) {
    return request->is_plain_issuer ? world_use_origin(world, "http", listeners->http_port, err)
                                    : world_use_origin(world, "https", listeners->https_port, err);
}

static enum status start_servers(struct listeners *listeners, struct standin *standin,
                                 struct error *err) {
    int https_fd = listeners->https_fd;
    int http_fd = listeners->http_fd;
    listeners->https_fd = -1;
    listeners->https = http_server_start(https_fd, listeners->https_port, listeners->tls.key_pem,
                                         listeners->tls.chain_pem, routes_dispatch, standin, err);
    if (!listeners->https)
        return STATUS_IO;
    listeners->http_fd = -1;
    listeners->http =
        http_server_start(http_fd, listeners->http_port, NULL, NULL, routes_dispatch, standin, err);
    return listeners->http ? STATUS_OK : STATUS_IO;
}

static void listeners_done(struct listeners *listeners) {
    http_server_stop(listeners->https);
    http_server_stop(listeners->http);
    if (listeners->https_fd >= 0)
        close(listeners->https_fd);
    if (listeners->http_fd >= 0)
        close(listeners->http_fd);
    tls_identity_done(&listeners->tls);
}

static int fail(int exit_code, const struct error *err) {
    fprintf(stderr, "barkeep-standin: %s\n", err->text);
    return exit_code;
}

/* Signals are blocked before the first thread starts, so that only sigwait() gets them. */
static void block_signals(sigset_t *out_signals) {
    sigemptyset(out_signals);
    sigaddset(out_signals, SIGTERM);
    sigaddset(out_signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, out_signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int serve(const struct serve_request *request) {
    struct error err = {0};
    struct standin standin = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct listeners listeners = {.https_fd = -1, .http_fd = -1};
    sigset_t signals;
    block_signals(&signals);
    int exit_code = EXIT_START;
    if (world_open(&standin.world, request->state_dir, &err) != STATUS_OK)
        return fail(EXIT_START, &err);
    faults_init(&standin.faults);
    machine_init(&standin.machine, request->arc_folder);
    enum status status = listen_on_both(&listeners, request, &err);
    if (status == STATUS_OK) {
        status = world_use_seed(&standin.world, request->seed_path, &err);
        exit_code = status == STATUS_OK ? EXIT_START : EXIT_USAGE;
    }
    if (status == STATUS_OK)
        status = use_origin(&standin.world, request, &listeners, &err);
    if (status == STATUS_OK)
        status = load_tls(&standin.world.state, &listeners.tls, &err);
    if (status == STATUS_OK)
        status = load_client_ca(&standin.world.state, &standin.client_ca, &err);
    if (status == STATUS_OK)
        status = start_servers(&listeners, &standin, &err);
    if (status == STATUS_OK) {
        announce(&standin, listeners.https_port, listeners.http_port);
        wait_for_end(&signals);
        exit_code = 0;
    } else {
        fail(exit_code, &err);
    }
    listeners_done(&listeners);
    faults_done(&standin.faults);
    client_ca_done(&standin.client_ca);
    machine_done(&standin.machine);
    world_done(&standin.world);
    return exit_code;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "token") == 0)
        return token_command(argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "service-account") == 0)
        return service_account_command(argc - 2, argv + 2);
    struct serve_request request = {.port = DEFAULT_HTTPS_PORT, .http_port = DEFAULT_HTTP_PORT};
    struct error err = {0};
    if (options_read(option_rows, argc - 1, argv + 1, take_option, &request, &err) != STATUS_OK)
        return fail(EXIT_USAGE, &err);
    if (request.wants_help) {
        fputs(help_text, stdout);
        return 0;
    }
    return serve(&request);
}
