/* For tests only: another place for what belongs to the Azure Arc agent. */
#ifndef BARKEEP_VAULT_ARC_PLACES_H
#define BARKEEP_VAULT_ARC_PLACES_H

/* The folder of its key files, without trailing slash, and its program. Both outlive their use;
 * NULL brings back the agent's own. */
void arc_set_places(const char *key_folder, const char *program);

#endif
