/* One request judged step by step, as facts: explain_text.c and explain_json.c print them, replays
 * compare them. Made by the functions of the live path. */
#ifndef BARKEEP_PROXY_EXPLANATION_H
#define BARKEEP_PROXY_EXPLANATION_H

#include <stdio.h>

#include "auth/entra.h"
#include "auth/policy.h"
#include "auth/revocation.h"
#include "core/arena.h"
#include "core/json_out.h"
#include "proxy/judgement.h"
#include "proxy/key_fetcher.h"

struct mcp_message;

/* What is asked. Strings are NUL-terminated and outlive the explanation. */
struct explain_question {
    const char *method;
    const char *target;
    const char *host;
    const char *client; /* as given; NULL: not given */
    unsigned char client_address[16];
    struct slice token; /* or claims; empty: the request carries none */
    bool is_claims;
    bool has_body;
    struct slice body;
};

/* What it is judged by; made once for any number of questions. */
struct explain_ground {
    struct config *config;
    struct router *router;
    struct policy *policy;
    struct revocation_list *revocations; /* NULL: none */
    struct key_fetcher *keys;
};

enum status explain_ground_init(struct explain_ground *ground, struct config *config,
                                bool is_offline, struct error *err);
void explain_ground_done(struct explain_ground *ground);

/* One remark, with a stable name for what it is about. */
struct explain_item {
    struct explain_item *next;
    const char *name;
    const char *mark; /* how a check went; "" otherwise */
    const char *text;
};

struct explain_list {
    struct explain_item *first;
    struct explain_item *last;
    size_t count;
};

struct explained_rule {
    struct explained_rule *next;
    struct policy_step step;
    const char *answer; /* a stable name */
    const char *why;    /* in words */
};

/* What the file of approved tools says of the one that is called. */
struct explained_pin {
    const char *file;
    bool is_blocking;
    const char *answer;   /* a stable name: approved, not_approved, unreadable */
    const char *approved; /* digest; NULL: nobody approved it */
    const char *words;
};

struct explanation {
    struct arena arena; /* all text below */
    const struct explain_ground *ground;
    const struct explain_question *question;

    /* the answer */
    enum reason reason;
    const char *detail;
    /* The live path would first ask which groups the caller is in: then `reason` is no answer. */
    bool asks_graph;
    struct explain_list with_groups; /* what it would decide: name is the rule of the groups */

    /* how far it came; what was not reached stays empty */
    struct slice host;
    const char *path; /* canonical; NULL: not readable */
    bool has_query;
    bool is_own_page;
    size_t route; /* CONFIG_NONE */
    struct slice below;
    const struct policy_mcp *mcp;    /* what is asked of an MCP server; NULL: the route is none */
    struct mcp_message *message;     /* what `mcp` points into; NULL: none */
    const struct explained_pin *pin; /* NULL: no tool is called, or none are pinned */
    struct explain_list close_routes;
    struct explain_list checks; /* of the token */
    struct token_result verdict;
    struct identity *identity;
    bool has_decision;
    struct decision decision;
    struct explained_rule *first_rule, *last_rule;
    size_t rule_count;
    struct explain_list near_misses;
    struct explain_list rates; /* that would apply: name is the rule or route */
    struct explain_list notes;
};

/* False without memory, or when the question is more than a command may ask. */
bool explanation_make(struct explanation *explanation, const struct explain_ground *ground,
                      const struct explain_question *question);
void explanation_done(struct explanation *explanation);

void explanation_print(struct explanation *explanation, FILE *out, bool is_coloured);
/* As one object; `id` goes in first when it is not NULL. */
void explanation_write_json(struct explanation *explanation, struct slice id, struct json_out *out);

/* For the files of the explanation: */

/* One more remark; `text` NULL (no memory for it) makes explanation_make() fail. */
void explain_note(struct explanation *explanation, struct explain_list *list, const char *name,
                  const char *text);
/* One more outcome to `with_groups`. */
void explain_outcome(struct explanation *explanation, const char *name, enum reason reason,
                     const char *text);
/* explain_groups.c: the outcomes of asking Graph. */
void explain_groups(struct explanation *explanation);
/* explain_notes.c: what remains to be said. */
void explain_notes(struct explanation *explanation);
/* explain_mcp.c: what is asked of an MCP server; false when the message is refused as such. */
bool explain_mcp(struct explanation *explanation);
void explain_mcp_done(struct explanation *explanation);
/* explain_pins.c: what is known of the tool's approval; false when the call is refused for it. */
bool explain_pins(struct explanation *explanation);
const char *explain_gate_name(enum policy_mcp_gate gate);
/* explain_rules.c: asks the rules, with each one's why. */
void explain_rules(struct explanation *explanation);
/* explain_near.c: what nearly would have done. */
void explain_close_routes(struct explanation *explanation);
void explain_near_misses(struct explanation *explanation);

#endif
