/* Feeds stored inputs to a fuzz target, without libFuzzer: `replay FILE|FOLDER...`. Part of `make
 * test`, so what a fuzzer once found stays found. No input at all is an error: a lost corpus must
 * not look like a passed test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz_target.h"

#define INPUT_LIMIT_BYTES (16u << 20)

static size_t replayed;

static void replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    uint8_t *input = malloc(INPUT_LIMIT_BYTES);
    if (!input) {
        perror("replay");
        exit(1);
    }
    size_t size = fread(input, 1, INPUT_LIMIT_BYTES, file);
    fclose(file);
    /* exactly as long as the input, so that a sanitizer sees a read behind its end */
    uint8_t *exact = realloc(input, size ? size : 1);
    LLVMFuzzerTestOneInput(exact ? exact : input, size);
    free(exact ? exact : input);
    replayed++;
}

static void replay_folder(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) {
        perror(path);
        exit(1);
    }
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (length > 0 && (size_t)length < sizeof name)
            replay_file(name);
    }
    closedir(folder);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        struct stat status;
        if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode))
            replay_folder(argv[i]);
        else
            replay_file(argv[i]);
    }
    printf("%zu passed, %d failed\n", replayed, replayed == 0);
    return replayed == 0;
}
