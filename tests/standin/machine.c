/* Azure Arc's key files, and the secret of App Service's endpoint. */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "encoding.h"
#include "must.h"

#define KEY_BYTES 64

void machine_init(struct machine *machine, const char *arc_folder) {
    *machine = (struct machine){
        .identity_header = must_strdup(APP_SERVICE_HEADER),
        .arc_folder = must_strdup(arc_folder ? arc_folder : ARC_FOLDER),
        .arc_key_bytes = KEY_BYTES,
    };
}

/* Forgets the key at `index` and its file. */
static void drop_key(struct machine *machine, size_t index) {
    struct arc_key *key = &machine->keys[index];
    unlink(key->path);
    free(key->path);
    free(key->content);
    machine->key_count--;
    memmove(key, key + 1, (machine->key_count - index) * sizeof(*key));
}

void machine_done(struct machine *machine) {
    while (machine->key_count > 0)
        drop_key(machine, machine->key_count - 1);
    free(machine->identity_header);
    free(machine->arc_folder);
    free(machine->arc_realm);
    *machine = (struct machine){0};
}

static char *make_content(size_t len) {
    char *content = must_array(len + 2, 1);
    hex_random(content, len / 2 * 2);
    return content;
}

static enum status write_file(const char *path, const char *content, struct error *err) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    size_t len = strlen(content);
    bool is_written = fd >= 0 && write(fd, content, len) == (ssize_t)len;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    if (is_written)
        return STATUS_OK;
    return error_set(err, STATUS_IO, "%s: %s", path, strerror(reason));
}

enum status machine_make_key(struct machine *machine, const char **out_path, struct error *err) {
    char guid[GUID_SIZE];
    guid_random(guid);
    struct arc_key key = {
        .path = must_printf("%s/%s.key", machine->arc_folder, guid),
        .content = make_content(machine->arc_key_bytes),
    };
    enum status status = write_file(key.path, key.content, err);
    if (status != STATUS_OK) {
        free(key.path);
        free(key.content);
        return status;
    }
    if (machine->key_count == ARC_KEYS_MAX)
        drop_key(machine, 0);
    machine->keys[machine->key_count++] = key;
    *out_path = key.path;
    return STATUS_OK;
}

bool machine_use_key(struct machine *machine, const char *content) {
    for (size_t i = 0; i < machine->key_count; i++)
        if (strcmp(machine->keys[i].content, content) == 0) {
            drop_key(machine, i);
            return true;
        }
    return false;
}
