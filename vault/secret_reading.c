/* Which version of a secret is read. Mostly one request; the list of versions is asked for only
 * when the latest may not be used (Key Vault hands out versions that are not yet valid or expired,
 * and refuses disabled ones: azure.md D.2), or when the version before is wanted.
 *
 * A list that does not end, leads elsewhere or may not be read chooses nothing: then the version
 * that is held is what counts, as long as the vault does not say otherwise about it. */
#include "vault/secret_reading.h"

#include <assert.h>
#include <stdlib.h>

/* 25 versions a page. */
#define MAX_PAGES 40

static const uint8_t step_follows[] = {
    [READING_IDLE] = 1u << READING_FIRST | 1u << READING_LIST,
    [READING_FIRST] = 1u << READING_LIST | 1u << READING_IDLE,
    [READING_LIST] =
        1u << READING_LIST | 1u << READING_CHOSEN | 1u << READING_HELD | 1u << READING_IDLE,
    [READING_CHOSEN] = 1u << READING_IDLE,
    [READING_HELD] = 1u << READING_IDLE,
};

static void enter(struct secret_reading *reading, enum reading_step step) {
    assert(step_follows[reading->step] & 1u << step);
    reading->step = step;
}

static void finish(struct secret_reading *reading, const struct fetch_outcome *outcome) {
    enter(reading, READING_IDLE);
    free(reading->page);
    reading->page = NULL;
    reading->on_done(reading, outcome);
}

static void fetch_secret(struct secret_reading *reading, enum reading_step step,
                         const char *version) {
    enter(reading, step);
    reading->fetch.version = version;
    reading->fetch.versions = NULL;
    vault_client_fetch(reading->vault, &reading->fetch);
}

static void fetch_page(struct secret_reading *reading) {
    enter(reading, READING_LIST);
    reading->fetch.version = NULL;
    reading->fetch.versions = &reading->versions;
    reading->fetch.page = reading->page;
    reading->page_count++;
    vault_client_fetch(reading->vault, &reading->fetch);
}

static void note_valid_from(struct secret_reading *reading, int64_t from_sec) {
    if (from_sec && (!reading->next_valid_sec || from_sec < reading->next_valid_sec))
        reading->next_valid_sec = from_sec;
}

/* Keeps what was said of the latest version: its texts go with the answer. */
static void note_barred(struct secret_reading *reading, const struct fetch_outcome *outcome) {
    reading->barred = *outcome;
    memcpy(reading->barred_version, outcome->version, strlen(outcome->version) + 1);
    error_set(&reading->barred_error, STATUS_DENIED, "%s", outcome->error);
    reading->barred.version = reading->barred_version;
    reading->barred.error = reading->barred_error.text;
    reading->barred.hosts = NULL;
    note_valid_from(reading, outcome->valid_from_sec);
}

static void on_first(struct secret_reading *reading, const struct fetch_outcome *outcome) {
    const bool has_others = !reading->config->version && vault_client_has_versions(reading->vault);
    if (outcome->verdict != FETCH_BARRED || !has_others) {
        finish(reading, outcome);
        return;
    }
    note_barred(reading, outcome);
    fetch_page(reading);
}

/* Nothing of the list is used unless all of it was seen: the newest may stand on any page. */
static void on_unlisted(struct secret_reading *reading, enum fetch_verdict verdict,
                        const struct fetch_outcome *outcome) {
    const bool is_barred = reading->barred.verdict == FETCH_BARRED;
    const bool is_in_doubt =
        is_barred && reading->barred_version[0] == '\0' && reading->held[0] != '\0';
    const bool is_held =
        reading->held[0] != '\0' && strcmp(reading->barred_version, reading->held) == 0;
    error_set(&reading->list_error, STATUS_IO, "%.200s%sits versions cannot be listed: %.200s",
              reading->barred_error.text, is_barred ? "; " : "", outcome->error);
    reading->list_verdict = verdict == FETCH_FAILED ? FETCH_FAILED : FETCH_UNUSABLE;
    reading->list_retry_after_sec = outcome->retry_after_sec;
    if (is_in_doubt && outcome->retry_after_sec <= 0) {
        fetch_secret(reading, READING_HELD, reading->held);
        return;
    }
    finish(reading, &(struct fetch_outcome){
                        .verdict = is_held ? FETCH_BARRED : reading->list_verdict,
                        .version = is_held ? reading->held : "",
                        .retry_after_sec = outcome->retry_after_sec,
                        .code = outcome->code,
                        .error = reading->list_error.text,
                    });
}

static void on_listed(struct secret_reading *reading) {
    const struct key_vault_versions *found = &reading->versions;
    const bool is_other = strcmp(found->newest.version, reading->held) != 0;
    const char *chosen =
        reading->looks_before && !is_other ? found->before.version : found->newest.version;
    reading->has_list = true;
    note_valid_from(reading, found->next_valid_sec);
    if (chosen[0] != '\0') {
        memcpy(reading->chosen, chosen, sizeof reading->chosen);
        fetch_secret(reading, READING_CHOSEN, reading->chosen);
        return;
    }
    if (!reading->looks_before)
        error_set(&reading->list_error, STATUS_DENIED,
                  "%s, and no other version is enabled and valid", reading->barred_error.text);
    else
        error_set(&reading->list_error, STATUS_NOT_FOUND, "no other version is enabled and valid");
    finish(reading, &(struct fetch_outcome){
                        .verdict = reading->looks_before ? FETCH_MISSING : FETCH_BARRED,
                        .version = "",
                        .retry_after_sec = -1,
                        .code = reading->looks_before ? "" : reading->barred.code,
                        .error = reading->list_error.text,
                    });
}

static void on_page(struct secret_reading *reading, const struct fetch_outcome *outcome) {
    struct fetch_outcome endless = *outcome;
    endless.error = "the list has too many pages";
    free(reading->page);
    reading->page = NULL;
    if (outcome->verdict != FETCH_GOOD) {
        on_unlisted(reading, outcome->verdict, outcome);
    } else if (!outcome->next_page) {
        on_listed(reading);
    } else if (reading->page_count == MAX_PAGES) {
        on_unlisted(reading, FETCH_UNUSABLE, &endless);
    } else {
        reading->page = slice_strdup(slice_of_str(outcome->next_page));
        if (reading->page)
            fetch_page(reading);
        else
            on_unlisted(reading, FETCH_FAILED, &endless);
    }
}

/* Good is no more than before: it stays, with the reason why nothing newer is known. */
static void on_held(struct secret_reading *reading, const struct fetch_outcome *outcome) {
    if (outcome->verdict != FETCH_GOOD) {
        finish(reading, outcome);
        return;
    }
    finish(reading, &(struct fetch_outcome){.verdict = reading->list_verdict,
                                            .version = "",
                                            .retry_after_sec = reading->list_retry_after_sec,
                                            .code = "",
                                            .error = reading->list_error.text});
}

static void on_fetched(struct vault_fetch *fetch, const struct fetch_outcome *outcome) {
    struct secret_reading *reading = fetch->owner;
    switch (reading->step) {
    case READING_FIRST:
        on_first(reading, outcome);
        break;
    case READING_LIST:
        on_page(reading, outcome);
        break;
    case READING_CHOSEN:
        finish(reading, outcome);
        break;
    case READING_HELD:
        on_held(reading, outcome);
        break;
    case READING_IDLE:
        break;
    }
}

static void begin(struct secret_reading *reading, const char *held, bool looks_before) {
    assert(reading->step == READING_IDLE);
    memcpy(reading->held, held, strlen(held) + 1);
    reading->looks_before = looks_before;
    reading->has_list = false;
    reading->versions = (struct key_vault_versions){0};
    reading->next_valid_sec = 0;
    reading->barred = (struct fetch_outcome){.verdict = FETCH_GOOD};
    reading->barred_version[0] = '\0';
    reading->barred_error.text[0] = '\0';
    reading->page_count = 0;
}

void secret_reading_init(struct secret_reading *reading) {
    reading->fetch = (struct vault_fetch){
        .name = reading->config->name, .on_done = on_fetched, .owner = reading};
}

void secret_reading_start(struct secret_reading *reading, const char *held) {
    begin(reading, held, false);
    fetch_secret(reading, READING_FIRST, reading->config->version);
}

void secret_reading_start_before(struct secret_reading *reading, const char *held) {
    begin(reading, held, true);
    fetch_page(reading);
}

void secret_reading_cancel(struct secret_reading *reading) {
    vault_client_cancel(reading->vault, &reading->fetch);
    free(reading->page);
    reading->page = NULL;
    reading->step = READING_IDLE;
}

bool secret_reading_is_running(const struct secret_reading *reading) {
    return reading->step != READING_IDLE;
}
